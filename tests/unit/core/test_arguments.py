"""Arguments: number, names and types, checked where the call is written and again in the worker."""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Union
from uuid import UUID

import pytest
from kombu.utils.json import dumps, loads
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from fw_core import CallError, DeclarationError
from fw_core.call.arguments import Arguments


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


@dataclass
class Point:
    x: int
    y: float = 0.0


@dataclass
class Route:
    name: str
    points: list[Point]
    opened: date | None = None


class Address(BaseModel):
    street: str
    number: int
    since: datetime | None = None


class Row(TypedDict):
    id: int
    note: NotRequired[str]


class Order:
    def __init__(self, id: int) -> None:
        self.id = id

    def __repr__(self) -> str:
        return f"Order(id={self.id})"


UserId = NewType("UserId", int)
Positive = Annotated[int, Field(gt=0)]


def taking(annotation: Any) -> Arguments:
    """The arguments of a task with one parameter of this annotation."""

    def process(value) -> None: ...

    process.__annotations__ = {"value": annotation}
    return Arguments("orders.process", process)


def over_the_wire(arguments: Arguments, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """What the worker's function is called with."""
    sent = arguments.encode(args, kwargs)
    wire_args, wire_kwargs = loads(dumps((sent.args, sent.kwargs)))
    arrived = arguments.decode(wire_args, wire_kwargs)
    return arrived.args, arrived.kwargs


def arrives(annotation: Any, value: Any) -> Any:
    [arrived], _ = over_the_wire(taking(annotation), value)
    return arrived


def refused(annotation: Any, value: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        taking(annotation).encode((value,), {})
    return caught.value


# Values that arrive as they were sent


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 7),
        (int, -(10**400)),
        (str, "é€𝄞\x00\n"),
        (float, 1.5),
        (bool, True),
        (None, None),
        (Optional[int], None),
        (Optional[int], 7),
        (int | None, 7),
        (int | str, 7),
        (int | str, "7"),
        (int | float, 7),
        (Union[list[int], dict[str, int]], {"a": 1}),
        (list[int], [1, 2]),
        (list[list[int]], [[1], []]),
        (dict[str, int], {"a": 1}),
        (dict[int, str], {1: "a"}),
        (dict[UUID, int], {UUID(int=7): 1}),
        (dict[date, int], {date(2026, 1, 1): 1}),
        (tuple[int, str], (1, "a")),
        (tuple[int, ...], (1, 2)),
        (set[int], {1, 2}),
        (frozenset[str], frozenset({"a"})),
        (Sequence[int], [1, 2]),
        (Iterable[int], [1, 2]),
        (Collection[str], ["a"]),
        (Mapping[str, int], {"a": 1}),
        (datetime, datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)),
        (datetime, datetime(2026, 1, 1, 12)),
        (date, date(2026, 1, 1)),
        (time, time(12, 30)),
        (timedelta, timedelta(days=-3, microseconds=5)),
        (UUID, UUID(int=2**127)),
        (Decimal, Decimal("1.10")),
        (bytes, b"text"),
        (bytes, bytes(range(256))),
        (list[bytes], [b"\xff\x00"]),
        (Color, Color.RED),
        (Color, Color.BLUE),
        (list[Color], [Color.BLUE]),
        (Point, Point(1, 2.5)),
        (Route, Route("a", [Point(1), Point(2)], date(2026, 1, 1))),
        (Address, Address(street="Long", number=7, since=datetime(2026, 1, 1, tzinfo=UTC))),
        (list[Address], [Address(street="Long", number=7)]),
        (Row, {"id": 1}),
        (Row, {"id": 1, "note": "x"}),
        (Literal["fast", "slow"], "slow"),
        (Literal[1, "one", None], None),
        (UserId, UserId(7)),
        (Positive, 7),
        (list[Positive], [1, 2]),
        (Path, Path("/srv/shop")),
        (date | datetime, datetime(2026, 1, 1)),
        (date | datetime, date(2026, 1, 1)),
        (UUID | int, 7),
        (str | UUID, "an order"),
        (Annotated[int, {"unhashable": True}], 7),
        (Annotated[Any, "a note"], 7),
    ],
)
def test_a_value_arrives_as_it_was_sent(annotation, value):
    arrived = arrives(annotation, value)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        1.5,
        "text",
        [1, [2, {"a": None}]],
        {"a": [1, {"b": 2}]},
        datetime(2026, 1, 1, 12, tzinfo=UTC),
        date(2026, 1, 1),
        time(12),
        Decimal("1.10"),
        UUID(int=7),
        b"\xff",
        b"text",
        {"when": date(2026, 1, 1), "who": [UUID(int=7)]},
    ],
)
@pytest.mark.parametrize("annotation", [Any, object])
def test_a_plain_value_without_an_annotation_arrives_as_it_was_sent(annotation, value):
    arrived = arrives(annotation, value)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict, {"when": date(2026, 1, 1)}),
        (dict[str, Any], {"when": date(2026, 1, 1)}),
        (dict[str, Any] | None, {"when": date(2026, 1, 1)}),
        (Optional[dict], None),
        (Mapping[str, Any], {"price": Decimal("1.10")}),
        (list, [UUID(int=7)]),
        (list[Any], [UUID(int=7)]),
        (Sequence[Any], [UUID(int=7)]),
        (tuple, (UUID(int=7), 1)),
        (tuple[Any, ...], (UUID(int=7), 1)),
        (list[dict[str, Any]], [{"when": date(2026, 1, 1)}]),
        (dict[str, list[Any]], {"all": [b"\xff"]}),
        (dict[str, dict[str, Any]], {"a": {"b": date(2026, 1, 1)}}),
    ],
)
def test_what_has_no_annotation_inside_a_container_keeps_its_type(annotation, value):
    """pydantic would make text of a date in dict[str, Any], and the task would get text."""
    arrived = arrives(annotation, value)

    assert arrived == value
    assert type(arrived) is type(value)


