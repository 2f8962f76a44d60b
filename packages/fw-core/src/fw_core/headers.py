"""The headers that fw writes on messages, beside those of Celery's protocol."""

from __future__ import annotations

from typing import Final

CHECK: Final = "fw-check"
"""The same call may have been sent before: look for its result before it is run."""

REDELIVERED: Final = "fw-redelivered"
"""The message takes the place of one that had been delivered often."""

REPLAYED: Final = "fw-replayed"
"""The message was a dead letter and was sent again."""
