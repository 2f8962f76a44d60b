"""An error as a test expects it, against the one that a dead letter keeps as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fw_core.attempt.failure import describe, type_name
from fw_testing.records import DeadLetter, Ran
from fw_testing.showing import Difference, Verbatim

KeptError = type[BaseException] | BaseException | str | re.Pattern[str] | None


def error_differences(
    wanted: KeptError, letter: DeadLetter, ran: Sequence[Ran]
) -> list[Difference]:
    """How the error of a dead letter differs from what was asked for; empty if it does not.

    Args:
        wanted: What was asked for.
        letter: The dead letter.
        ran: The attempts of the test: the error itself is there, with its class.
    """
    if wanted is None:
        return []
    if isinstance(wanted, type):
        return [] if _is_a(wanted, letter, ran) else [_difference(type_name_of(wanted), letter)]
    if isinstance(wanted, re.Pattern):
        found = wanted.search(letter.error)
        return [] if found else [_difference(f"/{wanted.pattern}/", letter)]
    if isinstance(wanted, BaseException):
        text = str(describe(wanted))
        return [] if text == letter.error else [_difference(text, letter)]
    return [] if wanted in letter.error else [_difference(repr(wanted), letter)]


def type_name_of(kind: type[BaseException]) -> str:
    """The name under which errors of a class are kept."""
    module = "fw_core" if kind.__module__.startswith("fw_core.") else kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _is_a(kind: type[BaseException], letter: DeadLetter, ran: Sequence[Ran]) -> bool:
    errors = [each.error for each in ran if each.id == letter.id and each.outcome == "failed"]
    last = errors[-1] if errors else None
    if last is not None and letter.error.startswith(type_name(last)):
        return isinstance(last, kind)
    kept = letter.error.partition(":")[0]
    return kept == type_name_of(kind)


def _difference(wanted: str, letter: DeadLetter) -> Difference:
    return Difference("error", Verbatim(wanted), Verbatim(letter.error))
