"""Runs blocks of Python that come as JSON lines; answers each with what went wrong, or nothing."""

import contextlib
import doctest
import io
import json
import os
import sys
import traceback
import types


def main() -> None:
    """Read blocks from standard input until it ends; all share the names of one module."""
    answers = sys.stdout
    sys.path[0] = os.getcwd()
    module = types.ModuleType("page")
    sys.modules["page"] = module
    for line in sys.stdin:
        block = json.loads(line)
        with contextlib.redirect_stdout(io.StringIO()):
            run = run_doctest if block["doctest"] else run_program
            answer = run(block["text"], block["name"], module.__dict__)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run_program(text: str, name: str, names: dict) -> str:
    """Run a program."""
    try:
        exec(compile(text, name, "exec"), names)
    except BaseException:
        return traceback.format_exc()
    return ""


def run_doctest(text: str, name: str, names: dict) -> str:
    """Run what was typed into a console and compare what it printed."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    test = doctest.DocTestParser().get_doctest(text, names, name, name, 0)
    test.globs = names  # the parser made a copy
    wrong = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=flags)
    runner.run(test, out=wrong.write, clear_globs=False)
    return wrong.getvalue()


if __name__ == "__main__":
    main()
