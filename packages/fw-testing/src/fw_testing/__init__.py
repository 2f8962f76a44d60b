"""fw-testing: test background tasks instantly and truthfully, without a broker.

The fixtures ``fw_eager``, ``fw_broker`` and ``fw_clock`` need no import. For
``unittest.TestCase`` there are the same things as context managers::

    with fw_testing.eager() as mode: ...
    with fw_testing.fake_broker() as broker: ...
"""

from fw_testing.clock import VirtualClock
from fw_testing.eager import Eager, eager
from fw_testing.fake_broker import FakeBroker, fake_broker
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
]
