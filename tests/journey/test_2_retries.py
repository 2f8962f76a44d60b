"""What happens when a task fails: it is tried again, later and later, and then it is kept."""

from datetime import timedelta

import pytest

from fw_core import GiveUp, RetryLater, RetryPolicy, TaskFailed, register_policy, task_framework


def test_a_failed_order_is_tried_again_after_three_seconds(fw_broker):
    """The wait before retry n is backoff ** n seconds."""

    @task_framework(retries=1, backoff=3, jitter=0)
    def process_order(order_id: int) -> None:
        raise ConnectionError

    process_order.delay(42)
    fw_broker.run_next()

    [waiting] = fw_broker.waiting
    assert waiting.attempt == 2
    assert waiting.delay == timedelta(seconds=3)


def test_each_wait_is_longer_than_the_one_before(fw_eager):
    """Five retries with backoff=3 wait 3, 9, 27, 81 and 243 seconds."""

    @task_framework(retries=5, backoff=3)
    def process_order(order_id: int) -> None:
        raise ConnectionError

    process_order.delay(42)

    assert fw_eager.waits == [3, 9, 27, 81, 243]
    assert len(fw_eager.ran) == 6


def test_without_parameters_there_are_three_retries(fw_eager):
    """They wait 2, 4 and 8 seconds."""

    @task_framework
    def process_order(order_id: int) -> None:
        raise ConnectionError

    process_order.delay(42)

    assert fw_eager.waits == [2, 4, 8]


def test_a_retry_that_succeeds_is_a_success(fw_eager):
    """Nobody who waits for the result learns of the attempts before; ``attempts`` counts them."""
    failures = [ConnectionError(), ConnectionError()]

    @task_framework
    def process_order(order_id: int) -> str:
        if failures:
            raise failures.pop()
        return f"Order {order_id} processed"

    result = process_order.delay(42)

    assert result.get() == "Order 42 processed"
    assert result.attempts == 3


def test_after_the_last_attempt_the_failure_is_kept(fw_eager):
    """The result has the error; the call itself is kept as a dead letter."""

    @task_framework(retries=1)
    def process_order(order_id: int) -> None:
        raise ConnectionError("no route to the shop")

    result = process_order.delay(42)

    with pytest.raises(TaskFailed) as failed:
        result.get()
    assert failed.value.error_type == "ConnectionError"
    assert failed.value.error_message == "no route to the shop"
    assert failed.value.attempts == 2

    [letter] = fw_eager.dead
    assert letter.args == (42,)
    assert letter.error == "ConnectionError: no route to the shop"


def test_a_task_says_which_errors_are_worth_another_attempt(fw_eager):
    """``retry_on`` names them; ``give_up_on`` wins over it."""

    @task_framework(retry_on=OSError, give_up_on=PermissionError)
    def read_file(path: str) -> None:
        raise PermissionError(path) if path == "secret" else FileNotFoundError(path)

    read_file.delay("secret")
    assert [ran.outcome for ran in fw_eager.ran] == ["failed"]

    read_file.delay("report")
    assert fw_eager.waits == [2, 4, 8]


def test_give_up_ends_a_task_at_once(fw_eager):
    """For what no other attempt can mend; ``except Exception`` does not swallow it."""

    @task_framework(retries=5)
    def process_order(order_id: int) -> None:
        try:
            raise GiveUp(f"order {order_id} was cancelled")
        except Exception:
            pytest.fail("GiveUp is no Exception")

    result = process_order.delay(42)

    assert len(fw_eager.ran) == 1
    assert result.state == "FAILURE"
    assert "order 42 was cancelled" in fw_eager.dead[0].error


def test_retry_later_waits_without_using_up_a_retry(fw_eager):
    """For "not yet": a report that is still being made is no failure."""
    answers = ["not yet", "not yet", "done"]

    @task_framework(retries=0)
    def fetch_report() -> str:
        answer = answers.pop(0)
        if answer == "not yet":
            raise RetryLater(30)
        return answer

    result = fetch_report.delay()

    assert result.get() == "done"
    assert fw_eager.waits == [30, 30]
    assert [ran.attempt for ran in fw_eager.ran] == [1, 1, 1]


def test_retry_after_of_another_service_is_obeyed(fw_eager):
    """An error with the answer 429 or 503 waits as long as that answer asks, without any code."""

    class Answer:
        status_code = 429
        headers = {"Retry-After": "120"}

    class TooManyRequestsError(Exception):
        response = Answer()

    @task_framework(retries=1)
    def call_service() -> None:
        raise TooManyRequestsError

    call_service.delay()

    assert fw_eager.waits == [120]


def test_waits_can_be_listed_or_computed(fw_eager):
    """A list says each wait, the last one repeating; a function gets the number of the retry."""

    @task_framework(retries=4, backoff=[1, 10, 60])
    def listed() -> None:
        raise ConnectionError

    @task_framework(retries=3, backoff=lambda retry: 5 * retry)
    def computed() -> None:
        raise ConnectionError

    listed.delay()
    computed.delay()

    assert fw_eager.waits == [1, 10, 60, 60, 5, 10, 15]


def test_max_delay_caps_a_wait(fw_eager):
    """It is an hour unless the task says something else."""

    @task_framework(retries=4, backoff=10, max_delay=timedelta(minutes=5))
    def process_order(order_id: int) -> None:
        raise ConnectionError

    process_order.delay(42)

    assert fw_eager.waits == [10, 100, 300, 300]


def test_a_wait_is_never_shorter_than_stated(fw_broker):
    """Jitter only adds: at most a tenth by default, so that a thousand retries do not meet."""

    @task_framework(backoff=[100])
    def process_order(order_id: int) -> None:
        raise ConnectionError

    process_order.delay(42)
    fw_broker.run_next()

    [waiting] = fw_broker.waiting
    assert timedelta(seconds=100) <= waiting.delay <= timedelta(seconds=110)


def test_a_team_gives_a_policy_a_name(fw_eager):
    """One place says what "network" means; tasks name it."""
    register_policy("journey.network", RetryPolicy(retries=2, backoff=5))

    @task_framework(policy="journey.network")
    def call_service() -> None:
        raise ConnectionError

    call_service.delay()

    assert fw_eager.waits == [5, 25]
