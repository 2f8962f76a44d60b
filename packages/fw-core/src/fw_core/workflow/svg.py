"""A workflow as an SVG picture: steps below each other, branches side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from fw_core.call.plain import shortened
from fw_core.workflow import plan as plans
from fw_core.workflow.drawing import Places, asked, name_of, places, state_at
from fw_core.workflow.mermaid import FILLS
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of
from fw_core.workflow.state import WorkflowState

WIDTH, HEIGHT, GAP, TITLE = 190, 46, 24, 22
_MOST_SHOWN = 26


@dataclass(frozen=True, slots=True)
class Box:
    """A step, or a frame around others, with its place in the picture."""

    x: int
    y: int
    width: int
    height: int
    title: str
    note: str = ""
    fill: str = "none"
    is_step: bool = False


def as_svg(workflow: WorkflowState) -> str:
    """The plan as a picture by itself, each step in the colour of its state."""
    known = places(workflow)
    width, height = _size(workflow.plan)
    shapes = "\n".join(
        shape for box in boxes(workflow.plan, known, GAP, GAP) for shape in _shapes(box)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 2 * GAP} '
        f'{height + 2 * GAP}" font-family="sans-serif" font-size="12">\n{shapes}\n</svg>'
    )


def boxes(part: Plan, known: Places, x: int, y: int, path: str = "") -> Iterator[Box]:
    """What is drawn of a part whose upper left corner is here."""
    inner = [(join_path(path, place), each) for place, each in parts_of(part)]
    width, height = _size(part)
    match part:
        case Step():
            state = state_at(known.get(path, ()))
            name = shortened(name_of(part), _MOST_SHOWN)
            yield Box(x, y, WIDTH, HEIGHT, name, str(state), FILLS[state], is_step=True)
        case plans.Sequence():
            for where, each in inner:
                own_width, own_height = _size(each)
                yield from boxes(each, known, x + (width - own_width) // 2, y, where)
                y += own_height + GAP
        case Parallel() | Each() | Choose():
            yield Box(x, y, width, height, shortened(_title(part), _MOST_SHOWN))
            x += GAP
            for where, each in inner:
                yield from boxes(each, known, x, y + TITLE, where)
                x += _size(each)[0] + GAP


def _size(part: Plan) -> tuple[int, int]:
    sizes = [_size(each) for _, each in parts_of(part)]
    match part:
        case Step():
            return WIDTH, HEIGHT
        case plans.Sequence():
            return max(w for w, _ in sizes), sum(h for _, h in sizes) + GAP * (len(sizes) - 1)
        case _:
            wide = sum(w for w, _ in sizes) + GAP * (len(sizes) + 1)
            return wide, max(h for _, h in sizes) + TITLE + GAP


def _title(part: Parallel | Each | Choose) -> str:
    match part:
        case Parallel():
            return "side by side"
        case Each():
            return "for each item"
        case Choose():
            return asked(part)


def _shapes(box: Box) -> Sequence[str]:
    dashes = "" if box.is_step else ' stroke-dasharray="4"'
    frame = (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" '
        f'fill="{box.fill}" stroke="#666"{dashes}/>'
    )
    if not box.is_step:
        return [frame, _text(box.x + 8, box.y + 15, box.title, "start")]
    middle = box.x + box.width // 2
    return [
        frame,
        _text(middle, box.y + 19, box.title, "middle"),
        _text(middle, box.y + 36, box.note, "middle"),
    ]


def _text(x: int, y: int, text: str, anchor: str) -> str:
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(printable)}</text>'