def test_a_tuple_without_an_annotation_arrives_as_a_list():
    """JSON has one kind of sequence."""
    assert arrives(Any, (1, (2,))) == [1, [2]]


def test_a_model_may_be_sent_as_its_fields():
    assert arrives(Address, {"street": "Long", "number": 7}) == Address(street="Long", number=7)


def test_an_int_is_a_float():
    """PEP 484 says so, and JSON keeps it."""
    assert arrives(float, 7) == 7


# Values that do not fit


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "7"),
        (int, 7.0),
        (int, True),
        (int, None),
        (int, b"7"),
        (str, 7),
        (str, b"text"),
        (str, None),
        (float, "1.5"),
        (float, True),
        (bool, 1),
        (bool, "true"),
        (None, 0),
        (Optional[int], "7"),
        (int | str, 1.5),
        (list[int], [1, "2"]),
        (list[int], (1, 2)),
        (list[int], 1),
        (list[int], "12"),
        (dict[int, str], {"1": "a"}),
        (dict[str, int], {"a": "1"}),
        (tuple[int, str], (1,)),
        (datetime, "2026-01-01T12:00:00"),
        (datetime, date(2026, 1, 1)),
        (date, datetime(2026, 1, 1, 12)),
        (date, "2026-01-01"),
        (UUID, "00000000-0000-0000-0000-000000000007"),
        (Decimal, 1.5),
        (Decimal, "1.10"),
        (bytes, "text"),
        (Color, "red"),
        (Point, {"x": 1}),
        (Point, Point("1")),
        (Address, {"street": "Long", "number": "7"}),
        (Address, Address.model_construct(street="Long", number="7")),
        (list[Point], [Point("1")]),
        (Row, {"note": "x"}),
        (Row, {"id": "1"}),
        (Literal["fast", "slow"], "medium"),
        (UserId, "7"),
        (Positive, 0),
        (Sequence[int], "12"),
        (Sequence[Any], "12"),
        (Iterable[int], iter([1])),
        (list[Any], {1}),
        (dict[str, Any], [1]),
        (Annotated[int, {"unhashable": True}], "7"),
    ],
)
def test_a_value_that_does_not_fit_its_annotation_is_refused(annotation, value):
    """Strict: what is annotated int takes an int, not "7"."""
    error = refused(annotation, value)

    assert re.match("orders.process: argument ['\"]value", error.what)
    assert isinstance(error, TypeError)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (UUID | str, str(UUID(int=7))),
        (date | str, "2026-01-01"),
        (Color | str, Color.RED),
        (dict[Color, int], {Color.BLUE: 1}),
        (dict[tuple[int, int], str], {(1, 2): "a"}),
        (dict[int | None, str], {None: "a"}),
        (list[UUID | str], [str(UUID(int=7))]),
    ],
)
def test_a_value_that_would_arrive_as_another_is_refused(annotation, value):
    """Text that looks like a UUID is one to ``UUID | str``: the task would get what nobody sent."""
    assert "it would arrive as" in refused(annotation, value).why


# Number and names


def test_a_missing_argument_is_refused():
    def process_order(order_id: int, *, fast: bool) -> None: ...

    with pytest.raises(CallError) as caught:
        Arguments("orders.process_order", process_order).encode((), {})

    assert str(caught.value) == (
        "orders.process_order: missing a required argument: 'order_id'; "
        "it takes process_order(order_id: int, *, fast: bool) -> None.\n"
        "A message with these arguments could never run.\n"
        "Fix: process_order.delay(order_id, fast=...)"
    )


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1, 2), {}), ((), {}), ((1,), {"order_id": 1}), ((1,), {"order": 1}), ((), {"order": 1})],
)
def test_a_wrong_number_or_name_is_refused(args, kwargs):
    def process_order(order_id: int) -> None: ...

    with pytest.raises(CallError, match=r"it takes process_order\(order_id: int\) -> None"):
        Arguments("orders.process_order", process_order).encode(args, kwargs)


