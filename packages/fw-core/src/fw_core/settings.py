"""What a deployment can set: environment ``FW_*`` first, then ``[tool.fw]`` in pyproject.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from fw_core import strict_json, urls
from fw_core.errors import MissingServerError, Problem, RulesError, SettingsError, nearest

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All settings with their defaults; frozen, so that what was checked stays true.

    Two URLs decide where things live. With neither set, messages and results are kept in files
    under ``.fw/`` on this machine: no server is needed.
    """

    model_config = SettingsConfigDict(
        env_prefix="FW_",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        pyproject_toml_depth=8,
        pyproject_toml_table_header=("tool", "fw"),
    )

    broker_url: str = ""
    """RabbitMQ, as ``amqp://user:password@host:5672/vhost``; empty: the local transport."""

    database_url: str = ""
    """PostgreSQL, as ``postgresql://user:password@host/name``; empty: SQLite in ``directory``."""

    management_url: str = ""
    """RabbitMQ's management API, as ``http://user:password@host:15672``; optional."""

    task_modules: Names = ()
    """Modules that declare tasks, imported by the worker; comma-separated in the environment."""

    queues: Names = ()
    """The queues that exist. Empty: those that the declared tasks use, and ``default``."""

    prefix: str = ""
    """Put before every name on the broker, so that several systems can share one vhost."""

    require_servers: bool = False
    """Refuse to start without RabbitMQ and PostgreSQL; the worker image sets it."""

    directory: Path = Path(".fw")
    """Where the local transport and its results live when a URL is not set."""

    broker_consumer_timeout: float = Field(default=1800, gt=0)
    """RabbitMQ's ``consumer_timeout`` in seconds; it cannot be read over AMQP."""

    stop_timeout: float = Field(default=25, ge=0)
    """Seconds that running attempts get to end when a worker is told to stop."""

    send_timeout: float = Field(default=4.5, gt=0, le=60)
    """Seconds within which a call is confirmed or raises."""

    message_limit: int = Field(default=128 * 1024, ge=1024)
    """Bytes that the arguments of one call may take as JSON."""

    retry_after_limit: float = Field(default=3600, gt=0)
    """Seconds that a ``Retry-After`` of another service may make a task wait at most."""

    collect_dead_letters: bool = True
    """Whether a worker collects dead letters into the database; some worker should."""

    dead_letters_keep_days: float = Field(default=90, ge=0)
    """Days that replayed and discarded dead letters are kept for an audit; 0: for ever."""

    results_keep_days: float = Field(default=30, ge=0)
    """Days that results, and workflows with their steps, are kept; 0: for ever."""

    workflow_queue: str = Field(default="fw.workflows", max_length=200)
    """The queue whose messages start workflows; empty: a worker takes none."""

    workflow_rules: str = ""
    """Which plan a message there starts that names none: a JSON list, in pyproject.toml a list."""

    track_started: bool = False
    """Store the state STARTED when an attempt starts: one more write for each attempt."""

    log_format: Literal["human", "json"] = "human"
    """How the worker writes its log lines."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe line that the worker writes."""

    @field_validator("task_modules", "queues", mode="before")
    @classmethod
    def _comma_separated(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("workflow_rules", mode="before")
    @classmethod
    def _rules(cls, value: Any) -> Any:
        """Check that it is a list of rules; what is in them is known where plans are read."""
        try:
            rules: Any = strict_json.loads(value) if isinstance(value, str) and value else value
            rules = rules or []
            if not isinstance(rules, (list, tuple)):
                raise ValueError("it is no list")  # noqa: TRY004 - as for text that is no JSON
            return json.dumps(rules) if rules else ""
        except (ValueError, TypeError) as error:
            example = '[{"if": {"field": "kind", "equals": "order"}, "workflow": ["check"]}]'
            what = f"it is no JSON list of rules: {error}"
            raise RulesError([Problem("rules", what, example)]) from None

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, url: str) -> str:
        return urls.broker_url(url) if url else url

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str) -> str:
        return urls.database_url(url) if url else url

    @model_validator(mode="after")
    def _servers(self) -> Self:
        if self.require_servers:
            missing = [
                name
                for name, is_missing in (
                    ("FW_BROKER_URL", self.is_local),
                    ("FW_DATABASE_URL", not self.database_url.startswith("postgresql")),
                )
                if is_missing
            ]
            if missing:
                raise MissingServerError(missing=missing)
        return self

    @classmethod
    def settings_customise_sources(  # noqa: D102 - pydantic's own hook
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            PyprojectTomlConfigSettingsSource(settings_cls),
        )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Its values for people and logs: URLs without their passwords."""
        for name, value in super().__repr_args__():
            is_url = name is not None and name.endswith("_url") and value
            yield name, urls.safe_url(value) if is_url else value

    def environment(self) -> dict[str, str]:
        """The variables that give another process these settings, passwords included."""
        return {f"FW_{name.upper()}": _as_variable(value) for name, value in self}

    @property
    def is_local(self) -> bool:
        """Whether messages stay on this machine."""
        return not self.broker_url or self.broker_url.startswith("local:")


def _as_variable(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(cast("tuple[str, ...]", value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_settings(**given: Any) -> Settings:
    """Read the settings, with values given here before those of the environment.

    Raises:
        SettingsError: a value cannot work; it names the setting.
    """
    try:
        return Settings(**given)
    except (TOMLDecodeError, AttributeError) as error:  # the latter where [tool.fw] is no table
        raise SettingsError(
            f"pyproject.toml cannot be read: {error}.",
            "fw looks for its settings in the table [tool.fw].",
            "correct it, or remove it from this directory and those above.",
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "?"
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            raise cause from None
        if first["type"] == "extra_forbidden":
            raise _unknown(name) from None
        raise SettingsError(
            f"The setting {name!r} cannot be used: {first['msg']}.",
            "fw does not start with a setting that it would have to guess.",
            f"correct FW_{name.upper()} in the environment, or {name} under [tool.fw] "
            "in pyproject.toml.",
        ) from None


def _unknown(name: str) -> SettingsError:
    settings = sorted(Settings.model_fields)
    matches = nearest(name, settings)
    return SettingsError(
        f"fw has no setting {name!r}." + (f" Did you mean {matches[0]!r}?" if matches else ""),
        "A misspelt setting would silently leave the default in force.",
        f"use {matches[0]} under [tool.fw] in pyproject.toml."
        if matches
        else f"one of: {', '.join(settings)}.",
    )


@cache
def default_settings() -> Settings:
    """The settings of this process, read once."""
    return read_settings()
