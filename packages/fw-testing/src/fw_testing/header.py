"""The line at the head of a run of tests: what the fixtures will use."""

from __future__ import annotations

import os
from importlib.util import find_spec
from urllib.parse import urlsplit

import pytest

from fw_testing.guard import REAL
from fw_testing.images import POSTGRES_IMAGE, RABBITMQ_IMAGE


def pytest_report_header(config: pytest.Config) -> str:
    """Say where tests run; nothing is asked or started for that."""
    rest = (
        f"other calls go to the servers of the settings ({REAL})"
        if config.getini(REAL)
        else "other calls are refused"
    )
    return f"fw: tests run in memory, {rest}; fw_services: {_services()}"


def _services() -> str:
    given = {
        name: _without_secret(os.environ.get(f"FW_TEST_{name}_URL", ""))
        for name in ("BROKER", "DATABASE")
    }
    images = {
        "BROKER": os.environ.get("FW_RABBITMQ_IMAGE") or RABBITMQ_IMAGE,
        "DATABASE": os.environ.get("FW_POSTGRES_IMAGE") or POSTGRES_IMAGE,
    }
    containers = [images[name] for name, url in given.items() if not url]
    parts = []
    if any(given.values()):
        parts.append("given servers " + ", ".join(url for url in given.values() if url))
    if containers and find_spec("testcontainers"):
        parts.append("containers " + ", ".join(containers))
    elif containers:
        return "none (set FW_TEST_BROKER_URL and FW_TEST_DATABASE_URL)"
    return " and ".join(parts)


def _without_secret(url: str) -> str:
    """The URL for people; fw_core.urls would load fw-core in a run that may not need it."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "a URL that cannot be read"
    who = f"{parts.username}:***@" if parts.username and parts.password else ""
    return f"{parts.scheme}://{who}{place}{parts.path}"
