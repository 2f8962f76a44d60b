"""Loads the dice of ``shop.process_order``: its first attempt fails and its second succeeds.

Its user wrote ``random.random() < 0.3``. The demo shows one failure and one retry, every time.
"""

from fw_core import current_attempt
from fw_worker.demo.example import shop


class LoadedDice:
    """Stands in for the module ``random`` in the shop."""

    def random(self) -> float:
        """Below 0.3 in a first attempt, above it later."""
        return 0.1 if current_attempt().number == 1 else 0.9


setattr(shop, "random", LoadedDice())  # noqa: B010 - the module is the user's, and untyped
