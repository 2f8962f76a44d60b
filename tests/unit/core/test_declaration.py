"""Declaring a task: what can be one, and what the first person to know is told at import."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from fw_core import (
    TASK_REGISTRY,
    AsyncTask,
    DeclarationError,
    DuplicateTaskError,
    FrameworkError,
    OptionError,
    RetryPolicy,
    Task,
    register_task,
    task_framework,
)

pytestmark = pytest.mark.usefixtures("nested")


def refused(function: Any) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        task_framework(function)
    return caught.value


# What is declared


def test_a_function_becomes_a_task():
    @task_framework
    def send_invoice(order_id: int) -> None: ...

    assert isinstance(send_invoice, Task)


def test_with_and_without_parentheses_mean_the_same():
    @task_framework
    def bare() -> None: ...

    @task_framework()
    def called() -> None: ...

    for option in ("policy", "timeout", "queue", "priority", "expires", "ignore_result"):
        assert getattr(bare.spec, option) == getattr(called.spec, option)


def test_an_async_def_becomes_an_async_task():
    @task_framework
    async def fetch() -> None: ...

    assert isinstance(fetch, AsyncTask)
    assert fetch.spec.is_async


def test_the_defaults_are_those_of_the_contract():
    @task_framework
    def work() -> None: ...

    spec = work.spec
    assert spec.policy == RetryPolicy(retries=3, backoff=2, max_delay=3600, jitter=0.1)
    assert (spec.policy.retry_on, spec.policy.give_up_on) == ((Exception,), ())
    assert spec.ignore_result is False
    assert spec.timeout == timedelta(minutes=5)
    assert spec.queue == "default"
    assert spec.priority is None
    assert spec.expires is None


def test_every_parameter_reaches_the_spec():
    @task_framework(
        retries=5,
        backoff=3,
        max_delay=timedelta(minutes=1),
        jitter=0,
        retry_on=OSError,
        give_up_on=(FileNotFoundError,),
        ignore_result=True,
        timeout=timedelta(minutes=10),
        queue="bulk",
        priority=7,
        expires=60,
        name="orders.work",
    )
    def work() -> None: ...

    spec = work.spec
    assert spec.policy == RetryPolicy(
        retries=5, backoff=3, max_delay=60, jitter=0, retry_on=OSError, give_up_on=FileNotFoundError
    )
    assert spec.ignore_result is True
    assert spec.timeout == timedelta(minutes=10)
    assert (spec.queue, spec.priority, spec.expires) == ("bulk", 7, timedelta(minutes=1))
    assert work.name == "orders.work"


def test_the_name_is_module_and_function():
    assert task_framework(at_the_top).name == f"{__name__}.at_the_top"


def at_the_top() -> None: ...


# What cannot be a task


def test_a_lambda_is_refused():
    error = refused(lambda: None)

    assert error.what.startswith("A lambda cannot be a task: ")
    assert "test_declaration.py:" in error.what
    assert error.fix == "give it a name: def send_invoice(order_id: int): ..."


def test_a_generator_is_refused():
    def items() -> Iterator[int]:
        yield 1

    assert "is a generator, which cannot be a task" in refused(items).what


def test_an_async_generator_is_refused():
    async def items() -> AsyncIterator[int]:
        yield 1

    assert "is a generator, which cannot be a task" in refused(items).what


class Shop:
    def send(self, order_id: int) -> None: ...

    @classmethod
    def build(cls) -> None: ...

    @staticmethod
    def price(order_id: int) -> None: ...

    def __call__(self) -> None: ...


def test_a_method_is_refused():
    assert "is a method, which cannot be a task" in refused(Shop.send).what


@pytest.mark.parametrize("bound", [Shop().send, Shop.build])
def test_a_bound_method_is_refused(bound):
    assert refused(bound).what.startswith("task_framework was put on a method: ")


@pytest.mark.parametrize(
    ("given", "called"),
    [
        (Shop, "a class"),
        (len, "a builtin_function_or_method"),
        (functools.partial(print, 1), "a partial"),
        (Shop(), "a Shop"),
        (staticmethod(len), "a staticmethod"),
        (classmethod(len), "a classmethod"),
        (property(len), "a property"),
        ("orders", "a str"),
        (3, "a int"),
    ],
)
def test_what_is_no_function_is_refused_by_what_it_is(given, called):
    assert refused(given).what.startswith(f"task_framework was put on {called}: ")


def test_a_static_method_can_be_a_task_inside_its_class():
    class Orders:
        @staticmethod
        @task_framework
        def price(order_id: int) -> int:
            return order_id * 2

    assert Orders.price(4) == 8
    assert Orders().price(4) == 8


def test_the_functions_of_a_class_can_be_reached_by_their_class():
    assert task_framework(Shop.price).name == f"{__name__}.Shop.price"


def test_a_task_is_refused_a_second_declaration():
    task = task_framework(at_the_top)

    error = refused(task)

    assert "which is a task already" in error.what
    assert error.fix == "write @register_task above @task_framework, and each of them once."


def test_a_decorator_that_keeps_the_function_goes_below():
    def doubling(function):
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return 2 * function(*args, **kwargs)

        return wrapper

    @task_framework
    @doubling
    def price(order_id: int) -> int:
        """The price."""
        return order_id

    assert price(4) == 8
    assert price.name.endswith(".price")
    assert price.__doc__ == "The price."


# Nested functions


def declare_inside():
    @task_framework
    def inner() -> None: ...

    return inner


@pytest.fixture
def as_in_production(nested, monkeypatch):
    """Nothing allows nested functions: fw-testing's fixtures and ``nested`` do in tests."""
    from fw_core.declare import decorator

    monkeypatch.setattr(decorator, "_nested_allowed", 0)


