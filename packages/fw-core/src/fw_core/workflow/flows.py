"""Whether what one step returns can be what the next one takes, by their annotations.

Between two steps a value is JSON: each annotation stands for the kinds of JSON that its values
become, or are read from. Two fit unless no value of the one can be read as the other; where an
annotation says nothing, or more than is known here, they fit. Of a value that comes from several
places, such as either side of a choice, each has to fit.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Collection, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict
from uuid import UUID

from fw_core.call.carriers import type_name

_SIMPLE: dict[Any, frozenset[str]] = {
    str: frozenset({"str"}),
    int: frozenset({"int"}),
    float: frozenset({"int", "float"}),
    bool: frozenset({"bool"}),
    None: frozenset({"null"}),
    type(None): frozenset({"null"}),
}
_LISTS = (
    list, tuple, set, frozenset, Sequence, MutableSequence, Iterable, Collection, AbstractSet,
)  # fmt: skip
_DICTS = (dict, Mapping, MutableMapping)
_TEXTS = (datetime, date, time, UUID, bytes, PurePath, Path)
_NUMBERS = (Decimal, timedelta)
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """What JSON an annotation stands for.

    Attributes:
        kinds: ``str``, ``int``, ``float``, ``bool``, ``null``, ``list``, ``dict``; None: any.
        item: What is in a list, or under the keys of a dict; None: anything.
        shown: The annotation, for people.
        each: Where values of several shapes come: each of them.
    """

    kinds: frozenset[str] | None = None
    item: Shape | None = None
    shown: str = "anything"
    each: tuple[Shape, ...] = ()


ANYTHING = Shape()


def shape_of(annotation: Any, *, is_read: bool = False, depth: int = 0) -> Shape:
    """What JSON an annotation stands for.

    Args:
        annotation: It.
        is_read: Whether values are read as it, which some kinds more can be.
        depth: How deep it is inside another one.

    >>> shape_of(list[str])
    Shape(kinds=frozenset({'list'}), item=Shape(kinds=frozenset({'str'}), item=None, shown='str', \
each=()), shown='list[str]', each=())
    """
    shown = type_name(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if depth > _DEEPEST:
        return ANYTHING
    if origin is Annotated:  # a validator or a serializer may make anything of anything
        is_a_note = all(isinstance(each, str) for each in args[1:])
        return shape_of(args[0], is_read=is_read, depth=depth) if is_a_note else ANYTHING
    if origin in (Union, types.UnionType):
        inner = [shape_of(arg, is_read=is_read, depth=depth + 1) for arg in args]
        return union(inner, shown=shown)
    if origin is Literal:
        texts = {type(value) for value in args} == {str}  # 1, 1.0 and True are one literal
        return Shape(_SIMPLE[str], None, shown) if texts else ANYTHING
    kind = origin or annotation
    if not isinstance(kind, type) and kind is not None:
        return ANYTHING
    if kind in _SIMPLE:
        return Shape(_SIMPLE[kind], None, shown)
    if kind in _LISTS or kind in _DICTS:
        item = _item(kind, args)
        inside = None if item is None else shape_of(item, is_read=is_read, depth=depth + 1)
        return Shape(frozenset({"dict" if kind in _DICTS else "list"}), inside, shown)
    if kind in _TEXTS or kind in _NUMBERS:
        more = {"int", "float"} if is_read or kind in _NUMBERS else set()
        return Shape(frozenset({"str", *more}), None, shown)
    if is_typeddict(kind) or (dataclasses.is_dataclass(kind) and not _has_own_schema(kind)):
        return Shape(frozenset({"dict"}), None, shown)
    return ANYTHING


def union(shapes: Iterable[Shape], *, shown: str = "") -> Shape:
    """What stands for any of them."""
    found = list(shapes)
    shown = shown or " or ".join(dict.fromkeys(shape.shown for shape in found))
    kinds: set[str] = set()
    items: list[Shape | None] = []
    for shape in found:
        if shape.kinds is None:
            return Shape(None, None, shown)
        kinds |= shape.kinds
        if shape.kinds & {"list", "dict"}:
            items.append(shape.item)
    known = [item for item in items if item is not None]
    item = union(known) if known and len(known) == len(items) else None
    return Shape(frozenset(kinds), item, shown)


def each_of(shapes: Iterable[Shape]) -> Shape:
    """What stands for values of which some have one shape and some another."""
    found = tuple(dict.fromkeys(shapes))
    if len(found) == 1:
        return found[0]
    either = union(found)
    return replace(either, each=found)


def list_of(shapes: Iterable[Shape]) -> Shape:
    """The results of a join."""
    item = each_of(shapes)
    return Shape(frozenset({"list"}), item, f"a list of {item.shown}")


def fits(given: Shape, taken: Shape) -> bool:
    """Whether a value of one can be read as the other.

    >>> fits(shape_of(int), shape_of(float)), fits(shape_of(str), shape_of(int))
    (True, False)
    >>> fits(shape_of(str | None), shape_of(str)), fits(shape_of(list[str]), shape_of(list[int]))
    (True, False)
    """
    if given.each:
        return all(fits(one, taken) for one in given.each)
    if given.kinds is None or taken.kinds is None:
        return True
    both = given.kinds & taken.kinds
    if not both:
        return False
    if both - {"list", "dict"} or given.item is None or taken.item is None:
        return True
    return fits(given.item, taken.item)


def _item(kind: Any, args: tuple[Any, ...]) -> Any:
    if kind in _DICTS:
        return args[1] if len(args) == 2 else None
    if kind is tuple and not (len(args) == 2 and args[1] is ...):
        return None
    return args[0] if args else None


def _has_own_schema(kind: Any) -> bool:
    names = ("__get_pydantic_core_schema__", "__pydantic_validator__", "__pydantic_decorators__")
    return any(hasattr(kind, name) for name in names)
