"""No feature looks ahead, on any clock; and proof that the test would see one that does."""

import ast
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orderflow_core
from orderflow_core.features import FeatureMatrix
from tests.core.feature_checks import assert_no_look_ahead, build
from tests.core.feature_streams import (
    CLOCKS,
    capture_stream,
    drawn_streams,
    emini_stream,
    named,
    seeded_stream,
)

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
needs_jit = pytest.mark.skipif(JIT_OFF, reason="too many trades for interpreted kernels")
# Interpreted kernels take the same paths on fewer trades of fewer markets.
N_SEEDED = 600 if JIT_OFF else 3_000
SEEDS = range(1 if JIT_OFF else 3)
on_each_clock = pytest.mark.parametrize("clock", CLOCKS, ids=named)


def with_column(matrix, values):
    """Return the matrix with a column ``peek`` more."""
    return FeatureMatrix(
        t0_ns=matrix.t0_ns,
        decision_id=matrix.decision_id,
        last_idx=matrix.last_idx,
        values=np.column_stack([matrix.values, values]),
        names=(*matrix.names, "peek"),
    )


def peeks_at_next_trade(stream, clock):
    """The price one trade later: the crudest leak."""
    matrix, price = build(stream, clock), stream.trades.price_ticks
    return with_column(matrix, price[np.minimum(matrix.last_idx + 1, len(price) - 1)])


def peeks_at_equal_times(stream, clock):
    """Everything with ts <= t: takes in trades of the same millisecond that come later."""
    matrix, trades = build(stream, clock), stream.trades
    known = np.searchsorted(trades.ts_event_ns, matrix.t0_ns, side="right")
    return with_column(matrix, np.cumsum(trades.qty_lots)[known - 1])


def peeks_at_the_days_sizes(stream, clock):
    """The mean size of the whole input, as one would scale sizes by."""
    matrix, qty = build(stream, clock), stream.trades.qty_lots
    return with_column(matrix, np.full(len(matrix), qty.mean()))


def peeks_at_the_open_sweep(stream, clock):
    """Emits the open sweep's row as if the session had ended."""
    return build(replace(stream, session_ended=True), clock)


def peeks_at_the_mean(stream, clock):
    """A feature standardised with the moments of all rows."""
    matrix = build(stream, clock)
    cvd = matrix.column("cvd_lots")
    return with_column(matrix, cvd - cvd.mean())


PEEKS = (
    peeks_at_next_trade,
    peeks_at_equal_times,
    peeks_at_the_days_sizes,
    peeks_at_the_open_sweep,
    peeks_at_the_mean,
)


@on_each_clock
@given(drawn_streams(), st.data())
def test_no_look_ahead_on_drawn_streams(clock, stream, data):
    n = len(stream.trades)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=6))
    assert_no_look_ahead(build, stream, cuts, clock)


@on_each_clock
@pytest.mark.parametrize("seed", SEEDS)
def test_no_look_ahead_on_seeded_streams(seed, clock):
    stream = seeded_stream(seed, N_SEEDED)
    assert_no_look_ahead(build, stream, stream.cuts(seed, n=6), clock)


@needs_jit
@on_each_clock
def test_no_look_ahead_on_recorded_futures_trades(test_data, clock):
    stream = emini_stream(test_data)
    cuts = stream.cuts(seed=1, n=4)
    cuts += [stream.session_start_idx[1], stream.session_start_idx[1] + 1, stream.gap_idx[0]]
    assert_no_look_ahead(build, stream, cuts, clock)


@needs_jit
@on_each_clock
def test_no_look_ahead_on_recorded_trades_with_quotes(test_data, clock):
    stream = capture_stream(test_data)
    assert_no_look_ahead(build, stream, stream.cuts(seed=2, n=4), clock)
    core = build(stream, clock, settings=None)
    assert np.isfinite(core.values).all(axis=1).any(), "no row has every core feature"


@pytest.mark.parametrize("peek", PEEKS, ids=lambda peek: peek.__name__)
def test_a_planted_leak_is_caught(peek):
    stream = seeded_stream(7, N_SEEDED)
    with pytest.raises(AssertionError):
        assert_no_look_ahead(peek, stream, stream.cuts(seed=7, n=8))


@pytest.mark.parametrize("peek", PEEKS[:1] + PEEKS[2:], ids=lambda peek: peek.__name__)
def test_a_planted_leak_is_caught_on_the_clock_of_seconds(peek):
    stream = replace(seeded_stream(7, N_SEEDED), session_ended=peek is not peeks_at_the_open_sweep)
    cuts = [*stream.cuts(seed=7, n=2), *(build(stream, "time:5s").last_idx[-40::4] + 1)]
    with pytest.raises(AssertionError):
        assert_no_look_ahead(peek, stream, cuts, "time:5s")


@needs_jit
@pytest.mark.parametrize("peek", PEEKS, ids=lambda peek: peek.__name__)
def test_a_planted_leak_is_caught_on_recorded_trades(test_data, peek):
    stream = emini_stream(test_data, 60_000)
    with pytest.raises(AssertionError):
        assert_no_look_ahead(peek, stream, stream.cuts(seed=9, n=4))


def test_only_labels_look_ahead():
    """No module of the core imports the labels: features must not be able to read the future."""
    root = Path(orderflow_core.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path.stem.startswith("labels"):  # they may build on each other
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            assert not any(name.startswith("orderflow_core.labels") for name in names), path
