"""Mistakes are named where they are made, with a line that mends them; nothing is sent."""

from dataclasses import dataclass

import pytest

from fw_core import (
    BlockingInTask,
    CallError,
    DeclarationError,
    DuplicateTaskError,
    OptionError,
    PolicyError,
    TaskFailed,
    UnknownQueueError,
    task_framework,
)


def test_a_wrong_argument_is_refused_where_it_is_written(fw_broker):
    """The types are those of the function's annotations."""

    @task_framework
    def process_order(order_id: int) -> None: ...

    with pytest.raises(CallError, match="argument 'order_id' must be int, got 'a'"):
        process_order.delay("a")
    with pytest.raises(CallError, match="missing a required argument: 'order_id'"):
        process_order.delay()
    fw_broker.assert_not_sent(process_order)


def test_what_json_cannot_carry_is_refused_with_what_to_send_instead(fw_broker):
    """Arguments travel as JSON, so an object stays here and its id travels."""

    @dataclass
    class Order:
        id: int

    @task_framework
    def process_order(order) -> None: ...

    with pytest.raises(CallError) as refused:
        process_order.delay(object())
    assert "cannot be carried by JSON" in str(refused.value)

    @task_framework
    def ship_order(order_id: int) -> None: ...

    with pytest.raises(CallError) as refused:
        ship_order.delay(Order(id=42))
    assert refused.value.fix == "ship_order.delay(order.id)"


def test_dates_and_models_travel_by_their_annotation(fw_eager):
    """What pydantic can read and write arrives as what it was."""

    @dataclass
    class Line:
        product: str
        count: int

    @task_framework
    def total(lines: list[Line]) -> int:
        return sum(line.count for line in lines)

    assert total.delay([Line("teapot", 2), Line("cup", 6)]).get() == 8


def test_a_large_argument_is_refused(fw_broker):
    """128 KiB as JSON at most: store the data, send where it is."""

    @task_framework
    def import_rows(rows: str) -> None: ...

    import_rows.delay("x" * 100_000)
    with pytest.raises(CallError, match="more than 131,072"):
        import_rows.delay("x" * 140_000)


def test_a_queue_that_no_worker_takes_is_refused(fw_broker):
    """With the nearest name that exists."""

    @task_framework(queue="billing")
    def send_invoice(invoice_id: int) -> None: ...

    with pytest.raises(UnknownQueueError, match="Did you mean 'billing'"):
        send_invoice.options(queue="biling").delay(42)


def test_a_bad_option_is_refused(fw_broker):
    """A value that cannot be kept is an error, not a guess."""

    @task_framework
    def process_order(order_id: int) -> None: ...

    with pytest.raises(OptionError):
        process_order.options(delay=-1)
    with pytest.raises(OptionError):
        process_order.options(priority=10)


def test_a_bad_policy_is_refused_at_import(fw_broker):
    """The worker never meets it."""
    with pytest.raises(PolicyError, match="at least 1"):

        @task_framework(backoff=0.5)
        def process_order(order_id: int) -> None: ...


def test_a_misspelt_parameter_is_refused_at_import(fw_broker):
    """With the nearest one."""
    with pytest.raises(DeclarationError, match="Did you mean 'retries'"):

        @task_framework(retires=3)
        def process_order(order_id: int) -> None: ...


def test_a_function_that_no_worker_can_find_is_refused_at_import():
    """A worker imports the module; what is made inside a function it never sees."""
    with pytest.raises(DeclarationError, match="inside another function"):

        @task_framework
        def process_order(order_id: int) -> None: ...


def test_two_functions_cannot_have_one_name(fw_broker):
    """Messages carry the name, so a worker could run the wrong one."""

    @task_framework(name="process_order")
    def process_order(order_id: int) -> None: ...

    with pytest.raises(DuplicateTaskError):

        @task_framework(name="process_order")
        def process_order_again(order_id: int) -> None: ...


def test_a_result_that_json_cannot_carry_is_a_failure_without_a_retry(fw_eager):
    """The work is done; doing it again would not change what it returns."""

    @task_framework
    def load_order(order_id: int):
        return object()

    result = load_order.delay(42)

    with pytest.raises(TaskFailed, match="which JSON cannot carry"):
        result.get()
    assert len(fw_eager.ran) == 1


def test_a_task_does_not_wait_for_another_task(fw_eager):
    """Enough of them and every worker would wait for ever."""

    @task_framework
    def inner() -> int:
        return 1

    @task_framework(retries=0)
    def outer() -> int:
        return inner.delay().get() + 1

    result = outer.delay()

    assert result.error.type == "fw_core.BlockingInTask"
    assert issubclass(BlockingInTask, RuntimeError)
