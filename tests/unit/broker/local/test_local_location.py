"""URLs: built in one place, and read alike by us and by kombu."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from fw_core.broker.local import file_url, memory_url, register
from fw_core.broker.local.errors import LocalUrlError
from fw_core.broker.local.location import FileLocation, MemoryLocation, parse

names = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0/"), min_size=1
).filter(lambda name: name not in (".", ".."))


@given(st.lists(names, min_size=1, max_size=3))
def test_every_absolute_path_survives_as_a_url(parts: list[str]):
    path = Path("/", *parts)

    assert parse(file_url(path)) == FileLocation(path)


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1))
def test_every_name_survives_as_a_url(name: str):
    assert parse(memory_url(name)) == MemoryLocation(name)


@pytest.mark.parametrize("path", ["/srv/a.db", "/srv/with space;+%#?.db"])
def test_kombu_takes_the_url_apart_and_shows_it_as_it_was(path: str):
    register()
    url = file_url(Path(path))

    connection = Connection(url)

    assert connection.as_uri() == url
    assert connection.clone().as_uri() == url
    assert connection.transport.driver_type == "local"


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    assert parse(file_url(Path("broker.db"))) == FileLocation(tmp_path / "broker.db")


@pytest.mark.parametrize(
    "url",
    [
        "local://",
        "local:///relative.db",
        "local:////",
        "local://memory",
        "local://host/x",
        "local://memory/",
    ],
)
def test_a_url_that_names_nothing_is_refused(url: str):
    with pytest.raises(LocalUrlError, match="four slashes"):
        parse(url)
