"""Random closed bars that meet the hard cases often: equal extremes, short sessions, still bars."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from tests.core import trade_cases as cases


@st.composite
def bars(draw, max_size=40):
    """A dict of open, high, low, close, volume, delta, cvd, starts."""
    n = draw(st.integers(0, max_size))
    opened, closed = draw(cases.int64s(n, 98, 103)), draw(cases.int64s(n, 98, 103))
    return {
        "open": opened,
        "close": closed,
        "high": np.maximum(opened, closed) + draw(cases.int64s(n, 0, 2)),
        "low": np.minimum(opened, closed) - draw(cases.int64s(n, 0, 2)),
        "volume": draw(cases.int64s(n, 1, 9)),
        "delta": draw(cases.int64s(n, -3, 3)),
        "cvd": draw(cases.int64s(n, -5, 5)),
        "starts": draw(cases.session_starts(n)),
    }


def in_chunks(run, columns, starts, edges):
    """Call ``run(state, columns of the chunk, starts within it)`` chunk by chunk; list the results."""
    state, parts = None, []
    for first, end in pairwise(edges):
        within = starts[(starts >= first) & (starts < end)] - first
        part, state = run(state, [column[first:end] for column in columns], within)
        parts.append(part)
    return parts


def same_bits(whole, parts, names):
    """Whether the named arrays of the parts, put together, equal those of the whole bit for bit."""
    return all(
        np.concatenate([getattr(part, name) for part in parts]).tobytes()
        == getattr(whole, name).tobytes()
        for name in names
    )


def seeded_bars(seed, n=3_000):
    """Bars of a random walk with three sessions; longer than hypothesis draws."""
    rng = np.random.default_rng(seed)
    close = 1_000 + np.cumsum(rng.integers(-3, 4, n))
    opened = close - rng.integers(-4, 5, n)
    delta = rng.integers(-50, 51, n)
    return {
        "open": opened,
        "close": close,
        "high": np.maximum(opened, close) + rng.integers(0, 3, n),
        "low": np.minimum(opened, close) - rng.integers(0, 3, n),
        "volume": np.abs(delta) + rng.integers(1, 200, n),
        "delta": delta,
        "cvd": np.cumsum(delta),
        "starts": np.array([0, n // 3, n // 2]),
    }
