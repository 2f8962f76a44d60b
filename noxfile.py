"""Everything that CI runs, in the order of what fails fastest.

``nox`` runs what this machine can run and says at the end what it left out. ``nox -l`` lists the
sessions, ``nox -s tests-3.12 -- -k retry`` runs one with arguments for pytest.
With ``FW_REQUIRE_SERVICES=1`` a missing RabbitMQ, PostgreSQL or Docker is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # `left_out` says so, loudly
nox.options.download_python = "never"
os.environ.setdefault("UV_SYSTEM_CERTS", "1")  # the system's certificates, as pip takes them
# The tests start some thousand processes, and each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent
PACKAGES = ("fw-core", "fw-worker", "fw-testing")
PYTHONS = nox.project.python_versions(nox.project.load_toml("packages/fw-core/pyproject.toml"))
REQUIRED = os.environ.get("FW_REQUIRE_SERVICES") == "1"


def _interpreter(version: str) -> str | None:
    """Where an interpreter is that starts: on the path, or among those of pyenv or uv.

    A shim of pyenv stands on the path for a version that is installed but not chosen, and does not
    start; nox would take it and give up, so the one that starts is put before it.
    """
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    managed = Path.home() / ".local/share/uv/python"
    candidates = [
        shutil.which(name),
        sys.executable,
        *map(str, sorted(pyenv.glob(f"{version}.*/bin/{name}"))),
        *map(str, sorted(managed.glob(f"cpython-{version}.*/bin/{name}"))),
    ]
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in filter(None, candidates):
        found = subprocess.run([path, "-c", code], capture_output=True, text=True)
        if found.stdout.strip() != version:
            continue
        if path not in (shutil.which(name), sys.executable):
            os.environ["PATH"] = f"{Path(path).parent}{os.pathsep}{os.environ['PATH']}"
        return path
    return None


INTERPRETERS = {version: _interpreter(version) for version in PYTHONS}
PRESENT = [version for version in PYTHONS if INTERPRETERS[version]]
OLDEST, NEWEST = (PRESENT or PYTHONS)[0], (PRESENT or PYTHONS)[-1]
"""The newest also runs the tests of the test kit; the others leave them to it."""

PROCESSES = ("tests/integration", "tests/scenarios", "tests/journey")
"""Tests that start real workers: on one Python, since most of their time is spent in starting."""

ELSEWHERE = tuple(f"--ignore={path}" for path in ("tests/docs", "tests/image", "tests/frameworks"))
"""What has sessions of its own, with what those need."""

UNTRACED = "tests/unit/worker/test_time_limit.py"
"""Switches threads a million times a second: under coverage it crawls."""


def _has_services() -> bool:
    return {"FW_TEST_BROKER_URL", "FW_TEST_DATABASE_URL"} <= os.environ.keys() or _has_docker()


def _has_docker() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


SERVICES, DOCKER = _has_services(), _has_docker()

nox.options.sessions = [
    "lint",
    "imports",
    "types",
    # On the oldest they are run by `lowest`, unless there is no other.
    *(f"tests-{version}" for version in PYTHONS if version != OLDEST or OLDEST == NEWEST),
    "workers",
    "frameworks",
    "packages",
    "lowest",
    "docs",
    "build",
    *(["integration"] if SERVICES or REQUIRED else []),
    *(["image"] if DOCKER or REQUIRED else []),
    "left_out",
]


def _sync(session: nox.Session, *arguments: str) -> None:
    """Install what the lock says into the session's environment."""
    session.run_install(
        "uv",
        "sync",
        "--frozen",
        "--quiet",
        f"--python={session.virtualenv.location}",
        *arguments,
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


def _pytest(session: nox.Session, *arguments: str) -> None:
    session.run("pytest", *(session.posargs or arguments))


def _script(session: nox.Session, text: str) -> str:
    path = Path(session.create_tmp(), "check.py")
    path.write_text(text)
    return str(path)


# ---------------------------------------------------------------------------------- seconds


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and format, and whether the lock is that of the pyproject files."""
    _sync(session, "--only-group", "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("uv", "lock", "--check", "--quiet")


@nox.session
def imports(session: nox.Session) -> None:
    """Who may import whom."""
    _sync(session)
    session.run("lint-imports", "--no-cache")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """The mypy and pyright checks, strict; in tests/typing each marked line must fail in both."""
    _sync(session)
    session.run("mypy")
    if (ROOT / "tests/typing").is_dir():
        session.run("mypy", "tests/typing")
    session.run("pyright", "--pythonpath", f"{session.bin}/python")


# ------------------------------------------------------------------------------------ tests


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests in one process, which need no server."""
    _sync(session)
    others = [f"--ignore={path}" for path in PROCESSES]
    if session.python != NEWEST:
        others.append("--ignore=tests/unit/testing")  # the oldest, in `lowest`, and newest do
    _pytest(session, "-n", "2", "-m", "not fw_services", *ELSEWHERE, *others)


@nox.session(python=OLDEST)
def workers(session: nox.Session) -> None:
    """The tests that start real workers on this machine, without a server."""
    _sync(session)
    # More than processors: they wait more than they compute.
    _pytest(session, "-n", "4", "-m", "not fw_services", *PROCESSES)


@nox.session(python=NEWEST)
def coverage(session: nox.Session) -> None:
    """Which lines and branches no test reaches, worker processes included: slow, so on demand.

    Not on the oldest: CPython 3.11 hangs in traced code once an asynchronous exception that had not
    been raised yet was taken back.
    """
    _sync(session)
    file = {"COVERAGE_FILE": str(ROOT / ".coverage")}
    session.run("coverage", "erase", env=file)
    everything = ("-n", "4", "-m", "not fw_services", *ELSEWHERE, f"--ignore={UNTRACED}")
    session.run("pytest", "--cov", "--cov-report=", *(session.posargs or everything), env=file)
    session.run("coverage", "combine", "--quiet", env=file, success_codes=[0, 1])
    session.run("coverage", "report", "--skip-covered", env=file)


@nox.session(python=OLDEST)
def frameworks(session: nox.Session) -> None:
    """What works with frameworks that no package depends on, with the real ones."""
    _sync(session)
    session.install("--quiet", "django>=5.2", "aiosqlite>=0.21", "greenlet>=3.1")
    _pytest(session, "tests/frameworks")


_IMPORT_ALL = """
import importlib, pkgutil, sys
names = [sys.argv[1]]
for name in names:  # grows while it is read
    module = importlib.import_module(name)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        # Alembic runs its environment, a command runs its main module; neither is imported.
        if not found.name.endswith((".migrations", ".__main__")):
            names.append(found.name)
print(f"{len(names)} modules of {names[0]} imported")
"""


@nox.session(python=OLDEST)
@nox.parametrize("package", PACKAGES)
def packages(session: nox.Session, package: str) -> None:
    """Every module is imported where only the package's own dependencies are installed."""
    _sync(session, "--package", package, "--no-default-groups", "--exact")
    check = _script(session, _IMPORT_ALL)
    session.run("python", "-W", "error", check, package.replace("-", "_"))


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """The unit tests with the oldest versions that the packages work with, and with pytest 8."""
    members = [f"./packages/{name}" for name in PACKAGES[:2]] + [
        "./packages/fw-testing[services,time]"
    ]
    session.install(
        "--quiet", "--resolution=lowest-direct", *(f"--editable={path}" for path in members)
    )
    tools = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "test")
    session.install("--quiet", *tools, "pytest<9")  # the other sessions have 9
    _pytest(session, "-n", "2", "-m", "not fw_services", "tests/unit", "packages")


