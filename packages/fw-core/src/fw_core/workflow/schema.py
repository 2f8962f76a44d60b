"""The JSON Schema of plans, for editors and for who writes plans in another language."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _text() -> str:
    return files("fw_core.workflow").joinpath("plan.schema.json").read_text(encoding="utf-8")


def plan_schema() -> dict[str, Any]:
    """The schema (JSON Schema, 2020-12) of what :func:`fw_core.workflow.reading.read_plan` reads.

    It says all that a plan alone can say: names, queues and types are known where it is started.

    >>> plan_schema()["title"]
    'A plan of a workflow'
    """
    schema: dict[str, Any] = json.loads(_text())
    return schema
