"""The retry policy: how often, how long between, and for which errors."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from fw_core.attempt.backoff import Backoff, capped, check_wait, exponential, jittered, listed
from fw_core.errors import PolicyError, nearest

Errors = type[BaseException] | tuple[type[BaseException], ...]
BackoffSpec = float | Sequence[float] | Backoff

_logger = logging.getLogger("fw.attempt")
_YEAR = 365 * 24 * 3600
_CHECKED_RETRIES = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """When a failed task runs again; checked when it is made, so a worker never meets a bad one.

    >>> policy = RetryPolicy(retries=5, backoff=3)
    >>> [policy.stated_wait(n) for n in (1, 2, 3)]
    [3.0, 9.0, 27.0]

    Args:
        retries: Retries after the first attempt: at most ``retries + 1`` runs.
        backoff: A number *b* waits ``b ** n`` seconds before retry *n*; a list waits those
            seconds, the last one repeating; a function is called with *n* and returns seconds.
        max_delay: Caps the stated wait, before jitter; seconds or a timedelta, up to a year.
        jitter: Up to this share of the wait (0 to 1) is added at random; 0 turns it off.
        retry_on: Error classes that are retried.
        give_up_on: Error classes that are not, even where ``retry_on`` has them.

    Raises:
        PolicyError: a value that cannot be kept.
    """

    retries: int = 3
    backoff: BackoffSpec = 2
    max_delay: float | timedelta = 3600.0
    jitter: float = 0.1
    retry_on: Errors = Exception
    give_up_on: Errors = ()
    _stated: Backoff = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_retries(self.retries)
        _check_jitter(self.jitter)
        for option in ("retry_on", "give_up_on"):
            object.__setattr__(self, option, _error_classes(getattr(self, option), option))
        object.__setattr__(self, "max_delay", _max_delay(self.max_delay))
        backoff: Any = self.backoff
        if _is_a(backoff, list):  # frozen means frozen
            object.__setattr__(self, "backoff", tuple(backoff))
        object.__setattr__(self, "_stated", capped(_backoff(backoff), self.max_seconds))
        for retry in range(1, min(self.retries, _CHECKED_RETRIES) + 1):
            self._try_backoff(retry)

    def _try_backoff(self, retry: int) -> None:
        try:
            self._stated(retry)
        except PolicyError:
            raise
        except Exception as error:
            raise PolicyError(
                f"backoff({retry}) failed: {type(error).__name__}: {error}.",
                "It is called with the number of the retry, from 1, to learn how long to wait.",
                "backoff=lambda n: 10.0 * n",
            ) from error

    @property
    def max_seconds(self) -> float:
        """The cap of a stated wait in seconds."""
        seconds = self.max_delay
        return seconds.total_seconds() if isinstance(seconds, timedelta) else seconds

    @property
    def max_attempts(self) -> int:
        """How many times a task runs at most."""
        return self.retries + 1

    def stated_wait(self, retry: int) -> float:
        """The seconds before retry ``retry`` (from 1), after the cap and before jitter.

        A team's own function that fails or gives no usable number in the worker costs a log line
        and the longest wait, never the task.
        """
        try:
            return self._stated(retry)
        except Exception:
            _logger.exception("backoff(%d) failed; waiting max_delay instead", retry)
            return self.max_seconds

    def wait(self, retry: int, draw: Callable[[], float] = random.random) -> float:
        """The seconds to wait before retry ``retry``: the stated wait and its jitter.

        >>> RetryPolicy(backoff=3, jitter=0.1).wait(1, draw=lambda: 0.5)
        3.15
        """
        return jittered(self.stated_wait, self.jitter, draw)(retry)

    def retries_error(self, error: BaseException) -> bool:
        """Whether this kind of error is worth another attempt; ``give_up_on`` wins."""
        return isinstance(error, self.retry_on) and not isinstance(error, self.give_up_on)


def _check_named(name: Any, policy: Any) -> None:
    if not isinstance(policy, RetryPolicy) or not isinstance(name, str) or not name:
        raise PolicyError(
            f"register_policy takes a name and a RetryPolicy, got {name!r} and {policy!r}.",
            "Tasks find the policy by its name.",
            'register_policy("network", RetryPolicy(retries=5))',
        )


_named: dict[str, RetryPolicy] = {}


def register_policy(name: str, policy: RetryPolicy) -> RetryPolicy:
    """Give a policy a name that tasks can use: ``@task_framework(policy="network")``.

    Raises:
        PolicyError: another policy has that name, or it is no policy.
    """
    _check_named(name, policy)
    known = _named.setdefault(name, policy)
    if known != policy:
        raise PolicyError(
            f"Two policies claim the name {name!r}: {known} and {policy}.",
            "A task that names it could get either.",
            f'register_policy("{name}_2", ...)',
        )
    return policy


def named_policy(name: str) -> RetryPolicy:
    """The policy registered under ``name``.

    Raises:
        PolicyError: there is none; it names the nearest.
    """
    try:
        return _named[name]
    except KeyError:
        matches = nearest(name, _named)
        raise PolicyError(
            f"No retry policy is named {name!r} (known: {', '.join(sorted(_named)) or 'none'}).",
            "A task without its policy would fail in a way that nobody chose.",
            f'policy="{matches[0]}"'
            if matches
            else f'register_policy("{name}", RetryPolicy(retries=5)), imported before the task.',
        ) from None


def _is_a(given: object, kinds: Any) -> bool:
    """``isinstance`` that leaves the type checkers' idea of a value alone: it stays Any."""
    return isinstance(given, kinds)


def _backoff(spec: Any) -> Backoff:
    if callable(spec):
        source = f"backoff={getattr(spec, '__qualname__', spec)!s}"
        return lambda retry: check_wait(spec(retry), source=f"{source}({retry})")
    if isinstance(spec, (list, tuple)):
        return listed(cast("Sequence[float]", spec))
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        return exponential(spec)
    raise PolicyError(
        f"backoff must be a number, a list of seconds or a function, got {spec!r}.",
        "It says how long to wait before a retry.",
        "backoff=3 waits 3, 9, 27 ... seconds.",
    )


def _check_retries(retries: Any) -> None:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise PolicyError(
            f"retries must be a whole number of at least 0, got {retries!r}.",
            "It counts the runs after the first one.",
            "retries=3 (at most four runs), or retries=0 for a single run.",
        )


def _check_jitter(jitter: Any) -> None:
    if isinstance(jitter, bool) or not isinstance(jitter, (int, float)) or not 0 <= jitter <= 1:
        raise PolicyError(
            f"jitter must be a number from 0 to 1, got {jitter!r}.",
            "It is the share of a wait that is added at random.",
            "jitter=0.1 makes a wait of 10 s last 10 to 11 s.",
        )


def _max_delay(max_delay: Any) -> float:
    seconds = max_delay.total_seconds() if isinstance(max_delay, timedelta) else max_delay
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= _YEAR:
        raise PolicyError(
            f"max_delay must be above 0 and at most a year, got {max_delay!r}.",
            "It caps the wait before a retry.",
            "max_delay=timedelta(hours=1)",
        )
    return float(seconds)


def _error_classes(given: Any, option: str) -> tuple[type[BaseException], ...]:
    classes: tuple[Any, ...] = tuple(given) if _is_a(given, (tuple, list)) else (given,)
    for error in classes:
        if not (isinstance(error, type) and issubclass(error, BaseException)):
            raise PolicyError(
                f"{option} must hold error classes, got {error!r}.",
                "Errors are compared with it as `except` does.",
                f"{option}=(ConnectionError, TimeoutError)",
            )
    return classes
