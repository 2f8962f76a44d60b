"""The declared tasks as facts that can be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fw_core.declare.handle import TaskHandle
from fw_core.declare.spec import TaskSpec

_SHOWN_WAITS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredTask:
    """A task in plain values; durations are seconds.

    Attributes:
        waits: The stated waits before the first retries, without jitter.
    """

    name: str
    takes: str
    queue: str
    priority: int | None
    retries: int
    waits: tuple[float, ...]
    timeout: float
    expires: float | None
    ignore_result: bool
    is_async: bool
    place: str
    doc: str

    def facts(self) -> dict[str, Any]:
        """The same as a dictionary."""
        return asdict(self)

    @property
    def shown_retries(self) -> str:
        """How often and after which waits, as in ``5: 3, 9, 27 s …``."""
        if not self.retries:
            return "none"
        more = " …" if self.retries > len(self.waits) else ""
        return f"{self.retries}: {', '.join(f'{wait:g}' for wait in self.waits)} s{more}"


def declared_tasks(registry: Mapping[str, TaskHandle[..., Any]]) -> list[DeclaredTask]:
    """The tasks of ``registry`` by name."""
    return [
        _declared(registry[name].spec, str(registry[name].arguments)) for name in sorted(registry)
    ]


def _declared(spec: TaskSpec, takes: str) -> DeclaredTask:
    policy = spec.policy
    shown = range(1, min(policy.retries, _SHOWN_WAITS) + 1)
    return DeclaredTask(
        name=spec.name,
        takes=takes,
        queue=spec.queue,
        priority=spec.priority,
        retries=policy.retries,
        waits=tuple(policy.stated_wait(retry) for retry in shown),
        timeout=spec.timeout.total_seconds(),
        expires=None if spec.expires is None else spec.expires.total_seconds(),
        ignore_result=spec.ignore_result,
        is_async=spec.is_async,
        place=str(spec.place),
        doc=(spec.function.__doc__ or "").strip().partition("\n")[0],
    )
