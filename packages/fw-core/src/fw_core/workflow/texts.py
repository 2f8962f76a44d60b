"""Plans as texts: JSON, and YAML where PyYAML is installed."""

from __future__ import annotations

from functools import cache
from typing import Any

from fw_core import strict_json
from fw_core.errors import PlanError, Problem, WorkflowError
from fw_core.workflow.plan import MOST_DEPTH, Plan
from fw_core.workflow.reading import EXAMPLE, read_plan


def plan_from_json(text: str | bytes) -> Plan:
    """The plan that a JSON text says.

    Raises:
        PlanError: it is no JSON, or no plan.
    """
    try:
        data = strict_json.loads(text)
    except ValueError as error:
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
    if isinstance(error, (RecursionError, strict_json.TooDeep)):
        return f"it is nested deeper than {MOST_DEPTH}"
    return str(error).partition("\n")[0].rstrip(".")
