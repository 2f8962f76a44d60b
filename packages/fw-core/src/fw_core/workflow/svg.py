"""A workflow as an SVG picture: steps below each other, branches side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from fw_core.call.plain import shortened
from fw_core.workflow import plan as plans
from fw_core.workflow.mermaid import FILLS
from fw_core.workflow.plan import Choose, Each, Parallel, Plan, Step, join_path, parts_of
from fw_core.workflow.standing import Standing, asked, name_of, one_line, refusals, standings
from fw_core.workflow.state import State, WorkflowState

WIDTH, HEIGHT, GAP, TITLE, LANE = 220, 46, 28, 22, 60
_MOST_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Box:
    """A step, or a frame around others, with its place in the picture."""

    x: int
    y: int
    width: int
    height: int
    title: str
    note: str = ""
    path: str = ""
    fill: str = "none"
    is_step: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """From above to below, by a level way between the two if they are not in line."""

    x: int
    y: int
    to_x: int
    to_y: int
    label: str = ""
    has_head: bool = True


@dataclass(frozen=True, slots=True)
class Laid:
    """A part and the room that it takes."""

    part: Plan | None
    path: str
    width: int
    height: int
    inner: tuple[Laid, ...] = ()


def as_svg(workflow: WorkflowState) -> str:
    """The plan as a picture by itself, each step in the colour of its state."""
    laid = layout(workflow.plan)
    shapes = drawn(laid, standings(workflow), refusals(workflow), GAP, GAP)
    written = "\n".join(_box(each) if isinstance(each, Box) else _arrow(each) for each in shapes)
    size = f"{laid.width + 2 * GAP} {laid.height + 2 * GAP}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
        f'font-family="sans-serif" font-size="12">\n'
        f"<title>{_text_of(workflow.id)} {workflow.state}</title>\n{written}\n</svg>"
    )


def layout(part: Plan, path: str = "") -> Laid:
    """How large a part is, and each one in it.

    >>> layout(Step("a")).width, layout(plans.Sequence("a", "b")).height
    (220, 120)
    """
    inner = [layout(each, join_path(path, place)) for place, each in parts_of(part)]
    match part:
        case Step():
            return Laid(part, path, WIDTH, HEIGHT)
        case plans.Sequence():
            height = sum(each.height for each in inner) + GAP * (len(inner) - 1)
            return Laid(part, path, max(each.width for each in inner), height, tuple(inner))
        case Choose(otherwise=None):
            inner.append(Laid(None, "", LANE, 0))
        case _:
            pass
    width = sum(each.width for each in inner) + GAP * (len(inner) + 1)
    height = max(each.height for each in inner) + TITLE + 2 * GAP
    return Laid(part, path, width, height, tuple(inner))


def drawn(
    laid: Laid, known: Mapping[str, Standing], refused: Mapping[str, object], x: int, y: int
) -> Iterator[Box | Arrow]:
    """What is drawn of a part whose upper left corner is here."""
    part, middle = laid.part, x + laid.width // 2
    match part:
        case Step():
            yield _step(part, laid.path, known[laid.path], x, y)
        case plans.Sequence():
            for number, each in enumerate(laid.inner):
                if number:
                    yield Arrow(middle, y - GAP, middle, y)
                left = middle - each.width // 2
                yield from drawn(each, known, refused, left, y)
                y += each.height + GAP
        case Parallel() | Each() | Choose():
            fill = FILLS[State.FAILED] if laid.path in refused else "none"
            yield Box(x, y, laid.width, laid.height, _title(part), path=laid.path, fill=fill)
            labels = ("yes", "no") if isinstance(part, Choose) else ("",) * len(laid.inner)
            top, bottom, left = y + TITLE, y + laid.height, x + GAP
            for each, label in zip(laid.inner, labels, strict=True):
                lane, below = left + each.width // 2, top + GAP + each.height
                yield Arrow(middle, top, lane, top + GAP, label, has_head=each.part is not None)
                yield from drawn(each, known, refused, left, top + GAP)
                if below < bottom - GAP:
                    yield Arrow(lane, below, lane, bottom - GAP, has_head=False)
                yield Arrow(lane, bottom - GAP, middle, bottom, has_head=False)
                left += each.width + GAP
        case None:
            pass


def _step(step: Step, path: str, standing: Standing, x: int, y: int) -> Box:
    fill = FILLS[standing.state]
    return Box(x, y, WIDTH, HEIGHT, name_of(step), standing.word, path, fill, is_step=True)


def _title(part: Parallel | Each | Choose) -> str:
    match part:
        case Parallel():
            return "side by side"
        case Each():
            return "for each item"
        case Choose():
            return asked(part)


def _box(box: Box) -> str:
    dashes = "" if box.is_step else ' stroke-dasharray="4"'
    frame = (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6" '
        f'fill="{box.fill}" stroke="#666"{dashes}/>'
    )
    whole = ", ".join(filter(None, (box.title, box.path, box.note)))
    if box.is_step:
        middle = box.x + box.width // 2
        texts = _text(middle, box.y + 19, box.title) + _text(middle, box.y + 36, box.note)
    else:
        texts = _text(box.x + 8, box.y + 15, box.title, "start")
    return f"<g><title>{_text_of(whole)}</title>{frame}{texts}</g>"


def _arrow(arrow: Arrow) -> str:
    half = (arrow.y + arrow.to_y) // 2
    way = f"M{arrow.x} {arrow.y}V{half}H{arrow.to_x}V{arrow.to_y}"
    head = "l-4 -7m4 7l4 -7" if arrow.has_head else ""
    label = _text(arrow.to_x + 6, arrow.to_y - 4, arrow.label, "start") if arrow.label else ""
    return f'<path d="{way}{head}" fill="none" stroke="#666"/>{label}'


def _text(x: int, y: int, text: str, anchor: str = "middle") -> str:
    shown = _text_of(shortened(text, _MOST_SHOWN))
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{shown}</text>'


def _text_of(text: str) -> str:
    return escape(one_line(text))
