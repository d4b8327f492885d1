"""Bars by time and by what trades add up to, whole and in chunks."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.bar_clocks import (
    BAR_KINDS,
    BarClock,
    BarClockState,
    bar_index,
    continue_bar_index,
)
from orderflow_core.bars import aggregate_bars
from orderflow_core.types import TradeArrays
from tests.core import bar_cases
from tests.naive import bar_clocks as naive

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "mlfinpy_bars.json").read_text())


def lists(trades):
    names = ("ts_event_ns", "price_ticks", "qty_lots", "sign")
    return [getattr(trades, name).tolist() for name in names]


@given(bar_cases.streams(), bar_cases.clocks())
def test_bars_equal_the_obvious_loop(stream, clock):
    trades, starts = stream
    index = bar_index(clock, trades, session_start_idx=starts)
    expected = naive.bar_index(clock.kind, clock.size, *lists(trades), starts.tolist())
    assert bar_cases.rows(index) == expected


@given(st.data(), bar_cases.streams(), bar_cases.clocks())
def test_chunks_equal_the_whole(data, stream, clock):
    trades, starts = stream

    def step(state, first, end, inside, is_last):
        return continue_bar_index(
            state, clock, trades.slice(first, end), session_start_idx=inside, ended=is_last
        )

    got = bar_cases.in_chunks(data, len(trades), starts, step)
    bar_cases.same_bits(got, bar_cases.columns(bar_index(clock, trades, session_start_idx=starts)))


@given(st.data(), bar_cases.streams(), bar_cases.clocks())
def test_a_bar_that_ended_stays_as_it_is(data, stream, clock):
    trades, starts = stream
    cut = data.draw(st.integers(0, len(trades)))
    ended, _ = continue_bar_index(
        None, clock, trades.slice(0, cut), session_start_idx=starts[starts < cut]
    )
    whole = bar_cases.rows(bar_index(clock, trades, session_start_idx=starts))
    assert bar_cases.rows(ended) == whole[: len(ended)]


def five(price=(10, 12, 9, 9, 10), qty=(2, 3, 1, 4, 5), sign=(1, 1, -1, 0, -1)):
    return TradeArrays(
        ts_event_ns=np.array([0, 1, 1, 3, 9]),
        trade_id=np.arange(5),
        price_ticks=np.array(price),
        qty_lots=np.array(qty),
        sign=np.array(sign, np.int8),
    )


@pytest.mark.parametrize("kind", [kind for kind in BAR_KINDS if kind != "time"])
def test_a_session_start_ends_the_bar_that_is_open(kind):
    # Nothing fills a bar of that size: 2 trades | 1 | 2, cut by the starts alone.
    index = bar_index(BarClock(kind=kind, size=10**6), five(), session_start_idx=[2, 3])
    assert (index.first_idx.tolist(), index.end_idx.tolist()) == ([0, 2, 3], [2, 3, 5])


def test_a_session_start_forgets_what_the_open_bar_had():
    # 10, 12 | 9, 9, 10: from 12 to 9 it is 3 ticks, but across the start: the range is 2, then 1.
    index = bar_index(BarClock(kind="range", size=3), five(), session_start_idx=[2])
    assert index.end_idx.tolist() == [2, 5]
    # 2 + 3 lots | 1 + 4 + 5: the sixth lot lies beyond the start; 1 + 4 + 5 reach 6 with the last.
    index = bar_index(BarClock(kind="volume", size=6), five(), session_start_idx=[2])
    assert index.end_idx.tolist() == [2, 5]


@pytest.mark.parametrize(
    ("kind", "size", "ends"),
    [
        ("count", 2, [2, 4, 5]),
        # 2 + 3 = 5 ends exactly at the size; 1 + 4 = 5 too; the last 5 alone.
        ("volume", 5, [2, 4, 5]),
        # 2 + 3 + 1 = 6 reaches 6; 4 + 5 = 9 passes it by 3, which no bar takes over.
        ("volume", 6, [3, 5]),
        # 20 + 36 = 56 reaches 56; 9 + 36 + 50 = 95.
        ("notional", 56, [2, 5]),
        # Deltas 2, 5 (ends); -1, -1, -6 (ends).
        ("delta", 5, [2, 5]),
        # 12 - 10 = 2 ends; 9..9..10 is 1: the bar stays open and stands last.
        ("range", 2, [2, 5]),
        # 12 - 10 = 2, 12 - 9 = 3 ends with the trade at 9 inside.
        ("range", 3, [3, 5]),
        ("time", 2, [3, 4, 5]),
    ],
)
def test_a_bar_ends_with_the_trade_that_fills_it(kind, size, ends):
    assert bar_index(BarClock(kind=kind, size=size), five()).end_idx.tolist() == ends


def test_a_session_start_ends_the_bar_before_it_and_its_amount():
    # Volume 6: 2 | 3 + 1 + 4 = 8 | 5.
    clock = BarClock(kind="volume", size=6)
    index = bar_index(clock, five(), session_start_idx=[1])
    assert index.end_idx.tolist() == [1, 4, 5]
    assert index.t1_ns.tolist() == [1, 4, 10]  # the last trade's time and a nanosecond
    # The bar that a chunk left open ends where the next one opens a session.
    trades = five()
    nothing, state = continue_bar_index(None, clock, trades.slice(0, 1))
    assert (len(nothing), state.is_open, state.amount) == (0, True, 2)
    first, state = continue_bar_index(state, clock, trades.slice(1, 2), session_start_idx=[0])
    assert bar_cases.rows(first) == [(0, 0, 1, 0, 1)]
    assert state.amount == 3


def test_negative_prices_have_a_notional():
    # |-10| x 2 = 20, + |-12| x 3 = 56.
    trades = five(price=(-10, -12, 9, 9, 10))
    assert bar_index(BarClock(kind="notional", size=56), trades).end_idx[0] == 2


@pytest.mark.parametrize("kind", BAR_KINDS)
def test_no_trades_and_one_trade(kind):
    clock = BarClock(kind=kind, size=7)
    assert len(bar_index(clock, five().slice(0, 0))) == 0
    assert bar_index(clock, five().slice(1, 2)).end_idx.tolist() == [1]
    nothing, state = continue_bar_index(None, clock, five().slice(0, 0), ended=True)
    assert (len(nothing), state) == (0, BarClockState())


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"clock\.kind"):
        bar_index(BarClock(kind="tick", size=1), five())
    for size, error in ((0, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match=r"clock\.size"):
            bar_index(BarClock(kind="count", size=size), five())
    with pytest.raises(ValueError, match="qty_lots"):
        bar_index(BarClock(kind="count", size=1), five(qty=(1, 0, 1, 1, 1)))
    with pytest.raises(ValueError, match="session_start_idx"):
        bar_index(BarClock(kind="count", size=1), five(), session_start_idx=[5])
    with pytest.raises(ValueError, match="overflow int64"):
        bar_index(BarClock(kind="volume", size=2**62), five(qty=(2**62, 1, 1, 1, 1)))
    with pytest.raises(ValueError, match="overflow int64"):
        bar_index(BarClock(kind="notional", size=1), five(price=(-(2**61), 1, 1, 1, 1)))
    with pytest.raises(ValueError, match="price_ticks must span"):
        bar_index(BarClock(kind="range", size=1), five(price=(-(2**62), 2**62, 1, 1, 1)))
    with pytest.raises(TypeError, match="price_ticks"):
        bar_index(BarClock(kind="count", size=1), five(price=(1.0, 2.0, 1.0, 1.0, np.nan)))
    for kind in BAR_KINDS:
        with pytest.raises(ValueError, match=r"clock\.size must be below"):
            bar_index(BarClock(kind=kind, size=2**63), five())
    clock = BarClock(kind="count", size=9)
    _, state = continue_bar_index(None, clock, five())
    with pytest.raises(ValueError, match="non-decreasing, got 0 after 9"):
        continue_bar_index(state, clock, five())
    at_the_end = TradeArrays(**{f: np.array([2**63 - 1]) for f in ("ts_event_ns", "trade_id", "price_ticks", "qty_lots")}, sign=np.array([1]))  # fmt: skip
    with pytest.raises(ValueError, match="ts_event_ns must lie below"):
        bar_index(clock, at_the_end)


@pytest.mark.parametrize("kind", ["count", "volume", "notional"])
def test_mlfinpy_makes_the_same_bars_of_recorded_trades(test_data, kind):
    # mlfinpy leaves the incomplete last bar out; its dollars are points x contracts: ours / 4.
    golden = GOLDEN[kind]
    trades = bar_cases.emini(test_data, GOLDEN["n_trades"])
    index, _ = continue_bar_index(None, BarClock(kind=kind, size=golden["size"]), trades)
    bars = aggregate_bars(trades.price_ticks, trades.qty_lots, trades.sign, index)
    assert len(index) == golden["n_bars"]
    assert (index.end_idx * np.arange(1, len(index) + 1)).sum() == golden["end_checksum"]
    names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume_lots")
    got = {name: getattr(bars, name)[: len(golden[name])].tolist() for name in names}
    assert got == {name: golden[name] for name in names}
