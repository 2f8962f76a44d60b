"""A store under a clock that only the test moves, in memory and in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fw_core.broker.local import Store

from .local_drafts import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "broker.db" if request.param == "file" else None, clock=clock)
    yield made
    made.close()


@pytest.fixture
def owner(store: Store) -> int:
    return store.register_owner()
