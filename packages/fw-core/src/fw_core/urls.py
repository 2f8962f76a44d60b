"""The two URLs: accepted as teams write them, passed on as the drivers need them, shown safely."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from fw_core.errors import SettingsError

_BROKER_SCHEMES = {"amqp", "pyamqp", "amqps", "local"}
_DATABASE_SCHEMES = {"postgresql", "postgres", "sqlite"}


def broker_url(url: str) -> str:
    """Return ``url`` as the broker's client needs it.

    >>> broker_url("pyamqp://guest@localhost//")
    'pyamqp://guest@localhost//'

    Raises:
        SettingsError: it is no RabbitMQ URL.
    """
    parts = _split(url, setting="FW_BROKER_URL", example="amqp://user:password@host:5672//")
    if parts.scheme not in _BROKER_SCHEMES:
        raise SettingsError(
            f"FW_BROKER_URL is {safe_url(url)!r}: fw speaks AMQP, not {parts.scheme!r}.",
            "Messages are kept safe by what RabbitMQ promises; other brokers promise less.",
            "FW_BROKER_URL=amqp://user:password@host:5672//",
        )
    if parts.scheme != "local" and not parts.hostname:
        raise SettingsError(
            f"FW_BROKER_URL is {safe_url(url)!r}, which names no host.",
            "Without a host there is nothing to connect to.",
            "FW_BROKER_URL=amqp://user:password@host:5672//",
        )
    return url


def database_url(url: str) -> str:
    """Return ``url`` with the driver that fw brings.

    SQLAlchemy 2.1 reads ``postgresql://`` as psycopg 3; fw depends on psycopg2. The ``db+`` of
    Celery projects is accepted. A driver written by hand is kept.

    >>> database_url("db+postgresql://user:secret@localhost/celery_db")
    'postgresql+psycopg2://user:secret@localhost/celery_db'
    >>> database_url("sqlite:////tmp/results.db")
    'sqlite:////tmp/results.db'

    Raises:
        SettingsError: it is neither a PostgreSQL nor an SQLite URL.
    """
    plain = url.removeprefix("db+")
    parts = _split(plain, setting="FW_DATABASE_URL", example="postgresql://user:password@host/name")
    dialect, _, driver = parts.scheme.partition("+")
    if dialect not in _DATABASE_SCHEMES:
        raise SettingsError(
            f"FW_DATABASE_URL is {safe_url(url)!r}: results are kept in PostgreSQL "
            f"(or SQLite on one machine), not in {dialect!r}.",
            "A store that forgets would turn finished work into work that looks lost.",
            "FW_DATABASE_URL=postgresql://user:password@host/name",
        )
    if dialect == "sqlite":
        return plain
    scheme = f"postgresql+{driver or 'psycopg2'}"
    return scheme + plain[len(parts.scheme) :]


def safe_url(url: str) -> str:
    """Return ``url`` without its password, for logs and errors.

    The query goes too, since drivers take passwords there. What cannot be read for certain, such
    as a password with a ``/`` in it, is not shown at all.

    >>> safe_url("amqp://guest:secret@localhost:5672/shop")
    'amqp://guest:***@localhost:5672/shop'
    >>> safe_url("amqp://guest:sec/ret@localhost:5672/shop")
    'amqp://***'
    >>> safe_url("no url at all, maybe a secret")
    '<not a URL>'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "<not a URL>"
    if not parts.scheme or "://" not in url:
        return "<not a URL>"
    if _is_file(parts):
        return url.partition("?")[0]
    if not _is_readable(parts):
        return f"{parts.scheme}://***"
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{parts.scheme}://{name}{colon and ':***'}{at}{host}{parts.path}"


def _is_file(parts: SplitResult) -> bool:
    return not parts.netloc and parts.scheme.removeprefix("db+") in {"sqlite", "local"}


def _is_readable(parts: SplitResult) -> bool:
    """Whether it is certain where the password ends; an @ further on may end it as well."""
    try:
        _ = parts.port
    except ValueError:
        return False
    return not any("@" in part for part in (parts.path, parts.query, parts.fragment))


def _split(url: str, *, setting: str, example: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:  # its text can hold a part of the password
        parts = None
    if parts is None or not (_is_file(parts) or _is_readable(parts)):
        raise SettingsError(
            f"{setting} is not a URL: its host or port cannot be read.",
            "Nothing can be reached by it. (A password with /, #, ? or @ must be percent-encoded.)",
            f"{setting}={example}",
        )
    if not parts.scheme or "://" not in url:
        raise SettingsError(
            f"{setting} is not a URL: it has no scheme.",
            "Nothing can be reached by it.",
            f"{setting}={example}",
        )
    return parts
