"""Topic patterns against a matcher that is slow and plainly right."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fw_core.broker.local.topics import matches

words = st.sampled_from(["a", "b", "", "a.b", "mail", "ä", "(", "\n"])
keys = st.lists(words, max_size=5).map(".".join)
patterns = st.lists(st.one_of(words, st.sampled_from(["*", "#", "*#"])), max_size=5).map(".".join)


def split(text: str) -> list[str]:
    return text.split(".") if text else []


def reference(pattern: list[str], key: list[str]) -> bool:
    if not pattern:
        return not key
    head, rest = pattern[0], pattern[1:]
    if head == "#":
        return any(reference(rest, key[taken:]) for taken in range(len(key) + 1))
    return bool(key) and head in ("*", key[0]) and reference(rest, key[1:])


@given(patterns, keys)
@example("#", "")
@example("a.#", "a")
@example("#.b", "b")
@example("a.#.b", "a.b")
@example("*", "")
@example("*.*", ".")
def test_a_pattern_matches_what_the_definition_says(pattern: str, key: str):
    assert matches(pattern, key) == reference(split(pattern), split(key))
