"""``fw dev``: the worker runs the code as it stands."""

from __future__ import annotations

FIRST = """
from fw_core import task_framework
@task_framework
def version() -> int:
    return 1
"""


def test_a_change_starts_the_worker_again_with_the_new_code(place):
    place.write(FIRST)
    dev = place.start("dev").ready()
    assert place.run("send", "team.version", "--wait").stdout == "1\n"
    place.write(FIRST.replace("return 1", "return 2"))
    dev.wait_for("team.py changed: starting again")
    dev.wait_for("Ready: waiting for messages", times=2)
    assert place.run("send", "team.version", "--wait").stdout == "2\n"
    assert dev.stop() == 0


def test_code_that_cannot_be_imported_is_shown_and_the_next_change_tried(place):
    place.write("def broken(:\n")
    dev = place.start("dev")
    dev.wait_for("The task module 'team' cannot be imported: SyntaxError")
    dev.wait_for("waiting for a change")
    place.write(FIRST)
    dev.ready()
    assert place.run("send", "team.version", "--wait").stdout == "1\n"
    assert dev.stop() == 0


def test_no_worker_is_left_behind(place, wait_until):
    """When it ends, its worker has ended too."""
    place.write(FIRST)
    dev = place.start("dev").ready()
    assert dev.stop() == 0
    assert dev.log.rstrip().endswith("Stopped")
