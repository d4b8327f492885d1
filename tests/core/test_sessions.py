"""Where the session of each element begins."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.sessions import first_of_session, starts_within


@given(st.integers(0, 20), st.data())
def test_equals_the_obvious_loop(n, data):
    starts = sorted(data.draw(st.sets(st.integers(0, n - 1)))) if n else []
    expected = [max([s for s in starts if s <= i], default=0) for i in range(n)]
    assert first_of_session(np.array(starts, np.int64), n).tolist() == expected


@given(st.sets(st.integers(0, 20)), st.integers(0, 20), st.integers(0, 20))
def test_parts_count_from_their_own_first_element(starts, first, end):
    got = starts_within(np.array(sorted(starts), np.int64), first, end)
    assert got.tolist() == [s - first for s in sorted(starts) if first <= s < end]
