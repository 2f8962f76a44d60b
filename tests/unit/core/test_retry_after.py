"""Retry-After: what another service asks for is waited for, without any code of the task's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fw_core import RetryPolicy
from fw_core.attempt.decide import Tries, decide
from fw_core.attempt.retry_after import parse, retry_after

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class HttpxResponse:
    """As httpx has it: ``status_code`` and headers whose names have no case."""

    def __init__(self, status_code: int, headers: dict[str, str]) -> None:
        self.status_code = status_code
        self.headers = headers


class HTTPStatusError(Exception):
    """As httpx raises it: with ``request`` and ``response``."""

    def __init__(self, message: str, *, response: HttpxResponse) -> None:
        super().__init__(message)
        self.response = response

    @property
    def request(self) -> object:
        raise RuntimeError("The .request property has not been set.")


class RequestsHTTPError(OSError):
    """As requests raises it: an OSError whose ``response`` may be None."""

    def __init__(self, *args: object, response: object = None) -> None:
        self.response = response
        super().__init__(*args)


def httpx_error(status: int, **headers: str) -> HTTPStatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPStatusError(f"{status}", response=HttpxResponse(status, named))


def asked(error: BaseException) -> float | None:
    return retry_after(error, now=NOON)


@pytest.mark.parametrize("status", [429, 503])
def test_seconds_are_understood(status):
    assert asked(httpx_error(status, retry_after="120")) == 120.0


def test_an_http_date_is_understood():
    error = httpx_error(429, Retry_After="Thu, 01 Jan 2026 12:00:30 GMT")

    assert asked(error) == 30.0


@pytest.mark.parametrize(
    "date",
    [
        "Thu, 01 Jan 2026 12:00:30 GMT",
        "Thursday, 01-Jan-26 12:00:30 GMT",
        "Thu, 01 Jan 2026 13:00:30 +0100",
        "Thu, 01 Jan 2026 12:00:30 -0000",
    ],
)
def test_every_form_of_a_date_is_understood(date):
    assert parse(date, now=NOON) == 30.0


def test_a_date_in_the_past_means_now():
    assert parse("Thu, 01 Jan 2026 11:00:00 GMT", now=NOON) == 0.0


def test_a_negative_number_means_now():
    assert parse("-5", now=NOON) == 0.0


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER"])
def test_the_headers_name_has_no_case(name):
    assert asked(HTTPStatusError("429", response=HttpxResponse(429, {name: "7"}))) == 7.0


def test_an_error_of_requests_is_understood():
    assert asked(RequestsHTTPError(response=HttpxResponse(503, {"Retry-After": "7"}))) == 7.0


def test_an_error_of_requests_without_a_response_asks_for_nothing():
    assert asked(RequestsHTTPError("no route")) is None


@pytest.mark.parametrize("status", [200, 400, 404, 500, 502, 504])
def test_other_answers_ask_for_nothing(status):
    """A Retry-After of a 3xx or 404 means something else."""
    assert asked(httpx_error(status, retry_after="120")) is None


def test_an_answer_without_the_header_asks_for_nothing():
    assert asked(httpx_error(429, content_type="text/html")) is None


@pytest.mark.parametrize(
    "nonsense",
    ["", "soon", "NaN", "inf", "-inf", "1e999", "Thu, 99 Jan 2026", "1 2", "Thu, 01 Jan 99999"],
)
def test_a_header_that_means_nothing_is_ignored(nonsense):
    assert asked(httpx_error(429, retry_after=nonsense)) is None


def test_an_ordinary_error_asks_for_nothing():
    assert asked(ValueError("429")) is None


class DetachedError(Exception):
    @property
    def response(self) -> object:
        raise RuntimeError("the session is closed")


class OddResponse:
    def __init__(self, status_code: object, headers: object) -> None:
        self.status_code = status_code
        self.headers = headers


@pytest.mark.parametrize(
    "error",
    [
        DetachedError(),
        RequestsHTTPError(response=OddResponse([429], {})),
        RequestsHTTPError(response=OddResponse(429, None)),
        RequestsHTTPError(response=OddResponse(429, ["Retry-After: 5"])),
        RequestsHTTPError(response=OddResponse("429", {"Retry-After": "5"})),
        RequestsHTTPError(response="429"),
    ],
)
def test_a_response_that_cannot_be_read_does_not_replace_the_tasks_error(error):
    """The attributes of an error are code of others: what fails in them is not what happened."""
    assert asked(error) is None


# In a decision


def wait(error: BaseException, *, backoff: float = 10, limit: float = 3600, jitter: float = 0):
    return decide(
        error,
        RetryPolicy(backoff=backoff, max_delay=24 * 3600, jitter=jitter),
        Tries(),
        now=NOON,
        retry_after_limit=limit,
        draw=lambda: 0.5,
    )


def test_a_longer_wait_is_taken_from_the_service():
    outcome = wait(httpx_error(429, retry_after="120"))

    assert (outcome.seconds, outcome.stated) == (120.0, 120.0)


def test_it_is_never_shorter_than_the_policys_own_wait():
    assert wait(httpx_error(429, retry_after="3")).seconds == 10.0


def test_it_is_never_shorter_than_the_policys_wait_with_its_jitter():
    assert wait(httpx_error(429, retry_after="11"), jitter=1).seconds == 15.0


def test_it_is_never_longer_than_an_hour():
    assert wait(httpx_error(429, retry_after="86400")).seconds == 3600.0


def test_the_hour_can_be_set():
    assert wait(httpx_error(429, retry_after="86400"), limit=7200).seconds == 7200.0


def test_a_policy_that_waits_longer_than_an_hour_still_does():
    assert wait(httpx_error(429, retry_after="1"), backoff=7200).seconds == 7200.0


def test_it_uses_up_a_retry():
    assert wait(httpx_error(429, retry_after="120")).counts


def test_it_does_not_make_an_error_retried_that_is_not():
    outcome = decide(
        httpx_error(429, retry_after="120"), RetryPolicy(retry_on=ValueError), Tries(), now=NOON
    )

    assert not hasattr(outcome, "seconds")
