"""Several apps live side by side in one process; importing a task makes none."""

from __future__ import annotations

from fw_core import client, task_framework
from fw_core.broker import local
from fw_core.broker.app import create_app
from fw_core.declare.registry import TaskRegistry
from fw_core.settings import read_settings
from fw_testing import FakeBroker


def test_two_apps_have_their_own_tasks_and_their_own_messages(fw_broker: FakeBroker) -> None:
    """One registry, two brokers: a call reaches the app that is in use, and no other."""

    @task_framework(name="apps.note")
    def note() -> None: ...

    registry = TaskRegistry()
    registry.add(note)
    urls = [local.memory_url(name) for name in ("one-app", "other-app")]
    apps = [
        create_app(read_settings(broker_url=url, database_url="sqlite://"), registry)
        for url in urls
    ]
    try:
        assert apps[0].task_of(note) is not apps[1].task_of(note)
        with client.using(apps[1]):
            note.delay()
        counts = [sum(view.ready for view in local.store_at(url).queues()) for url in urls]
        assert counts == [0, 1]
        assert fw_broker.waiting == []
    finally:
        for app, name in zip(apps, ("one-app", "other-app"), strict=True):
            app.amqp.close_connections()
            app.close()
            local.forget(name)
