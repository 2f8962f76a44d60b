"""What must happen, in plain Python: the documented numbers of the policies, and no code of fw.

A program is one task, a chain, a group or a chord; each task has a policy and a plan that says how
each of its runs ends. The model tells the same story that the recorder tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

OK, ERROR, REFUSED, GIVE_UP, LATER = "ok", "error", "refused", "give up", "later"

MOST_LATERS = 3
LATER_SECONDS = 40.0


@dataclass(frozen=True)
class Policy:
    """The parameters of a task, as ``task_framework`` takes them."""

    retries: int
    backoff: float | Sequence[float]
    max_delay: float
    jitter: float

    def wait(self, retry: int) -> float:
        """The stated seconds before a retry, counted from 1."""
        if isinstance(self.backoff, (int, float)):
            stated = float(self.backoff) ** retry
        else:
            stated = self.backoff[min(retry, len(self.backoff)) - 1]
        return min(stated, self.max_delay)


@dataclass(frozen=True)
class Step:
    """One task: it adds one to what it gets, or sums up a list, once its plan lets it."""

    name: str
    policy: Policy
    plan: tuple[str, ...]
    """How each run ends; after the last one all runs are ``ok``."""
    keeps_result: bool = True


@dataclass(frozen=True)
class Chain:
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Group:
    members: tuple[Step | Chain, ...]


@dataclass(frozen=True)
class Chord:
    members: tuple[Step | Chain, ...]
    body: Step


Part = Step | Chain | Group | Chord


@dataclass
class Model:
    """The story of a program."""

    blocks: list[str] = field(default_factory=list)
    seconds: float = 0
    """All waits together, as they are stated."""

    def run(self, part: Part, value: Any, sent: str = "") -> Any:
        """Run a part; returns its value, or None if it failed.

        Args:
            part: The part.
            value: What its first tasks get.
            sent: How they are sent, as the story says it.
        """
        match part:
            case Step():
                return self._step(part, value, sent)
            case Chain(parts):
                return self._chain(parts, value, sent)[0]
            case Group(members):
                return self._members(members, value, sent)
            case Chord(members, body):
                return self._chord(members, body, value, sent)[0]

    def _chain(self, parts: Sequence[Part], value: Any, sent: str) -> tuple[Any, str]:
        """The value of a chain, and how what follows it is sent."""
        for part in parts:
            if isinstance(part, Chord):
                value, sent = self._chord(part.members, part.body, value, sent)
            else:
                called = f" after {part.name}({value!r})" if isinstance(part, Step) else ""
                value, sent = self.run(part, value, sent), called
            if value is None:
                break
        return value, sent

    def _chord(
        self, members: Sequence[Step | Chain], body: Step, value: Any, sent: str
    ) -> tuple[Any, str]:
        values = self._members(members, value, sent)
        if values is None:
            return None, ""
        return self._step(body, values, " after its join"), f" after {body.name}({values!r})"

    def _members(self, members: Sequence[Step | Chain], value: Any, sent: str) -> Any:
        values = [self.run(member, value, sent) for member in members]
        return None if None in values else values

    def _step(self, step: Step, value: Any, sent: str) -> int | None:
        lines = [f"{step.name}({value!r}){sent}"]
        policy, retries, laters, runs = step.policy, 0, 0, 0
        plan = iter(step.plan)
        while True:
            runs += 1
            number = retries + 1
            outcome = next(plan, OK)
            if outcome == OK:
                result = (sum(value) if isinstance(value, list) else value) + 1
                lines.append(f"{number}: succeeded {result}")
                if step.keeps_result:
                    lines.append(f"result SUCCESS {result}{_after(runs)}")
                break
            if outcome == LATER and laters < MOST_LATERS:
                laters += 1
                wait = min(LATER_SECONDS, policy.max_delay)
                self.seconds += wait
                lines.append(f"{number}: later in {wait:g} s")
                continue
            if outcome == ERROR and retries < policy.retries:
                retries += 1
                wait = policy.wait(retries)
                self.seconds += wait
                lines.append(f"{number}: retry in {wait:g} s after ConnectionError: no")
                continue
            error, dead = _end(outcome, policy)
            result = None
            lines.append(f"{number}: failed {error}")
            lines += [f"result FAILURE {error}{_after(runs)}", f"dead {dead}"]
            break
        self.blocks.append("\n    ".join(lines))
        return result


def _end(outcome: str, policy: Policy) -> tuple[str, str]:
    if outcome == GIVE_UP:
        return "fw_core.GiveUp: enough", "gave-up: the task gave up"
    if outcome == REFUSED:
        return "ValueError: wrong", "gave-up: ValueError is not retried by the task's policy"
    if outcome == LATER:
        times = f"{MOST_LATERS} times"
        told = f"fw_core.LaterTooOften: The task asked to run later {MOST_LATERS} times, … (79)"
        return told, f"later-too-often: it asked to run later {times}"
    spent = f"the last of {policy.retries + 1} attempts failed"
    return "ConnectionError: no", (
        f"retries-spent: {spent if policy.retries else 'the task has no retries'}"
    )


def _after(runs: int) -> str:
    return f" after {runs} attempts" if runs != 1 else ""