def test_a_default_needs_no_argument():
    def process_order(order_id: int, fast: bool = False) -> None: ...

    assert over_the_wire(Arguments("t", process_order), 7) == ((7,), {})


def test_a_default_is_not_sent():
    """The worker's own default counts, also when it is newer."""

    def process_order(order_id: int, fast: bool = False) -> None: ...

    sent = Arguments("t", process_order).encode((7,), {})

    assert (sent.args, sent.kwargs) == ((7,), {})


def test_a_default_may_be_what_json_cannot_carry():
    def process_order(order_id: int, fallback: Any = Order(1)) -> None: ...

    assert over_the_wire(Arguments("t", process_order), 7) == ((7,), {})


def test_an_argument_may_be_given_by_name():
    def process_order(order_id: int, day: date) -> None: ...

    args, kwargs = over_the_wire(Arguments("t", process_order), day=date(2026, 1, 1), order_id=7)

    assert process_order(*args, **kwargs) is None
    assert {*args, *kwargs.values()} == {7, date(2026, 1, 1)}


def test_a_keyword_only_argument_arrives_by_name():
    def process_order(*, day: date) -> None: ...

    assert over_the_wire(Arguments("t", process_order), day=date(2026, 1, 1)) == (
        (),
        {"day": date(2026, 1, 1)},
    )


def test_a_positional_only_argument_arrives():
    def process_order(order_id: int, /) -> None: ...

    assert over_the_wire(Arguments("t", process_order), 7) == ((7,), {})


def test_a_positional_only_argument_is_refused_by_name():
    def process_order(order_id: int, /) -> None: ...

    with pytest.raises(CallError, match="order_id"):
        Arguments("t", process_order).encode((), {"order_id": 7})


def test_each_of_several_positional_arguments_is_checked():
    def process_orders(*order_ids: int) -> None: ...

    arguments = Arguments("t", process_orders)

    assert over_the_wire(arguments, 1, 2, 3) == ((1, 2, 3), {})
    with pytest.raises(CallError, match=r"argument 'order_ids\[1\]' must be int, got 'b'"):
        arguments.encode((1, "b"), {})


def test_each_of_several_named_arguments_is_checked():
    def process(**days: date) -> None: ...

    arguments = Arguments("t", process)

    assert over_the_wire(arguments, a=date(2026, 1, 1)) == ((), {"a": date(2026, 1, 1)})
    with pytest.raises(CallError, match="argument 'b' must be date, got 3"):
        arguments.encode((), {"b": 3})


def test_all_kinds_of_parameters_together_arrive():
    def process(a: int, /, b: int, *rest: int, c: date, **more: str) -> None: ...

    args, kwargs = over_the_wire(
        Arguments("t", process), 1, 2, 3, c=date(2026, 1, 1), a="named", d="x"
    )

    assert args == (1, 2, 3)
    assert kwargs == {"c": date(2026, 1, 1), "a": "named", "d": "x"}


def test_a_function_without_parameters_takes_nothing():
    def tick() -> None: ...

    assert over_the_wire(Arguments("t", tick)) == ((), {})


@pytest.mark.parametrize(
    ("function", "one"),
    [
        (lambda: None, False),
        (lambda data: None, True),
        (lambda data, more=1: None, True),
        (lambda data, more: None, False),
        (lambda *data: None, True),
        (lambda *, data: None, False),
    ],
)
def test_whether_a_step_of_a_workflow_can_take_a_result(function, one):
    assert Arguments("t", function).takes(1) is one


# Annotations


def test_annotations_kept_as_text_are_obeyed():
    """This module has ``from __future__ import annotations``."""

    def process_order(order_id: int) -> None: ...

    assert process_order.__annotations__["order_id"] == "int"
    with pytest.raises(CallError, match="must be int"):
        Arguments("t", process_order).encode(("7",), {})


def test_a_forward_reference_is_obeyed_once_it_is_defined():
    arguments = Arguments("t", takes_later)
    arguments.check_declaration()

    assert over_the_wire(arguments, Later(1))[0] == (Later(1),)


def takes_later(value: Later) -> None: ...


@dataclass
class Later:
    id: int


