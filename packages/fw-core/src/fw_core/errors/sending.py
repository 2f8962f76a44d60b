"""At a call: the broker did not confirm it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Self

from fw_core.errors.framework_error import FrameworkError


class SendError(FrameworkError):
    """A call could not be confirmed as queued.

    Attributes:
        task_id: The id of the first call that was not confirmed; ``task.options(id=...)`` sends
            it again as the same call.
        calls: The ids of all calls that were sent together, with the names of their tasks.
        ids: The ids of all calls that were sent together, in their order.
        confirmed: The ids of those that are queued.
        in_doubt: The ids of those that may be queued.
        not_sent: The ids of those that are not.
        committed: Whether they were sent for a transaction, which is committed and stays so.
        is_final: Whether the broker will never take it: to send it again does not help.
        broker: Where they were sent, without the password.
    """

    def __init__(
        self,
        *,
        broker: str,
        cause: str,
        task: str = "",
        task_id: str = "",
        calls: Mapping[str, str] | None = None,
        confirmed: AbstractSet[str] = frozenset(),
        in_doubt: AbstractSet[str] = frozenset(),
        fix: str = "",
        committed: bool = False,
        is_final: bool = False,
    ) -> None:
        self.calls = {task_id: task} if calls is None else dict(calls)
        self.ids = tuple(self.calls)
        self.confirmed = frozenset(confirmed)
        self.in_doubt = frozenset(in_doubt) - self.confirmed
        self.not_sent = frozenset(self.ids) - self.confirmed - self.in_doubt
        open_ids = self._open()
        self.task_id = open_ids[0] if open_ids else ""
        self.task = self.calls.get(self.task_id, "")
        self.broker = broker
        self.cause = cause
        self.committed = committed
        self.is_final = is_final
        self._own_fix = fix
        super().__init__(*self._parts())

    def after_commit(self) -> Self:
        """The same error of calls that were sent for a transaction, after its commit."""
        return type(self)(
            calls=self.calls,
            confirmed=self.confirmed,
            in_doubt=self.in_doubt,
            broker=self.broker,
            cause=self.cause,
            fix=self._own_fix,
            committed=True,
            is_final=self.is_final,
        )

    def _parts(self) -> tuple[str, str, str]:
        raise NotImplementedError

    def _counted(self) -> str:
        """What became of calls that were sent together."""
        fates = [
            f"{len(ids):,} {fate}"
            for fate, ids in (
                ("queued", self.confirmed),
                ("in doubt", self.in_doubt),
                ("not sent", self.not_sent),
            )
            if ids
        ]
        return f"{len(self.ids):,} calls: {', '.join(fates)}"

    def _which(self) -> str:
        """The calls that are not known to be queued, with their ids."""
        ids = self._open()
        more = f" and {len(ids) - 10:,} more" if len(ids) > 10 else ""
        return ", ".join(f"{self.calls[task_id]} {task_id}" for task_id in ids[:10]) + more

    def _open(self) -> list[str]:
        return [task_id for task_id in self.ids if task_id not in self.confirmed]

    def _stands(self) -> str:
        return (
            "The transaction is committed and stays so: do not repeat it. "
            if self.committed
            else ""
        )


_SEND_REST = (
    "for call, id in zip(calls, error.ids): "
    "id in error.confirmed or task.options(id=id).delay(*call)"
)


class NotSent(SendError):  # noqa: N818 - the contract's name: it reads as what happened
    """Nothing was queued, or not all of many calls: the broker did not take the rest."""

    def _parts(self) -> tuple[str, str, str]:
        check = "check that the broker runs and FW_BROKER_URL is right, then send again."
        many = len(self.ids) > 1
        if many or self.committed:
            what = (
                f"Not sent: {self._which()}: the broker {self.broker} did not take "
                f"{'them' if many else 'it'} ({self.cause}). {self._counted() if many else ''}"
            ).rstrip()
            why = "What was not sent will not run."
            if many and not self.committed:
                check = _SEND_REST
        else:
            what = (
                f"{self.task} was not sent: the broker {self.broker} did not take it "
                f"({self.cause})."
            )
            why = "Nothing was queued, so the task will not run."
        return what, self._stands() + why, self._own_fix or check


class MaybeSent(SendError):  # noqa: N818 - the contract's name: it reads as what happened
    """No confirm came in time: the message may be queued, or may not."""

    def __init__(
        self,
        *,
        broker: str,
        cause: str,
        task: str = "",
        task_id: str = "",
        calls: Mapping[str, str] | None = None,
        confirmed: AbstractSet[str] = frozenset(),
        in_doubt: AbstractSet[str] | None = None,
        fix: str = "",
        committed: bool = False,
        is_final: bool = False,
    ) -> None:
        calls = {task_id: task} if calls is None else calls
        super().__init__(
            calls=calls,
            confirmed=confirmed,
            in_doubt=frozenset(calls) if in_doubt is None else in_doubt,
            broker=broker,
            cause=cause,
            fix=fix,
            committed=committed,
            is_final=is_final,
        )

    def _parts(self) -> tuple[str, str, str]:
        again = "sending it again as a new call could run it twice."
        if len(self.ids) > 1:
            what = (
                f"May have been sent: {self._which()}: the broker {self.broker} did not confirm "
                f"them ({self.cause}). {self._counted()}"
            )
            fix = _SEND_REST
        else:
            what = (
                f"{self.task} may have been sent: the broker {self.broker} did not confirm it "
                f"({self.cause})."
            )
            fix = f'send it again under the same id: task.options(id="{self.task_id}").delay(...)'
        return what, f"{self._stands()}It may be queued; {again}", fix
