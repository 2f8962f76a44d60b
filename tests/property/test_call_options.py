"""Options of a call: every value is kept or refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fw_core import OptionError
from fw_core.call.options import CallOptions

YEAR = 365 * 24 * 3600
NOTHING = dict.fromkeys(("queue", "delay", "priority", "expires", "id"))
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.timedeltas(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.lists(st.integers()),
    st.uuids(),
    st.binary(),
)


def checked(**options):
    return CallOptions.checked(**{**NOTHING, **options})


@given(st.floats(0.1, YEAR))
def test_every_delay_from_a_tenth_of_a_second_to_a_year_is_kept(seconds):
    assert checked(delay=seconds).delay == seconds


@given(st.timedeltas(timedelta(milliseconds=100), timedelta(days=365)))
def test_every_timedelta_from_a_tenth_of_a_second_to_a_year_is_kept(delay):
    assert checked(delay=delay).delay == delay.total_seconds()


@given(
    st.one_of(
        st.floats(max_value=0.1, exclude_max=True),
        st.floats(min_value=YEAR, exclude_min=True),
        st.just(math.nan),
    )
)
def test_every_other_delay_is_refused(seconds):
    try:
        checked(delay=seconds)
    except OptionError as error:
        assert "delay" in error.what
    else:
        raise AssertionError(seconds)


@given(st.sampled_from(sorted(NOTHING)), anything)
def test_any_value_is_kept_or_refused_with_three_lines(option, value):
    try:
        options = checked(**{option: value})
    except OptionError as error:
        assert option in error.what
        assert str(error).count("\nFix: ") == 1
    else:
        kept = getattr(options, option)
        assert kept is None or isinstance(kept, (str, int, float, datetime))
        assert not isinstance(kept, float) or 0 < kept <= YEAR
        assert option != "id" or kept is None or len(kept.encode()) <= 255
