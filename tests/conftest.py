"""What all tests share: a registry that forgets, and hypothesis without a stopwatch."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from fw_core import TASK_REGISTRY
from fw_core.declare import decorator

# A busy machine is no failure; whether something is fast is measured in benchmarks/.
settings.register_profile("fw", deadline=None)
settings.load_profile("fw")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command or a worker that runs in this process takes over its log."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def at_the_keyboard() -> Iterator[None]:
    """Ctrl-C raises and a hang-up ends, as in a terminal; a script's background ignores both."""
    keyboard = signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGINT, keyboard)
    signal.signal(signal.SIGHUP, hangup)


@pytest.fixture
def declaring() -> Iterator[None]:
    """Tasks that the test declares are forgotten when it ends."""
    with TASK_REGISTRY.scoped():
        yield


@pytest.fixture
def alone(declaring: None) -> None:
    """No task of another module is known: pytest has imported what it does not run, too."""
    for task in tuple(TASK_REGISTRY.values()):
        TASK_REGISTRY.remove(task)


@pytest.fixture
def nested(declaring: None) -> Iterator[None]:
    """The same, and functions inside the test function may be tasks."""
    decorator.allow_nested(True)
    try:
        yield
    finally:
        decorator.allow_nested(False)
