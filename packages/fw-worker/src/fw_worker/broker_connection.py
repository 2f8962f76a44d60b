"""The way to the broker: a refusal is said at once, a silence is waited out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from amqp.exceptions import AccessRefused, NotAllowed
from celery.worker.state import maybe_shutdown

from fw_core.broker.app import App
from fw_core.errors import SettingsError
from fw_core.urls import safe_url

LONGEST_PAUSE = 5
"""Seconds between two tries; Celery's own wait grows to half a minute."""

_SAY_EVERY = 30.0

_logger = logging.getLogger("fw.worker")


def check_login(app: App) -> None:
    """Connect once, if the broker answers.

    Raises:
        SettingsError: the broker answers and refuses the user, the password or the vhost.
            Waiting would not mend that, and a log line would not be seen.
    """
    if app.settings.is_local:
        return
    connection = app.connection_for_read()
    try:
        with refusals_explained(app.broker_url):
            connection.connect()
    except SettingsError:
        raise
    except Exception:  # noqa: BLE001 - whatever a socket or a stranger on this port can do
        return  # it is down or far away: the worker waits for it and says so
    finally:
        with suppress(Exception):
            connection.release()


def wait_for_broker(
    connection: Any, url: str, meanwhile: Callable[[], None] = maybe_shutdown
) -> Any:
    """Connect, however long it takes, and say what it waits for: at once, then now and then.

    Args:
        connection: What to connect.
        url: Where to.
        meanwhile: Called about once a second; it raises to give up.

    Raises:
        SettingsError: the broker refuses the login.
        WorkerShutdown: the worker was told to stop meanwhile.
    """
    said = -_SAY_EVERY

    def say(error: Exception, seconds: float) -> None:
        nonlocal said
        if time.monotonic() - said >= _SAY_EVERY:
            said = time.monotonic()
            _logger.error(
                "The broker %s does not answer (%s); trying again every few seconds",
                safe_url(url),
                " ".join(str(error).split()) or type(error).__name__,
            )

    with refusals_explained(url):
        return connection.ensure_connection(
            say,
            max_retries=None,
            interval_start=1,
            interval_step=1,
            interval_max=LONGEST_PAUSE,
            callback=meanwhile,
        )


@contextmanager
def refusals_explained(url: str) -> Iterator[None]:
    """Turn what the broker says of a wrong login into what has to be corrected.

    Raises:
        SettingsError: the broker refuses the user, the password or the vhost.
    """
    broker = safe_url(url)
    try:
        yield
    except AccessRefused:
        user = unquote(urlsplit(url).username or "guest")
        raise SettingsError(
            f"The broker {broker} refuses the user {user!r} with this password.",
            "Without a login no message can be taken. (RabbitMQ lets 'guest' in from its own "
            "machine only.)",
            "correct user and password in FW_BROKER_URL.",
        ) from None
    except NotAllowed:
        raise SettingsError(
            f"The broker {broker} has no such vhost, or the user may not use it.",
            "A vhost holds the queues; what follows the port in the URL names it "
            "(// is the vhost /).",
            "correct the vhost in FW_BROKER_URL, or create it: rabbitmqctl add_vhost NAME",
        ) from None
