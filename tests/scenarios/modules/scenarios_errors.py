"""Errors of every kind reach whoever asks, whatever the exception does."""

from __future__ import annotations

import sys
import time

from scenario import fails, scenario, succeeds

from fw_core import current_attempt, task_framework

SPENT = "retries-spent: the task has no retries"


class TwoArguments(Exception):
    """Cannot be made again from its ``args``, so pickle cannot carry it."""

    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")
        self.callback = lambda: None


class OddText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even a text")


class Halt(BaseException):
    pass


ERRORS: dict[str, BaseException] = {
    "unpicklable": TwoArguments(7, "no stock"),
    "odd": OddText(),
    "group": ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
    "base": Halt("stop"),
    "empty": ValueError(),
    "lines": ValueError("one\ntwo\n\nthree"),
    "long": ValueError("x" * 20_000),
    "unicode": ValueError("Straße \N{SNOWMAN} \x00 end"),
    "assert": AssertionError("seven is not eight"),
    "stop": StopIteration(1),
}


@task_framework(retries=0)
def fails_oddly(kind: str) -> None:
    match kind:
        case "chained":
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise ValueError("outer") from error
        case "exit":
            sys.exit(3)
        case "recursion":
            try:
                fails_oddly(kind)
            except RecursionError:  # its own text is another in each Python
                raise RecursionError("too deep") from None
        case _:
            raise ERRORS[kind]


def failing(kind: str, error: str) -> str:
    return fails(f"fails_oddly({kind!r})", error, SPENT)


@scenario(failing("unpicklable", "TwoArguments: order 7: no stock"))
def an_error_that_cannot_be_pickled():
    fails_oddly.delay("unpicklable")


@scenario(failing("odd", "OddText: (its text cannot be made: RuntimeError)"))
def an_error_whose_text_fails():
    fails_oddly.delay("odd")


@scenario(failing("chained", "ValueError: outer"))
def an_error_with_a_cause():
    fails_oddly.delay("chained")


@scenario(failing("group", "ExceptionGroup: two (2 sub-exceptions)"))
def a_group_of_errors():
    fails_oddly.delay("group")


@scenario(
    fails("fails_oddly('base')", "Halt: stop", "gave-up: Halt is not retried by the task's policy")
)
def an_error_that_is_no_exception():
    fails_oddly.delay("base")


@scenario(failing("empty", "ValueError:"))
def an_error_without_a_text():
    fails_oddly.delay("empty")


@scenario(failing("lines", "ValueError: one two three"))
def an_error_with_several_lines():
    fails_oddly.delay("lines")


@scenario(
    f"""
    fails_oddly('long')
        1: failed ValueError: {"x" * 48}… (20012)
        result FAILURE ValueError: {"x" * 48}… (8225)
        dead {SPENT}
    """
)
def an_error_with_a_long_text():
    fails_oddly.delay("long")


@scenario(failing("unicode", "ValueError: Straße ☃ \\x00 end"))
def an_error_whose_text_no_database_would_take():
    fails_oddly.delay("unicode")


@scenario(
    fails(
        "fails_oddly('exit')",
        "SystemExit: 3",
        "gave-up: SystemExit is not retried by the task's policy",
    )
)
def a_body_that_exits():
    fails_oddly.delay("exit")


@scenario(failing("assert", "AssertionError: seven is not eight"))
def an_assertion_that_fails():
    fails_oddly.delay("assert")


@scenario(failing("stop", "StopIteration: 1"))
def a_stop_iteration_is_an_error():
    fails_oddly.delay("stop")


@scenario(failing("recursion", "RecursionError: too deep"))
def a_body_that_calls_itself_for_ever():
    fails_oddly.delay("recursion")


@task_framework(retries=1, backoff=[0.1], jitter=0)
def changes_its_error() -> None:
    raise (ValueError if current_attempt().number == 1 else KeyError)("it")


@scenario(
    """
    changes_its_error()
        1: retry in 0.1 s after ValueError: it
        2: failed KeyError: 'it'
        result FAILURE KeyError: 'it' after 2 attempts
        dead retries-spent: the last of 2 attempts failed
    """
)
def the_last_error_is_kept():
    changes_its_error.delay()


@task_framework(retries=1, backoff=[0.1], jitter=0, timeout=0.3)
def hangs(until: int) -> str:
    if current_attempt().number < until:
        time.sleep(20)
    return "in time"


@scenario(
    """
    hangs(2)
        1: retry in 0.1 s after fw_core.TimedOut: hangs ran longer than its timeout of 0.3 s… (77)
        2: succeeded 'in time'
        result SUCCESS 'in time' after 2 attempts
    """
)
def a_run_that_takes_too_long_is_tried_again():
    hangs.delay(2)


@scenario(
    """
    hangs(3)
        1: retry in 0.1 s after fw_core.TimedOut: hangs ran longer than its timeout of 0.3 s… (77)
        2: failed fw_core.TimedOut: hangs ran longer than its timeout of 0.3 s… (77)
        result FAILURE fw_core.TimedOut: hangs ran longer than its timeout of 0.3 s… (77) after 2 attempts
        dead timed-out: the last of 2 attempts failed
    """
)
def a_run_that_takes_too_long_each_time():
    hangs.delay(3)


@task_framework(retries=0, timeout=0.3)
def hangs_quietly() -> str:
    try:
        time.sleep(20)
    except Exception:
        return "swallowed"
    return "woke"


@scenario(
    fails(
        "hangs_quietly()",
        "fw_core.TimedOut: hangs_quietly ran longer than its timeout … (85)",
        "timed-out: the task has no retries",
    )
)
def a_body_cannot_swallow_its_timeout():
    hangs_quietly.delay()


@task_framework(retries=0, timeout=0.3)
async def hangs_async() -> None:
    import asyncio

    await asyncio.sleep(20)


@scenario(
    fails(
        "hangs_async()",
        "fw_core.TimedOut: hangs_async ran longer than its timeout of… (83)",
        "timed-out: the task has no retries",
    )
)
def an_async_run_that_takes_too_long():
    hangs_async.delay()


@task_framework(retries=0, timeout=5)
def is_quick() -> str:
    return "quick"


@scenario(succeeds("is_quick()", "'quick'"))
def a_run_within_its_timeout():
    is_quick.delay()
