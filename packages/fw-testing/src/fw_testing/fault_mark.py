"""``@pytest.mark.faults(...)``: the test runs once under each fault, which provably happens."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fw_testing.faults import Fault

MARK = "faults"
FIXTURE = "fw_fault"

_REFUSED = pytest.StashKey[str]()


@pytest.fixture
def fw_fault(request: pytest.FixtureRequest) -> Iterator[Fault]:
    """The fault that this test runs under; only with ``@pytest.mark.faults(...)``."""
    mark = request.node.get_closest_marker(MARK)
    if mark is None or not hasattr(request, "param"):
        pytest.fail('fw_fault needs @pytest.mark.faults("redelivered", …)', pytrace=False)
    from fw_testing.faults import put_in
    from fw_testing.faults.kinds import UnknownFaultError
    from fw_testing.faults.occurrences import InDirectory, InMemory

    unknown = ", ".join(sorted(mark.kwargs.keys() - {"lasting"}))
    if unknown:
        pytest.fail(
            f"@pytest.mark.faults takes names of faults and lasting=True, got {unknown}.",
            pytrace=False,
        )
    name, lasting = request.param, mark.kwargs.get("lasting", False)
    has_worker = "fw_live_worker" in request.fixturenames
    directory: Path | None = request.getfixturevalue("tmp_path") if has_worker else None
    if directory is not None:
        directory /= "faults"
        directory.mkdir()
    happened = InMemory() if directory is None else InDirectory(directory)
    try:
        with put_in(name, lasting=lasting, occurrences=happened) as fault:
            yield fault
    except UnknownFaultError as error:
        pytest.fail(str(error), pytrace=False)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the test once for each fault of its mark."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None:
        return
    from fw_testing.faults.kinds import FAULTS

    names = mark.args or tuple(FAULTS)
    if FIXTURE not in metafunc.fixturenames:
        metafunc.fixturenames.append(FIXTURE)
    metafunc.parametrize(FIXTURE, names, ids=list(map(str, names)), indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have the fault put in for each marked test; refuse the mark where it would do nothing."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        return
    if not isinstance(item, pytest.Function) or FIXTURE not in _parameters(item):
        name = mark.args[0] if mark.args else "redelivered"
        item.stash[_REFUSED] = (
            "A method of a unittest.TestCase cannot run once under each fault.\n"
            f'Fix: with fw_testing.fault("{name}"): ...'
        )
        return
    if FIXTURE not in item.fixturenames:  # pytest only keeps those that the test asks for
        item.fixturenames = [FIXTURE, *item.fixturenames]


def _parameters(item: pytest.Function) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose mark would do nothing; the others run."""
    refused = item.stash.get(_REFUSED, "")
    if refused:
        pytest.fail(refused, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Fail a test that passed although its fault never happened.

    One that names no faults runs under all of them; those that cannot touch it are skipped.
    """
    result = yield
    fault: Any = pyfuncitem.funcargs.get(FIXTURE)
    missed = "" if fault is None else fault.missed()
    if missed:
        mark = pyfuncitem.get_closest_marker(MARK)
        if mark is not None and not mark.args:  # all of them were asked for, whatever applies
            pytest.skip(missed.partition("\n")[0])
        pytest.fail(missed, pytrace=False)
    return result
