"""Settings: the environment first, then [tool.fw] in pyproject.toml, then the defaults."""

from __future__ import annotations

import os

import pytest

from fw_core import SettingsError
from fw_core.errors import RulesError
from fw_core.settings import read_settings


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """An environment without FW_ variables, in a directory without a pyproject.toml."""
    for name in list(os.environ):
        if name.startswith("FW_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pyproject(tmp_path):
    def write(text: str) -> None:
        (tmp_path / "pyproject.toml").write_text(text)

    return write


def test_without_anything_everything_stays_on_this_machine():
    settings = read_settings()

    assert settings.is_local
    assert (settings.broker_url, settings.database_url) == ("", "")


def test_the_defaults_are_those_of_the_contract():
    settings = read_settings()

    assert settings.message_limit == 128 * 1024
    assert settings.broker_consumer_timeout == 30 * 60
    assert settings.retry_after_limit == 3600
    assert settings.send_timeout <= 5


def test_the_environment_sets_a_value(monkeypatch):
    monkeypatch.setenv("FW_BROKER_URL", "amqp://guest:guest@rabbit//")

    assert read_settings().broker_url == "amqp://guest:guest@rabbit//"


def test_the_urls_of_the_users_sketch_are_accepted(monkeypatch):
    monkeypatch.setenv("FW_BROKER_URL", "pyamqp://guest@localhost//")
    monkeypatch.setenv("FW_DATABASE_URL", "db+postgresql://user:password@localhost/celery_db")

    settings = read_settings()

    assert settings.broker_url == "pyamqp://guest@localhost//"
    assert settings.database_url == "postgresql+psycopg2://user:password@localhost/celery_db"
    assert not settings.is_local


def test_pyproject_sets_a_value(pyproject):
    pyproject('[tool.fw]\nprefix = "shop."\nmessage_limit = 4096\n')

    assert (read_settings().prefix, read_settings().message_limit) == ("shop.", 4096)


def test_a_pyproject_further_up_is_found(pyproject, tmp_path, monkeypatch):
    pyproject('[tool.fw]\nprefix = "shop."\n')
    (tmp_path / "src" / "shop").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "shop")

    assert read_settings().prefix == "shop."


def test_a_pyproject_without_our_table_sets_nothing(pyproject):
    pyproject('[project]\nname = "shop"\n')

    assert read_settings().prefix == ""


def test_the_environment_wins_over_pyproject(pyproject, monkeypatch):
    pyproject('[tool.fw]\nprefix = "file."\n')
    monkeypatch.setenv("FW_PREFIX", "env.")

    assert read_settings().prefix == "env."


def test_what_is_given_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("FW_PREFIX", "env.")

    assert read_settings(prefix="given.").prefix == "given."


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shop.orders,shop.billing", ("shop.orders", "shop.billing")),
        (" shop.orders , shop.billing ,", ("shop.orders", "shop.billing")),
        ("shop.orders", ("shop.orders",)),
        ("", ()),
    ],
)
def test_names_are_separated_by_commas(monkeypatch, text, names):
    monkeypatch.setenv("FW_TASK_MODULES", text)
    monkeypatch.setenv("FW_QUEUES", text)

    assert read_settings().task_modules == read_settings().queues == names


def test_names_are_a_list_in_pyproject(pyproject):
    pyproject('[tool.fw]\nqueues = ["default", "bulk"]\ntask_modules = "a, b"\n')

    assert read_settings().queues == ("default", "bulk")
    assert read_settings().task_modules == ("a", "b")


def test_a_misspelt_setting_in_pyproject_is_refused_with_the_nearest(pyproject):
    pyproject('[tool.fw]\nquues = ["bulk"]\n')

    with pytest.raises(SettingsError) as caught:
        read_settings()

    assert caught.value.what == "fw has no setting 'quues'. Did you mean 'queues'?"


def test_an_unknown_setting_in_pyproject_lists_those_that_exist(pyproject):
    pyproject("[tool.fw]\nzzz = 1\n")

    with pytest.raises(SettingsError, match=r"Fix: one of: broker_consumer_timeout, broker_url"):
        read_settings()


