"""From a checked call to a confirmed message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fw_core.broker.compose import NOTHING, Wanted, send_call
from fw_core.broker.holding import held_together, holder
from fw_core.call.arguments import Checked
from fw_core.call.ids import new_id
from fw_core.call.options import NO_OPTIONS, CallOptions
from fw_core.call.plain import show
from fw_core.call.size import check_size
from fw_core.errors import CallError, OptionError
from fw_core.headers import CHECK

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_core.declare.handle import TaskHandle
    from fw_core.results.handle import TaskResult

P = ParamSpec("P")
R = TypeVar("R")


def send(
    task: TaskHandle[P, R], args: Sequence[Any], kwargs: Mapping[str, Any], options: CallOptions
) -> TaskResult[R]:
    """Send one call; it is confirmed when this returns.

    Raises:
        CallError, UnknownQueueError: nothing was sent.
        NotSent, MaybeSent: no confirm within the time that the settings give.
    """
    app = _app()
    checked = task.arguments.encode(args, kwargs)
    wanted = _wanted(app, task, options)
    with _holding(options):
        return _send(app, task, checked, options.id or new_id(), wanted)


def send_many(
    task: TaskHandle[P, R],
    calls: Iterable[Sequence[Any]],
    options: CallOptions,
    progress: Callable[[int], None] | None = None,
) -> list[TaskResult[R]]:
    """Send many calls; all are checked before the first is sent."""
    if options.id is not None:
        raise OptionError(
            f"id={options.id!r} was given to many calls of {task.spec.name} at once.",
            "Calls with one id are one call: only one of their results would be kept.",
            "leave id out, or send each call with its own id by delay().",
        )
    app = _app()
    checked = [task.arguments.encode(_arguments_of(task, call), {}) for call in calls]
    for call in checked:
        check_size(task.spec.name, call, limit=app.settings.message_limit)
    wanted = _wanted(app, task, options)
    ids = [new_id() for _ in checked]
    with _holding(options):
        return _send_round(app, task, dict(zip(ids, checked, strict=True)), wanted, progress)


def _send_round(
    app: App,
    task: TaskHandle[P, R],
    calls: Mapping[str, Checked],
    wanted: Wanted,
    progress: Callable[[int], None] | None,
) -> list[TaskResult[R]]:
    def send_each(producer: Any = None) -> list[TaskResult[R]]:
        return [
            _send(app, task, call, task_id, wanted, producer) for task_id, call in calls.items()
        ]

    if holder() is not None:
        with held_together():
            return send_each()
    tasks = dict.fromkeys(calls, task.spec.name)
    try:
        with (
            app.producer_or_acquire() as producer,
            app.amqp.one_round(producer, tasks, progress=progress),
        ):
            return send_each(producer)
    except app.amqp.NO_CONNECTION as error:
        raise app.busy(tasks) from error


def is_held(options: CallOptions) -> bool:
    """Whether a call with these options waits for a commit."""
    return options.after_commit is not None or holder() is not None


def _holding(options: CallOptions) -> AbstractContextManager[None]:
    if options.after_commit is None:
        return nullcontext()
    from fw_core.call.after_commit import after_commit

    return after_commit(options.after_commit)


def send_with(
    task: TaskHandle[P, R],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    celery_options: Mapping[str, Any],
) -> TaskResult[R]:
    """Send one call with Celery's own options."""
    app = _app()
    checked = task.arguments.encode(args, kwargs)
    check_size(task.spec.name, checked, limit=app.settings.message_limit)
    task_id = celery_options.get("task_id") or new_id()
    options = {**celery_options, "task_id": task_id}
    app.task_of(task).send_plain(checked.args, checked.kwargs, **options)
    ignored = celery_options.get("ignore_result", task.spec.ignore_result)
    return result_in(app, task, task_id, ignored=bool(ignored))


def signature(
    task: TaskHandle[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, immutable: bool
) -> Any:
    """Celery's signature of a task, for its canvas.

    It says where the task waits and goes first: who sends it as the next step of a workflow may
    be a worker that does not know the task.
    """
    options: dict[str, Any] = {"queue": task.spec.queue}
    if task.spec.priority is not None:
        options["priority"] = task.spec.priority
    return (
        _app()
        .task_of(task)
        .signature(tuple(args), dict(kwargs), immutable=immutable, options=options)
    )


def result_of(task: TaskHandle[P, R], task_id: str) -> TaskResult[R]:
    """The result of an earlier call."""
    return result_in(_app(), task, task_id)


def _send(
    app: App,
    task: TaskHandle[P, R],
    checked: Checked,
    task_id: str,
    wanted: Wanted,
    producer: Any = None,
) -> TaskResult[R]:
    send_call(
        app.task_of(task),
        checked.args,
        checked.kwargs,
        task_id=task_id,
        wanted=wanted,
        producer=producer,
    )
    return result_in(app, task, task_id)


def result_in(
    app: App, task: TaskHandle[P, R], task_id: str, *, ignored: bool | None = None
) -> TaskResult[R]:
    """The result of a call that ``app`` sent."""
    from fw_core.results.handle import TaskResult
    from fw_core.results.waiting import REAL_CLOCK

    return TaskResult(
        task_id,
        task_name=task.spec.name,
        app=app,
        decode=task.arguments.read_result,
        ignored=task.spec.ignore_result if ignored is None else ignored,
        clock=app.result_clock or REAL_CLOCK,
    )


def _wanted(app: App, task: TaskHandle[..., Any], options: CallOptions) -> Wanted:
    if options is NO_OPTIONS:
        return NOTHING
    if options.queue is not None:
        app.check_queue(options.queue, user=f"This call of {task.spec.name!r}")
    _check_in_time(task, options)
    return Wanted(
        queue=options.queue,
        delay=options.delay,
        priority=options.priority,
        expires=options.expires,
        # Who gives an id may give it again, after a doubt: then it is looked up before it runs.
        headers={} if options.id is None else {CHECK: True},
    )


def _arguments_of(task: TaskHandle[..., Any], call: Any) -> Sequence[Any]:
    if isinstance(call, (tuple, list)):
        return call
    raise CallError(
        f"{task.spec.name}: one of many calls was given as {show(call)}.",
        "Each call is a tuple of its arguments; nothing was sent.",
        f"{task.__name__}.delay_many([(7,), (8,)])",
    )


def _check_in_time(task: TaskHandle[..., Any], options: CallOptions) -> None:
    declared = None if task.spec.expires is None else task.spec.expires.total_seconds()
    expires = declared if options.expires is None else options.expires
    if options.delay is None or not isinstance(expires, float) or options.delay < expires:
        return
    raise OptionError(
        f"{task.spec.name} would start after {options.delay:g} s and expires after {expires:g} s.",
        "It could never start in time.",
        f"options(delay={options.delay:g}, expires={2 * options.delay:g})",
    )


def _app() -> App:
    from fw_core.client import current_app

    return current_app()
