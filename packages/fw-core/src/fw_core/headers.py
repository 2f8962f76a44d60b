"""The headers that fw writes on messages, beside those of Celery's protocol."""

from __future__ import annotations

from typing import Final

LATERS: Final = "fw-laters"
"""How often a body asked for RetryLater, carried from message to message."""

TRIES: Final = "fw-tries"
"""The failed attempts so far, as JSON."""

DEAD: Final = "fw-dead"
"""On a dead letter: why, when and where the call died, as JSON."""

CHECK: Final = "fw-check"
"""The same call may have been sent before: look for its result before it is run."""

REDELIVERED: Final = "fw-redelivered"
"""The message takes the place of one that had been delivered often."""

REPLAYED: Final = "fw-replayed"
"""The message was a dead letter and was sent again."""

UNSETTLED: Final = "fw-unsettled"
"""On a dead letter that made room for those behind it: how often it was tried, and since when."""

STEP: Final = "fw-step"
"""The place in its workflow's plan: ``steps[2].parallel[0]``."""

PLAN: Final = "fw-plan"
"""The plan of a workflow that waited for a transaction: who runs its first step notes it."""

RETRIES: Final = "fw-retries"
"""How often a step of a workflow is retried, instead of what its task says."""

WORKFLOW: Final = "fw-workflow"
"""On a message that starts a workflow and names no id: the workflow's, the same in its copies."""
