"""Fills of one order together."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.sweeps import SweepState, assign_sweeps, continue_sweeps, sweep_bounds
from tests.core import trade_cases as cases
from tests.naive import sweeps as naive


def columns(trades, first=0, end=None):
    return tuple(trades[name][first:end] for name in ("ts", "trade_id", "price", "sign"))


@given(cases.trades(), st.integers(0, 3))
def test_sweeps_equal_the_obvious_loop(trades, max_id_step):
    got = assign_sweeps(*columns(trades), max_id_step=max_id_step)
    lists = [column.tolist() for column in columns(trades)]
    assert got.tolist() == naive.assign_sweeps(*lists, max_id_step=max_id_step)
    first, end = sweep_bounds(got)
    assert (first.tolist(), end.tolist()) == naive.sweep_bounds(got.tolist())
    assert (end - first).sum() == len(got)


@given(st.data(), cases.trades(), st.integers(0, 3))
def test_chunks_equal_the_whole(data, trades, max_id_step):
    edges = data.draw(cases.cuts(len(trades["ts"])))
    state, parts = None, []
    for first, end in pairwise(edges):
        sweep, state = continue_sweeps(state, *columns(trades, first, end), max_id_step=max_id_step)
        parts.append(sweep)
    whole = assign_sweeps(*columns(trades), max_id_step=max_id_step)
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def sweep(prices, signs, ts=None, ids=None, max_id_step=1):
    n = len(prices)
    return assign_sweeps(
        np.zeros(n, np.int64) if ts is None else np.array(ts),
        np.arange(n) if ids is None else np.array(ids),
        np.array(prices),
        np.array(signs),
        max_id_step=max_id_step,
    ).tolist()


def test_price_may_stay_or_run_on_but_not_turn_back():
    # A buy: 10, 10, 12 go on; 11 turns back and opens a second order; 11 stays in it.
    assert sweep([10, 10, 12, 11, 11], [1] * 5) == [0, 0, 0, 1, 1]
    # A sell, mirrored: 12, 12, 10 go on; 11 turns back.
    assert sweep([12, 12, 10, 11, 11], [-1] * 5) == [0, 0, 0, 1, 1]


def test_time_side_and_unknown_signs_cut():
    assert sweep([10] * 3, [1] * 3, ts=[1, 1, 2]) == [0, 0, 1]
    assert sweep([10] * 3, [1, -1, -1]) == [0, 1, 1]
    # Three trades without a sign are three sweeps, and so are their neighbours.
    assert sweep([10] * 5, [1, 0, 0, 0, 1]) == [0, 1, 2, 3, 4]


def test_ids_may_step_as_far_as_the_venue_does():
    ids = [1, 2, 4, 7]
    assert sweep([10] * 4, [1] * 4, ids=ids) == [0, 0, 1, 2]
    assert sweep([10] * 4, [1] * 4, ids=ids, max_id_step=2) == [0, 0, 0, 1]
    assert sweep([10] * 4, [1] * 4, ids=[9, 3, 3, 1], max_id_step=0) == [0, 0, 0, 0]


def test_bounds_of_a_part_and_of_nothing():
    first, end = sweep_bounds(np.array([7, 7, 9]))
    assert (first.tolist(), end.tolist()) == ([0, 2], [2, 3])
    assert [len(edge) for edge in sweep_bounds(np.empty(0, np.int64))] == [0, 0]
    nothing = np.empty(0, np.int64)
    assert continue_sweeps(None, nothing, nothing, nothing, nothing)[1] is None


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="trade_id"):
        sweep([10, 10], [1, 1], ids=[2, 1])
    with pytest.raises(ValueError, match="ts_event_ns"):
        sweep([10, 10], [1, 1], ts=[2, 1])
    with pytest.raises(ValueError, match="sign"):
        sweep([10, 10], [1, 5])
    with pytest.raises(ValueError, match="max_id_step"):
        sweep([10], [1], max_id_step=-1)
    with pytest.raises(ValueError, match="max_id_step"):
        sweep([10], [1], max_id_step=2**63)
    with pytest.raises(TypeError, match="max_id_step"):
        sweep([10], [1], max_id_step=1.5)
    with pytest.raises(ValueError, match="sweep"):
        sweep_bounds(np.array([1, 0]))
    state = SweepState(ts_event_ns=5, trade_id=3, price_ticks=10, sign=1, sweep=0)
    one = np.array([1])
    with pytest.raises(ValueError, match="ts_event_ns"):
        continue_sweeps(state, one, one, one, one)
