"""URLs: accepted as teams write them, passed on as the drivers need them, shown safely."""

from __future__ import annotations

import pytest

from fw_core import SettingsError
from fw_core.urls import broker_url, database_url, safe_url


@pytest.mark.parametrize(
    "url",
    [
        "pyamqp://guest@localhost//",
        "amqp://guest:guest@localhost:5672//",
        "amqps://u:p@rabbit.example/shop",
        "amqp://localhost",
        "amqp://u:p%2Fw@[::1]:5672/v",
        "local:////srv/shop/.fw/broker.db",
        "local:////srv/me@home/broker.db",
        "local://memory/test",
    ],
)
def test_a_broker_url_is_kept_as_it_is(url):
    assert broker_url(url) == url


@pytest.mark.parametrize(
    ("url", "driver_url"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("db+postgresql://u:p@h:5433/d", "postgresql+psycopg2://u:p@h:5433/d"),
        ("POSTGRESQL://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("db+postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg2://u:p@h/d?sslmode=require"),
        ("postgresql:///d", "postgresql+psycopg2:///d"),
        ("sqlite:////tmp/results.db", "sqlite:////tmp/results.db"),
        ("db+sqlite:///results.db", "sqlite:///results.db"),
        ("sqlite:////home/me@work/results.db", "sqlite:////home/me@work/results.db"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_a_database_url_gets_the_driver_that_fw_brings(url, driver_url):
    """SQLAlchemy 2.1 reads ``postgresql://`` as psycopg 3; a driver written by hand is kept."""
    assert database_url(url) == driver_url


@pytest.mark.parametrize("url", ["", "localhost", "rabbit:5672", "guest:guest@localhost", "amqp:x"])
@pytest.mark.parametrize("check", [broker_url, database_url])
def test_what_is_no_url_is_refused(check, url):
    with pytest.raises(SettingsError, match="is not a URL"):
        check(url)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://u:se/cret@h//",
        "amqp://u:se#cret@h//",
        "amqp://u:se?cret@h//",
        "amqp://u:12/34@h//",
        "amqp://u:a@b/c@h//",
        "amqp://u:[x@h//",
        "amqp://u:p@h:port//",
    ],
)
def test_a_password_that_has_to_be_percent_encoded_says_so(url):
    """Read wrongly it would connect elsewhere, and its rest would be shown as a path."""
    with pytest.raises(SettingsError, match="must be percent-encoded"):
        broker_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://guest:secret@localhost:5672/shop", "amqp://guest:***@localhost:5672/shop"),
        ("amqp://guest:secret@localhost//", "amqp://guest:***@localhost//"),
        ("amqp://:secret@localhost", "amqp://:***@localhost"),
        ("amqp://guest@localhost//", "amqp://guest@localhost//"),
        ("amqp://guest:se@cret@localhost", "amqp://guest:***@localhost"),
        ("amqp://u:sec/ret@localhost", "amqp://***"),
        ("postgresql://h/d?password=secret", "postgresql://h/d"),
        ("postgresql://u:p@h/d?sslmode=require#x", "postgresql://u:***@h/d"),
        ("sqlite:////tmp/results.db", "sqlite:////tmp/results.db"),
        ("local://memory/test", "local://memory/test"),
        ("secret", "<not a URL>"),
        ("guest:secret@localhost", "<not a URL>"),
        ("", "<not a URL>"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert safe_url(url) == shown
