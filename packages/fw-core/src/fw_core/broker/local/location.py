"""Where a store lives: an absolute file, or a name in this process's memory."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from fw_core.broker.local.errors import LocalUrlError, NetworkPathError, UnsupportedPlatformError

_MEMORY_HOST = "memory"
_NETWORK_FILESYSTEMS = (
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "gfs2",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "ocfs2",
    "smb",
)


@dataclass(frozen=True, slots=True)
class FileLocation:
    """A store in a file, shared by every process of this machine that names it."""

    path: Path


@dataclass(frozen=True, slots=True)
class MemoryLocation:
    """A store in memory, shared by the threads of this process that name it."""

    name: str


def file_url(path: Path) -> str:
    """Return the broker URL of a store in the file ``path``, made absolute.

    >>> file_url(Path("/srv/shop/.fw/broker.db"))
    'local:////srv/shop/.fw/broker.db'
    """
    return "local:///" + quote(str(path.expanduser().absolute()))


def memory_url(name: str) -> str:
    """Return the broker URL of the store in memory called ``name``.

    >>> memory_url("test one")
    'local://memory/test%20one'
    """
    return f"local://{_MEMORY_HOST}/{quote(name, safe='')}"


def parse(url: str) -> FileLocation | MemoryLocation:
    """Return where ``url`` points.

    >>> parse("local:////srv/broker.db")
    FileLocation(path=PosixPath('/srv/broker.db'))
    >>> parse("local://memory/test%20one")
    MemoryLocation(name='test one')

    Raises:
        LocalUrlError: it is neither an absolute file nor a store in memory.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if parts.netloc == _MEMORY_HOST and path:
        return MemoryLocation(path)
    if parts.netloc in ("", "localhost") and path.startswith("/") and path != "/":
        return FileLocation(Path(path))
    raise LocalUrlError(url=url)


def prepare(path: Path) -> None:
    """Make sure that ``path`` can hold a store: platform, file system, directory.

    A directory called ``.fw`` gets a ``.gitignore``, so that nobody commits its messages.

    Raises:
        UnsupportedPlatformError: there are no POSIX record locks here.
        NetworkPathError: the file would lie on a network file system.
    """
    if sys.platform == "win32":
        raise UnsupportedPlatformError(platform=sys.platform)
    directory = path.parent
    directory.mkdir(parents=True, exist_ok=True)
    if filesystem := network_filesystem(directory):
        raise NetworkPathError(path=path, filesystem=filesystem)
    ignore = directory / ".gitignore"
    if directory.name == ".fw" and not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")


def network_filesystem(
    directory: Path, *, mounts: Path = Path("/proc/self/mountinfo")
) -> str | None:
    """Return the kind of network file system that ``directory`` lies on, if it does.

    Only Linux tells cheaply; elsewhere the answer is ``None``. Format: proc(5), mountinfo.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    real = directory.resolve()
    deepest, kind = -1, ""
    for line in lines:
        left, _, right = line.partition(" - ")
        point = Path(left.split(" ")[4].replace("\\040", " "))
        depth = len(point.parts)
        if depth >= deepest and real.is_relative_to(point):
            deepest, kind = depth, right.split(" ", 1)[0]
    return kind if kind.startswith(_NETWORK_FILESYSTEMS) else None
