"""Passwords are never shown, whatever they are made of and wherever they stand in a URL."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from fw_core import SettingsError
from fw_core.settings import read_settings
from fw_core.urls import broker_url, database_url, safe_url

SECRET = "Hunter2"
"""In every password below, so that a part of it would be found as well."""

noise = st.text(st.sampled_from("/?#@:[]%&= \\'\"!$é€1aZ\t\n"), max_size=6)
passwords = st.builds(lambda before, after: f"{before}{SECRET}{after}", noise, noise)
schemes = st.sampled_from(
    ["amqp", "pyamqp", "amqps", "postgresql", "db+postgresql", "postgresql+psycopg", "postgres",
     "redis", "sqlite", "local", "mysql", "http", ""]
)  # fmt: skip
hosts = st.sampled_from(["localhost", "rabbit.internal:5672", "[::1]:5672", "", "h:port"])
tails = st.sampled_from(["", "/", "//", "/shop", "/shop?ssl=1", "/a b"])


@st.composite
def urls(draw) -> str:
    scheme, password = draw(schemes), draw(passwords)
    if draw(st.booleans()):
        password = quote(password, safe="")
    user = draw(st.sampled_from(["guest", "", "a.b"]))
    separator = "://" if scheme else ""
    return f"{scheme}{separator}{user}:{password}@{draw(hosts)}{draw(tails)}"


@st.composite
def urls_with_a_password_in_the_query(draw) -> str:
    name = draw(st.sampled_from(["password", "sslpassword", "pwd", "passfile"]))
    return f"{draw(schemes) or 'amqp'}://host/name?a=1&{name}={quote(draw(passwords))}"


def shown(url: str) -> str:
    """Everything that fw would say about a URL."""
    texts = [safe_url(url)]
    for check in (broker_url, database_url):
        try:
            check(url)
        except SettingsError as error:
            texts += [str(error), repr(error)]
    for setting in ("broker_url", "database_url", "management_url"):
        try:
            texts.append(repr(read_settings(**{setting: url})))
            texts.append(str(read_settings(**{setting: url})))
        except SettingsError as error:
            texts += [str(error), repr(error), repr(error.__cause__)]
    return "\n".join(texts)


@given(urls())
def test_a_password_is_never_shown(url):
    assert SECRET not in shown(url)


@given(urls_with_a_password_in_the_query())
def test_a_password_in_the_query_is_never_shown(url):
    assert SECRET not in shown(url)


@given(passwords)
def test_a_password_given_as_the_url_is_never_shown(password):
    assert SECRET not in shown(password)


@given(st.text())
def test_any_text_can_be_shown(text):
    assert isinstance(safe_url(text), str)


@given(
    passwords.map(lambda password: quote(password, safe="")),
    hosts.filter(lambda h: h[-1:].isalnum() and "port" not in h),
)
def test_a_password_that_is_percent_encoded_is_accepted_as_it_is(password, host):
    url = f"amqp://guest:{password}@{host}/shop"

    assert broker_url(url) == url
    assert safe_url(url) == f"amqp://guest:***@{host}/shop"


@given(passwords.map(lambda password: quote(password, safe="")))
def test_the_driver_gets_the_password_as_it_was_written(password):
    given_url = f"db+postgresql://user:{password}@localhost/celery_db"

    assert database_url(given_url) == f"postgresql+psycopg2://user:{password}@localhost/celery_db"
