"""The same on one machine without servers: the local transport and SQLite."""

from __future__ import annotations

import pytest

from . import everywhere
from .scene import Scene

pytestmark = [pytest.mark.fw_faults, pytest.mark.timeout(400)]


@pytest.mark.parametrize("fault", everywhere.FAULTS, ids=lambda fault: fault.__name__)
def test_without_servers(local_scene: Scene, fault: everywhere.Fault):
    fault(local_scene)
