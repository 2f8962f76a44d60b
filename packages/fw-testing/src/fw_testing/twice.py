"""A call that runs, and runs again as after a crash of its worker."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fw_core.broker.local import MessageView
from fw_core.declare.handle import TaskHandle
from fw_testing.bench import Bench
from fw_testing.errors import NothingProven, NotIdempotentAssertion, SecondRunFailed
from fw_testing.showing import MISSING, around, differences, show_call, show_differences, text_of
from fw_testing.stories import stories

Probe = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class _Runs:
    world: Bench
    handle: TaskHandle[..., Any]
    call: str
    probe: Probe

    def see(self) -> Any:
        """What the probe sees now, so that it cannot change when the task runs again."""
        __tracebackhide__ = True
        seen = self.probe()
        kept: Any = MISSING
        with suppress(Exception):
            kept = copy.deepcopy(seen)
        if differences("probe", seen, kept):
            raise NothingProven(
                call=self.call,
                why=f"The probe returned {around(text_of(seen), '')[0]}, of which no copy can be "
                "made that is equal to it: two looks could not be compared.",
                fix="let the probe return plain values: a number, a list, a dict",
            )
        return kept

    def has_succeeded(self, task_id: str, since: int) -> bool:
        """Whether the last attempt of the call is a success, and there is one."""
        ran = [each for each in self.world.ran[since:] if each.id == task_id]
        return bool(ran) and ran[-1].outcome == "succeeded"

    def story(self, task_id: str) -> list[str]:
        """What became of the call."""
        world = self.world
        told = stories(self.handle.name, world.sent, world.ran, world.waiting())
        return [str(story) for story in told if story.id == task_id]


def check_idempotent(
    world: Bench,
    handle: TaskHandle[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    probe: Probe,
) -> None:
    """Run a call, run its message again, and compare what the probe sees.

    Raises:
        AssertionError: the second run left something else, or failed; or nothing is proven.
    """
    __tracebackhide__ = True
    runs = _Runs(world, handle, show_call(handle.name, args, kwargs), probe)
    with world.held():
        world.rest()  # what waits already is no effect of this call
        before = runs.see()
        task_id = handle.delay(*args, **kwargs).id
        last = _run(world, task_id)
        first = runs.see()
        if last is None or not runs.has_succeeded(task_id, 0):
            raise NothingProven(
                call=runs.call,
                why="Its first run failed.\n  " + "\n  ".join(runs.story(task_id)),
                fix="let it succeed once, with what it needs in place.",
            )
        if not differences("probe", before, first):
            raise NothingProven(
                call=runs.call,
                why=f"The probe saw {around(text_of(first), '')[0]} before the first run and "
                "after it: the second run would change nothing either, whatever it does.",
                fix="let the probe return what the task changes: probe=lambda: list(mailbox)",
            )
        ran = len(world.ran)
        world.bring_again(last)
        world.rest()
        second = runs.see()
    if not runs.has_succeeded(task_id, ran):
        raise SecondRunFailed(call=runs.call, stories=runs.story(task_id))
    found = differences("probe", first, second)
    if found:
        one, other = around(text_of(first), text_of(second))
        raise NotIdempotentAssertion(
            call=runs.call,
            differences=show_differences(found, "  "),
            first=one,
            second=other,
        )


def _run(world: Bench, task_id: str) -> MessageView | None:
    """Run everything; the last message of the call, as it was before it ran."""
    last: list[MessageView] = []

    def look() -> None:
        last.extend(view for view in world.views() if view.headers.get("id") == task_id)

    world.rest(look)
    return last[-1] if last else None