@nox.session(python=OLDEST)
def integration(session: nox.Session) -> None:
    """The tests that need real RabbitMQ and PostgreSQL."""
    _sync(session)
    if not SERVICES and not REQUIRED:
        session.skip("no RabbitMQ and PostgreSQL: set FW_TEST_BROKER_URL …, or start Docker")
    if shutil.which("npm"):  # a client that is not Python; without it its tests say so
        place = f"--prefix={ROOT}/tests/integration/worker/js"
        quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--silent")
        session.run("npm", "install", place, *quiet, external=True, success_codes=range(256))
    _pytest(session, "-n", "6", "-m", "fw_services", "tests")  # they wait more than they compute


@nox.session(python=OLDEST)
def faults(session: nox.Session) -> None:
    """What is lost and repeated when something breaks; --write-table puts it into the docs.

    On servers of its own, FW_FAULTS_CALLS calls a fault: minutes, so it is no part of a plain nox.
    """
    _sync(session)
    session.run("pytest", "tests/faults", "-p", "no:randomly", *session.posargs)


@nox.session(python=OLDEST)
def benchmarks(session: nox.Session) -> None:
    """The goals of fw's speed, beside plain Celery and Dramatiq; writes the table in the docs.

    It takes three quarters of an hour; ``-- --check`` takes one minute, and fails where a ratio is
    far off.
    """
    _sync(session)
    session.install("--quiet", "dramatiq[rabbitmq,redis]>=1.17", "matplotlib>=3.9")
    # Who starts for the first time compiles all that it imports, while the others are measured.
    places = (str(session.virtualenv.location), "packages", "benchmarks")
    session.run("python", "-m", "compileall", "-q", *places, silent=True, success_codes=[0, 1])
    session.run("python", "benchmarks/goals.py", *(session.posargs or ["--write"]))
    if not session.posargs:
        session.run("python", "benchmarks/growth.py", "--write")
        session.run("python", "benchmarks/workflows.py", "--write")


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """The README's and the docs' code is run."""
    _sync(session)
    _pytest(session, "-n", "2", "tests/docs")


