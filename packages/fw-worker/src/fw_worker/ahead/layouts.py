"""Deliveries of one layout: the calls of a team differ in a few texts, at the same places.

Once a delivery has been read, one whose method and properties are as long is compared with it
piece by piece, in one step, and only the texts that differ from call to call are read. What was
equal byte by byte, lengths included, says the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

_NUMBER: Final = "delivery_tag"
_LENGTH: Final = "body length"

_HEADERS = frozenset(
    {"task", "id", "root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", "eta", "expires"}
)
"""Headers that are texts, and others in each call or each sender."""

_PROPERTIES = frozenset({"correlation_id", "reply_to", "message_id"})

_SCALARS = (str, int, float, type(None))
_MOST_LAYOUTS = 512

Place = tuple[int, int]
"""Where a value begins and ends in a delivery."""


@dataclass(slots=True)
class Places:
    """Where the values stand that differ, noted while a delivery is read.

    Attributes:
        number: Its delivery tag.
        length: The length of its body.
        properties: By their names.
        headers: By their names.
    """

    number: Place
    length: Place
    properties: dict[str, Place]
    headers: dict[str, Place]


class Layout:
    """What deliveries of one layout have in common.

    Args:
        start: The method and properties of one of them, up to its body.
        places: Where its values stand.
        info: What it says of where it comes from.
        properties: Its properties, with its headers.
    """

    def __init__(
        self, start: bytes, places: Places, info: dict[str, Any], properties: dict[str, Any]
    ) -> None:
        found = sorted(_that_differ(places), key=lambda each: each[2])
        pieces, at = "", 0
        for _, _, (begin, end) in found:
            pieces += f"{begin - at}s{end - begin}s"
            at = end
        self._pieces = Struct(f"{pieces}{len(start) - at}s")
        self._same = self._pieces.unpack(start)[::2]
        self._info = info.copy()  # the message that they come from is its taker's
        self._headers: dict[str, Any] = deepcopy(properties.get("application_headers", {}))
        self._properties = properties.copy()
        self._nested = [name for name, own in self._headers.items() if type(own) in (list, dict)]
        names = [(kind, name) for kind, name, _ in found]
        self._at_number = names.index((_NUMBER, ""))
        self._at_length = names.index((_LENGTH, ""))
        self._own = [(at, name) for at, (kind, name) in enumerate(names) if kind == "property"]
        self._in_headers = [(at, name) for at, (kind, name) in enumerate(names) if kind == "header"]

    def read(self, buffer: bytes) -> tuple[dict[str, Any], dict[str, Any], int] | None:
        """What a delivery says: where it comes from, its properties, and the length of its body.

        Returns:
            None: it has another layout, although it is as long.

        Raises:
            UnicodeDecodeError: one of its texts is none.
        """
        pieces = self._pieces.unpack_from(buffer)
        if pieces[::2] != self._same:
            return None
        found = pieces[1::2]
        headers = self._headers.copy()
        for at, name in self._in_headers:
            headers[name] = found[at].decode()
        for name in self._nested:
            headers[name] = headers[name].copy()
        properties = self._properties.copy()
        for at, name in self._own:
            properties[name] = found[at].decode()
        if "application_headers" in properties:
            properties["application_headers"] = headers
        info = self._info.copy()
        info["delivery_tag"] = int.from_bytes(found[self._at_number])
        return info, properties, int.from_bytes(found[self._at_length])


class Layouts:
    """Those that a process has seen, by the lengths of a delivery's method and properties.

    Lengths that two layouts share are noted as nobody's: to learn them in turn takes longer.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Layout | None] = {}

    def get(self, lengths: tuple[int, int]) -> Layout | None:
        """The layout of such deliveries, if there is one."""
        return self._known.get(lengths)

    def is_new(self, lengths: tuple[int, int]) -> bool:
        """Whether no delivery with these lengths has been seen."""
        return lengths not in self._known

    def forget(self, lengths: tuple[int, int]) -> None:
        """Several layouts have these lengths."""
        self._known[lengths] = None

    def learn(
        self,
        lengths: tuple[int, int],
        start: bytes,
        places: Places,
        info: dict[str, Any],
        properties: dict[str, Any],
    ) -> None:
        """Note the layout of a delivery that has been read; see :class:`Layout`."""
        if len(self._known) >= _MOST_LAYOUTS:
            self._known.clear()
        headers = properties.get("application_headers", {})
        can_copy = all(map(_is_flat, headers.values()))
        self._known[lengths] = Layout(start, places, info, properties) if can_copy else None


def _that_differ(places: Places) -> Iterator[tuple[str, str, Place]]:
    yield _NUMBER, "", places.number
    yield _LENGTH, "", places.length
    for name in _PROPERTIES & places.properties.keys():
        yield "property", name, places.properties[name]
    for name in _HEADERS & places.headers.keys():
        yield "header", name, places.headers[name]


def _is_flat(value: Any) -> bool:
    """Whether a copy of it shares nothing that could be changed."""
    if type(value) is dict:
        return all(isinstance(each, _SCALARS) for each in value.values())
    if type(value) is list:
        return all(isinstance(each, _SCALARS) for each in value)
    return isinstance(value, _SCALARS)
