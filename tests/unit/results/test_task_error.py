"""A task's error is kept as data, whatever the exception is like."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from celery.utils.serialization import get_pickleable_exception

from fw_core.attempt.failure import (
    MESSAGE_BYTES,
    TRACEBACK_BYTES,
    AttemptFailed,
    TaskError,
    cut_end,
    describe,
)
from fw_core.errors import JoinFailed


class NeedsTwoError(Exception):
    def __init__(self, order: int, reason: str) -> None:
        super().__init__(f"order {order}: {reason}")


class HoldsLambdaError(ValueError):
    def __init__(self, check: Any) -> None:
        self.check = check
        super().__init__("the check refused it")


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (ValueError("no such order"), "ValueError", "no such order"),
        (NeedsTwoError(7, "gone"), f"{__name__}.NeedsTwoError", "order 7: gone"),
        (HoldsLambdaError(lambda: 1), f"{__name__}.HoldsLambdaError", "the check refused it"),
        (SilentError(), f"{__name__}.SilentError", "(its text cannot be made: RuntimeError)"),
        (KeyError("order"), "KeyError", "'order'"),
        (ValueError("a\x00b\ud800"), "ValueError", "a\\x00b\\ud800"),
    ],
)
def test_an_error_is_kept_by_its_name_and_its_words(
    error: Exception, name: str, message: str
) -> None:
    assert describe(error) == TaskError(name, message)


@pytest.mark.parametrize("original", [NeedsTwoError(7, "gone"), HoldsLambdaError(lambda: 1)])
def test_an_error_that_celery_replaced_by_a_stand_in_is_kept_as_it_was(
    original: Exception,
) -> None:
    """Celery hands on a base class, or a wrapper, of an exception that pickle refuses."""
    try:
        raise original
    except Exception as raised:
        stand_in = get_pickleable_exception(raised)
        stand_in.__traceback__ = raised.__traceback__
        kept = describe(stand_in, "the stand-in's traceback")

    assert kept.type == f"{__name__}.{type(original).__name__}"
    assert kept.message == str(original)
    assert kept.traceback.rstrip().endswith(str(original))


def test_a_stand_in_is_known_by_its_name_when_the_original_is_gone() -> None:
    stand_in = get_pickleable_exception(NeedsTwoError(7, "gone"))

    assert describe(stand_in) == TaskError(f"{__name__}.NeedsTwoError", "order 7: gone")


def test_an_error_that_is_only_being_handled_is_not_taken_for_another() -> None:
    try:
        raise KeyError("somewhere else")
    except KeyError:
        kept = describe(ValueError("this one"))

    assert kept == TaskError("ValueError", "this one")


def test_a_huge_message_is_cut_at_its_end() -> None:
    kept = describe(ValueError("ä" * 1_000_000)).message

    assert len(kept.encode()) < MESSAGE_BYTES + 100
    assert kept.startswith("ää")
    assert kept.endswith("more bytes)")


def test_a_huge_traceback_keeps_its_end() -> None:
    kept = describe(ValueError("x"), "first line\n" + "frame\n" * 100_000 + "last line").traceback

    assert len(kept.encode()) < TRACEBACK_BYTES + 100
    assert kept.startswith("first line")
    assert kept.endswith("last line")


def test_a_text_that_just_fits_is_kept_whole() -> None:
    assert cut_end("a" * 100, 100) == "a" * 100


def test_a_failed_join_is_told_without_a_traceback_into_fw() -> None:
    error = JoinFailed(task="shop.pay", member="id-1", error="ValueError: x", failed=2)

    kept = describe(error, "Traceback: fw_core/results/join.py")

    assert (kept.type, kept.traceback) == ("fw_core.JoinFailed", "")
    assert "shop.pay (id-1) failed: ValueError: x (1 more failed as well.)" in kept.message


def test_the_stand_in_for_readers_says_what_the_error_said_and_can_be_pickled() -> None:
    error = AttemptFailed(TaskError("shop.NoStockError", "none left", "Traceback …"))

    again = pickle.loads(pickle.dumps(error))

    assert (str(again), repr(again)) == (
        "shop.NoStockError: none left",
        "shop.NoStockError('none left')",
    )
    assert again.error == error.error
