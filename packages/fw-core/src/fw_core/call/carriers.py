"""One carrier for each annotation: brings its values into a message and out of it.

pydantic does the work where there is an annotation that asks for more than a plain value; the
common ones (str, int, float, bool, open lists and dicts) are looked at without it.
"""

from __future__ import annotations

import types
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Mapping,
    MutableMapping,
    MutableSequence,
    Sequence,
)
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal, Protocol, Union, get_args, get_origin
from uuid import UUID

from fw_core.call.plain import (
    COMMON,
    NotCarriedError,
    NotPlainError,
    inside,
    is_a,
    make_plain,
    plain_key,
    refusal,
    shortened,
    show,
    verbatim,
)


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
_DICTS = (dict, Mapping, MutableMapping)


def _open_container(annotation: Any) -> Carrier | None:
    """The carrier of a list, dict or None that holds what has no annotation.

    pydantic would turn a date inside ``dict[str, Any]`` into text, and the task would get text.
    """
    if not _is_open(annotation):
        return None
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin in _LISTS or origin is tuple:
        return _ListOf(carrier(args[0] if args else Any), origin, type_name(annotation))
    if origin in _DICTS:
        return _DictOf(carrier(args[1] if args else Any), type_name(annotation))
    [inner] = [arg for arg in args if arg is not type(None)]
    return _Maybe(carrier(inner))


def _is_open(annotation: Any) -> bool:
    origin, args = get_origin(annotation) or annotation, get_args(annotation)
    if origin in _LISTS:
        return not args or args[0] is Any or _is_open(args[0])
    if origin in _DICTS:
        return not args or (args[0] in (str, Any) and (args[1] is Any or _is_open(args[1])))
    if origin is tuple:
        return not args or (len(args) == 2 and args[1] is ... and args[0] is Any)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        return len(inner) == 1 and _is_open(inner[0])
    return False


BytesMode = Literal["utf8", "base64"]


class _Typed:
    """An annotation that pydantic knows."""

    def __init__(self, adapter: Any, expected: str, *, bytes_mode: BytesMode, proof: int) -> None:
        self._adapter = adapter
        self._expected = expected
        self._bytes_mode: BytesMode = bytes_mode
        self._proof = proof

    def encode(self, where: str, value: Any) -> Any:
        valid = self._checked(where, value, self._valid)
        # What a class lets through, JSON may not: NaN, a lone surrogate.
        plain = make_plain(where, self._dumped(where, valid))
        if self._proof == _READABLE:
            self._checked(where, plain, self._loaded)
        elif self._proof == _EQUAL:
            self._check_arrival(where, valid, plain)
        return plain

    def decode(self, where: str, value: Any) -> Any:
        return self._checked(where, value, self._loaded)

    def _valid(self, value: Any) -> Any:
        return self._adapter.validate_python(value, strict=True)

    def _dumped(self, where: str, valid: Any) -> Any:
        try:
            return self._adapter.dump_python(valid, mode="json", warnings="none")
        except (ValueError, TypeError, RecursionError) as error:
            reason = shortened(str(error).partition("\n")[0], 80)
            raise NotPlainError(
                where,
                show(valid),
                "",
                f"It cannot be written as JSON ({reason}).",
                "send plain values instead, or an identifier.",
            ) from None

    def _loaded(self, value: Any) -> Any:
        from pydantic_core import to_json

        return self._adapter.validate_json(to_json(value, bytes_mode=self._bytes_mode), strict=True)

    def _check_arrival(self, where: str, valid: Any, plain: Any) -> None:
        try:
            arrives = self._loaded(plain)
        except ValueError:
            comes_as = "what cannot be read back"
        else:
            if arrives == valid and type(arrives) is type(valid):
                return
            comes_as = show(arrives)
        raise NotPlainError(
            where,
            show(valid),
            "",
            f"As {self._expected} it would arrive as {comes_as}, for JSON has no type for it.",
            "annotate {parameter} with one type, whose text only that type reads.",
        )

    def _checked(self, where: str, value: Any, check: Callable[[Any], Any]) -> Any:
        from pydantic import ValidationError

        try:
            return check(value)
        except ValidationError as error:
            raise self._refused(where, value, error.errors(include_url=False)[0]) from None
        except (ValueError, TypeError, RecursionError):
            raise refusal(where, value, self._expected) from None

    def _refused(self, where: str, value: Any, error: Any) -> NotPlainError:
        path, complete = _path(value, error)
        if not path and not complete:  # one of a union's members, of which none fits
            return refusal(where, value, self._expected)
        kind, message, input_ = error["type"], str(error["msg"]), error["input"]
        missing = show(path.pop()) if kind == "missing" else ""
        found = refusal(where + "".join(f"[{show(step, 40)}]" for step in path), input_, "?")
        expected = message.removeprefix("Input should be ")
        shown = found.shown
        if "[key]" in error["loc"]:
            shown = f"the key {shown}"
        if missing:
            expected = f"{self._expected if not path else 'an object'} with {missing}"
        elif not path and (kind.endswith(("_type", "_parsing")) or kind == "is_instance_of"):
            expected = self._expected
        elif expected == message or not complete:
            expected = f"{self._expected} ({message})"
        fix = found.fix.replace("pass ? as", f"pass {verbatim(self._expected)} as")
        return NotPlainError(found.where, shown, expected, found.why, fix)


