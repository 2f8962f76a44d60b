"""Every error says what happened, why it matters, and a line to copy; in one tree."""

from __future__ import annotations

import inspect
import pickle

import pytest

from fw_core import errors
from fw_core.errors import FrameworkError, nearest

FACTS = {
    "name": "billing.send", "first": "a.py:1", "second": "b.py:2", "module": "shop.tasks",
    "cause": ImportError("no"), "known": ["billing.sent", "other"], "queue": "biling",
    "user": "Task 'a'", "task": "t", "task_id": "an-id", "broker": "amqp://rabbit",
    "seconds": 3.0, "expires": "noon", "shown": "object", "error_type": "OSError",
    "error_message": "no route", "traceback": "", "attempts": 2, "state": "PENDING",
    "database": "postgresql://db", "fix": "do it.", "what": "what", "why": "why",
    "missing": ["FW_BROKER_URL"], "member": "x", "error": "OSError: no", "failed": 2,
    "join": "a group", "calls": {"an-id": "t", "b-id": "t"}, "confirmed": {"b-id"},
    "in_doubt": {"an-id"}, "committed": False,
    "problems": [errors.Problem("steps[1]", "7 is no step", "use a name.")],
}  # fmt: skip


def made() -> list[FrameworkError]:
    """One of each error in fw_core.errors that has a constructor of its own, or three texts."""
    found: list[FrameworkError] = []
    for cls in vars(errors).values():
        if inspect.isclass(cls) and issubclass(cls, FrameworkError) and cls is not errors.SendError:
            names = list(inspect.signature(cls).parameters)
            found.append(cls(**{name: FACTS.get(name, "a fact") for name in names}))
    return found


ERRORS = made()


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_has_three_lines_of_which_the_last_can_be_copied(error):
    lines = str(error).splitlines()

    assert len(lines) == 3
    assert lines[2] == f"Fix: {error.fix}"
    assert all(line.strip() for line in lines)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error):
    """It may cross from a worker's process to another; its constructor asks for facts."""
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert (again.what, again.why, again.fix) == (error.what, error.why, error.fix)


def test_an_error_is_named_by_where_it_is_imported_from():
    """In tracebacks, logs and pickles, wherever it is written; so none is left out there."""
    tree = [FrameworkError]
    for cls in tree:
        tree += cls.__subclasses__()

    assert {type(error).__module__ for error in ERRORS} == {"fw_core.errors"}
    assert not [cls for cls in tree if cls.__module__.startswith("fw_core.errors.")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_no_error_speaks_of_celery(error):
    """A junior developer need not know that it is there."""
    assert "elery" not in str(error)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        ("CallError", TypeError),
        ("DeclarationError", TypeError),
        ("DuplicateTaskError", ValueError),
        ("PolicyError", ValueError),
        ("OptionError", ValueError),
        ("SettingsError", ValueError),
        ("UnknownTaskError", KeyError),
        ("UnknownQueueError", ValueError),
        ("WorkflowError", ValueError),
        ("ResultTimeout", TimeoutError),
        ("TimedOut", TimeoutError),
        ("TaskModuleError", ImportError),
    ],
)
def test_a_wrong_argument_is_also_pythons_own_error(error, builtin):
    assert issubclass(getattr(errors, error), builtin)


@pytest.mark.parametrize("error", ["NotSent", "MaybeSent"])
def test_both_ways_not_to_send_are_send_errors(error):
    assert issubclass(getattr(errors, error), errors.SendError)


def test_maybe_sent_carries_the_id_to_send_again_with():
    error = errors.MaybeSent(task="t", task_id="an-id", broker="amqp://rabbit", cause="no confirm")

    assert error.task_id == "an-id"
    assert 'task.options(id="an-id")' in error.fix


@pytest.mark.parametrize(
    ("name", "match"), [("biling", ["billing"]), ("zzz", []), ("", []), (None, []), (3, [])]
)
def test_the_nearest_names_are_found(name, match):
    assert nearest(name, ["default", "bulk", "billing"]) == match
