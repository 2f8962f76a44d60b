"""Messages that fw did not make, and what of them cannot be run."""

from __future__ import annotations

import json

from scenario import fails, message_from_elsewhere, scenario

from fw_core import task_framework
from fw_core.client import current_app


@task_framework
def takes_one(number: int) -> int:
    return number


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
    current_app().send_task("scenarios_elsewhere.takes_one", ("seven",))


@scenario(
    fails(
        "takes_one(1, 2)",
        "fw_core.MessageError: takes_one: too many positional argumen… (103)",
        WRONG,
    )
)
def too_many_arguments_from_elsewhere():
    current_app().send_task("scenarios_elsewhere.takes_one", (1, 2))


@scenario(
    fails(
        "takes_one(nubmer=1)",
        "fw_core.MessageError: takes_one: missing a required argument… (111)",
        WRONG,
    )
)
def a_misspelt_argument_from_elsewhere():
    current_app().send_task("scenarios_elsewhere.takes_one", kwargs={"nubmer": 1})


def foreign(number: int, **headers: object) -> None:
    body = json.dumps([[number], {}, {"callbacks": None, "chain": None, "chord": None}])
    headers = {"task": "scenarios_elsewhere.takes_one", **headers}
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
    takes_one(7) from elsewhere
        1: succeeded 7
        result SUCCESS 7
    """
)
def a_message_with_headers_that_make_no_sense():
    odd = {"retries": "many", "timelimit": "soon", "parent_id": [1], "root_id": 7, "group": {}}
    foreign(7, **odd)


@scenario(
    """
    takes_one(8) from elsewhere
        result FAILURE fw_core.UnreadableMessage: A message cannot be read as a cal… (151) after 0 attempts
        dead unreadable: it cannot be read as a call
    """
)
def a_message_whose_end_is_no_time():
    foreign(8, expires="never")


@scenario(
    """
    takes_one(9) from elsewhere
        1: failed fw_core.Expired: takes_one was not run: it had to start by 2… (85)
        result FAILURE fw_core.Expired: takes_one was not run: it had to start by 2… (85)
        dead expired: it came too late
    """
)
def a_message_that_came_too_late():
    foreign(9, expires="2020-01-01T00:00:00")
