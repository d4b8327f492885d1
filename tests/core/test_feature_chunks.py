"""Any chunking of a stream gives the rows of the whole, bit for bit, on any clock."""

import os
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core import features, row_ranges
from orderflow_core.feature_step import usual_step
from orderflow_core.feature_stream import feature_blocks
from orderflow_core.features import decision_features
from tests.core.feature_checks import (
    assert_chunks_give_the_whole,
    assert_same_rows,
    build,
    joined,
    rows_in_chunks,
)
from tests.core.feature_streams import (
    CLOCKS,
    SETTINGS,
    call,
    capture_stream,
    drawn_streams,
    emini_stream,
    named,
    seeded_stream,
)

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
needs_jit = pytest.mark.skipif(JIT_OFF, reason="too many trades for interpreted kernels")
N_SEEDED = 600 if JIT_OFF else 3_000
on_each_clock = pytest.mark.parametrize("clock", CLOCKS, ids=named)


@on_each_clock
@given(drawn_streams(), st.data())
def test_chunks_of_drawn_streams(clock, stream, data):
    edges = data.draw(st.lists(st.integers(0, len(stream.trades)), max_size=6))
    assert_chunks_give_the_whole(stream, edges, clock)


@on_each_clock
@pytest.mark.parametrize("seed", range(2))
def test_chunks_of_seeded_streams(seed, clock):
    stream = seeded_stream(seed, N_SEEDED)
    edges = np.random.default_rng(seed).integers(0, N_SEEDED, 60).tolist()
    assert_chunks_give_the_whole(stream, edges, clock)


@on_each_clock
def test_one_trade_at_a_time(clock):
    stream = seeded_stream(3, 300)
    assert_chunks_give_the_whole(stream, range(1, 300), clock)


def test_columns_that_cannot_be_written_take_the_same_short_way(monkeypatch):
    # Arrow's are; a live stream hands them over.
    stream = seeded_stream(3, 300)
    whole, n_short = build(stream), 0

    def counted(*arguments):
        nonlocal n_short
        step = usual_step(*arguments)
        n_short += step is not None
        return step

    monkeypatch.setattr(features, "usual_step", counted)
    frozen = [stream.trades, stream.at_trade, stream.ofi]
    for bundle in frozen:
        for field in fields(bundle):
            getattr(bundle, field.name).flags.writeable = False
    parts = joined(rows_in_chunks(stream, range(1, 300))[0])
    assert_same_rows(parts, whole, whole.names)
    assert n_short > 200


@needs_jit
@pytest.mark.parametrize("settings", [SETTINGS, None], ids=["all", "core"])
def test_a_long_stream_needs_no_more_room_than_its_windows(settings):
    # 60 s hold 60 / (0.1 * 0.6) = 1,000 trades on average, 40,000 trades last 40 minutes.
    stream = seeded_stream(4, 40_000, mean_gap_s=0.1)
    edges = np.random.default_rng(4).integers(0, 40_000, 400).tolist()
    matrices, room = rows_in_chunks(stream, edges, settings=settings)
    assert sum(len(m) for m in matrices) == len(build(stream))
    assert room == 4104  # what a state begins with


@needs_jit
@on_each_clock
def test_chunks_of_recorded_futures_trades(test_data, clock):
    stream = emini_stream(test_data, 60_000)
    edges = np.random.default_rng(5).integers(0, 60_000, 25).tolist()
    assert_chunks_give_the_whole(stream, edges, clock)


@needs_jit
@on_each_clock
def test_chunks_of_recorded_trades_with_quotes(test_data, clock):
    stream = capture_stream(test_data)
    edges = np.random.default_rng(6).integers(0, len(stream.trades), 25).tolist()
    assert_chunks_give_the_whole(stream, edges, clock)


@on_each_clock
def test_ranges_of_rows_give_the_rows_of_the_whole(clock, monkeypatch):
    stream = seeded_stream(5, N_SEEDED)
    whole = build(stream, clock)
    monkeypatch.setattr(row_ranges, "_MIN_ROWS", 7)
    monkeypatch.setattr(row_ranges.os, "cpu_count", lambda: 6)
    assert_same_rows(build(stream, clock), whole, whole.names)


@pytest.mark.parametrize("clock", CLOCKS[:2])
def test_blocks_give_the_rows_of_the_whole(clock):
    stream = seeded_stream(8, N_SEEDED)
    blocks = [
        replace(block, values=block.values.copy())  # the next block writes over them
        for block in call(feature_blocks, stream, clock=clock, block_trades=N_SEEDED // 7)
    ]
    whole = build(stream, clock)
    assert len(blocks) == 8
    assert_same_rows(joined(blocks), whole, whole.names)
    np.testing.assert_array_equal(joined(blocks).last_idx, whole.last_idx)


def test_rows_go_into_the_array_that_is_given():
    stream = seeded_stream(9, 300)
    whole = build(stream)
    out = np.full((len(whole.names), len(whole) + 3), -1.0)
    matrix = call(decision_features, stream, out=out)
    assert_same_rows(matrix, whole, whole.names)
    assert np.shares_memory(matrix.values, out)
    assert (out[:, len(whole) :] == -1).all()
    for wrong in (out[1:], out[:, :5], out.astype(np.float32), out[0]):
        with pytest.raises(ValueError, match="out must hold float64 of shape"):
            call(decision_features, stream, out=wrong)


def test_core_features_do_not_depend_on_the_others():
    stream = seeded_stream(6, N_SEEDED)
    every, core = build(stream), build(stream, settings=None)
    np.testing.assert_array_equal(every.values[:, : len(core.names)], core.values)
