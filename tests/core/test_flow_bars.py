"""Bars with CVD candles and VWAP in one pass, whole and in chunks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderflow_core.bar_clocks import BarClock, bar_index
from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.delta import cvd_candles
from orderflow_core.flow_bars import continue_flow_bars, flow_bars
from orderflow_core.types import BarIndex, TradeArrays
from orderflow_core.vwap import session_vwap
from tests.core import bar_cases, captures
from tests.naive import flow_bars as naive

SECOND_NS = 1_000_000_000


def made(trades, clock, starts, **options):
    index = bar_index(clock, trades, session_start_idx=starts)
    columns = (trades.price_ticks, trades.qty_lots, trades.sign)
    return index, flow_bars(*columns, index, session_start_idx=starts, **options)


@settings(max_examples=30)
@given(bar_cases.streams(), bar_cases.clocks(), st.booleans())
def test_bars_equal_the_obvious_loop(stream, clock, include_zero_start):
    trades, starts = stream
    index, bars = made(trades, clock, starts, include_zero_start=include_zero_start)
    plain = aggregate_bars(
        trades.price_ticks,
        trades.qty_lots,
        trades.sign,
        index,
        include_zero_start=include_zero_start,
    )
    bar_cases.same_bits(bar_cases.columns(bars.bars), bar_cases.columns(plain))
    got = {k: v for k, v in bar_cases.columns(bars).items() if k.startswith(("cvd", "vwap"))}
    expected = naive.flow_bars(
        *(getattr(trades, name).tolist() for name in ("price_ticks", "qty_lots", "sign")),
        list(zip(index.first_idx.tolist(), index.end_idx.tolist(), strict=True)),
        starts.tolist(),
        include_zero_start=include_zero_start,
    )
    assert list(zip(*(column.tolist() for column in got.values()), strict=True)) == expected


@settings(max_examples=30)
@given(st.data(), bar_cases.streams(), bar_cases.clocks(), st.sampled_from([1, 10**9]))
def test_chunks_equal_the_whole(data, stream, clock, worth):
    # Large sizes and far prices leave the range in which sums of integers are exact as floats.
    trades, starts = stream
    trades = TradeArrays(
        ts_event_ns=trades.ts_event_ns,
        trade_id=trades.trade_id,
        price_ticks=trades.price_ticks * min(worth, 10**6),
        qty_lots=trades.qty_lots * worth,
        sign=trades.sign,
    )

    def step(state, first, end, inside, is_last):
        return continue_flow_bars(
            state, clock, trades.slice(first, end), session_start_idx=inside, ended=is_last
        )

    got = bar_cases.in_chunks(data, len(trades), starts, step)
    index, whole = made(trades, clock, starts)
    bar_cases.same_bits(got, bar_cases.columns(index) | bar_cases.columns(whole))
    average = session_vwap(
        trades.price_ticks,
        trades.qty_lots,
        np.union1d(starts, np.zeros(min(len(trades), 1), np.int64)),
    )
    assert got["vwap_ticks"].tobytes() == average.vwap_ticks[index.end_idx - 1].tobytes()
    assert got["vwap_sd_ticks"].tobytes() == average.sd_ticks[index.end_idx - 1].tobytes()


@settings(max_examples=30)
@given(st.data(), bar_cases.streams(), bar_cases.clocks())
def test_a_bar_that_ended_stays_as_it_is(data, stream, clock):
    trades, starts = stream
    cut = data.draw(st.integers(0, len(trades)))
    _, ended, _ = continue_flow_bars(
        None, clock, trades.slice(0, cut), session_start_idx=starts[starts < cut]
    )
    whole = bar_cases.rows(made(trades, clock, starts)[1])
    assert bar_cases.rows(ended) == whole[: len(ended)]


def test_candles_equal_those_of_bars_where_sessions_start_with_bars():
    index = time_bar_index(np.array([0, 1, 10, 20]), 10)
    columns = (np.full(4, 100), np.array([3, 1, 4, 2]), np.array([1, -1, -1, 1]))
    got = flow_bars(*columns, index, session_start_idx=[3])
    candles = cvd_candles(aggregate_bars(*columns, index), np.array([0, 2]))
    names = ("cvd_open_lots", "cvd_high_lots", "cvd_low_lots", "cvd_close_lots")
    for name, expected in zip(names, candles, strict=True):
        assert getattr(got, name).tolist() == expected.tolist()


def test_a_restart_within_a_bar_by_hand():
    # +5 | restart, -2, +1 in one bar: the candle opens at 0, reaches 5 before and -2 after the restart
    # and closes at -1; the bar's own delta runs 5, 3, 4. VWAP since the restart: 10 + 1 * 3 / 3 = 11.
    index = BarIndex(**{k: np.array([v]) for k, v in {"bar_id": 0, "t0_ns": 0, "t1_ns": 9, "first_idx": 0, "end_idx": 3}.items()})  # fmt: skip
    got = flow_bars([99, 10, 13], [5, 2, 1], [1, -1, 1], index, session_start_idx=[1])
    candle = (got.cvd_open_lots, got.cvd_high_lots, got.cvd_low_lots, got.cvd_close_lots)
    assert [column.tolist() for column in candle] == [[0], [5], [-2], [-1]]
    assert (got.bars.delta_lots[0], got.bars.min_delta_lots[0], got.bars.max_delta_lots[0]) == (4, 0, 5)  # fmt: skip
    assert got.vwap_ticks.tolist() == [11.0]


def test_no_trades():
    nothing = np.empty(0, np.int64)
    index = time_bar_index(nothing, 10)
    assert len(flow_bars(nothing, nothing, nothing, index, session_start_idx=nothing)) == 0


def test_errors_name_the_argument():
    index = time_bar_index(np.array([0, 1]), 10)
    two = np.array([1, 1])
    with pytest.raises(ValueError, match="index must hold every trade"):
        flow_bars(np.ones(3, int), np.ones(3, int), np.ones(3, int), index, session_start_idx=[])
    for edge in (-3, 0, 2, 100):  # one bar ends where the next begins, but outside of the trades
        astray = replace(index, first_idx=np.array([0, edge]), end_idx=np.array([edge, 2]))
        with pytest.raises(ValueError, match="index must hold every trade"):
            flow_bars(two, two, two, astray, session_start_idx=[])
    with pytest.raises(ValueError, match="sign"):
        flow_bars(two, two, np.array([1, 3], np.int8), index, session_start_idx=[])
    with pytest.raises(ValueError, match="sign"):
        flow_bars(two, two, np.array([1, 3]), index, session_start_idx=[])
    with pytest.raises(ValueError, match="qty_lots"):
        flow_bars(two, np.array([1, -1]), two, index, session_start_idx=[])
    with pytest.raises(ValueError, match="session_start_idx"):
        flow_bars(two, two, two, index, session_start_idx=[2])
    far = np.array([0, 10**10])
    with pytest.raises(ValueError, match="overflow int64"), np.errstate(over="ignore"):
        flow_bars(far, np.array([1, 10**9]), two, index, session_start_idx=[])


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("usdm/btcusdt_20240719.gz", "time", SECOND_NS),
        ("cm/btcusd_perp_20240808.gz", "count", 100),
        ("cm/btcusd_perp_20240808.gz", "volume", 5 * 10**11),
        ("spot/ethusdt_20240808.gz", "delta", 2 * 10**9),
        ("spot/ethusdt_20240808.gz", "range", 100),
    ],
)
def test_recorded_trades_are_conserved(test_data, name, kind, size):
    (ids, ts, price, qty, sign), *_ = captures.read_capture(test_data / captures.FOLDER / name)
    trades = TradeArrays(
        ts_event_ns=ts, trade_id=ids, price_ticks=price, qty_lots=qty, sign=sign.astype(np.int8)
    )
    clock = BarClock(kind=kind, size=size)
    index, bars = made(trades, clock, [])
    assert 5 < len(bars) < len(qty) / 2
    assert bars.bars.volume_lots.sum() == qty.sum()
    assert bars.bars.n_trades.sum() == len(qty)
    assert bars.cvd_close_lots[-1] == (qty * sign).sum()
    assert bars.vwap_ticks[-1] == pytest.approx((price * (qty / qty.sum())).sum(), rel=1e-9)
    state, parts = None, []
    for first in range(0, len(qty), 997):
        chunk = trades.slice(first, min(first + 997, len(qty)))
        *ended, state = continue_flow_bars(state, clock, chunk, ended=first + 997 >= len(qty))
        parts.append({k: v for b in ended for k, v in bar_cases.columns(b).items()})
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    bar_cases.same_bits(together, bar_cases.columns(index) | bar_cases.columns(bars))
