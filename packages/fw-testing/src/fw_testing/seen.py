"""What both fixtures show: what was sent, what ran, what is dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_testing.errors import NoDeadLetters, NotReplayed

if TYPE_CHECKING:
    from fw_testing.bench import Bench
    from fw_testing.clock import VirtualClock
    from fw_testing.records import DeadLetter, Message, Ran


class Seen:
    """What happened in a test's own world."""

    def __init__(self, world: Bench) -> None:
        self._world = world

    @property
    def sent(self) -> list[Message]:
        """Every call that was sent, in order, whether it has run or not; retries are no calls."""
        return list(self._world.sent)

    @property
    def ran(self) -> list[Ran]:
        """Every attempt that has run, in order."""
        return list(self._world.ran)

    @property
    def waits(self) -> list[float]:
        """The waits between attempts in seconds, as the policies state them, before jitter."""
        return [ran.wait for ran in self._world.ran if ran.wait is not None]

    @property
    def dead(self) -> list[DeadLetter]:
        """The dead letters, oldest first."""
        return self._world.dead()

    @property
    def clock(self) -> VirtualClock:
        """The clock that decides what is due."""
        return self._world.clock

    def replay(self, *letters: DeadLetter | str, to: str | None = None) -> list[DeadLetter]:
        """Send dead letters again, as ``fw dead replay`` does, and return those that were sent.

        Args:
            *letters: Which, by themselves, their ``dead_id`` or the ids of their calls; without
                any, all that wait for a decision.
            to: The queue to send them to; the one that each was in, if not given.

        Raises:
            AssertionError: one of them was not sent, and why; the others were.
            UnknownDeadLetter: an id is that of none.
        """
        __tracebackhide__ = True
        dead = {letter.dead_id: letter for letter in self.dead}
        ids = _ids(letters)
        if not (ids or dead):
            raise NoDeadLetters(what="replayed")
        report = self._world.replay(ids, to)
        if report.refused:
            raise NotReplayed(
                refused=[(each.letter.name, each.why) for each in report.refused],
                sent=len(report.sent),
            )
        sent = [sending.letter.dead_id for sending in report.sent]
        return [dead[dead_id] for dead_id in sent if dead_id in dead]

    def discard(self, *letters: DeadLetter | str, reason: str) -> None:
        """Decide that dead letters are not needed, as ``fw dead discard`` does.

        Args:
            *letters: As in :meth:`replay`.
            reason: Why.

        Raises:
            AssertionError: none of them waits for a decision.
            OptionError: the reason is empty.
            UnknownDeadLetter: an id is that of none.
        """
        __tracebackhide__ = True
        if not self._world.discard(_ids(letters), reason):
            raise NoDeadLetters(what="discarded")


def _ids(letters: tuple[DeadLetter | str, ...]) -> list[str]:
    return [letter if isinstance(letter, str) else letter.dead_id for letter in letters]
