"""fw-testing: test background tasks instantly and truthfully, without a broker.

The fixtures ``fw_eager``, ``fw_broker`` and ``fw_clock`` need no import. For
``unittest.TestCase`` there are the same things as context managers::

    with fw_testing.eager() as mode: ...
    with fw_testing.fake_broker() as broker: ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fw_testing.clock import VirtualClock
    from fw_testing.eager_mode import Eager, eager
    from fw_testing.fake import FakeBroker, fake_broker
    from fw_testing.faults import fault
    from fw_testing.records import DeadLetter, Message, Ran

__all__ = [
    "DeadLetter",
    "Eager",
    "FakeBroker",
    "Message",
    "Ran",
    "VirtualClock",
    "eager",
    "fake_broker",
    "fault",
]

_HOMES = {
    "DeadLetter": "records",
    "Eager": "eager_mode",
    "FakeBroker": "fake",
    "Message": "records",
    "Ran": "records",
    "VirtualClock": "clock",
    "eager": "eager_mode",
    "fake_broker": "fake",
    "fault": "faults",
}


def __getattr__(name: str) -> Any:
    """Load what a test asks for; a pytest run that asks for nothing does not load Celery."""
    if name in _HOMES:
        return getattr(import_module(f"fw_testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
