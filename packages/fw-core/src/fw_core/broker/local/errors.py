"""What the local transport refuses, and what to do about it."""

from __future__ import annotations

from pathlib import Path

from fw_core.errors import FrameworkError


class LocalTransportError(FrameworkError):
    """The local transport cannot keep its promises here; raised when it is opened."""


class UnsupportedPlatformError(LocalTransportError):
    """The operating system lacks the locks that tell a living worker from a dead one."""

    def __init__(self, *, platform: str) -> None:
        self.platform = platform
        super().__init__(
            f"The local transport does not run on {platform!r}.",
            "It needs POSIX record locks to notice a killed worker; without them a task that was "
            "running would be lost.",
            "FW_BROKER_URL=amqp://user:password@host:5672// (a RabbitMQ), or run under WSL 2.",
        )


class NetworkPathError(LocalTransportError):
    """The file would lie on a network file system, whose locks cannot be trusted."""

    def __init__(self, *, path: Path, filesystem: str) -> None:
        self.path = path
        self.filesystem = filesystem
        super().__init__(
            f"{path} lies on a network file system ({filesystem}).",
            "Its locks are not reliable there: two workers could run one message, or the file "
            "could be damaged.",
            "put it on a local disk: FW_BROKER_URL=local:////var/tmp/fw/broker.db",
        )


class LocalUrlError(LocalTransportError, ValueError):
    """A ``local:`` URL names neither an absolute file nor a store in memory."""

    def __init__(self, *, url: str) -> None:
        self.url = url
        super().__init__(
            f"{url!r} names neither an absolute file nor a store in memory.",
            "Workers and producers find each other by this name, so it must mean the same "
            "everywhere.",
            "FW_BROKER_URL=local:////absolute/path/broker.db (four slashes), "
            "or local://memory/name in a test.",
        )


class NotABrokerFileError(LocalTransportError):
    """The file exists but holds something else, or was written by another version."""

    def __init__(self, *, path: Path | None, cause: str) -> None:
        self.path = path
        self.cause = cause
        super().__init__(
            f"{path} cannot be used as a local broker: {cause}.",
            "It is left as it is, because it may hold messages.",
            f"stop what uses it and move it away: mv {path} {path}.old",
        )


class ForeignMemoryStoreError(LocalTransportError, RuntimeError):
    """A store in memory was used in a process that was forked from its owner."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"The store {name!r} lives in the memory of the process that this one was forked from.",
            "What is written to this copy would be seen by nobody.",
            "use a file for several processes: local:////absolute/path/broker.db",
        )


class MemoryStoreExistsError(LocalTransportError, ValueError):
    """A store of this name runs on another clock already."""

    def __init__(self, *, name: str) -> None:
        self.name = name
        super().__init__(
            f"The store {name!r} exists already and runs on another clock.",
            "Two clocks on one store would disagree about what is due.",
            f"forget({name!r}) first, or choose another name.",
        )
