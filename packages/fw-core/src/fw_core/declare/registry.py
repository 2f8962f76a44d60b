"""All declared tasks by name: where workflows and workers look them up."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fw_core.errors import DuplicateTaskError, UnknownTaskError

if TYPE_CHECKING:
    from fw_core.declare.handle import TaskHandle


class TaskRegistry(Mapping[str, "TaskHandle[..., Any]"]):
    """A mapping from a task's name to the task; an unknown name is an error with the nearest.

    Attributes:
        own: The framework's own tasks: found by name, and listed nowhere.
    """

    def __init__(self) -> None:
        self.own: dict[str, TaskHandle[..., Any]] = {}
        self._tasks: dict[str, TaskHandle[..., Any]] = {}
        self._executions: dict[str, object] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> TaskHandle[..., Any]:
        try:
            return self._tasks[name]
        except KeyError:
            if name in self.own:
                return self.own[name]
            raise UnknownTaskError(name=name, known=self._tasks) from None

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def add(self, task: TaskHandle[..., Any]) -> None:
        """Take a task in; the same function declared again (a reload) replaces itself.

        Raises:
            DuplicateTaskError: another function has its name.
        """
        name = task.spec.name
        execution = _execution(task)
        with self._lock:
            other = self._tasks.get(name)
            if other is not None and not (
                _same_place(other, task)
                or (_same_name(other, task) and self._executions[name] is not execution)
            ):
                raise DuplicateTaskError(
                    name=name, first=str(other.spec.place), second=str(task.spec.place)
                )
            self._tasks[name] = task
            self._executions[name] = execution

    @contextmanager
    def scoped(self) -> Generator[None]:
        """Forget what is declared inside the block when it ends: a test's own tasks."""
        before, executions = dict(self._tasks), dict(self._executions)
        try:
            yield
        finally:
            with self._lock:
                self._tasks, self._executions = before, executions

    def renew_after_fork(self) -> None:
        """In a child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def remove(self, task: TaskHandle[..., Any]) -> None:
        """Forget the task, if it is the one known by its name."""
        with self._lock:
            if self._tasks.get(task.spec.name) is task:
                del self._tasks[task.spec.name]


def _same_name(one: TaskHandle[..., Any], other: TaskHandle[..., Any]) -> bool:
    first, second = one.spec.function, other.spec.function
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)


def _same_place(one: TaskHandle[..., Any], other: TaskHandle[..., Any]) -> bool:
    qualnames = one.spec.function.__qualname__, other.spec.function.__qualname__
    return qualnames[0] == qualnames[1] and one.spec.place == other.spec.place


def _execution(task: TaskHandle[..., Any]) -> object:
    """What changes when a module is executed again: importlib.reload gives it a new spec."""
    module = sys.modules.get(task.spec.function.__module__)
    spec = getattr(module, "__spec__", None)
    return object() if spec is None else spec  # a script or a notebook cell: always a new run


TASK_REGISTRY = TaskRegistry()
"""Every task that has been declared in this process, by name."""

os.register_at_fork(after_in_child=TASK_REGISTRY.renew_after_fork)
