"""Faults for a team's own tests: what breaks in production, broken on purpose.

``@pytest.mark.faults("redelivered", "crash_after_run")`` runs a test once under each; this is the
same for a block of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from fw_testing.faults.kinds import FAULTS, UnusedFault
from fw_testing.faults.occurrences import InMemory, Occurrences

__all__ = ["FAULTS", "Fault", "fault", "put_in"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is put in.

    Attributes:
        name: Its name.
        lasting: Whether it happens every time.
        occurrences: To which calls it has happened.
    """

    name: str
    lasting: bool
    occurrences: Occurrences

    @property
    def calls(self) -> int:
        """To how many calls it has happened so far."""
        return len(self.occurrences)

    def missed(self) -> str:
        """What to say if it has not happened; empty if it has."""
        return "" if self.calls else str(UnusedFault(name=self.name))


@contextmanager
def fault(name: str, *, lasting: bool = False) -> Iterator[Fault]:
    """Have a fault happen in the block, to what runs in this process.

    Args:
        name: One of :data:`FAULTS`.
        lasting: Every time, as in an outage; else the first time for each call.

    Raises:
        UnknownFaultError: there is no such fault.
        AssertionError: the block ended well, and the fault never happened in it.
    """
    with put_in(name, lasting=lasting, occurrences=InMemory()) as it:
        yield it
    if not it.calls:
        raise UnusedFault(name=name)


@contextmanager
def put_in(name: str, *, lasting: bool, occurrences: Occurrences) -> Iterator[Fault]:
    """The same without a look at whether it happened."""
    from fw_testing.faults.injection import Injection, pretend_to_die, pretend_to_outlast

    injection = Injection(
        occurrences, lasting=lasting, die=pretend_to_die, outlast=pretend_to_outlast
    )
    with ExitStack() as stack:
        injection.put_in(name, stack)
        yield Fault(name, lasting, occurrences)
