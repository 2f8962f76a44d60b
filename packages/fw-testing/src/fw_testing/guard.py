"""A test that asked for no fake, and would send: it fails with advice instead.

Nothing is loaded for it: fw-core's gate gets its keeper when a test, or what it tests, imports
fw-core.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

REAL = "fw_real"
"""The mark of a test, and the setting of a suite, that means real servers."""

_GATE = "fw_core.outside"

_guards: list[Guard] = []


def is_real() -> bool:
    """Whether the test that runs now talks to real servers on purpose."""
    return bool(_guards) and _guards[-1].is_real()


class Guard:
    """Knows which test runs, and stands at the gate while none has a fake.

    Args:
        config: Of this run of pytest.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._suite_is_real = bool(config.getini(REAL))
        self._item: pytest.Item | None = None

    def is_real(self) -> bool:
        """Whether the test that runs, or its suite, talks to real servers on purpose."""
        item = self._item
        return self._suite_is_real or (
            item is not None
            and (
                item.get_closest_marker(REAL) is not None
                or "fw_services" in getattr(item, "fixturenames", ())
            )
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Remember the test while it runs, with its fixtures."""
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None

    def gate(self, url: str, by_default: bool) -> None:
        """Refuse the way to the servers of the settings; who made an app chose where it goes."""
        if by_default and not self.is_real():
            from fw_core.urls import safe_url
            from fw_testing.errors import NoFake

            raise NoFake(where=safe_url(url))

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Stand at the gate until the block ends, from the moment when there is one."""
        _guards.append(self)
        with ExitStack() as stack:

            def stand(gate: ModuleType) -> None:
                stack.enter_context(gate.gated(self.gate))

            if _GATE in sys.modules:
                stand(sys.modules[_GATE])
            else:
                stack.enter_context(_when_imported(_GATE, stand))
            try:
                yield
            finally:
                _guards.remove(self)


@contextmanager
def _when_imported(name: str, then: Any) -> Iterator[None]:
    finder = _Finder(name, then)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.leave()


class _Finder(MetaPathFinder):
    """Lets the others find a module, and tells when it has been imported."""

    def __init__(self, name: str, then: Any) -> None:
        self._name = name
        self._then = then

    def leave(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        self.leave()
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_tell(module: ModuleType) -> None:
                execute(module)
                self._then(module)

            spec.loader.exec_module = execute_and_tell  # type: ignore[method-assign]
        return spec