def test_a_forward_reference_that_is_never_defined_waits_for_the_call():
    """It may be defined further down, so the declaration cannot know."""

    def process_order(order: Missing) -> None: ...  # noqa: F821

    arguments = Arguments("t", process_order)
    arguments.check_declaration()

    with pytest.raises(DeclarationError) as caught:
        arguments.encode((1,), {})

    assert caught.value.what == "t: an annotation names 'Missing', which is not defined."
    assert caught.value.fix == "import Missing outside `if TYPE_CHECKING:`."


@pytest.mark.parametrize("text", ["the id of the order", "class", "UUID.NoSuch", "int | 'Color'"])
def test_an_annotation_that_means_nothing_is_refused_at_import(text):
    def process_order(order_id) -> None: ...

    process_order.__annotations__ = {"order_id": text}

    with pytest.raises(DeclarationError, match="an annotation cannot be read"):
        Arguments("t", process_order).check_declaration()


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [(Order, "Order"), (list[Order], "list["), (Order | None, "Order"), (type(pytest), "module")],
)
def test_an_annotation_that_json_cannot_carry_is_refused_at_import(annotation, shown):
    """No call could ever succeed, so the first person to know is the task's author."""
    with pytest.raises(DeclarationError) as caught:
        taking(annotation).check_declaration()

    assert "'value' is annotated" in caught.value.what
    assert shown in caught.value.what
    assert caught.value.fix == (
        "take an identifier and load the object inside the task: value_id: int"
    )


def test_a_result_that_json_cannot_carry_is_refused_at_import():
    def find() -> Order: ...

    with pytest.raises(DeclarationError) as caught:
        Arguments("orders.find", find).check_declaration()

    assert caught.value.what.startswith("orders.find: the result is annotated Order")
    assert caught.value.fix == "return plain values, such as its id."


@pytest.mark.parametrize("annotation", [Callable, Callable[[int], int], type, type[int]])
def test_code_cannot_be_an_argument(annotation):
    with pytest.raises(DeclarationError, match="code does not travel in a message"):
        taking(annotation).check_declaration()


def test_the_annotations_of_a_wrapped_function_are_obeyed():
    def process_order(order_id: int) -> None: ...

    @functools.wraps(process_order)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    with pytest.raises(CallError, match="argument 'order_id' must be int"):
        Arguments("t", wrapper).encode(("7",), {})


# In the worker


def test_a_message_from_elsewhere_is_told_so():
    def process_order(order_id: int) -> None: ...

    with pytest.raises(CallError) as caught:
        Arguments("orders.process_order", process_order).decode(("7",), {})

    assert str(caught.value) == (
        "orders.process_order: argument 'order_id' must be int, got '7'.\n"
        "The message came from elsewhere or from other code; another attempt would get the same "
        "arguments.\n"
        "Fix: send it by process_order.delay(...), which checks before it sends."
    )


@pytest.mark.parametrize(
    ("annotation", "wire"),
    [
        (int, "7"),
        (int, 7.0),
        (date, "soon"),
        (UUID, "x"),
        (list[int], {"a": 1}),
        (Point, {"x": "1"}),
        (Point, {}),
        (Address, {"street": "Long"}),
        (Color, "green"),
        (bytes, "not base64!"),
        (dict[int, str], {"a": "b"}),
        (str, "\ud800"),
        (list[str], ["\ud800"]),
        (tuple[int, str], [1]),
        (dict[str, Any], []),
        (list[Any], {}),
        (list[float], [float("nan")]),
    ],
)
def test_a_wrong_value_in_a_message_is_refused_in_the_worker_too(annotation, wire):
    with pytest.raises(CallError, match="orders.process: argument ['\"]value"):
        taking(annotation).decode((wire,), {})


def test_a_foreign_message_with_celerys_own_marks_is_understood():
    """A Celery client without fw writes a date as an object with its type."""
    wire = loads(dumps([[date(2026, 1, 1)], {}]))

    assert taking(date).decode(*wire).args == (date(2026, 1, 1),)


@pytest.mark.parametrize("args", [(7, "2026-01-01"), (7, date(2026, 1, 1))])
def test_arguments_that_are_plain_already_stay_so(args):
    """A workflow's first step comes through with arguments that were made plain before."""

    def process_order(order_id: int, day: date) -> None: ...

    kept = Arguments("t", process_order).encode_or_keep(args, {})

    assert kept.args == (7, "2026-01-01")


def test_arguments_that_fit_in_neither_form_are_refused():
    def process_order(order_id: int, day: date) -> None: ...

    with pytest.raises(CallError, match="argument 'day' must be date, got 'soon'"):
        Arguments("t", process_order).encode_or_keep((7, "soon"), {})


# Results


def test_a_result_comes_back_as_it_was_returned():
    def find() -> Route: ...

    returns = Arguments("t", find).returns
    route = Route("a", [Point(1)], date(2026, 1, 1))

    assert returns.decode("result", loads(dumps(returns.encode("result", route)))) == route
