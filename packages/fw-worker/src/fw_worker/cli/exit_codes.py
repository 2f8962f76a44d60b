"""Which exit code an error has: 1 the world is at fault, 2 the call is."""

from __future__ import annotations

from fw_core.errors import (
    CallError,
    DeclarationError,
    DuplicateTaskError,
    FrameworkError,
    OptionError,
    PolicyError,
    SettingsError,
    TaskModuleError,
    UnknownDeadLetter,
    UnknownQueueError,
    UnknownTaskError,
    WorkflowError,
)

WORLD = 1
CALL = 2

_CALLS = (
    CallError,
    DeclarationError,
    DuplicateTaskError,
    OptionError,
    PolicyError,
    SettingsError,
    TaskModuleError,
    UnknownDeadLetter,
    UnknownQueueError,
    UnknownTaskError,
    WorkflowError,
)


def exit_code(error: FrameworkError) -> int:
    """The exit code of ``error``: what was asked for is wrong, or something else is."""
    return CALL if isinstance(error, _CALLS) else WORLD
