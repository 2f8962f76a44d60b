"""For those who know Celery: its own forms keep working on the same tasks."""

from celery import chain, chord, group

from fw_core import task_framework


def test_a_chain_gives_each_result_to_the_next_task(fw_eager):
    """``.s()`` is Celery's signature."""

    @task_framework
    def add(one: int, other: int) -> int:
        return one + other

    assert chain(add.s(1, 2), add.s(3), add.s(4)).apply_async().get() == 10


def test_a_group_runs_side_by_side(fw_eager):
    """Its results come in the order of its tasks."""

    @task_framework
    def double(number: int) -> int:
        return 2 * number

    assert group(double.s(number) for number in range(3)).apply_async().get() == [0, 2, 4]


def test_a_chord_collects_the_results(fw_eager):
    """The last task runs once, when all the others have ended."""

    @task_framework
    def double(number: int) -> int:
        return 2 * number

    @task_framework
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    assert chord([double.s(number) for number in range(4)])(total.s()).get() == 12


def test_an_immutable_signature_takes_no_result(fw_eager):
    """``.si()`` has all of its arguments already."""

    @task_framework
    def add(one: int, other: int) -> int:
        return one + other

    assert chain(add.s(1, 2), add.si(3, 4)).apply_async().get() == 7


def test_apply_async_takes_celery_s_options(fw_broker):
    """``countdown`` is kept in the broker as every delay is."""

    @task_framework
    def process_order(order_id: int) -> None: ...

    process_order.apply_async((42,), countdown=3)

    [waiting] = fw_broker.waiting
    assert waiting.delay.total_seconds() == 3


def test_celery_s_own_result_is_underneath(fw_eager):
    """``.async_result`` is an ``AsyncResult``."""

    @task_framework
    def process_order(order_id: int) -> str:
        return f"Order {order_id} processed"

    result = process_order.delay(42)

    assert result.async_result.successful()
    assert result.async_result.result == "Order 42 processed"
