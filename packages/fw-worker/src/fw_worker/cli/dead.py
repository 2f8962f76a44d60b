"""``fw dead``: calls that failed for good, and what to do with them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from fw_worker.cli import options
from fw_worker.cli.in_order import InOrder
from fw_worker.cli.printing import print_facts, print_json, print_table

if TYPE_CHECKING:
    from fw_core.broker.app import App
    from fw_worker.dead_letters.choice import Choice
    from fw_worker.dead_letters.letter import DeadLetter
    from fw_worker.dead_letters.replay import Refused, Sending
    from fw_worker.dead_letters.table import Filter

_SHOWN = 20

_FILTERS = (
    click.option("--task", metavar="NAME", help="Calls of this task."),
    click.option("--queue", metavar="QUEUE", help="Calls that were in this queue."),
    click.option("--error", metavar="TYPE", help="Whose last error was of this type."),
    click.option("--cause", metavar="CAUSE", help="That ended in this way, such as gave-up."),
    click.option("--since", metavar="WHEN", help="Died since then: 1h, 2d, or a moment."),
    click.option("--until", metavar="WHEN", help="Died before then: 1h, 2d, or a moment."),
)


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FILTERS):
        function = option(function)
    return function


_ids = click.argument("ids", nargs=-1, metavar="ID...")
_all = click.option("--all", "is_all", is_flag=True, help="All that the filters leave.")
_yes = click.option("--yes", is_flag=True, help="Do it; without, only say what would be done.")


@click.group("dead", cls=InOrder)
def command() -> None:
    """Look at calls that failed for good; send them again, or discard them."""


@command.command("list")
@_filters
@click.option(
    "--state",
    type=click.Choice(["dead", "replaying", "replayed", "discarded", "all"]),
    default="dead",
    show_default=True,
    help="What has become of them.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N",
    help="Show the newest N; all are counted.",
)  # fmt: skip
@options.as_json
def list_(state: str, limit: int, as_json: bool, **filters: str | None) -> None:
    """Show dead letters, the newest first, and count them by cause."""
    from fw_core.errors import BrokerUnreachable
    from fw_worker.dead_letters import table
    from fw_worker.dead_letters.facts import summary
    from fw_worker.dead_letters.sending_again import uncollected

    app = _app()
    wanted = _filter(app, filters, state)
    database, seconds = app.backend.database, app.backend.read_timeout
    letters = database.statement(
        lambda connection: table.newest(connection, wanted, limit=limit), timeout=seconds
    )
    counts = database.statement(
        lambda connection: table.count_by_cause(connection, wanted), timeout=seconds
    )
    waiting: int | None
    try:
        waiting = uncollected(app)
    except BrokerUnreachable as error:
        waiting = None
        click.echo(error.what, err=True)
    if as_json:
        shown = [summary(letter) for letter in letters]
        print_json(
            {
                "letters": shown, "total": sum(counts.values()), "by_cause": counts,
                "uncollected": waiting,
            }
        )  # fmt: skip
        return
    if letters:
        _print_letters(letters)
    _print_counts(counts, shown=len(letters))
    if waiting:
        click.echo(
            f"{waiting} more {'is' if waiting == 1 else 'are'} still with the broker: "
            "a running worker collects them, or `fw dead collect`."
        )


@command.command("show")
@click.argument("name", metavar="ID")
@options.as_json
def show(name: str, as_json: bool) -> None:
    """Show all that is known of a dead letter; ID is its own, or that of the call."""
    import json

    from fw_worker.dead_letters.choice import by_ids
    from fw_worker.dead_letters.facts import everything

    found = [everything(letter) for letter in by_ids(_app(), [name])]
    if as_json:
        print_json(found)
        return
    for number, facts in enumerate(found):
        if number:
            click.echo()
        shown = dict(facts)
        error = facts["error"]
        shown["error"] = f"{error['type']}: {error['message']}"
        shown["tries"] = "\n".join(
            f"{each['attempt']}. {each['at'].isoformat(timespec='seconds')}  {each['error']}"
            f"{'  on ' + each['worker'] if each['worker'] else ''}"
            for each in shown["tries"]
        )
        for part in ("arguments", "headers", "properties", "body"):
            if not isinstance(shown[part], str) and shown[part] is not None:
                shown[part] = json.dumps(shown[part], ensure_ascii=False, default=str)
        print_facts(shown)


@command.command("replay")
@_ids
@_all
@_filters
@click.option("--to", metavar="QUEUE", help="Send them to this queue, not to the one they were in.")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), metavar="N",
    help="Send at most N a second.",
)  # fmt: skip
@_yes
@options.as_json
def replay(
    ids: tuple[str, ...],
    is_all: bool,
    to: str | None,
    rate: float | None,
    yes: bool,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Send dead letters again, as if they had never run; their follow-ups go with them.

    ID is that of a dead letter or of a call. Without --yes nothing is sent. A call whose kept
    result is a success is refused.
    """
    from fw_worker.dead_letters.sending_again import replay

    app = _app()
    choice = _choice(app, ids, is_all, filters)
    report = replay(app, choice, to=to, rate=rate, is_dry=not yes)
    if as_json:
        print_json(
            {
                "dry": not yes,
                "sent": [_sent_facts(each) for each in report.sent],
                "refused": [_refused_facts(each) for each in report.refused],
                "sent_before": [each.letter.dead_id for each in report.done],
            }
        )
    else:
        _print_replay(report.sent, report.refused, report.done, is_dry=not yes)
    if ids and report.refused:
        sys.exit(2)


