"""What a failed assertion shows of two values: always a difference, never a long line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fw_testing.showing import MOST_DIFFERENCES, WIDTH, around, differences, show_differences

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(Json, Json)
def test_values_that_differ_have_a_difference_and_equal_ones_have_none(
    one: Any, other: Any
) -> None:
    """However deep it is."""
    assert bool(differences("value", one, other)) == (one != other)
    assert differences("value", one, one) == []


@given(st.text(max_size=300), st.text(max_size=300), st.integers(30, 100))
def test_two_texts_are_cut_where_they_differ(one: str, other: str, width: int) -> None:
    """So that the difference is in what is shown."""
    shown = around(one, other, width)
    assert (shown[0] != shown[1]) == (one != other)
    assert all(len(text) <= width + 2 for text in shown)


@given(st.lists(st.text(max_size=500), max_size=30))
def test_what_is_shown_fits_a_screen(values: list[str]) -> None:
    """A few lines, none much longer than two values."""
    found = differences("rows", ["" for _ in values], values)
    lines = show_differences(found, "  ").splitlines()[1:]
    assert len(lines) <= MOST_DIFFERENCES + 1
    assert all(len(line) <= 2 * WIDTH + 30 for line in lines)
