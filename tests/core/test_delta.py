"""Cumulative delta."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import BarArrays, aggregate_bars, time_bar_index
from orderflow_core.delta import continue_cumulative_delta, cumulative_delta, cvd_candles
from tests.core import trade_cases as cases
from tests.naive import delta as naive


@given(cases.trades())
def test_delta_equals_the_obvious_loop(trades):
    got = cumulative_delta(trades["sign"], trades["qty"], trades["starts"])
    assert got.tolist() == naive.cumulative_delta(
        trades["sign"].tolist(), trades["qty"].tolist(), trades["starts"].tolist()
    )
    flipped = cumulative_delta(-trades["sign"], trades["qty"], trades["starts"])
    assert flipped.tolist() == (-got).tolist()


@given(st.data(), cases.trades())
def test_chunks_equal_the_whole(data, trades):
    edges = data.draw(cases.cuts(len(trades["ts"])))
    carried, parts = 0, []
    for first, end in pairwise(edges):
        inner, opens = cases.starts_within(trades["starts"], first, end)
        cvd, carried = continue_cumulative_delta(
            0 if opens else carried, trades["sign"][first:end], trades["qty"][first:end], inner
        )
        parts.append(cvd)
    whole = cumulative_delta(trades["sign"], trades["qty"], trades["starts"])
    assert np.concatenate(parts).tobytes() == whole.tobytes()


@given(st.data(), cases.trades(), st.integers(1, 12))
def test_candles_equal_the_obvious_loop(data, trades, interval):
    index = time_bar_index(trades["ts"], interval)
    bars = aggregate_bars(trades["price"], trades["qty"], trades["sign"], index)
    starts = data.draw(cases.session_starts(len(bars)))
    candles = cvd_candles(bars, starts)
    rows = [tuple(row) for row in np.column_stack(candles).tolist()]
    assert rows == naive.cvd_candles(
        bars.delta_lots.tolist(),
        bars.min_delta_lots.tolist(),
        bars.max_delta_lots.tolist(),
        starts.tolist(),
    )
    if len(bars):  # the running delta at each bar's last trade, and its range from bar to bar
        cvd = cumulative_delta(trades["sign"], trades["qty"], index.first_idx[starts])
        assert candles[3].tolist() == cvd[index.end_idx - 1].tolist()
        assert ((candles[2] <= candles[0]) & (candles[0] <= candles[1])).all()


def test_candles_of_two_bars_and_two_sessions():
    # +3, -1 | -4 | session | +2: closes 2, -2 | 2. Second bar: high 2 + max(0, -4) = 2, low -2.
    index = time_bar_index(np.array([0, 1, 10, 20]), 10)
    four = np.full(4, 100)
    bars = aggregate_bars(four, np.array([3, 1, 4, 2]), np.array([1, -1, -1, 1]), index)
    opened, high, low, close = cvd_candles(bars, np.array([0, 2]))
    assert opened.tolist() == [0, 2, 0]
    assert high.tolist() == [3, 2, 2]
    assert low.tolist() == [0, -2, 0]
    assert close.tolist() == [2, -2, 2]


def test_candles_at_the_ends_of_int64():
    # Closes of -2**62, highs of 2**61 above the open: they fit. Beyond: refused, not wrapped around.
    names = [field.name for field in fields(BarArrays)]

    def candles(delta, lowest, highest):
        columns = dict.fromkeys(names, np.zeros(len(delta), np.int64))
        columns |= {"delta_lots": np.array(delta)}
        columns |= {"min_delta_lots": np.array(lowest), "max_delta_lots": np.array(highest)}
        return cvd_candles(BarArrays(**columns), np.array([0]))

    edge = 2**61
    assert candles([-edge, -edge], [-edge] * 2, [edge] * 2)[1].tolist() == [edge, 0]
    with pytest.raises(ValueError, match="delta_lots may overflow"):
        candles([-(2**63), 0], [0, 0], [0, 0])
    with pytest.raises(ValueError, match="delta_lots may overflow"):
        candles([2**61, 0], [0, 0], [2**61, 2**63 - 1])


def test_no_trades_keep_what_is_carried():
    nothing = np.empty(0, np.int64)
    cvd, carried = continue_cumulative_delta(7, nothing, nothing, nothing)
    assert (len(cvd), carried) == (0, 7)


def test_errors_name_the_argument():
    one, zero = np.array([1]), np.array([0])
    with pytest.raises(ValueError, match="one length"):
        cumulative_delta(one, np.array([1, 1]), zero)
    with pytest.raises(ValueError, match="qty_lots"):
        cumulative_delta(one, np.array([0]), zero)
    with pytest.raises(ValueError, match="session_start_idx"):
        cumulative_delta(one, one, one)
    with pytest.raises(ValueError, match="qty_lots may overflow"):
        cumulative_delta(np.array([1, 1]), np.array([2**62, 2**62]), zero)
    with pytest.raises(ValueError, match="qty_lots may overflow"):
        continue_cumulative_delta(2**63 - 1, one, one, zero)
    with pytest.raises(TypeError):
        continue_cumulative_delta(1.5, one, one, zero)
