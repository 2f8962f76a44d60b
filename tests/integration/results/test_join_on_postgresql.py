"""Members that end at the same moment in many processes send what waits once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fw_core.results.backend import ResultBackend

MEMBERS = 12

MEMBER = """
import os, sys
from celery import Celery
from celery.app.task import Context
from celery.signals import before_task_publish
from fw_core.results.backend import ResultBackend

url, log, number, of = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
app = Celery("shop", broker="memory://")
app.backend_cls = lambda app, **_: ResultBackend(app, url)

@app.task(name="report")
def report(values): ...

@before_task_publish.connect
def note(headers, body, **_):
    line = f"{headers['id']} {body[0][0]}\\n".encode()
    out = os.open(log, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(out, line)

waiting = dict(app.signature("report", task_id="the-report"), chord_size=of)
request = Context(
    id=f"member-{number}", task="pay", hostname="w", group="join-1", group_index=number,
    chord=waiting,
)
app.backend.load([])
print("ready", flush=True)
sys.stdin.readline()
app.backend.mark_as_done(request.id, number, request)
"""


def test_members_in_many_processes_send_what_waits_once(
    url: str, make_backend: Callable[..., ResultBackend], tmp_path: Path
) -> None:
    log = tmp_path / "sent"
    arguments = [sys.executable, "-c", MEMBER, url, str(log)]
    several: list[subprocess.Popen[str]] = [
        subprocess.Popen(
            [*arguments, str(number), str(MEMBERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(MEMBERS)
    ]
    for process in several:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in several:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    codes = [process.wait(timeout=60) for process in several]
    for process in several:
        process.communicate()

    assert codes == [0] * MEMBERS
    assert log.read_text() == f"the-report {list(range(MEMBERS))}\n"


def test_a_member_can_be_added_while_others_end(url: str, make_backend: Callable[..., Any]) -> None:
    from celery.app.task import Context

    backend = make_backend(url)
    backend.app.conf.task_always_eager = False
    sent: list[Any] = []

    @backend.app.task(name="report", shared=False)
    def report(values: list[Any]) -> None: ...

    backend.app.amqp.send_task_message = lambda _p, name, message, **_: sent.append(message.body)
    waiting = dict(backend.app.signature("report", task_id="the-report"), chord_size=1)

    def end(member: str) -> None:
        request = Context(id=member, group="join-1", group_index=0, chord=waiting)
        backend.mark_as_done(member, member, request)

    added = backend.app.AsyncResult("b")
    backend.add_to_chord("join-1", added)
    backend.add_to_chord("join-1", added)  # delivered again
    end("a")
    assert sent == []
    end("b")

    assert [body[0][0] for body in sent] == [["a", "b"]]
