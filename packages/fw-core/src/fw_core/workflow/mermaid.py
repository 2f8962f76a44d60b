"""A workflow as a Mermaid flowchart: https://mermaid.js.org/syntax/flowchart.html."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from fw_core.workflow import plan as plans
from fw_core.workflow.drawing import Places, asked, name_of, places, state_at
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of
from fw_core.workflow.state import State, WorkflowState

FILLS = {
    State.WAITING: "#eeeeee",
    State.RUNNING: "#cfe2ff",
    State.RETRYING: "#ffe5b4",
    State.SUCCEEDED: "#d1f0d1",
    State.FAILED: "#f8c9c9",
    State.CANCELLED: "#d9d9d9",
}

Open = tuple[str, str]
"""A node from which an edge is still to be drawn, and what stands at it."""


def as_mermaid(workflow: WorkflowState) -> str:
    """The plan as a flowchart from top to bottom, each step in the colour of its state."""
    chart = _Chart(places(workflow))
    last = chart.add(workflow.plan, "", [("start", "")])
    chart.lines.append('    done(["result"])')
    chart.connect(last, "done")
    classes = [f"    classDef {state} fill:{fill}" for state, fill in FILLS.items()]
    return "\n".join(["flowchart TD", '    start(["data"])', *chart.lines, *classes])


class _Chart:
    def __init__(self, known: Places) -> None:
        self.lines: list[str] = []
        self._known = known
        self._numbers = count()

    def connect(self, opened: Sequence[Open], node: str) -> None:
        for other, label in opened:
            self.lines.append(f"    {other} -->{f'|{label}|' if label else ''} {node}")

    def add(self, part: Plan, path: str, opened: list[Open]) -> list[Open]:
        """Draw a part behind what is open; returns what is open then."""
        inner = [(join_path(path, place), each) for place, each in parts_of(part)]
        match part:
            case Step():
                state = state_at(self._known.get(path, ()))
                label = f"{_escaped(name_of(part))}<br/>{state}"
                return self._node(f'["{label}"]:::{state}', opened)
            case plans.Sequence():
                for where, each in inner:
                    opened = self.add(each, where, opened)
                return opened
            case Parallel():
                ends = [end for where, each in inner for end in self.add(each, where, opened)]
                return self._node('(("all"))', ends)
            case Each():
                [(where, body)] = inner
                first = self._node('(["each item"])', opened)
                return self._node('(("all"))', self.add(body, where, first))
            case Choose():
                [(asks, _)] = self._node(f'{{"{_escaped(asked(part))}"}}', opened)
                ends = []
                for (where, each), label in zip(inner, ("yes", "no"), strict=False):
                    ends += self.add(each, where, [(asks, label)])
                return ends if part.otherwise is not None else [*ends, (asks, "no")]

    def _node(self, shape: str, opened: Sequence[Open]) -> list[Open]:
        node = f"n{next(self._numbers)}"
        self.lines.append(f"    {node}{shape}")
        self.connect(opened, node)
        return [(node, "")]


def _escaped(text: str) -> str:
    """As Mermaid has it: a character that means something by its number.

    >>> _escaped('a "b"')
    'a #34;b#34;'
    """
    return "".join(c if c.isalnum() or c in " _-." else f"#{ord(c)};" for c in text)
