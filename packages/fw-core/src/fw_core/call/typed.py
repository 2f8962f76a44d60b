"""The carrier of an annotation that asks for more than a plain value: pydantic does the work."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, MutableMapping
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from fw_core.call.plain import (
    COMMON,
    NotCarriedError,
    NotPlainError,
    is_a,
    make_plain,
    refusal,
    shortened,
    show,
    verbatim,
)

DICTS = (dict, Mapping, MutableMapping)
"""What an annotation of a mapping can be."""

BytesMode = Literal["utf8", "base64"]


def typed(annotation: Any, expected: str) -> Typed:
    """The carrier of an annotation that pydantic knows.

    Args:
        annotation: It.
        expected: What a refusal calls it.

    Raises:
        NotCarriedError: pydantic does not know it.
    """
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
    return Typed(
        adapter,
        expected,
        bytes_mode=bytes_mode,
        proof=_proof(annotation),
    )


class Typed:
    """An annotation that pydantic knows."""

    def __init__(self, adapter: Any, expected: str, *, bytes_mode: BytesMode, proof: int) -> None:
        self._adapter = adapter
        self._expected = expected
        self._bytes_mode: BytesMode = bytes_mode
        self._proof = proof

    def encode(self, where: str, value: Any) -> Any:
        """The plain form of ``value``, shown to be readable; raises NotPlainError."""
        valid = self._checked(where, value, self._valid)
        # What a class lets through, JSON may not: NaN, a lone surrogate.
        plain = make_plain(where, self._dumped(where, valid))
        if self._proof == _READABLE:
            self._checked(where, plain, self._loaded)
        elif self._proof == _EQUAL:
            self._check_arrival(where, valid, plain)
        return plain

    def decode(self, where: str, value: Any) -> Any:
        """The value of a plain form; raises NotPlainError."""
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
    if origin in DICTS and args and args[0] not in (str, int, UUID, date):
        return _EQUAL
    if args:
        return max(_proof(arg) for arg in args)
    known = annotation is ... or (
        isinstance(annotation, type) and issubclass(annotation, (*COMMON, set, frozenset))
    )
    return _NO_PROOF if known else _READABLE
