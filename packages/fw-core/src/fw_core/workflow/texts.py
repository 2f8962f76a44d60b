"""Plans as texts: JSON, and YAML where PyYAML is installed."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from fw_core.errors import PlanError, Problem, WorkflowError
from fw_core.workflow.plan import MOST_DEPTH, Plan
from fw_core.workflow.reading import EXAMPLE, read_plan


def plan_from_json(text: str | bytes) -> Plan:
    """The plan that a JSON text says.

    Raises:
        PlanError: it is no JSON, or no plan.
    """
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise PlanError([Problem("", f"it is no JSON: {_reason(error)}", EXAMPLE)]) from None
    return read_plan(data)


def plan_from_yaml(text: str | bytes) -> Plan:
    """The plan that a YAML text says.

    Raises:
        PlanError: it is no YAML, or no plan.
        WorkflowError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise WorkflowError(
            "A plan is written in YAML, which nothing here can read.",
            "PyYAML reads it; fw itself needs only JSON.",
            'pip install "fw-core[yaml]"',
        ) from None
    try:
        data = yaml.load(text, Loader=_loader())  # noqa: S506 - a safe one
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PlanError([Problem("", f"it is no YAML: {_reason(error)}", "- download")]) from None
    return read_plan(data)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; Python would take the last of two values under one key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return found


@cache
def _loader() -> Any:
    """YAML's safe loader, to which 2026-01-01 is the text that JSON has for it, and no date."""
    from yaml import SafeLoader

    timestamp = "tag:yaml.org,2002:timestamp"
    resolvers: Any = SafeLoader.yaml_implicit_resolvers
    kept = {
        first: [(tag, pattern) for tag, pattern in known if tag != timestamp]
        for first, known in resolvers.items()
    }
    return type("PlanLoader", (SafeLoader,), {"yaml_implicit_resolvers": kept})


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MOST_DEPTH}"
    return str(error).partition("\n")[0].rstrip(".")
