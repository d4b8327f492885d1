"""Situations that labels are tested in, and the arguments of both implementations."""

import numpy as np
from hypothesis import strategies as st

times = st.lists(st.integers(0, 30), max_size=15).map(sorted)


@st.composite
def situations(draw):
    t0, ref_ts = draw(times), draw(times)
    ref = draw(st.lists(st.integers(10, 14), min_size=len(ref_ts), max_size=len(ref_ts)))
    session_end = draw(st.lists(st.integers(1, 40), min_size=len(t0), max_size=len(t0)))
    gaps = sorted(draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=3)))
    gaps = [(start, start + length) for start, length in gaps]
    return t0, ref_ts, ref, session_end, gaps, draw(st.integers(0, 40))


def arguments(situation):
    t0, ref_ts, ref, session_end, gaps, known_until = situation
    ours = {
        "session_end_ns": np.array(session_end, np.int64),
        "gap_start_ns": np.array(sorted(start for start, _ in gaps), np.int64),
        "gap_end_ns": np.array(sorted(end for _, end in gaps), np.int64),
        "known_until_ns": known_until,
    }
    theirs = {"session_end": session_end, "gaps": gaps, "known_until": known_until}
    return (t0, ref_ts, ref), ours, theirs


def amounts(n, *, least=0):
    """So many amounts, some not known, some between two prices."""
    amount = st.sampled_from([np.nan, *(x / 2 for x in range(2 * least, 9) if x)])
    return st.lists(amount, min_size=n, max_size=n)


def assert_same(found, expected, rtol=1e-9):
    assert found.t1_ns.tolist() == [t1 for t1, _ in expected]
    wanted = np.array([label for _, label in expected], float)
    np.testing.assert_allclose(found.label, wanted, rtol=rtol, atol=1e-9)
