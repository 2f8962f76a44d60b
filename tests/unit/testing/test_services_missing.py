"""Without servers: skipped with the reason, or failed where they are required."""

import pytest

pytest_plugins = ["pytester"]

ASKS = """
    def test_asks_for_services(fw_services):
        pass
"""
NO_DOCKER = "unix:///nowhere/docker.sock"


@pytest.fixture
def nothing_there(pytester, monkeypatch):
    """A machine without servers and without Docker, and a test that asks for them."""
    for name in ("BROKER_URL", "DATABASE_URL", "MANAGEMENT_URL"):
        monkeypatch.delenv(f"FW_TEST_{name}", raising=False)
    monkeypatch.delenv("FW_REQUIRE_SERVICES", raising=False)
    monkeypatch.setenv("DOCKER_HOST", NO_DOCKER)
    pytester.makepyfile(ASKS)
    return pytester


def test_a_test_without_servers_is_skipped_and_says_what_to_do(nothing_there):
    """A skip that does not say why hides that nothing was tested."""
    result = nothing_there.runpytest_subprocess("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*fw_services: *start Docker, or set FW_TEST_BROKER_URL*"])


def test_required_servers_that_are_missing_are_a_failure(nothing_there, monkeypatch):
    """FW_REQUIRE_SERVICES=1, as in CI: nobody finds out a year later that nothing ran."""
    monkeypatch.setenv("FW_REQUIRE_SERVICES", "1")

    result = nothing_there.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fw_services: *(FW_REQUIRE_SERVICES=1)*"])


def test_a_server_that_does_not_answer_is_named_without_its_password(nothing_there, monkeypatch):
    """The reason is read by many eyes, in CI's log too."""
    monkeypatch.setenv("FW_TEST_BROKER_URL", "amqp://guest:sesame@127.0.0.1:1//")
    monkeypatch.setattr("fw_testing.servers.ANSWER_SECONDS", 0.0)

    result = nothing_there.runpytest_inprocess("-rs", "-p", "no:randomly", "-p", "no:asyncio")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*FW_TEST_BROKER_URL does not answer at amqp://guest:[*][*][*]@*"])
    result.stdout.no_fnmatch_line("*sesame*")


def test_missing_servers_are_looked_for_once(nothing_there):
    """The second test of a run is skipped at once, for the same reason."""
    nothing_there.makepyfile(test_two="def test_a(fw_services): ...\ndef test_b(fw_services): ...")

    result = nothing_there.runpytest_subprocess("-rs")

    result.assert_outcomes(skipped=3)


def test_tests_that_need_servers_are_marked(nothing_there):
    """``-m "not fw_services"`` runs everything else."""
    result = nothing_there.runpytest_subprocess("-m", "not fw_services", "--strict-markers")

    result.assert_outcomes(deselected=1)


def test_docker_is_loaded_only_where_it_is_needed(nothing_there):
    """A run that asks for no services pays nothing for them."""
    nothing_there.makepyfile(
        test_modules="""
        import sys

        def test_light():
            assert {"docker", "testcontainers"}.isdisjoint(sys.modules)
        """
    )

    result = nothing_there.runpytest_subprocess("-k", "light", "-p", "no:randomly")

    result.assert_outcomes(passed=1, deselected=1)
