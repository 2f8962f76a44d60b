"""fw: workflows as plans of names, with its defaults."""

from typing import Any

from fw_core import execute_dynamic_workflow, register_task

STORE = "fw_results", "state"
"""The table of results and its column of states, where they are kept in PostgreSQL."""


@register_task("next")
def after(number: int) -> int:
    """Return the number after this one."""
    return number + 1


@register_task("numbers")
def numbers(count: int) -> list[int]:
    """Return so many numbers."""
    return list(range(count))


@register_task("double")
def double(number: int) -> int:
    """Return twice the number."""
    return 2 * number


@register_task("total")
def total(numbers: list[int]) -> int:
    """Return the sum."""
    return sum(numbers)


def sequence(steps: int, number: int) -> Any:
    """Start so many steps, one after the other."""
    return execute_dynamic_workflow(["next"] * steps, number)


def fan_out(members: int) -> Any:
    """Start a step, so many members side by side with what it returned, and their join."""
    return execute_dynamic_workflow(["numbers", {"each": "double"}, "total"], members)
