"""An app's Celery tasks; those that Celery brings are made when one of them is looked for.

They are nine, most programs never need one, and making them takes longer than sending a call. All
of them are called ``celery.``-something, so that looking for another one need not make them.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from celery import _state
from celery.app.registry import TaskRegistry

Maker = Callable[[Any], object]

_PREFIX = "celery."
_HOME = "celery.app.builtins"


class OwnTasks(TaskRegistry):  # type: ignore[misc]
    """The tasks of an app by their names, as Celery knows them.

    Attributes:
        make_the_rest: Adds what Celery brings, unless that has been done.
    """

    make_the_rest: Callable[[], None] | None = None

    def look_for(self, name: Any) -> None:
        """Have the task made that ``name`` may be."""
        if self.make_the_rest is not None and str(name).startswith(_PREFIX):
            self.make_the_rest()

    def look_at_all(self) -> None:
        """Have every task made."""
        if self.make_the_rest is not None:
            self.make_the_rest()

    def bind_to(self, app: Any) -> None:
        """Bind what has been made to the settings of ``app``."""
        tasks: list[Any] = list(dict.values(self))
        for task in tasks:
            task.bind(app)

    def begin_again(self) -> list[Maker]:
        """Drop what there is of Celery's tasks; returns what makes all of them."""
        names: list[str] = list(dict.keys(self))
        for name in names:
            if name.startswith(_PREFIX):
                dict.pop(self, name)
        return makers()[0]

    def __missing__(self, name: Any) -> Any:
        self.look_for(name)
        if dict.__contains__(self, name):
            return dict.__getitem__(self, name)
        raise self.NotRegistered(name)

    def __contains__(self, name: Any) -> bool:
        self.look_for(name)
        return dict.__contains__(self, name)

    def get(self, name: Any, default: Any = None) -> Any:
        """The task, or ``default``."""
        self.look_for(name)
        return dict.get(self, name, default)

    def pop(self, name: Any, *default: Any) -> Any:
        """Take the task away."""
        self.look_for(name)
        return dict.pop(self, name, *default)

    def __iter__(self) -> Iterator[Any]:
        self.look_at_all()
        return dict.__iter__(self)

    def __len__(self) -> int:
        self.look_at_all()
        return dict.__len__(self)

    def keys(self) -> KeysView[Any]:
        """Their names."""
        self.look_at_all()
        return dict.keys(self)

    def values(self) -> ValuesView[Any]:
        """The tasks."""
        self.look_at_all()
        return dict.values(self)

    def items(self) -> ItemsView[Any, Any]:
        """Names and tasks."""
        self.look_at_all()
        return dict.items(self)


def makers() -> tuple[list[Maker], list[Maker]]:
    """What Celery calls with each new app: its own, and those of shared tasks of other libraries.

    What a library calls its tasks is not known before they are made.
    """
    own: list[Maker] = []
    others: list[Maker] = []
    for maker in set(_state._on_app_finalizers):
        (own if getattr(maker, "__module__", None) == _HOME else others).append(maker)
    return own, others
