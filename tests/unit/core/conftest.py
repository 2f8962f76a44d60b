"""A way to make one attempt without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fw_core import RetryPolicy
from fw_core.attempt.current import Attempt
from fw_core.attempt.decide import Tries
from fw_core.attempt.pipeline import Run, attempt
from fw_core.call.arguments import Arguments
from fw_core.declare.function import default_name, place_of
from fw_core.declare.spec import TaskSpec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def make_run():
    """Makes the Run of a function and its arguments as they come off the wire."""

    def make(function, *args, kwargs=None, timeout=60.0, policy=None, needs_result=True) -> Run:
        name = default_name(function)
        spec = TaskSpec(
            name=name,
            function=function,
            policy=policy or RetryPolicy(jitter=0),
            ignore_result=False,
            timeout=timedelta(seconds=timeout),
            queue="default",
            priority=None,
            expires=None,
            place=place_of(function),
            explicit_name=False,
        )
        return Run(
            spec=spec,
            arguments=Arguments(name, function),
            attempt=Attempt(
                task=name,
                task_id="an-id",
                message_id="a-message",
                number=2,
                of=4,
                deadline=NOON + timedelta(seconds=timeout),
                redelivered=False,
                queue="default",
            ),
            args=args,
            kwargs=kwargs or {},
            needs_result=needs_result,
        )

    return make


@pytest.fixture
def attempt_of(make_run):
    """Makes one attempt of a function, as a worker does, and returns its outcome."""

    def make(function, *args, tries=None, limit_time=None, passes=(), leaving=False, **run):
        more = {} if limit_time is None else {"limit_time": limit_time}
        return attempt(
            make_run(function, *args, **run),
            tries=tries or Tries(),
            now=lambda: NOON,
            retry_after_limit=3600,
            passes=passes,
            is_leaving=lambda: leaving,
            **more,
        )

    return make
