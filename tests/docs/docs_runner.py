"""Runs the code blocks of one page, in order, in a directory of their own.

* ``python`` with a title is written into that file. What holds tests is run by pytest at the end.
* ``python`` without a title is run; all of a page's blocks share one process and its names.
* ``pycon`` is run in the same process, and what it prints is compared.
* ``console``: each ``$`` line is run by the shell and what stands below it compared; ``...``
  matches anything. ``exit="2"`` says that the commands end with 2. ``background="text"`` starts a
  command that goes on until the page ends, and waits until it has written that text.
* ``toml``, ``ini`` and ``json`` are parsed, and written where they have a title.
"""

from __future__ import annotations

import configparser
import doctest
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from docs_pages import Block

COMPARE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SECONDS = 90


class BlockError(AssertionError):
    """A block does not do what the page says."""

    def __init__(self, block: Block, what: str) -> None:
        super().__init__(f"{block}\n{block.text}\n{what}")


def run_blocks(blocks: list[Block], directory: Path) -> None:
    """Run the blocks of one page."""
    with ExitStack() as stack:
        page = _Page(directory, stack)
        for block in blocks:
            if "skip" not in block.options:
                page.run(block)
        page.run_tests()


class _Page:
    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._session: _Session | None = None
        self._tests: dict[str, Block] = {}

    def run(self, block: Block) -> None:
        title = block.options.get("title")
        if title is not None:
            path = self._directory / title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        match block.language:
            case "python" if "def test_" in block.text:
                self._keep_tests(block)
            case "python" if title is not None:
                compile(block.text, str(block), "exec")
            case "python" | "pycon":
                self._run_python(block)
            case "console" if "background" in block.options:
                self._stack.enter_context(self._in_background(block))
            case "console":
                self._run_commands(block)
            case "toml":
                tomllib.loads(block.text)
            case "json":
                json.loads(block.text)
            case "ini":
                configparser.ConfigParser().read_string(block.text)
            case _:  # text and pictures are for people
                pass

    def run_tests(self) -> None:
        """Run the page's tests, all in one process."""
        if self._tests:
            switched_off = ["-p", "no:cacheprovider", "-p", "no:randomly"]
            done = self._finish([sys.executable, "-m", "pytest", "-q", *switched_off, *self._tests])
            if done.returncode:
                raise BlockError(next(iter(self._tests.values())), done.stdout)

    def _keep_tests(self, block: Block) -> None:
        name = block.options.get("title") or f"test_line_{block.line}.py"
        (self._directory / name).write_text(block.text)
        self._tests[name] = block

    def _run_python(self, block: Block) -> None:
        if self._session is None:
            self._session = self._stack.enter_context(_session(self._directory))
        answer = self._session.run(block)
        if answer:
            raise BlockError(block, answer)

    def _run_commands(self, block: Block) -> None:
        expected_code = int(block.options.get("exit", "0"))
        for command, expected in _commands(block.text):
            done = self._finish(["bash", "-c", command])
            if done.returncode != expected_code:
                raise BlockError(block, f"{command!r} ended with {done.returncode}:\n{done.stdout}")
            if expected:
                _compare(block, expected, done.stdout)

    @contextmanager
    def _in_background(self, block: Block) -> Iterator[None]:
        [(command, expected)] = _commands(block.text)
        log = self._directory / f"line_{block.line}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._directory,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            end = time.monotonic() + SECONDS
            while block.options["background"] not in log.read_text():
                if process.poll() is not None or time.monotonic() > end:
                    raise BlockError(block, f"{command!r} did not get ready:\n{log.read_text()}")
                time.sleep(0.05)
            yield
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        if expected:
            _compare(block, f"{expected.rstrip()}\n...\n", log.read_text())

    def _finish(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self._directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block and what is shown below it."""
    command, shown = "", ""
    for line in text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:].strip(), ""
        else:
            shown += line
    yield command, shown


def _compare(block: Block, expected: str, got: str) -> None:
    checker = doctest.OutputChecker()
    if not checker.check_output(expected, got, COMPARE):
        raise BlockError(block, f"printed:\n{got}")


def _environment() -> dict[str, str]:
    """This process's, as a newcomer has it: without settings of fw, with its command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FW_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    # pytest-asyncio, which a newcomer may not have, asks every run to state this.
    options = "-o asyncio_default_fixture_loop_scope=function"
    return {
        **kept,
        "PATH": path,
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "100",
        "PYTEST_ADDOPTS": options,
    }


class _Session:
    """One process that runs the Python blocks of a page."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, block: Block) -> str:
        """Run a block; returns what went wrong, or nothing."""
        assert self._process.stdin
        assert self._process.stdout
        request = {"text": block.text, "name": str(block), "doctest": block.language == "pycon"}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            return f"its process ended with {self._process.wait(SECONDS)}"
        return str(json.loads(answer))


@contextmanager
def _session(directory: Path) -> Iterator[_Session]:
    with (directory / "session.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("docs_session.py"))],
            cwd=directory,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,  # what a page's tasks log is not compared
            text=True,
        )
        try:
            yield _Session(process)
        finally:
            process.communicate(timeout=SECONDS)
