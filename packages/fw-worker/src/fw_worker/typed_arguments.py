"""Arguments as a person types them, made into those of a call."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Sequence
from typing import Any

from fw_core.call.arguments import Checked
from fw_core.declare.handle import TaskHandle
from fw_core.errors import CallError


def typed_arguments(
    task: TaskHandle[..., Any], words: Sequence[str], kwargs: dict[str, Any] | None = None
) -> Checked:
    """Read ``words`` as the arguments of ``task`` and check them by its annotations.

    A word is read as JSON, or as plain text where it is no JSON or the parameter is a ``str``.
    ``name=word`` gives the parameter ``name``, if the task has one of that name.

    Args:
        task: The task.
        words: What was typed after its name.
        kwargs: Named arguments that are plain values already.

    Raises:
        CallError: they do not fit the task.
    """
    takes = _Parameters(task)
    args: list[Any] = []
    named: dict[str, Any] = dict(kwargs or {})
    for word in words:
        name, equals, value = word.partition("=")
        if equals and takes.name(name):
            named[name] = read(value, is_text=takes.is_text(name))
        else:
            args.append(read(word, is_text=takes.is_text(takes.positional(len(args)))))
    return checked(task, args, named)


def checked(task: TaskHandle[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Checked:
    """The values that a call takes: as they are, or read from their plain form (a date's text).

    Raises:
        CallError: they fit in neither form.
    """
    try:
        task.arguments.encode(args, kwargs)
    except CallError:
        try:
            return task.arguments.decode(args, kwargs)
        except CallError:
            pass
        raise
    return Checked(tuple(args), dict(kwargs))


def read(word: str, *, is_text: bool = False) -> Any:
    """Read one word.

    >>> read("7"), read("7", is_text=True), read('"7"', is_text=True), read("seven")
    (7, '7', '7', 'seven')
    >>> read('{"id": 7}'), read("NaN")
    ({'id': 7}, 'NaN')
    """
    try:
        value = json.loads(word, parse_constant=_refuse)
    except ValueError:
        return word
    return word if is_text and not isinstance(value, str) else value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)  # NaN and Infinity are no JSON, whatever Python thinks


class _Parameters:
    def __init__(self, task: TaskHandle[..., Any]) -> None:
        function = task.spec.function
        self._all = inspect.signature(function).parameters
        try:
            self._hints = typing.get_type_hints(function)
        except NameError:  # the check of the arguments says it better
            self._hints = {}

    def name(self, name: str) -> bool:
        parameter = self._all.get(name)
        if parameter is not None:
            return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        takes_any = any(p.kind is p.VAR_KEYWORD for p in self._all.values())
        return takes_any and name.isidentifier()

    def positional(self, number: int) -> str:
        for parameter in self._all.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                return parameter.name
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
                if number == 0:
                    return parameter.name
                number -= 1
        return ""

    def is_text(self, name: str) -> bool:
        return self._hints.get(name) in (str, str | None)
