"""One carrier for each annotation: brings its values into a message and out of it.

The common ones (str, int, float, bool, open lists and dicts) are looked at here; those that ask
for more are left to pydantic.
"""

from __future__ import annotations

import types
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    MutableSequence,
    Sequence,
)
from functools import lru_cache
from typing import Annotated, Any, Protocol, Union, get_args, get_origin

from fw_core.call.plain import (
    NotCarriedError,
    inside,
    is_a,
    make_plain,
    plain_key,
    refusal,
    shortened,
)
from fw_core.call.typed import DICTS, typed


class Carrier(Protocol):
    """Brings values of one annotation into a message and out of it."""

    def encode(self, where: str, value: Any) -> Any:
        """The plain form of ``value``; raises NotPlainError."""
        ...

    def decode(self, where: str, value: Any) -> Any:
        """The value of a plain form; raises NotPlainError."""
        ...


def carrier(annotation: Any) -> Carrier:
    """The carrier of an annotation.

    Raises:
        NotCarriedError: no value of it can be carried.
    """
    if annotation is Any or annotation is object:
        return _ANY
    try:
        return _known(annotation)
    except TypeError:  # its metadata has no hash
        return _make(annotation)


def type_name(annotation: Any) -> str:
    """An annotation as its author wrote it, more or less."""
    if get_origin(annotation) is Annotated:
        return type_name(get_args(annotation)[0])
    name = getattr(annotation, "__name__", None)
    if name and not get_args(annotation):
        return str(name)
    return shortened(str(annotation).replace("typing.", ""), 80)


class _Simple:
    """str, int, float, bool, None: checked without pydantic, since most arguments are these."""

    def __init__(self, accepts: tuple[type, ...], expected: str) -> None:
        self._accepts = accepts
        self._expected = expected

    def encode(self, where: str, value: Any) -> Any:
        if type(value) in self._accepts:
            return make_plain(where, value)
        raise refusal(where, value, self._expected)

    decode = encode


_SIMPLE: dict[Any, Carrier] = {
    str: _Simple((str,), "str"),
    int: _Simple((int,), "int"),
    float: _Simple((float, int), "float"),
    bool: _Simple((bool,), "bool"),
    None: _Simple((type(None),), "None"),
    type(None): _Simple((type(None),), "None"),
}


class _Anything:
    """No annotation: the value has to be plain already."""

    def encode(self, where: str, value: Any) -> Any:
        return make_plain(where, value)

    def decode(self, where: str, value: Any) -> Any:
        return value


_ANY: Carrier = _Anything()


class _ListOf:
    """A list with something in it that has no annotation, and stays as it is."""

    def __init__(self, item: Carrier, kind: type, expected: str) -> None:
        self._item = item
        self._make: Callable[[Iterable[Any]], Any] = tuple if kind is tuple else list
        self._accepts = (list, tuple) if kind not in (list, tuple) else (kind,)
        self._expected = expected

    def encode(self, where: str, value: Any) -> Any:
        if not is_a(value, self._accepts):
            raise refusal(where, value, self._expected)
        return [self._item.encode(f"{where}[{i}]", item) for i, item in enumerate(value)]

    def decode(self, where: str, value: Any) -> Any:
        if not is_a(value, (list, tuple)):
            raise refusal(where, value, self._expected)
        return self._make(self._item.decode(f"{where}[{i}]", item) for i, item in enumerate(value))


class _DictOf:
    """Text keys to something that has no annotation, and stays as it is."""

    def __init__(self, item: Carrier, expected: str) -> None:
        self._item = item
        self._expected = expected

    def encode(self, where: str, value: Any) -> Any:
        self._check(where, value)
        return {
            plain_key(where, key): self._item.encode(inside(where, key), item)
            for key, item in value.items()
        }

    def decode(self, where: str, value: Any) -> Any:
        self._check(where, value)
        return {key: self._item.decode(inside(where, key), item) for key, item in value.items()}

    def _check(self, where: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise refusal(where, value, self._expected)


class _Maybe:
    """None, or something that has no annotation."""

    def __init__(self, item: Carrier) -> None:
        self._item = item

    def encode(self, where: str, value: Any) -> Any:
        return None if value is None else self._item.encode(where, value)

    def decode(self, where: str, value: Any) -> Any:
        return None if value is None else self._item.decode(where, value)


_LISTS = (list, Sequence, MutableSequence, Iterable, Collection)


def _open_container(annotation: Any) -> Carrier | None:
    """The carrier of a list, dict or None that holds what has no annotation.

    pydantic would turn a date inside ``dict[str, Any]`` into text, and the task would get text.
    """
    if not _is_open(annotation):
        return None
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin in _LISTS or origin is tuple:
        return _ListOf(carrier(args[0] if args else Any), origin, type_name(annotation))
    if origin in DICTS:
        return _DictOf(carrier(args[1] if args else Any), type_name(annotation))
    [inner] = [arg for arg in args if arg is not type(None)]
    return _Maybe(carrier(inner))


def _is_open(annotation: Any) -> bool:
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin in _LISTS:
        return not args or args[0] is Any or _is_open(args[0])
    if origin in DICTS:
        return not args or (args[0] in (str, Any) and (args[1] is Any or _is_open(args[1])))
    if origin is tuple:
        return not args or (len(args) == 2 and args[1] is ... and args[0] is Any)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        return len(inner) == 1 and _is_open(inner[0])
    return False


@lru_cache(maxsize=4096, typed=True)
def _known(annotation: Any) -> Carrier:
    return _make(annotation)


def _is_class(annotation: Any) -> bool:
    return annotation is None or isinstance(annotation, type)


def _make(annotation: Any) -> Carrier:
    simple = _SIMPLE.get(annotation) if _is_class(annotation) else None
    if simple is not None:
        return simple
    if (get_origin(annotation) or annotation) in (Callable, type):
        raise NotCarriedError(
            "code does not travel in a message", fix="take its name as text, and look it up."
        )
    container = _open_container(annotation)
    if container is not None:
        return container
    if get_origin(annotation) in (Iterable, Collection):  # pydantic's would be read only once
        return carrier(types.GenericAlias(Sequence, get_args(annotation)))
    return typed(annotation, type_name(annotation))
