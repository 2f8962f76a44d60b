"""What a fault of the database means: whether waiting can help, and what to tell people."""

from __future__ import annotations

from sqlalchemy import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from fw_core.errors import ResultStoreError
from fw_core.urls import safe_url

_UNDEFINED = {"42P01", "42703", "3F000"}  # table, column, schema
_READ_ONLY = "25006"  # the other half of a failover: the old primary answers, but takes nothing


def can_pass(error: BaseException) -> bool:
    """Whether the same statement may succeed a little later."""
    if is_missing_table(error):
        return False
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _code(error) == _READ_ONLY
    return False


def is_missing_table(error: BaseException) -> bool:
    """Whether the tables are not there, or are those of an older fw."""
    if not isinstance(error, DBAPIError):
        return False
    said = str(error.orig)
    return _code(error) in _UNDEFINED or said.startswith(("no such table", "no such column"))


def store_error(url: str, error: BaseException) -> ResultStoreError:
    """The error that people see in place of ``error``; it never holds the password."""
    if is_missing_table(error):
        return ResultStoreError(
            database=safe_url(url),
            cause="its tables are missing, or are older than this fw.",
            fix="fw db upgrade",
        )
    if isinstance(error, ValueError):
        fix = "leave out of ids and texts what no text of a database can hold, such as a NUL."
    elif url.startswith("sqlite"):
        fix = "check that the directory exists, can be written and is not full."
    else:
        fix = "check that PostgreSQL runs and FW_DATABASE_URL is right, then try again."
    return ResultStoreError(database=safe_url(url), cause=_cause(url, error), fix=fix)


def _code(error: DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "pgcode", None)
    return code


def _cause(url: str, error: BaseException) -> str:
    """The first line of what the driver said: the rest can be SQL."""
    said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    lines = said.strip().splitlines()
    cause = lines[0] if lines else type(error).__name__
    return cause.replace(password, "***") if (password := _password(url)) else cause


def _password(url: str) -> str | None:
    try:
        return make_url(url).password
    except (ArgumentError, SQLAlchemyError):
        return None