# ---------------------------------------------------------------------------- what is shipped


_SMOKE = """
import importlib.metadata, pathlib, sys
for name in ("fw_core", "fw_worker", "fw_testing"):
    module = __import__(name)
    path = pathlib.Path(module.__file__)
    assert not path.is_relative_to(pathlib.Path(sys.argv[1], "packages")), path
    assert path.with_name("py.typed").exists(), f"{name} ships no py.typed"
    print(name, importlib.metadata.version(name.replace("_", "-")))
"""

_PLUGIN_TEST = """
def test_the_plugin_is_there(fw_broker):
    assert fw_broker.sent == []
"""


@nox.session(python=NEWEST)
def build(session: nox.Session) -> None:
    """The built wheels, in a clean environment without the source, do their main job."""
    with tempfile.TemporaryDirectory() as directory:
        dist = Path(directory, "dist")
        for package in PACKAGES:
            session.run(
                "uv", "build", "--quiet", f"--package={package}", f"--out-dir={dist}", silent=True
            )
        wheels = sorted(dist.glob("*.whl"))
        archives = sorted(dist.glob("*.tar.gz"))
        if not len(wheels) == len(archives) == len(PACKAGES):
            session.error(f"built {[path.name for path in (*wheels, *archives)]}")
        session.install("--quiet", "--reinstall", *map(str, wheels))
        with session.chdir(directory):
            session.run("python", _script(session, _SMOKE), str(ROOT))
            Path(directory, "test_plugin.py").write_text(_PLUGIN_TEST)
            session.run("pytest", "-q", "test_plugin.py")
            session.run("fw", "demo")


@nox.session(python=NEWEST)
def image(session: nox.Session) -> None:
    """The worker image: built, composed, sent a task from outside, stopped gracefully."""
    if not DOCKER and not REQUIRED:
        session.skip("no Docker engine answers")
    _sync(session)
    _pytest(session, "tests/image", "--timeout=600", "-p", "no:randomly")


# ---------------------------------------------------------------------------------- the end


@nox.session(venv_backend="none")
def left_out(session: nox.Session) -> None:
    """Says what this run could not run, and how to run it."""
    for line in _left_out():
        session.warn(line)


def _left_out() -> Iterator[str]:
    for version in PYTHONS:
        if version not in PRESENT:
            yield (
                f"LEFT OUT: Python {version} is not installed, so nothing ran on it. "
                f"To run it: install it, then nox -s tests-{version}"
            )
    if not SERVICES and not REQUIRED:
        yield (
            "LEFT OUT: integration, which needs RabbitMQ and PostgreSQL. To run it: start Docker, "
            "or set FW_TEST_BROKER_URL, FW_TEST_MANAGEMENT_URL and FW_TEST_DATABASE_URL, "
            "then nox -s integration"
        )
    if not DOCKER and not REQUIRED:
        yield "LEFT OUT: image, which needs Docker. To run it: start Docker, then nox -s image"