@pytest.mark.usefixtures("as_in_production")
def test_a_nested_function_is_refused_at_import():
    """A worker imports the module and would never see it."""
    with pytest.raises(DeclarationError) as caught:
        declare_inside()

    assert "declare_inside.<locals>.inner" in caught.value.what
    assert "is defined inside another function" in caught.value.what
    assert "move inner to the top level of its module" in caught.value.fix


@pytest.mark.usefixtures("as_in_production")
def test_a_nested_function_with_a_name_is_a_task():
    """The outer function runs at import: a factory of tasks."""

    def make(shop: str):
        @task_framework(name=f"shops.{shop}")
        def sync() -> str:
            return shop

        return sync

    assert [make(shop)() for shop in ("north", "south")] == ["north", "south"]
    assert {"shops.north", "shops.south"} <= set(TASK_REGISTRY)


@pytest.mark.usefixtures("as_in_production")
def test_a_nested_function_that_is_registered_by_name_is_a_task():
    @register_task("nested.task")
    def inner() -> None: ...

    assert inner.name == "nested.task"


def test_a_nested_function_is_a_task_where_it_is_allowed():
    assert declare_inside().name.endswith("declare_inside.<locals>.inner")


# Bad values


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", "5m"),
        ("timeout", None),
        ("timeout", True),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", timedelta(0)),
        ("timeout", timedelta(days=366)),
        ("queue", ""),
        ("queue", None),
        ("queue", 3),
        ("queue", "two\nlines"),
        ("queue", "q" * 101),
        ("queue", ["bulk"]),
        ("priority", 10),
        ("priority", -1),
        ("priority", "high"),
        ("priority", 5.0),
        ("priority", True),
        ("expires", 0),
        ("expires", -1),
        ("expires", "1h"),
        ("expires", float("nan")),
        ("expires", timedelta(days=366)),
        ("name", ""),
        ("name", 3),
        ("name", "two\nlines"),
        ("name", "n" * 201),
        ("ignore_result", "yes"),
        ("ignore_result", 1),
        ("ignore_result", None),
    ],
)
def test_a_bad_value_is_refused_with_a_line_to_copy(parameter, value):
    with pytest.raises((DeclarationError, OptionError)) as caught:

        @task_framework(**{parameter: value})
        def work() -> None: ...

    assert caught.value.what.startswith(f"{parameter} must ")
    assert re.match(f"{parameter}=", caught.value.fix)
    assert f"{__name__}.work" not in TASK_REGISTRY


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("retires", "retries"),
        ("backof", "backoff"),
        ("time_out", "timeout"),
        ("ignore_results", "ignore_result"),
        ("que", "queue"),
        ("max_delays", "max_delay"),
        ("expire", "expires"),
    ],
)
def test_a_misspelt_parameter_is_refused_with_the_nearest(written, meant):
    """Left alone, it would silently leave the default in force."""
    with pytest.raises(DeclarationError) as caught:

        @task_framework(**{written: 3})
        def work() -> None: ...

    assert caught.value.what == (
        f"task_framework has no parameter {written!r}. Did you mean {meant!r}?"
    )
    assert caught.value.fix == f"{meant}=..."


