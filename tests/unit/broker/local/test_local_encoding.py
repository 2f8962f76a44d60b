"""Headers survive the way through the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_core.broker.local.encoding import dumps, loads

values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.text(),
        st.binary(),
        st.datetimes(),
        st.decimals(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4))
def test_what_an_amqp_table_can_hold_comes_back_equal(table):
    assert loads(dumps(table)) == table


def test_what_it_cannot_hold_is_refused_by_name():
    with pytest.raises(TypeError, match="object cannot travel in message headers"):
        dumps({"x": object()})