@command.command("discard")
@_ids
@_all
@_filters
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with them for an audit.")
@_yes
@options.as_json
def discard(
    ids: tuple[str, ...],
    is_all: bool,
    reason: str,
    yes: bool,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Decide that dead letters are not needed. They are kept with the reason, and not listed."""
    from fw_worker.dead_letters.discarding import discard

    app = _app()
    letters = discard(app, _choice(app, ids, is_all, filters), reason=reason, is_dry=not yes)
    if as_json:
        print_json({"dry": not yes, "discarded": [letter.dead_id for letter in letters]})
        return
    verb = "Discarded" if yes else "Would discard"
    click.echo(f"{verb} {_number(letters)}{_by_task(letters)}.")
    _print_advice(letters, is_dry=not yes)


@command.command("collect")
@options.modules
@options.as_json
def collect(modules: tuple[str, ...], as_json: bool) -> None:
    """Take what the broker holds into the database, where no worker does.

    What waits for a call (a callback, a join) is sent by the queues of the task modules.
    """
    from fw_core.declare.registry import TASK_REGISTRY
    from fw_worker.dead_letters.alone import collector_app
    from fw_worker.dead_letters.collector import collect_once
    from fw_worker.dead_letters.routes import routes_of
    from fw_worker.dead_letters.sending_again import connected
    from fw_worker.task_modules import import_task_modules, settings_with

    settings = settings_with(modules, required=False)
    import_task_modules(settings)
    app = collector_app(settings, routes_of(TASK_REGISTRY))
    with connected(app) as connection:
        number = collect_once(app, connection)
    if as_json:
        print_json({"collected": number})
    else:
        click.echo(f"Collected {number}.")


def _app() -> App:
    from fw_core.broker.app import create_app
    from fw_worker.task_modules import settings_with

    return create_app(settings_with(required=False), {})


def _choice(app: App, ids: tuple[str, ...], is_all: bool, filters: dict[str, str | None]) -> Choice:
    from fw_core.errors import OptionError
    from fw_worker.dead_letters.choice import Choice

    is_filtered = any(value is not None for value in filters.values())
    if bool(ids) == is_all or (ids and is_filtered):
        raise OptionError(
            "Which dead letters? Neither ids nor --all is given"
            + (", only a filter." if is_filtered else ".")
            if not ids
            else "Ids and --all (or a filter) are both given.",
            "Nothing was done: it has to be clear which are meant.",
            "give their ids, or --all, which takes --task, --queue, --error, --cause, --since "
            "and --until.",
        )
    return Choice(ids=ids, wanted=_filter(app, filters, "dead"))


def _filter(app: App, filters: dict[str, str | None], state: str) -> Filter:
    from fw_core.attempt.outcome import Cause
    from fw_core.errors import OptionError, nearest
    from fw_worker.dead_letters.letter import State
    from fw_worker.dead_letters.moments import moment
    from fw_worker.dead_letters.table import WAITING, Filter

    cause = filters["cause"]
    if cause is not None and cause not in {*Cause}:
        near = nearest(cause, [each.value for each in Cause])
        raise OptionError(
            f"--cause is {cause!r}, which is none."
            + (f" Did you mean {near[0]!r}?" if near else ""),
            "Nothing would ever be found.",
            f"one of: {', '.join(Cause)}.",
        )
    times: dict[str, datetime | None] = {
        name: None if (text := filters[name]) is None
        else moment(text, now=app.now(), option=f"--{name}")
        for name in ("since", "until")
    }  # fmt: skip
    states = {"dead": WAITING, "all": tuple(State)}.get(state, (state,))
    return Filter(
        task=filters["task"],
        queue=filters["queue"],
        error=filters["error"],
        cause=cause,
        states=states,
        **times,
    )


def _print_letters(letters: list[DeadLetter]) -> None:
    columns = ["id", "died", "task", "queue", "cause", "attempts", "error", "state"]
    rows = [
        [
            letter.dead_id,
            letter.died_at.astimezone().isoformat(sep=" ", timespec="seconds")[:19],
            letter.name,
            letter.queue or "",
            letter.cause,
            str(letter.attempts or ""),
            _one_line(f"{letter.error_type}: {letter.error_message}"),
            letter.state,
        ]
        for letter in letters
    ]
    if all(letter.state == "dead" for letter in letters):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    print_table(columns, rows)


def _print_counts(counts: dict[str, int], *, shown: int) -> None:
    total = sum(counts.values())
    if not total:
        click.echo("No dead letters.")
        return
    causes = ", ".join(f"{number} {cause}" for cause, number in counts.items())
    of = f"; the newest {shown} are shown" if shown < total else ""
    click.echo(f"{total} dead letter{'s' * (total != 1)}: {causes}{of}.")


def _print_replay(
    sent: list[Sending], refused: list[Refused], done: list[Refused], *, is_dry: bool
) -> None:
    letters = [each.letter for each in sent]
    verb = "Would send" if is_dry else "Sent"
    click.echo(f"{verb} {_number(letters)}{_by_task(letters)}.")
    notes = Counter(note for each in sent for note in each.notes)
    for note, number in notes.items():
        click.echo(f"  {number} of them: {note}")
    if done:
        click.echo(f"{len(done)} had been sent by a replay that was broken off.")
    for each in refused[:_SHOWN]:
        click.echo(f"Refused {each.letter.dead_id} ({each.letter.name}): {each.why}", err=True)
    if len(refused) > _SHOWN:
        click.echo(f"Refused {len(refused) - _SHOWN} more; --json lists them all.", err=True)
    _print_advice(letters, is_dry=is_dry)


def _print_advice(letters: list[DeadLetter], *, is_dry: bool) -> None:
    if is_dry and letters:
        click.echo("Nothing was done yet: say it again with --yes.")


def _number(letters: list[DeadLetter]) -> str:
    return f"{len(letters)} dead letter{'s' * (len(letters) != 1)}"


def _by_task(letters: Iterable[DeadLetter]) -> str:
    counts = Counter(letter.name for letter in letters)
    named = ", ".join(f"{number} {task}" for task, number in counts.most_common(_SHOWN))
    return f" ({named})" if named else ""


def _one_line(text: str, limit: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def _sent_facts(sending: Sending) -> dict[str, Any]:
    letter = sending.letter
    return {
        "id": letter.dead_id, "call": letter.task_id, "task": letter.task_name,
        "queue": sending.queue, "message": sending.message_id, "notes": sending.notes,
    }  # fmt: skip


def _refused_facts(refused: Refused) -> dict[str, Any]:
    letter = refused.letter
    return {
        "id": letter.dead_id, "call": letter.task_id, "task": letter.task_name,
        "why": refused.why,
    }  # fmt: skip