@pytest.mark.parametrize("text", ["[tool.fw\n", "[tool]\nfw = 3\n", "\x00"])
def test_a_pyproject_that_cannot_be_read_is_named(pyproject, text):
    pyproject(text)

    with pytest.raises(SettingsError, match=r"pyproject\.toml cannot be read"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FW_SEND_TIMEOUT", "soon"),
        ("FW_SEND_TIMEOUT", "0"),
        ("FW_SEND_TIMEOUT", "61"),
        ("FW_SEND_TIMEOUT", ""),
        ("FW_MESSAGE_LIMIT", "1"),
        ("FW_BROKER_CONSUMER_TIMEOUT", "-1"),
        ("FW_LOG_FORMAT", "xml"),
        ("FW_LOG_LEVEL", "LOUD"),
        ("FW_TRACK_STARTED", "perhaps"),
    ],
)
def test_a_value_that_cannot_work_names_its_setting(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as caught:
        read_settings()

    setting = name.removeprefix("FW_").lower()
    assert caught.value.what.startswith(f"The setting {setting!r} cannot be used: ")
    assert name in caught.value.fix
    assert f"{setting} under [tool.fw]" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("FW_BROKER_URL", "redis://:secret@localhost/0", "fw speaks AMQP, not 'redis'"),
        ("FW_BROKER_URL", "localhost", "it has no scheme"),
        ("FW_BROKER_URL", "amqp://", "names no host"),
        ("FW_BROKER_URL", "amqp://guest:sec/ret@localhost//", "must be percent-encoded"),
        ("FW_DATABASE_URL", "mysql://root:secret@localhost/x", "not in 'mysql'"),
        ("FW_DATABASE_URL", "redis://localhost", "not in 'redis'"),
        ("FW_DATABASE_URL", "postgresql://u:secret@h:port/x", "cannot be read"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_its_password(monkeypatch, name, url, said):
    monkeypatch.setenv(name, url)

    with pytest.raises(SettingsError) as caught:
        read_settings()

    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "secret" not in str(caught.value)


def test_settings_can_be_shown_without_their_passwords():
    settings = read_settings(
        broker_url="amqp://guest:secret@rabbit//",
        database_url="postgresql://user:secret@db/x",
        management_url="http://guest:secret@rabbit:15672",
    )

    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "secret" not in shown
        assert "amqp://guest:***@rabbit//" in shown


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        read_settings().prefix = "other."


def test_settings_travel_to_another_process_by_its_environment(monkeypatch, tmp_path):
    """Passwords included, so never by its command line."""
    given = read_settings(
        broker_url="amqp://guest:geheim@rabbit//",
        database_url="postgresql://fw:geheim@db/fw",
        queues=("mail", "bulk"),
        collect_dead_letters=False,
        dead_letters_keep_days=0.5,
        directory=tmp_path,
        log_format="json",
    )
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert read_settings() == given


# Rules

RULE = '[{"if": {"field": "kind", "equals": "order"}, "workflow": ["check", "pack"]}]'


def test_rules_are_json_in_the_environment_and_a_list_in_pyproject(monkeypatch, pyproject):
    pyproject(
        "[[tool.fw.workflow_rules]]\n"
        'if = {field = "kind", equals = "order"}\nworkflow = ["check", "pack"]\n'
    )
    assert read_settings().workflow_rules == RULE

    monkeypatch.setenv("FW_WORKFLOW_RULES", '[{"workflow": "sort_out"}]')
    assert read_settings().workflow_rules == '[{"workflow": "sort_out"}]'


def test_rules_travel_to_another_process(monkeypatch):
    for name, value in read_settings(workflow_rules=RULE).environment().items():
        monkeypatch.setenv(name, value)

    assert read_settings().workflow_rules == RULE


@pytest.mark.parametrize("text", ["", "[]"])
def test_no_rules_are_none(monkeypatch, text):
    monkeypatch.setenv("FW_WORKFLOW_RULES", text)

    assert read_settings().workflow_rules == ""


@pytest.mark.parametrize("text", ["check", "{", '{"workflow": "check"}', '[{"a": 1, "a": 2}]'])
def test_rules_that_are_no_list_are_refused_by_name(monkeypatch, text):
    monkeypatch.setenv("FW_WORKFLOW_RULES", text)

    with pytest.raises(RulesError, match="FW_WORKFLOW_RULES has a mistake at rules: it is no JSON"):
        read_settings()


def test_a_rule_with_a_date_is_refused(pyproject):
    """TOML has dates, and messages do not."""
    pyproject(
        "[[tool.fw.workflow_rules]]\n"
        'if = {field = "day", equals = 2026-01-01}\nworkflow = "check"\n'
    )

    with pytest.raises(RulesError, match="date is not JSON serializable"):
        read_settings()
