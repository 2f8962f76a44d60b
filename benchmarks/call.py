r"""What a call costs its caller: to send one, to send many, to wait for a result, to begin at all.

    FW_TEST_BROKER_URL=… FW_TEST_MANAGEMENT_URL=… FW_TEST_DATABASE_URL=… python benchmarks/call.py
    python benchmarks/call.py                           # with Docker: starts its own servers
    python benchmarks/call.py --rounds 5

Everything is measured in processes of their own, which take turns round by round; a ratio is that
of one round, and the table shows the median and the range. Plain Celery sends with confirms, as fw
does, but where it says that it does not. "bare" is py-amqp, which publishes the same bytes and
waits for the confirm: what no framework can do without.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from execute import CONTENDERS
from stage import place, stage, working

from fw_testing.servers import find_servers

SEND = ".delay(), confirmed"
SEND_MANY = "10,000 calls: .delay_many(), confirmed"
SEND_LATER = "10,000 calls with a delay, confirmed"
FIRST = "import and first .delay()"
ROUND_TRIP = ".delay().get() above a task's own {:g} ms"

_TIMED = """
import json, time
from pathlib import Path

def timed(work, count):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    lines = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    print(json.dumps({"us": wall / count * 1e6, "cpu": cpu / count * 1e6, "memory": memory}))
"""

_FW = _TIMED + "from contenders.fw_tasks import ignored, kept, takes\n"
_CELERY = _TIMED + "from contenders.celery_tasks import app, echo, takes\n"

ONE = {
    "fw": _FW
    + """
for _ in range(20): ignored.delay("a text")
timed(lambda: [ignored.delay("a text") for _ in range(COUNT)], COUNT)
""",
    "celery": _CELERY
    + """
for _ in range(20): echo.delay("a text")
timed(lambda: [echo.delay("a text") for _ in range(COUNT)], COUNT)
""",
    "bare": _TIMED
    + """
import os, uuid
from amqp import Message
from kombu import Connection
from contenders.fw_tasks import ignored
ignored.delay("a text")  # declares
connection = Connection(os.environ["BENCHMARK_BROKER"])
channel = connection.default_channel
nothing = {f"header {number}": None for number in range(18)}
headers = {"task": ignored.name, "id": str(uuid.uuid4()), **nothing}
def publish():
    message = Message('[["a text"], {}, {}]', application_headers=headers, delivery_mode=2,
                      content_type="application/json", content_encoding="utf-8")
    channel.basic_publish_confirm(message, "fw.tasks", "default", mandatory=True)
for _ in range(20): publish()
timed(lambda: [publish() for _ in range(COUNT)], COUNT)
""",
}

MANY = {
    "fw": _FW
    + """
ignored.delay("a text")
timed(lambda: ignored.delay_many([("a text",)] * COUNT), COUNT)
""",
    "celery, a loop, unconfirmed": _CELERY
    + """
app.conf.broker_transport_options = {}
echo.delay("a text")
timed(lambda: [echo.delay("a text") for _ in range(COUNT)], COUNT)
""",
}

DELAYED = {
    "fw": _FW
    + """
ignored.options(delay=60).delay("a text")
timed(lambda: ignored.options(delay=60).delay_many([("a text",)] * COUNT), COUNT)
""",
}

WAIT = """
import statistics
takes.delay(0).get(timeout=60)
found = []
for _ in range(COUNT):
    began = time.perf_counter()
    takes.delay(SECONDS).get(timeout=60)
    found.append((time.perf_counter() - began - SECONDS) * 1e6)
found.sort()
print(json.dumps({"us": statistics.median(found), "p95": found[int(COUNT * 0.95)]}))
"""

BEGIN = {
    "fw": _TIMED
    + """
def begin():
    from contenders.fw_tasks import kept
    kept.delay("a text")
timed(begin, 1)
""",
    "celery": _TIMED
    + """
def begin():
    from contenders.celery_tasks import echo
    echo.delay("a text")
timed(begin, 1)
""",
}

Table = dict[str, list[dict[str, float]]]


def main() -> None:
    """Measure all and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write every number")
    given = parser.parse_args()
    with ExitStack() as stack:
        found = measure(find_servers(stack), rounds=given.rounds)
    for title, table in found.items():
        show(title, table)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


def measure(servers: Any, *, rounds: int, only_sending: bool = False) -> dict[str, Table]:
    """Measure everything in turns, or only what needs no worker and takes seconds."""
    found: dict[str, Table] = {}
    for _ in range(rounds):
        for title, tables in _all(servers, only_sending=only_sending).items():
            for name, value in tables.items():
                found.setdefault(title, {}).setdefault(name, []).append(value)
    return found


def _all(servers: Any, *, only_sending: bool) -> dict[str, dict[str, dict[str, float]]]:
    """One round of everything."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    with ExitStack() as stack:
        env = {**os.environ, **stack.enter_context(place(servers))}
        found[SEND] = {name: ask(code, env, COUNT=1000) for name, code in ONE.items()}
        found[SEND_MANY] = {name: ask(code, env, COUNT=10_000) for name, code in MANY.items()}
        if only_sending:
            return found
        found[SEND_LATER] = {name: ask(code, env, COUNT=10_000) for name, code in DELAYED.items()}
        kept = {**env, "BENCHMARK_RESULTS": "1"}
        found[FIRST] = {name: ask(code, kept) for name, code in BEGIN.items()}
    for seconds in (0.0, 0.05):
        found[ROUND_TRIP.format(1000 * seconds)] = {
            "fw": wait("fw+results", servers, _FW + WAIT, seconds),
            "celery": wait("celery+results", servers, _CELERY + WAIT, seconds),
        }
    return found


def wait(name: str, servers: Any, code: str, seconds: float) -> dict[str, float]:
    """Ask for results of a worker, one after the other."""
    contender = CONTENDERS[name]
    with (
        stage(servers, contender.env) as (directory, _, env),
        working(contender.worker, env, directory),
    ):
        return ask(code, env, COUNT=60, SECONDS=seconds)


def ask(code: str, env: dict[str, str], **values: float) -> dict[str, float]:
    """What a program prints last."""
    settings = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    done = subprocess.run(
        [sys.executable, "-c", settings + code],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def show(title: str, table: Table) -> None:
    """One table: what each took, and how many times as long as the first one."""
    first, *_ = table
    columns = [name for name in ("us", "cpu", "p95", "memory") if name in table[first][0]]
    heads = {"us": "µs", "cpu": "µs CPU", "p95": "p95 µs", "memory": "MB"}
    print(f"\n{title:44}" + "".join(f"{heads[name]:>9}" for name in columns) + f"   x {first}")
    for name, rounds in table.items():
        ratios = [
            mine["us"] / other["us"] for mine, other in zip(rounds, table[first], strict=True)
        ]
        cells = "".join(
            f"{statistics.median(each[column] for each in rounds):9,.0f}" for column in columns
        )
        spread = f"[{min(ratios):.2f} to {max(ratios):.2f}]"
        print(f"  {name:42}{cells}   {statistics.median(ratios):.2f} {spread}")


if __name__ == "__main__":
    main()
