"""RabbitMQ's management API, as far as an operator's command needs it."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from fw_core.errors import BrokerUnreachable
from fw_core.urls import safe_url

SECONDS = 10.0


def queues(management_url: str, broker_url: str) -> list[dict[str, Any]]:
    """Every queue of the broker's vhost, with its counts.

    Args:
        management_url: ``http://user:password@host:15672``.
        broker_url: Names the vhost.

    Raises:
        BrokerUnreachable: the API does not answer, or refuses.
    """
    parts = urlsplit(management_url)
    path = urlsplit(broker_url).path[1:]
    vhost = quote(unquote(path) or "/", safe="")
    secret = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
    default_port = 15671 if parts.scheme == "https" else 15672
    base = f"{parts.scheme}://{parts.hostname}:{parts.port or default_port}{parts.path.rstrip('/')}"
    columns = "name,messages,messages_ready,messages_unacknowledged,consumers"
    request = Request(  # noqa: S310 - the scheme is that of the operator's own setting
        f"{base}/api/queues/{vhost}?columns={columns}",
        headers={"Authorization": "Basic " + base64.b64encode(secret.encode()).decode()},
    )
    try:
        with urlopen(request, timeout=SECONDS) as response:  # noqa: S310
            found: list[dict[str, Any]] = json.load(response)
    except (OSError, ValueError) as error:
        cause = f"{error.code} {error.reason}" if isinstance(error, HTTPError) else str(error)
        raise BrokerUnreachable(
            server=safe_url(management_url), setting="FW_MANAGEMENT_URL", cause=cause
        ) from None
    return found
