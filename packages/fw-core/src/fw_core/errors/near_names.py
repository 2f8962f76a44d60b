"""Which known names were probably meant by one that is none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: object, known: Iterable[str]) -> list[str]:
    """The known names that look most like ``name``, best first.

    >>> nearest("biling", ["default", "bulk", "billing"])
    ['billing']
    """
    if not isinstance(name, str):  # a mapping may be asked for any key
        return []
    return get_close_matches(name, list(known), n=3, cutoff=0.6)


def did_you_mean(matches: list[str]) -> str:
    """The question that follows an unknown name; nothing where no known one is like it."""
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""