def _fields(value: object) -> dict[str, Any]:
    return getattr(value, "__dict__", {})


def _path(value: Any, error: Any) -> tuple[list[Any], bool]:
    """The steps of an error's place that lead into the value, and whether these are all.

    pydantic also names the members of a union that it tried, and says where it is about a key.
    """
    path: list[Any] = []
    complete = True
    for step in error["loc"]:
        in_list = is_a(value, (list, tuple)) and is_a(step, int) and step < len(value)
        if in_list or (is_a(value, dict) and step in value):
            value = value[step]
        elif step in (fields := _fields(value)):
            value = fields[step]
        elif error["type"] == "missing" and step == error["loc"][-1]:
            pass
        else:
            complete = complete and step == "[key]"
            continue
        path.append(step)
    return path, complete


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
    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    as_base64 = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", allow_inf_nan=False)
    adapter: Any
    bytes_mode: BytesMode
    try:
        try:
            adapter, bytes_mode = TypeAdapter(annotation, config=as_base64), "base64"
        except PydanticUserError as error:
            if error.code != "type-adapter-config-unused":
                raise
            adapter, bytes_mode = TypeAdapter(annotation), "utf8"  # a model has its own
    except PydanticSchemaGenerationError:
        raise NotCarriedError("it is a class that only Python knows") from None
    except PydanticUserError as error:
        fix = (
            "from typing_extensions import TypedDict" if error.code == "typed-dict-version" else ""
        )
        raise NotCarriedError(str(error.message).splitlines()[0].rstrip("."), fix=fix) from None
    return _Typed(
        adapter,
        type_name(annotation),
        bytes_mode=bytes_mode,
        proof=_proof(annotation),
    )


_NO_PROOF, _READABLE, _EQUAL = range(3)


def _proof(annotation: Any) -> int:
    """What has to be shown of a value before it is sent.

    Some values look in JSON like another one of the same annotation: what arrives has to be equal.
    The fields of an instance are what its author put there: what arrives has to be readable.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _proof(args[0])
    if origin is Literal:
        return _NO_PROOF
    if origin in (Union, types.UnionType):
        members = {arg for arg in args if arg is not type(None)}
        if len(members) > 1 and not members <= {str, int, float, bool}:
            return _EQUAL
    if origin in _DICTS and args and args[0] not in (str, int, UUID, date):
        return _EQUAL
    if args:
        return max(_proof(arg) for arg in args)
    known = annotation is ... or (
        isinstance(annotation, type) and issubclass(annotation, (*COMMON, set, frozenset))
    )
    return _NO_PROOF if known else _READABLE
