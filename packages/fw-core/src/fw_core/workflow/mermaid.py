"""A workflow as a Mermaid flowchart: https://mermaid.js.org/syntax/flowchart.html."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

from fw_core.workflow import plan as plans
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of
from fw_core.workflow.standing import asked, name_of, refusals, standings
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
    chart = _Chart(workflow)
    last = chart.add(workflow.plan, "", [("start", "")])
    chart.connect(last, "done")
    classes = [f"    classDef {state} fill:{fill},color:#000" for state, fill in FILLS.items()]
    ends = ('    start(["data"])', '    done(["result"])')
    return "\n".join(["flowchart TD", *ends, *chart.nodes, *chart.edges, *classes])


class _Chart:
    """Nodes and edges apart: a node belongs to the subgraph in which it is first named."""

    def __init__(self, workflow: WorkflowState) -> None:
        self.nodes: list[str] = []
        self.edges: list[str] = []
        self._standings = standings(workflow)
        self._refused = refusals(workflow)
        self._numbers = count()

    def connect(self, opened: Sequence[Open], node: str) -> None:
        for other, label in opened:
            self.edges.append(f"    {other} -->{f'|{label}|' if label else ''} {node}")

    def add(self, part: Plan, path: str, opened: list[Open]) -> list[Open]:
        """Draw a part behind what is open; returns what is open then."""
        inner = [(join_path(path, place), each) for place, each in parts_of(part)]
        failed = f":::{State.FAILED}" if path in self._refused else ""
        match part:
            case Step():
                standing = self._standings[path]
                label = f"{_escaped(name_of(part))}<br/>{_escaped(standing.word)}"
                return self._node(f'["{label}"]:::{standing.state}', opened)
            case plans.Sequence():
                for where, each in inner:
                    opened = self.add(each, where, opened)
                return opened
            case Parallel():
                if len(opened) > 1:  # not an edge from each of them to each branch
                    opened = self._node('((" "))', opened)
                ends = [end for where, each in inner for end in self.add(each, where, opened)]
                return self._node('(("all"))', ends)
            case Each():
                self.nodes.append(f'    subgraph e{next(self._numbers)}["each item"]')
                [(where, body)] = inner
                ends = self.add(body, where, opened)
                self.nodes.append("    end")
                return self._node(f'(("all")){failed}', ends)
            case Choose():
                [(asks, _)] = self._node(f'{{"{_escaped(asked(part))}"}}{failed}', opened)
                passed = [(asks, "no")] if part.otherwise is None else []
                for (where, each), label in zip(inner, ("yes", "no"), strict=False):
                    passed += self.add(each, where, [(asks, label)])
                return passed

    def _node(self, shape: str, opened: Sequence[Open]) -> list[Open]:
        node = f"n{next(self._numbers)}"
        self.nodes.append(f"    {node}{shape}")
        self.connect(opened, node)
        return [(node, "")]


# Labels are read as Markdown: "1. a" would be a list, "__a__" bold, "www.a" a link. So marks are
# text only between letters, as in "send_invoice".
_PLAIN = re.compile(r"([^\W_]+(?:(?<!www)[-._][^\W_]+)*| )|(.)", re.IGNORECASE)


def _escaped(text: str) -> str:
    """As Mermaid has it: a character that may mean something by its number.

    >>> _escaped('send_mail "b"'), _escaped("1. a")
    ('send_mail #34;b#34;', '1#46; a')
    """
    return _PLAIN.sub(lambda found: found[1] or f"#{ord(found[2])};", text)
