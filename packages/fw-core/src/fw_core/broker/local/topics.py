"""Topic patterns: which routing keys a binding key stands for."""

from __future__ import annotations

import re
from functools import lru_cache


def matches(pattern: str, key: str) -> bool:
    """Whether a topic binding with ``pattern`` takes a message with routing key ``key``.

    Words are separated by dots; ``*`` stands for exactly one word, ``#`` for none or more
    (AMQP 0-9-1, section 3.1.3.3).

    >>> [matches("mail.#", key) for key in ("mail", "mail.eu.de", "mailbox")]
    [True, True, False]
    >>> [matches("*.error", key) for key in ("mail.error", "error", "mail.eu.error")]
    [True, False, False]
    """
    if pattern in ("#", key):
        return True
    if "*" not in pattern and "#" not in pattern:
        return False
    return _compiled(pattern).match("." + key if key else "") is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Every word carries its leading dot, so that "#" may vanish together with the dot.
    words = (_WILDCARDS.get(word, re.escape("." + word)) for word in pattern.split("."))
    return re.compile("".join(words) + r"\Z")


_WILDCARDS = {"*": r"\.[^.]*", "#": r"(?:\.[^.]*)*"}
