"""The steps of the demo: each does something, shows what came of it, and checks it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from fw_core import TASK_REGISTRY, client, execute_dynamic_workflow
from fw_core.broker.app import App
from fw_core.broker.app import create_app as create_client_app
from fw_core.errors import CallError, UnknownTaskError
from fw_core.settings import Settings, read_settings
from fw_worker.declared import declared_tasks
from fw_worker.demo.place import own_place
from fw_worker.demo.report import NotAsSaid, Report
from fw_worker.demo.worker import DemoWorker, Event
from fw_worker.task_modules import import_task_modules

PACKAGE = "fw_worker.demo.example"
MODULES = (f"{PACKAGE}.shop", f"{PACKAGE}.payment")
TASKS = ("collect_payment", "process_order", "task1", "task2")
ATTEMPTS = 2
WORKER_MODULES = (*MODULES, f"{PACKAGE}.dice")

Say = Callable[[str], None]


def run_demo(say: Say) -> Report:
    """Run the demo; the report says whether everything happened as said.

    Raises:
        FrameworkError: this machine cannot run it at all.
    """
    report = Report()
    started = time.monotonic()
    with own_place() as place:
        worker: DemoWorker | None = None
        try:
            settings = read_settings(task_modules=MODULES)
            import_task_modules(settings)
            say(f"Everything happens on this machine, in files under {place}. No server is needed.")
            story = Story(say, report, settings)
            story.declare()
            worker = DemoWorker(WORKER_MODULES)
            story.start(worker)
            story.retry_an_order(worker)
            story.collect_a_payment(worker)
            story.run_a_workflow(worker)
            story.refuse_an_unknown_task()
            story.refuse_a_wrong_argument()
            story.stop(worker)
            report.ok = True
        except NotAsSaid as error:
            report.error = str(error)
            for line in worker.log[-30:] if worker else ():
                say(f"     worker | {line}")
        finally:
            if worker is not None:
                worker.kill()
            client.set_own_app(None)
    report.seconds = round(time.monotonic() - started, 1)
    return report


class Story:
    """The steps, in the order in which they are told."""

    def __init__(self, say: Say, report: Report, settings: Settings) -> None:
        self._say = say
        self._report = report
        self._app: App = create_client_app(settings, TASK_REGISTRY)
        client.set_own_app(self._app)

    def declare(self) -> None:
        """Show what the example declares."""
        with self._step("declare", "Tasks are plain functions under one decorator") as facts:
            tasks = [
                task
                for task in declared_tasks(TASK_REGISTRY)
                if TASK_REGISTRY[task.name].spec.function.__module__ in MODULES
            ]
            for task in tasks:
                kept = "keeps no result" if task.ignore_result else "keeps its result"
                self._tell(f"{_short(task.name)}{task.takes}")
                self._tell(f"    retries after {task.shown_retries.partition(': ')[2]}; {kept}")
            facts["tasks"] = [task.name for task in tasks]
            self._check("all its tasks are declared", len(tasks) == len(TASKS), facts["tasks"])

    def start(self, worker: DemoWorker) -> None:
        """Wait until the worker's process takes messages."""
        with self._step("worker", "A worker starts, as a process of its own: fw worker") as facts:
            started = time.monotonic()
            worker.wait_for("the worker is ready", lambda e: _message(e).startswith("Ready"))
            facts["seconds"] = round(time.monotonic() - started, 2)
            self._tell(f"process {worker.pid} is ready after {facts['seconds']:.1f} s")

    def retry_an_order(self, worker: DemoWorker) -> None:
        """Queue an order whose first attempt fails, and see it tried again after 3 seconds."""
        with self._step("retry", "process_order.delay(7) is queued, and fails at first") as facts:
            result = self._queue("process_order", f"{PACKAGE}.shop.process_order", (7,), facts)
            facts.update(self._one_retry(worker, result.id, stated=3.0))

    def collect_a_payment(self, worker: DemoWorker) -> None:
        """A task with annotations: its result is read by the caller."""
        title = "collect_payment.delay(7, 49.9): its caller waits for the result"
        with self._step("result", title) as facts:
            name = f"{PACKAGE}.payment.collect_payment"
            result = self._queue("collect_payment", name, (7, 49.9), facts)
            facts.update(self._one_retry(worker, result.id, stated=1.0))
            facts["result"] = result.get(timeout=20)
            facts["attempts"] = result.attempts
            self._tell(f"result.get() returns {facts['result']!r}")
            expected = "49.9 collected for order 7"
            self._check("the payment comes back", facts["result"] == expected, facts["result"])
            self._check("it took two attempts", facts["attempts"] == ATTEMPTS, facts["attempts"])

    def run_a_workflow(self, worker: DemoWorker) -> None:
        """Choose tasks by name: the first gets the data, the next what the first returned."""
        title = 'execute_dynamic_workflow(["task1", "task2"], "Sample Data")'
        with self._step("workflow", title) as facts:
            result = execute_dynamic_workflow(["task1", "task2"], "Sample Data")
            facts["id"] = result.id
            facts["result"] = result.get(timeout=20)
            _, before = worker.wait_for(
                "task2 ends", lambda e: e.get("task") == "task2" and "outcome" in e
            )
            self._show_prints(before)
            self._tell(f"result.get() returns {facts['result']!r}")
            expected = "Task2 result: Task1 result: Sample Data"
            self._check("task2 gets task1's result", facts["result"] == expected, facts["result"])

    def refuse_an_unknown_task(self) -> None:
        """A name that no task has is refused before anything is sent."""
        title = 'execute_dynamic_workflow(["task1", "taks2"], "Sample Data")'
        with self._step("unknown task", title) as facts:
            try:
                execute_dynamic_workflow(["task1", "taks2"], "Sample Data")
            except UnknownTaskError as error:
                facts.update(error=type(error).__name__, nearest=error.matches[:1])
                self._tell(f"{type(error).__name__}: {error.what}")
                self._tell(f"Fix: {error.fix}")
            self._check("taks2 is refused with task2", facts.get("nearest") == ["task2"], facts)

    def refuse_a_wrong_argument(self) -> None:
        """An argument of a wrong type is refused by the call, not by the worker."""
        title = 'collect_payment.delay("seven", 49.9)'
        with self._step("wrong argument", title) as facts:
            task = TASK_REGISTRY[f"{PACKAGE}.payment.collect_payment"]
            try:
                task.delay("seven", 49.9)
            except CallError as error:
                facts.update(error=type(error).__name__, said=error.what)
                self._tell(f"{type(error).__name__}: {error.what.rpartition('.payment.')[2]}")
                self._tell(error.why)
            said = facts.get("said", "")
            self._check("'seven' is refused as order_id", "'order_id' must be int" in said, facts)

    def stop(self, worker: DemoWorker) -> None:
        """Stop the worker as a deployment does."""
        with self._step("stop", "The worker gets SIGTERM") as facts:
            facts["exit_code"] = worker.stop()
            self._tell(f"it ended with exit code {facts['exit_code']}")
            self._check("the worker ends well", facts["exit_code"] == 0, facts["exit_code"])

    def _queue(self, shown: str, name: str, args: tuple[Any, ...], facts: dict[str, Any]) -> Any:
        started = time.monotonic()
        result = TASK_REGISTRY[name].delay(*args)
        facts["id"] = result.id
        self._tell(f"queued in {time.monotonic() - started:.2f} s: {shown} has the id {result.id}")
        return result

    def _one_retry(self, worker: DemoWorker, task_id: str, *, stated: float) -> dict[str, Any]:
        """See one failed attempt and one that succeeds, no sooner than stated."""

        def ended(event: Event) -> bool:
            return event.get("task_id") == task_id and "outcome" in event

        failed, before = worker.wait_for("the first attempt ends", ended)
        self._show_prints(before)
        self._check("the first attempt fails", failed["outcome"] == "retry", failed["outcome"])
        wait = failed["next_wait"]
        self._tell(f"attempt 1 of {failed['attempts']} failed: {_reason(failed)}")
        self._tell(f"waiting {wait:.1f} s: {stated:g} s and a little at random")
        self._check(f"the wait is at least {stated:g} s", wait >= stated, wait)
        succeeded, before = worker.wait_for("the second attempt ends", ended)
        self._show_prints(before)
        outcome = succeeded["outcome"]
        self._check("the second attempt succeeds", outcome == "succeeded", outcome)
        waited = (_moment(succeeded) - _moment(failed)).total_seconds()
        self._check(f"it starts {stated:g} s later or more", waited >= stated, waited)
        self._tell(f"attempt 2 of {succeeded['attempts']} succeeded, {waited:.1f} s later")
        return {"stated_wait": stated, "next_wait": wait, "waited": round(waited, 2), "retries": 1}

    def _show_prints(self, events: list[Event]) -> None:
        for event in events:
            if "printed" in event:
                self._tell(f"worker prints: {event['printed']}")
            elif event.get("task_id") and "outcome" not in event:
                self._tell(f"worker logs: {event['message']} [task id {event['task_id']}]")

    @contextmanager
    def _step(self, name: str, title: str) -> Iterator[dict[str, Any]]:
        facts: dict[str, Any] = {"step": name}
        self._report.steps.append(facts)
        self._say(f"\n{len(self._report.steps)}. {title}")
        yield facts

    def _tell(self, line: str) -> None:
        self._say(f"     {line}")

    def _check(self, what: str, holds: bool, instead: Any) -> None:
        if not holds:
            raise NotAsSaid(what, repr(instead))


def _message(event: Event) -> str:
    return str(event.get("message", ""))


def _moment(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _reason(event: Event) -> str:
    return _message(event).partition(" s: ")[2] or str(event.get("error"))
