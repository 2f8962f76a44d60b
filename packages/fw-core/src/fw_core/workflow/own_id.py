"""The id of a workflow, as whoever starts it may choose it."""

from __future__ import annotations

from typing import Any, TypeGuard

MOST_IN_ID = 200
"""Characters of a workflow's id; the ids of its steps follow from it."""

WHAT_IT_IS = f"a text of 1 to {MOST_IN_ID} characters"


def is_own_id(given: Any) -> TypeGuard[str]:
    r"""Whether a workflow may have this id.

    >>> is_own_id("order-17"), is_own_id(17), is_own_id(""), is_own_id("order\n17")
    (True, False, False, False)
    """
    return isinstance(given, str) and 0 < len(given) <= MOST_IN_ID and given.isprintable()
