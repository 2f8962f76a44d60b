"""What cannot be run, what is sent again, what is discarded; messages that fw did not make."""

from __future__ import annotations

import json

from scenario import fails, message_from_elsewhere, scenario, times_run

from fw_core import TaskFailed, task_framework
from fw_core.client import current_app
from fw_worker.dead_letters.choice import Choice, by_ids
from fw_worker.dead_letters.discarding import discard
from fw_worker.dead_letters.sending_again import replay


@task_framework
def takes_one(number: int) -> int:
    return number


@task_framework(retries=0)
def recovers(number: int) -> str:
    if times_run() < number:
        raise ConnectionError("away")
    return "recovered"


@task_framework
def follows(text: str) -> str:
    return f"{text} and followed"


def is_dead(id_: str, times: int = 1):
    """Whether a call's dead letters have been collected."""

    def look() -> bool:
        try:
            return len(by_ids(current_app(), [id_])) == times
        except Exception:
            return False

    return look


@scenario(
    """
    recovers(2)
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_again():
    result = recovers.delay(2)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead (replayed) retries-spent: the task has no retries
        dead retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_again_in_vain():
    result = recovers.delay(9)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)))


@scenario(
    """
    recovers(2) to mail
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_sent_to_another_queue():
    result = recovers.options(queue="mail").delay(2)
    yield is_dead(result.id)
    replay(current_app(), Choice(ids=(result.id,)), to="default")


@scenario(
    """
    recovers(2)
        1: failed ConnectionError: away
        1: succeeded 'recovered'
        result SUCCESS 'recovered'
        dead (replayed) retries-spent: the task has no retries
    follows('recovered') after recovers(2)
        1: succeeded 'recovered and followed'
        result SUCCESS 'recovered and followed'
    """
)
def a_workflow_goes_on_when_its_dead_step_is_sent_again():
    from celery import chain

    result = chain(recovers.s(2), follows.s(), app=current_app()).delay()
    yield is_dead(result.parent.id)
    replay(current_app(), Choice(ids=(result.parent.id,)))


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead (discarded) retries-spent: the task has no retries
    """
)
def a_dead_letter_that_is_discarded():
    result = recovers.delay(9)
    yield is_dead(result.id)
    discard(current_app(), Choice(ids=(result.id,)), reason="not needed")
    assert replay(current_app(), Choice(ids=(result.id,))).sent == []


@scenario(
    """
    nobody.knows(1) from elsewhere
        result FAILURE fw_core.UnknownTaskMessage: A message asks for the task 'nob… (104) after 0 attempts
        dead unknown-task: the worker does not know the task
    """
)
def a_call_of_a_task_that_the_worker_does_not_know():
    foreign(1, task="nobody.knows")


WRONG = "wrong-arguments: another attempt would get the same arguments"


@scenario(
    fails(
        "takes_one('seven')",
        "fw_core.MessageError: takes_one: argument 'number' must be i… (76)",
        WRONG,
    )
)
def an_argument_of_another_type_from_elsewhere():
    current_app().send_task("scenarios_dead_letters.takes_one", ("seven",))


@scenario(
    fails(
        "takes_one(1, 2)",
        "fw_core.MessageError: takes_one: too many positional argumen… (103)",
        WRONG,
    )
)
def too_many_arguments_from_elsewhere():
    current_app().send_task("scenarios_dead_letters.takes_one", (1, 2))


@scenario(
    fails(
        "takes_one(nubmer=1)",
        "fw_core.MessageError: takes_one: missing a required argument… (111)",
        WRONG,
    )
)
def a_misspelt_argument_from_elsewhere():
    current_app().send_task("scenarios_dead_letters.takes_one", kwargs={"nubmer": 1})


def foreign(number: int, **headers: object) -> None:
    body = json.dumps([[number], {}, {"callbacks": None, "chain": None, "chord": None}])
    headers = {"task": "scenarios_dead_letters.takes_one", **headers}
    message_from_elsewhere(body.encode(), **headers)


@scenario(
    """
    takes_one(1) from elsewhere
        1: succeeded 1
        result SUCCESS 1
    """
)
def a_message_that_no_fw_made():
    foreign(1)


@scenario(
    """
    (no call) from elsewhere
        result FAILURE fw_core.UnreadableMessage: A message cannot be read as a cal… (148) after 0 attempts
        dead unreadable: it cannot be read as a call
    """
)
def a_message_that_is_no_json():
    message_from_elsewhere(b"{not json")


@scenario(
    """
    (no call) from elsewhere
        result FAILURE fw_core.UnreadableMessage: A message cannot be read as a cal… (96) after 0 attempts
        dead unreadable: it cannot be read as a call
    """
)
def a_message_that_is_json_and_no_call():
    message_from_elsewhere(b'{"order": 7}')


@scenario(
    """
    (no call) from elsewhere
        result FAILURE fw_core.UnreadableMessage: A message cannot be read as a cal… (142) after 0 attempts
        dead unreadable: it cannot be read as a call
    """
)
def a_message_of_another_content_type():
    message_from_elsewhere(b"<order/>", content_type="text/xml")


@scenario(
    """
    takes_one(5) from elsewhere
        result FAILURE fw_core.UnreadableMessage: A message cannot be read as a cal… (95) after 0 attempts
        dead unreadable: it cannot be read as a call
    """
)
def a_message_whose_time_is_no_time():
    foreign(5, eta="tomorrow")


@scenario(
    """
    takes_one(6) from elsewhere
        1: succeeded 6
        result SUCCESS 6
    """
)
def a_message_with_headers_of_somebody_s_own():
    foreign(6, **{"expires": None, "timelimit": None, "x-own": {"a": [1]}})


@scenario(
    """
    recovers(9)
        1: failed ConnectionError: away
        result FAILURE ConnectionError: away
        dead retries-spent: the task has no retries
    """
)
def whoever_asks_for_a_failed_call_gets_its_error():
    result = recovers.delay(9)
    yield is_dead(result.id)
    try:
        result.get(timeout=1)
    except TaskFailed as error:
        assert "ConnectionError: away" in str(error)
    else:
        raise AssertionError("no error")
