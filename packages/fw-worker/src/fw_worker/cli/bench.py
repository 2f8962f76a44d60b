"""``fw bench``: how fast it is here, with your broker and your database."""

from __future__ import annotations

import click

from fw_worker.cli import options
from fw_worker.cli.printing import print_json, print_table


@click.command("bench")
@click.option(
    "--calls",
    type=click.IntRange(min=100),
    default=5000,
    show_default=True,
    metavar="N",
    help="Calls that each worker finds waiting.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    metavar="N",
    help="Processes that run them.",
)
@options.as_json
def command(calls: int, concurrency: int, as_json: bool) -> None:
    """Measure sending, running and waiting with the broker and database of the settings.

    It starts workers of its own, uses names of its own on the broker, kills a worker to see what
    is lost, and removes what it made. It takes about a minute and works the machine hard.
    """
    from fw_worker.bench.figures import plot
    from fw_worker.bench.measuring import measure

    say = (lambda text: None) if as_json else (lambda text: click.echo(f"… {text}", err=True))
    figures = measure(say, calls=calls, processes=concurrency)
    if as_json:
        print_json(figures.facts())
        return
    click.echo(f"broker {figures.broker}, results {figures.results}, {concurrency} processes")
    print_table(("", "a second", "took"), figures.rows())
    click.echo("From a call to its result:")
    for line in plot(figures.round_trips):
        click.echo(line)
    click.echo(
        f"\nA worker was killed in the middle of {calls:,} tasks: {figures.lost} lost, "
        f"{figures.repeated} run twice, all done {figures.back_after:.1f} s later."
    )
