"""A finished task stays done when the broker never takes what follows it: that has failed.

What would have been told of it by its own attempt is told here: its result is a failure, and the
steps after it, its join and its error callbacks are told as for any other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from fw_core.attempt.failure import AttemptFailed
from fw_core.broker.app import App
from fw_core.errors import NeverSent, SendError
from fw_core.results.never_sent import whom_to_tell
from fw_worker import outcomes
from fw_worker.follow_ups import FollowUp
from fw_worker.keeping import Keeping
from fw_worker.outcomes import KeptOutcome

_logger = logging.getLogger("fw.worker")


def fail_never_sent(
    app: App,
    following: FollowUp,
    error: SendError,
    insist: Callable[[Callable[[], Any], str], Any],
) -> None:
    """Fail what follows a success; to do so twice does no harm.

    Args:
        app: The app.
        following: What was to be sent.
        error: What the broker said.
        insist: Tries again what may pass.

    Raises:
        SendError, Unconfirmed: neither database nor broker takes the failure now.
    """
    never = NeverSent(task=error.task, cause=error.cause, fix=error.fix)
    _logger.error("%s[%s] is never sent: %s", error.task, error.task_id, never.what)
    failed = AttemptFailed.of(never)
    for context in whom_to_tell(app, following.signature, following.options, unsent=error.task_id):
        if context.id is not None:
            _tell(app, context, failed, insist)


def _tell(
    app: App,
    context: Any,
    failed: AttemptFailed,
    insist: Callable[[Callable[[], Any], str], Any],
) -> None:
    outcome = KeptOutcome.never_sent(context, failed)
    what = f"{context.task}[{context.id}] has failed"
    try:
        insist(
            Keeping(app, what, partial(outcomes.store, app, outcome), lambda: outcome),
            "the failure of what follows it",
        )
    except SendError as error:
        if not error.is_final:
            raise
        # Its result is stored; an error callback is too large as well.
        _logger.error("%s; an error callback is never sent: %s", what, error.cause)
