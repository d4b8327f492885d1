"""VWAP deviation signal and significant levels on recorded trades: causal, and null against chance."""

import os

import numpy as np
import pytest

from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.footprint import footprint
from orderflow_core.null_tests import future_moves, hit_rate
from orderflow_core.significant_levels import significant_levels
from orderflow_core.vwap import session_vwap, vwap_deviation_signal
from tests.core.captures import FOLDER, read_capture
from tests.naive import levels as naive

SECOND = 1_000_000_000
needs_jit = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades for interpreted kernels"
)


@pytest.fixture(scope="module")
def recorded(test_data):
    """Trades of a recorded Binance future with the venue's own side."""
    (_, ts, price, qty, sign), *_ = read_capture(test_data / FOLDER / "usdm/ethusdt_20240808.gz")
    return ts, price, qty, sign.astype(np.int8)


def bar_signals(ts, price, qty, sign):
    """Trend and reversal at the close of each second, the imbalance being that of ten seconds."""
    index = time_bar_index(ts, SECOND)
    bars = aggregate_bars(price, qty, sign, index)
    vwap = session_vwap(price, qty, [0]).vwap_ticks[index.end_idx - 1]
    net, both = np.cumsum(bars.buy_lots - bars.sell_lots), np.cumsum(bars.buy_lots + bars.sell_lots)
    net[10:], both[10:] = net[10:] - net[:-10], both[10:] - both[:-10]
    flow = np.where(both > 0, net / np.maximum(both, 1), np.nan)
    return bars, vwap_deviation_signal(bars.close_ticks - vwap, flow, min_imbalance=0.3)


@needs_jit
def test_deviation_signals_of_recorded_bars_need_no_later_trade_and_beat_no_chance(recorded):
    bars, (trend, reversal) = bar_signals(*recorded)
    assert set(trend.tolist()) == {-1, 0, 1}
    assert not ((trend != 0) & (reversal != 0)).any()
    for cut in (len(recorded[0]) // 3, len(recorded[0]) // 2):
        _, known = bar_signals(*(column[:cut] for column in recorded))
        n = len(known[0]) - 1  # the last bar goes on
        assert known[0][:n].tobytes() == trend[:n].tobytes()
        assert known[1][:n].tobytes() == reversal[:n].tobytes()
    span = max(2, round(2 * float(np.median(bars.high_ticks - bars.low_ticks))))
    moves = future_moves(
        bars.high_ticks, bars.low_ticks, bars.close_ticks, [0], n_bars=10, target_ticks=span,
        stop_ticks=span,
    )  # fmt: skip
    for sign in (trend, reversal):
        found = hit_rate(sign, moves, n_null=500)
        assert found.hits.n >= 10
        assert found.null_low <= found.null_mean <= found.null_high
        assert found.p_more > 0.01  # a null result, kept as one


@needs_jit
def test_levels_of_recorded_bars_are_those_of_the_obvious_loop(recorded):
    ts, price, qty, sign = (column[:4_000] for column in recorded)
    index = time_bar_index(ts, 10 * SECOND)
    cells = footprint(price, qty, sign, index, ticks_per_row=50)
    close = price[index.end_idx - 1]
    got = significant_levels(cells, close, [0], ticks_per_row=50)
    bars = [
        list(
            zip(
                *(getattr(cells, name)[cells.bar_id == bar].tolist()
                  for name in ("price_tick", "bid_lots", "ask_lots", "unsigned_lots")),
                strict=True,
            )
        )
        for bar in index.bar_id
    ]  # fmt: skip
    rows, births = naive.significant_levels(bars, close.tolist(), [0], ticks_per_row=50)
    names = ("level_tick", "level_sign", "level_lots", "n_buy_levels", "n_sell_levels")
    assert list(zip(*(getattr(got, name).tolist() for name in names), strict=True)) == rows
    assert len(got.births) == len(births) > 0
