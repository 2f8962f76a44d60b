"""An outcome is stored, or waits in the broker for the database; one of the two takes it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fw_core.broker.app import App
from fw_core.broker.publish import Unconfirmed, is_final
from fw_core.errors import ResultStoreError
from fw_worker import outcomes
from fw_worker.outcomes import KeptOutcome

_logger = logging.getLogger("fw.worker")


@dataclass(slots=True)
class Keeping:
    """An outcome on its way; call it until nothing is raised.

    Args:
        app: The app.
        what: The call and how it ended, for the log: "orders.pay[7f3a] has succeeded".
        store: Stores it.
        outcome: Makes of it what can wait in the broker.
    """

    app: App
    what: str
    store: Callable[[], None]
    outcome: Callable[[], KeptOutcome]
    _is_too_large: bool = False  # for the broker: the database alone can take it

    def __call__(self) -> None:
        """Keep it.

        Raises:
            Unconfirmed: neither takes it now.
            SendError: it is stored, but what follows from it could not be sent.
        """
        if self._is_too_large or not self.app.backend.is_away:
            try:
                self.store()
            except ResultStoreError as error:
                if self._is_too_large:
                    raise Unconfirmed(error.what, maybe=False, fix=error.fix) from error
                _logger.warning("%s; its outcome waits in the broker: %s", self.what, error.what)
            else:
                return
        try:
            outcomes.post(self.app, self.outcome())
        except Unconfirmed as error:
            if not is_final(error):
                raise
            self._is_too_large = True
            raise Unconfirmed(error.cause, maybe=False, fix=error.fix) from error
