"""Start here: what a task is, how it is sent, what comes back.

Each test is an example to copy. ``fw_eager`` runs a call at once, ``fw_broker`` keeps it until the
test says so; both go through the real message, the real worker code and the real result store.
"""

import asyncio

from fw_core import current_attempt, task_framework


@task_framework
def greet(name: str) -> str:
    """A task as it stands in a module of yours; the tests below declare theirs where they are."""
    return f"Hello, {name}"


def test_a_task_is_still_a_function():
    """Calling it runs it here and now: no queue, no retry."""
    assert greet("Ada") == "Hello, Ada"


def test_delay_sends_a_call_and_returns_at_once(fw_broker):
    """``.delay()`` queues the call; a worker runs it later."""
    done = []

    @task_framework
    def process_order(order_id: int) -> None:
        done.append(order_id)

    process_order.delay(42)
    assert done == []

    fw_broker.run_next()
    assert done == [42]


def test_get_waits_for_what_the_task_returns(fw_eager):
    """``.delay()`` returns a handle of the call; ``.get()`` gives the task's own result."""

    @task_framework
    def process_order(order_id: int) -> str:
        return f"Order {order_id} processed"

    result = process_order.delay(42)

    assert result.get() == "Order 42 processed"
    assert result.state == "SUCCESS"
    assert result.attempts == 1


def test_a_result_can_be_found_again_by_its_id(fw_eager):
    """Keep the id, for example in a web session, and ask again later."""

    @task_framework
    def process_order(order_id: int) -> str:
        return f"Order {order_id} processed"

    task_id = process_order.delay(42).id

    assert process_order.result(task_id).get() == "Order 42 processed"


def test_several_results_are_waited_for_together(fw_eager):
    """``wait_for`` returns the results in the order in which they were asked for."""

    @task_framework
    def double(number: int) -> int:
        return 2 * number

    results = [double.delay(number) for number in (1, 2, 3)]

    assert results[0].wait_for(results) == [2, 4, 6]


def test_many_calls_are_sent_in_one_round(fw_broker):
    """``delay_many`` takes the arguments of each call as a tuple."""
    done = []

    @task_framework
    def process_order(order_id: int) -> None:
        done.append(order_id)

    results = process_order.delay_many([(1,), (2,), (3,)])
    fw_broker.drain()

    assert len(results) == 3
    assert done == [1, 2, 3]


def test_an_async_function_is_a_task_as_well(fw_eager):
    """It is declared and sent in the same way."""

    @task_framework
    async def fetch_price(product: str) -> int:
        await asyncio.sleep(0)
        return len(product)

    assert fetch_price.delay("teapot").get() == 6


def test_async_code_sends_and_waits_without_blocking(fw_eager):
    """``adelay`` and ``aget`` let the event loop go on."""

    @task_framework
    def process_order(order_id: int) -> str:
        return f"Order {order_id} processed"

    async def handle_request():
        result = await process_order.adelay(42)
        return await result.aget()

    assert asyncio.run(handle_request()) == "Order 42 processed"


def test_a_body_can_ask_about_its_own_attempt(fw_eager):
    """``current_attempt()`` knows the number, of how many, the ids and the deadline."""
    seen = []

    @task_framework(retries=2, jitter=0)
    def process_order(order_id: int) -> None:
        attempt = current_attempt()
        seen.append((attempt.number, attempt.of, attempt.task_id))
        if attempt.number < 3:
            raise ConnectionError

    result = process_order.delay(42)

    assert seen == [(1, 3, result.id), (2, 3, result.id), (3, 3, result.id)]
