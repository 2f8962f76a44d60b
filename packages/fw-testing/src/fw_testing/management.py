"""RabbitMQ's management API, as far as tests need it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """A message as the broker holds it."""

    routing_key: str
    redelivered: bool
    headers: dict[str, Any]
    properties: dict[str, Any]
    body: str


class Management:
    """A client of the management API, for one vhost.

    Args:
        url: ``http://user:password@host:15672``.
        vhost: The vhost that the methods are about.
    """

    def __init__(self, url: str, vhost: str = "/") -> None:
        parts = urlsplit(url)
        self.user = parts.username or "guest"
        self.vhost = vhost
        secret = f"{self.user}:{parts.password or ''}".encode()
        self._authorization = "Basic " + base64.b64encode(secret).decode()
        self._base = f"{parts.scheme}://{parts.hostname}:{parts.port or 15672}/api"

    def version(self) -> str:
        """RabbitMQ's version."""
        found: str = self.call("GET", "overview")["rabbitmq_version"]
        return found

    def create_vhost(self) -> None:
        """Create the vhost, with every right on it for the client's own user."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.call("PUT", f"vhosts/{self._vhost}", {})
        self.call("PUT", f"permissions/{self._vhost}/{quote(self.user, safe='')}", everything)

    def delete_vhost(self) -> None:
        """Delete the vhost with all that is in it; its connections are closed."""
        self.call("DELETE", f"vhosts/{self._vhost}")

    def queues(self) -> list[str]:
        """The names of the vhost's queues."""
        found = self.call("GET", f"queues/{self._vhost}?columns=name&disable_stats=true")
        return sorted(queue["name"] for queue in found)

    def count(self, queue: str) -> int:
        """How many messages the queue holds; counted by the broker up to five seconds ago."""
        return int(self._queue(queue).get("messages", 0))

    def arguments(self, queue: str) -> dict[str, Any]:
        """What the queue was declared with."""
        return dict(self._queue(queue)["arguments"])

    def get(self, queue: str, limit: int = 100, *, take: bool = False) -> list[BrokerMessage]:
        """The messages that wait in the queue, first in line first.

        Args:
            queue: The queue's name on the broker.
            limit: At most so many.
            take: Remove them; else they go back, which counts as a delivery of each.
        """
        mode = "ack_requeue_false" if take else "ack_requeue_true"
        wanted = {"count": limit, "ackmode": mode, "encoding": "auto"}
        found = self.call("POST", f"queues/{self._vhost}/{quote(queue, safe='')}/get", wanted)
        return [_message(message) for message in found]

    def purge(self, queue: str) -> None:
        """Remove the messages that wait in the queue."""
        self.call("DELETE", f"queues/{self._vhost}/{quote(queue, safe='')}/contents")

    def close_connections(self) -> int:
        """Cut every connection to the vhost, as an outage would; returns how many there were.

        A connection is listed some seconds after it was opened.
        """
        found = self.call("GET", f"vhosts/{self._vhost}/connections")
        for connection in found:
            self.call("DELETE", f"connections/{quote(connection['name'], safe='')}")
        return len(found)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API and return the JSON that it answers with.

        Raises:
            urllib.error.URLError: it cannot be reached, or refuses.
        """
        request = Request(  # noqa: S310 - the scheme is that of the test's own setting
            f"{self._base}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=10) as response:  # noqa: S310
                text = response.read()
        except HTTPError as error:
            with error:
                if method == "DELETE" and error.code == 404:
                    return None
                error.msg = f"{error.msg} ({method} {path}: {error.read()[:200].decode()})"
            raise
        return json.loads(text) if text else None

    def _queue(self, queue: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"queues/{self._vhost}/{quote(queue, safe='')}")
        return found

    @property
    def _vhost(self) -> str:
        return quote(self.vhost, safe="")


def _message(message: dict[str, Any]) -> BrokerMessage:
    properties = dict(message["properties"] or {})
    return BrokerMessage(
        routing_key=message["routing_key"],
        redelivered=message["redelivered"],
        headers=dict(properties.pop("headers", None) or {}),
        properties=properties,
        body=message["payload"],
    )