def test_an_unknown_parameter_without_a_near_one_lists_them_all():
    with pytest.raises(DeclarationError, match=r"Fix: one of: retries, backoff, .*, policy"):

        @task_framework(zzz=3)
        def work() -> None: ...


def test_a_refused_task_is_not_registered():
    before = dict(TASK_REGISTRY)

    with pytest.raises(FrameworkError):

        @task_framework
        def work(order: object = None, *, file: type[int]) -> None: ...

    assert dict(TASK_REGISTRY) == before


def test_an_argument_that_json_cannot_carry_is_refused_at_import():
    class Order: ...

    def work(order) -> None: ...

    work.__annotations__ = {"order": Order}

    assert "'order' is annotated Order, which JSON cannot carry" in refused(work).what


# register_task


def test_registering_names_a_task():
    @register_task("task1")
    @task_framework(retries=7)
    def work(data: str) -> str:
        return data

    assert TASK_REGISTRY["task1"] is work
    assert work.name == "task1"
    assert work.spec.policy.retries == 7


def test_a_registered_task_has_one_name():
    """Its name by module and function is given up, or its messages could not be told apart."""

    @register_task("task1")
    @task_framework
    def work() -> None: ...

    assert [
        name for name, task in TASK_REGISTRY.items() if task.spec.function is work.__wrapped__
    ] == ["task1"]


def test_registering_a_plain_function_declares_it_with_the_defaults():
    @register_task("task1")
    def work() -> None: ...

    assert isinstance(work, Task)
    assert work.spec.policy == RetryPolicy()


def test_registering_an_async_def_declares_an_async_task():
    @register_task("task1")
    async def work() -> None: ...

    assert isinstance(work, AsyncTask)


def test_registering_without_a_name_takes_module_and_function():
    assert register_task(at_the_top).name == f"{__name__}.at_the_top"


def test_task_framework_above_register_task_is_refused_with_the_right_order():
    with pytest.raises(DeclarationError) as caught:

        @task_framework(retries=3)
        @register_task("task1")
        def work() -> None: ...

    assert caught.value.fix == "write @register_task above @task_framework, and each of them once."


def test_registering_a_task_that_has_another_name_is_refused():
    with pytest.raises(DeclarationError, match="has a name already"):

        @register_task("task1")
        @task_framework(name="task2")
        def work() -> None: ...


def test_registering_a_task_under_the_name_that_it_has_is_fine():
    @register_task("task1")
    @task_framework(name="task1")
    def work() -> None: ...

    assert TASK_REGISTRY["task1"] is work


@pytest.mark.parametrize("name", ["", None, 3])
def test_registering_under_a_bad_name_is_refused(name):
    with pytest.raises(DeclarationError):
        register_task(name)(at_the_top)


def test_two_functions_under_one_registered_name_are_refused():
    @register_task("task1")
    def one() -> None: ...

    with pytest.raises(DuplicateTaskError, match="'task1'"):

        @register_task("task1")
        def two() -> None: ...
