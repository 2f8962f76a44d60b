"""The functions of a traceback are copied once for all failures of a process, and rightly."""

from __future__ import annotations

import traceback

from billiard import einfo

from fw_testing.same_code import code_copied_once


def _fails() -> None:
    raise ConnectionError("gone")


def _failure() -> einfo.ExceptionInfo:
    try:
        _fails()
    except ConnectionError:
        return einfo.ExceptionInfo()


def test_a_function_is_copied_once() -> None:
    with code_copied_once():
        first, second = _failure(), _failure()
    assert first.tb.tb_next.tb_frame.f_code is second.tb.tb_next.tb_frame.f_code


def test_a_traceback_shows_the_same_as_celerys_own() -> None:
    own = _failure()
    with code_copied_once():
        kept = [_failure(), _failure()]
    for each in kept:
        assert traceback.format_tb(each.tb) == traceback.format_tb(own.tb)


def test_equal_functions_of_two_files_stay_two() -> None:
    spaces: list[dict[str, object]] = [{}, {}]
    for number, space in enumerate(spaces):
        exec(compile("def run(): 1 / 0", f"file_{number}.py", "exec"), space)
    seen = []
    with code_copied_once():
        for space in spaces:
            try:
                space["run"]()  # type: ignore[operator]
            except ZeroDivisionError:
                seen.append(einfo.ExceptionInfo().tb.tb_next.tb_frame.f_code.co_filename)
    assert seen == ["file_0.py", "file_1.py"]


def test_nothing_is_left_in_place() -> None:
    before = vars(einfo._Frame)["Code"]
    with code_copied_once():
        pass
    assert vars(einfo._Frame)["Code"] is before
