"""Bars of trades."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bars import (
    BarArrays,
    aggregate_bars,
    delta_share,
    delta_since_extremes,
    time_bar_index,
)
from orderflow_core.types import BarIndex
from tests.core import trade_cases as cases
from tests.naive import bars as naive


def index_rows(index):
    columns = (index.bar_id, index.t0_ns, index.t1_ns, index.first_idx, index.end_idx)
    return [tuple(row) for row in np.column_stack(columns).tolist()]


@given(cases.trades(), st.integers(1, 12), st.booleans())
def test_bars_equal_the_obvious_loop(trades, interval, include_zero_start):
    index = time_bar_index(trades["ts"], interval)
    assert index_rows(index) == naive.time_bar_index(trades["ts"].tolist(), interval)
    bars = aggregate_bars(
        trades["price"],
        trades["qty"],
        trades["sign"],
        index,
        include_zero_start=include_zero_start,
    )
    for bar, (_, _, _, first, end) in enumerate(index_rows(index)):
        expected = naive.aggregate_bar(
            *(trades[name][first:end].tolist() for name in ("price", "qty", "sign")),
            include_zero_start=include_zero_start,
        )
        got = {field.name: int(getattr(bars, field.name)[bar]) for field in fields(BarArrays)}
        assert got == expected


@given(cases.trades(), st.integers(1, 12))
def test_volume_is_conserved(trades, interval):
    bars = aggregate_bars(
        trades["price"], trades["qty"], trades["sign"], time_bar_index(trades["ts"], interval)
    )
    assert bars.volume_lots.sum() == trades["qty"].sum()
    assert (bars.buy_lots + bars.sell_lots + bars.unsigned_lots == bars.volume_lots).all()
    assert bars.n_trades.sum() == len(trades["ts"])
    assert ((bars.low_ticks <= bars.open_ticks) & (bars.close_ticks <= bars.high_ticks)).all()
    assert ((bars.min_delta_lots <= 0) & (bars.max_delta_lots >= 0)).all()


@given(cases.trades(), st.integers(1, 12))
def test_flipped_signs_flip_the_delta(trades, interval):
    index = time_bar_index(trades["ts"], interval)
    there = aggregate_bars(trades["price"], trades["qty"], trades["sign"], index)
    here = aggregate_bars(trades["price"], trades["qty"], -trades["sign"], index)
    assert (here.delta_lots == -there.delta_lots).all()
    assert (here.max_delta_lots == -there.min_delta_lots).all()
    assert (here.buy_lots == there.sell_lots).all()


@given(cases.trades(), st.integers(1, 12))
def test_shares_and_deltas_since_extremes_equal_the_obvious_loop(trades, interval):
    index = time_bar_index(trades["ts"], interval)
    columns = (trades["price"], trades["qty"], trades["sign"])
    bars = aggregate_bars(*columns, index)
    expected = [
        naive.delta_share(*pair)
        for pair in zip(bars.delta_lots.tolist(), bars.volume_lots.tolist(), strict=True)
    ]
    assert delta_share(bars).tolist() == expected
    since = [
        naive.delta_since_extremes(*(column[first:end].tolist() for column in columns))
        for *_, first, end in index_rows(index)
    ]
    assert (
        list(zip(*(x.tolist() for x in delta_since_extremes(*columns, index)), strict=True))
        == since
    )


def test_the_trade_at_the_extreme_is_not_since_it():
    # +1 at 10, +2 at 12, -5 at 11, +3 at 12, -1 at 11. Since the second touch of 12: -1. Since 10:
    # 2 - 5 + 3 - 1 = -1. A bar of one trade: nothing since.
    price, qty, sign = [10, 12, 11, 12, 11, 7], [1, 2, 5, 3, 1, 9], [1, 1, -1, 1, -1, 1]
    index = time_bar_index(np.array([0, 0, 0, 0, 0, 10]), 10)
    since_high, since_low = delta_since_extremes(price, qty, sign, index)
    assert since_high.tolist() == [-1, 0]
    assert since_low.tolist() == [-1, 0]
    with pytest.raises(ValueError, match="qty_lots may overflow"):
        delta_since_extremes(price, [2**62] * 6, sign, index)
    with pytest.raises(ValueError, match="sign"):
        delta_since_extremes(price, qty, np.full(6, 2, np.int8), index)


def test_no_volume_has_no_share():
    one = np.array([0])
    bars = BarArrays(**dict.fromkeys((f.name for f in fields(BarArrays)), one))
    assert np.isnan(delta_share(bars)).all()


@given(st.integers(0, 700), st.integers(0, 3))
def test_long_bars_keep_their_extremes(seed, drift):
    # Longer than the blocks that are passed over where they cannot set an extreme.
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 1000))
    qty, sign = rng.integers(1, 9, n), rng.choice([-1, 0, 1, 1 if drift else -1], n)
    index = time_bar_index(np.zeros(n, np.int64), 10)
    bars = aggregate_bars(qty, qty, sign, index)
    path = np.append(0, np.cumsum(qty * sign))
    assert (bars.min_delta_lots[0], bars.max_delta_lots[0]) == (path.min(), path.max())


@pytest.mark.parametrize("interval", [7, 1_000, 10**6])
def test_threads_change_nothing(monkeypatch, interval):
    rng = np.random.default_rng(3)
    n = 3_000
    ts = np.cumsum(rng.integers(0, 4, n))
    columns = (rng.integers(90, 110, n), rng.integers(1, 9, n), rng.integers(-1, 2, n))
    alone = aggregate_bars(*columns, time_bar_index(ts, interval))
    monkeypatch.setattr("orderflow_core.bars._FEW_TRADES", 0)
    index = time_bar_index(ts, interval)
    together = aggregate_bars(*columns, index)
    for field in fields(BarArrays):
        assert getattr(together, field.name).tolist() == getattr(alone, field.name).tolist()
    ts[2_000] = ts[1_999] - 1
    with pytest.raises(ValueError, match="ts_event_ns must be non-decreasing"):
        time_bar_index(ts, interval)


def test_bounds_are_half_open_also_before_1970():
    # 10 ns bars: -1 lies in [-10, 0), 0 and 9 in [0, 10), 10 opens the next; [20, 30) has no trade.
    index = time_bar_index(np.array([-11, -10, -1, 0, 9, 10, 30]), 10)
    assert index_rows(index) == [
        (-2, -20, -10, 0, 1),
        (-1, -10, 0, 1, 3),
        (0, 0, 10, 3, 5),
        (1, 10, 20, 5, 6),
        (3, 30, 40, 6, 7),
    ]


def test_extremes_of_the_running_delta_with_and_without_its_start():
    # +2, -4, +1 (one unsigned 9 between): running 2, -2, -2, -1. Then a bar of -3 alone: -3.
    index = time_bar_index(np.array([0, 1, 1, 2, 10]), 10)
    arguments = (
        np.array([100, 101, 99, 100, 98]),
        np.array([2, 4, 9, 1, 3]),
        np.array([1, -1, 0, 1, -1]),
        index,
    )
    with_start = aggregate_bars(*arguments)
    assert with_start.min_delta_lots.tolist() == [-2, -3]
    assert with_start.max_delta_lots.tolist() == [2, 0]
    without = aggregate_bars(*arguments, include_zero_start=False)
    assert without.max_delta_lots.tolist() == [2, -3]
    assert with_start.unsigned_lots.tolist() == [9, 0]
    assert with_start.delta_lots.tolist() == [-1, -3]


def test_no_trades_no_bars():
    nothing = np.empty(0, np.int64)
    index = time_bar_index(nothing, 10)
    assert len(index) == 0
    assert len(aggregate_bars(nothing, nothing, nothing, index)) == 0


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="ts_event_ns"):
        time_bar_index(np.array([2, 1]), 10)
    for interval, error in ((0, ValueError), (-5, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match="interval_ns"):
            time_bar_index(np.array([1]), interval)
    with pytest.raises(ValueError, match="beyond int64"):
        time_bar_index(np.array([2**63 - 2]), 10)


@pytest.mark.parametrize(
    ("first", "end", "text"),
    [
        ([0], [3], "within 2"),
        ([-1], [1], "within 2"),
        ([0, 0], [1, 2], "overlap"),
        ([1], [1], "overlap"),
    ],
)
def test_ranges_must_lie_in_the_trades(first, end, text):
    first, end = np.array(first), np.array(end)
    index = BarIndex(bar_id=first, t0_ns=first, t1_ns=end, first_idx=first, end_idx=end)
    two = np.array([1, 1])
    with pytest.raises(ValueError, match=text):
        aggregate_bars(two, two, two, index)


def test_values_must_lie_in_their_domain():
    index = time_bar_index(np.array([0, 1]), 10)
    two = np.array([1, 1])
    with pytest.raises(ValueError, match="qty_lots"):
        aggregate_bars(two, np.array([1, 0]), two, index)
    with pytest.raises(ValueError, match="qty_lots may overflow"):
        aggregate_bars(two, np.array([2**62, 1]), two, index)
    with pytest.raises(TypeError, match="price_ticks"):
        aggregate_bars(np.array([1.0, 2.0]), two, two, index)
