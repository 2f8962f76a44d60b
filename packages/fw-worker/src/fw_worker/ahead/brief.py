"""What travels of a message to a process of the pool, and what is made of it there.

The first process looks at a message's headers alone. Its body is read where it is used, and only
there is made of both what Celery calls a request; most of a worker's work is then done by as many
processes as it has.
"""

from __future__ import annotations

import json
from typing import Any

from celery.exceptions import InvalidTaskError
from kombu import serialization
from kombu.exceptions import ContentDisallowed, DecodeError

Payload = tuple[list[Any], dict[str, Any], dict[str, Any]]
Call = tuple[str, str, dict[str, Any], Payload, None, None]
"""What Celery's tracer takes: the task, the id, the headers and the decoded body of a message."""

Brief = tuple[dict[str, Any], dict[str, Any], tuple[Any, Any, bool], Any]
"""A message: headers, properties, where it came from and whether it came again, body."""

JSON = "application/json"
UTF8 = "utf-8"

UNREADABLE = (DecodeError, ContentDisallowed, InvalidTaskError)
"""What a body raises that is no call."""

_decode = json.JSONDecoder().decode


class Unreadable:
    """In place of an outcome: the body is no call of a task. The first process says why."""


def brief_of(message: Any, headers: dict[str, Any], body: Any) -> Brief:
    """What travels of a message.

    Args:
        message: kombu's.
        headers: Its headers, or what Celery made of them.
        body: Its text, or what it says.
    """
    info = message.delivery_info or {}
    came_from = (info.get("exchange"), info.get("routing_key"), bool(info.get("redelivered")))
    return headers, message.properties or {}, came_from, body


def call_of(brief: Brief, hostname: str) -> Call:
    """The call that a message is, as Celery's request has it (``celery.worker.request``).

    Raises:
        UNREADABLE: its body is none.
    """
    headers, properties, (exchange, key, redelivered), body = brief
    payload: Any = body if isinstance(body, (list, tuple)) else read_body(body)
    check_shape(payload)
    request = {
        **headers,
        "properties": properties,
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "hostname": hostname,
        "delivery_info": {
            "exchange": exchange,
            "routing_key": key,
            "priority": properties.get("priority"),
            "redelivered": redelivered,
        },
        "args": payload[0],
        "kwargs": payload[1],
    }
    return headers["task"], headers["id"], request, payload, None, None


def read_body(body: Any) -> Any:
    """What a JSON body says.

    kombu asks at each object whether it stands for a date, a UUID or another type, which it writes
    as an object with the key ``__type__``; only a body that may have one is read in that way.

    Raises:
        DecodeError: it is no JSON.
    """
    try:
        text = body if isinstance(body, str) else str(body, UTF8)
        if "__type__" not in text and "\\u005" not in text:  # an underscore, written otherwise
            return _decode(text)
    except ValueError:
        pass  # said by kombu
    return serialization.loads(body, JSON, UTF8, accept={JSON})


def check_shape(payload: Any) -> None:
    """Refuse what the tracer would stumble over.

    Raises:
        InvalidTaskError: the payload is not ``[args, kwargs, embed]``.
    """
    if isinstance(payload, (list, tuple)) and len(payload) == 3:
        args, kwargs, _ = payload
        if isinstance(args, (list, tuple)) and isinstance(kwargs, dict):
            return
    raise InvalidTaskError("the payload is no [args, kwargs, embed]")


def check_message(message: Any, body: Any) -> None:
    """Refuse what Celery would stumble over.

    Raises:
        DecodeError, ContentDisallowed: the body cannot be read.
        InvalidTaskError: the payload is not ``[args, kwargs, embed]``.
    """
    if body is None and message.content_type == JSON and message.content_encoding == UTF8:
        message._decoded_cache = read_body(message.body)
    payload = message.payload if body is None else body
    known = message.headers
    if isinstance(payload, dict):  # Celery's first protocol, or its hybrid
        known = {**payload, **known}
        payload = payload.get("args"), payload.get("kwargs"), None
    check_shape(payload)
    if not known.get("id"):
        raise InvalidTaskError("the message has no id")
