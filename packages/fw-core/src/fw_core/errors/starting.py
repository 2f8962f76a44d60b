"""When a worker or a command starts: what it needs is wrong or not there."""

from __future__ import annotations

from collections.abc import Iterable

from fw_core.errors.calling import Problem, listed
from fw_core.errors.framework_error import FrameworkError


class SettingsError(FrameworkError, ValueError):
    """A setting is missing or has a value that cannot work; raised when settings are read."""


class MissingServerError(SettingsError):
    """FW_REQUIRE_SERVERS is set, and a URL of RabbitMQ or PostgreSQL is not."""

    def __init__(self, *, missing: list[str]) -> None:
        self.missing = missing
        examples = {
            "FW_BROKER_URL": "amqp://user:password@host:5672//",
            "FW_DATABASE_URL": "postgresql://user:password@host/name",
        }
        super().__init__(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set to a server, "
            "and FW_REQUIRE_SERVERS is set.",
            "Without a server messages and results would be files in this container, which nobody "
            "else can reach and which end with it.",
            " ".join(f"{name}={examples[name]}" for name in missing),
        )


class RulesError(SettingsError):
    """FW_WORKFLOW_RULES has mistakes; raised when settings are read or a worker starts.

    Attributes:
        problems: The mistakes, in the order of the rules.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            listed("FW_WORKFLOW_RULES", self.problems),
            "A worker would find out at the first message that this rule is for.",
            self.problems[0].fix,
        )


class TaskModuleError(FrameworkError, ImportError):
    """A module named in FW_TASK_MODULES cannot be imported; raised when a worker starts."""

    def __init__(self, *, module: str, cause: BaseException) -> None:
        self.module = module
        super().__init__(
            f"The task module {module!r} cannot be imported: {type(cause).__name__}: {cause}"
            f"{_raised_at(cause)}",
            "A worker that starts without it would refuse every message of its tasks.",
            f'python -c "import {module}" must succeed where the worker runs; '
            "correct the name in FW_TASK_MODULES, or install what it needs.",
        )


def _raised_at(error: BaseException) -> str:
    """The line of the team's code that raised ``error``; a SyntaxError says it itself."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        ours = file.startswith("<frozen") or "/importlib/" in file or "task_modules" in file
        if not ours and not isinstance(error, SyntaxError):
            place = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place


class BrokerUnreachable(FrameworkError):  # noqa: N818 - reads as what happened
    """The broker, or its management API, does not answer an operator.

    Attributes:
        server: Where it should be, without the password.
        setting: What says so.
    """

    def __init__(self, *, server: str, setting: str, cause: str) -> None:
        self.server = server
        self.setting = setting
        self.cause = cause
        super().__init__(
            f"{server} does not answer: {cause}.",
            "What this command needs is kept there.",
            f"start it, or correct {setting}.",
        )
