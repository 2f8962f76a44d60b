"""Delays that come out the same however busy the machine is."""

from __future__ import annotations

import pytest

from fw_testing.services import Services


@pytest.fixture
def at_one_moment(fw_services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes from a call to its sending, which would shorten what is left of its delay.

    A pause of 0.1 s takes a message rightly to another wait queue than the one a test names.
    """
    moment = fw_services.app.now()
    monkeypatch.setattr(fw_services.app, "now", lambda: moment)
