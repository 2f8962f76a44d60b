"""Which functions can be a task: checked when the module is imported."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fw_core.declare.spec import Place
from fw_core.errors import DeclarationError


def check_function(function: Any) -> None:
    """Refuse what a worker could not run.

    Raises:
        DeclarationError: it is no plain function; the message says what to do.
    """
    if not inspect.isfunction(function):
        raise _no_function(function)
    where = f"{function.__module__}.{function.__qualname__} ({place_of(function)})"
    if function.__name__ == "<lambda>":
        raise DeclarationError(
            f"A lambda cannot be a task: {where}.",
            "A worker finds a task by its function's name, and a lambda has none.",
            "give it a name: def send_invoice(order_id: int): ...",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError(
            f"{where} is a generator, which cannot be a task.",
            "A generator's body does not run when it is called, so the work would never be done.",
            "return a list instead of using yield, or start one task for each item.",
        )
    if next(iter(inspect.signature(function).parameters), "") in {"self", "cls"}:
        raise DeclarationError(
            f"{where} is a method, which cannot be a task.",
            "The object it belongs to does not travel in a message.",
            "move it out of its class and give it an identifier: def send(order_id: int): ...",
        )


def check_reachable(function: Callable[..., Any]) -> None:
    """Refuse a function inside a function: a worker imports the module and never sees it.

    Raises:
        DeclarationError: the function is nested.
    """
    if "<locals>" in function.__qualname__:
        raise DeclarationError(
            f"{function.__module__}.{function.__qualname__} ({place_of(function)}) is defined "
            "inside another function.",
            "A worker imports the module and would never see it, so its messages could not run.",
            f"move {function.__name__} to the top level of its module; where the outer function "
            f'runs at import, name="..." says so. (In tests: use fw_eager or fw_broker.)',
        )


def default_name(function: Callable[..., Any]) -> str:
    """The name on the wire: module and function.

    A module that is run as a script calls itself ``__main__``; a worker imports it by its real
    name, so that one is used.
    """
    return f"{_module_name(function)}.{function.__qualname__}"


def place_of(function: Callable[..., Any]) -> Place:
    """Where the function stands, relative to the working directory where that is shorter."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return Place(file="<unknown>", line=0)
    path = Path(code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return Place(file=str(path), line=code.co_firstlineno)


def _module_name(function: Callable[..., Any]) -> str:
    if function.__module__ != "__main__":
        return function.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"


def _no_function(given: Any) -> DeclarationError:
    what = "a class" if inspect.isclass(given) else f"a {type(given).__name__}"
    return DeclarationError(
        f"task_framework was put on {what}: {given!r}.",
        "A task is a plain function: a worker imports it by name and calls it.",
        "put @task_framework directly above def; other decorators that keep the function go below.",
    )
