"""Absorption, divergence and their hit rates on recorded trades."""

import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from orderflow_core.absorption import (
    BarAbsorptionRule,
    bar_absorption,
    continue_bar_absorption,
)
from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.divergence import continue_pivot_divergence, pivot_divergence
from orderflow_core.null_tests import future_moves, hit_rate
from orderflow_core.price_absorption import (
    PriceAbsorptionRule,
    continue_price_absorption,
    price_absorption,
)
from tests.core import closed_bar_cases
from tests.core.captures import FOLDER, read_capture
from tests.core.feature_streams import emini_stream
from tests.naive import absorption as naive

SECOND = 1_000_000_000
JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
needs_jit = pytest.mark.skipif(JIT_OFF, reason="too many trades for interpreted kernels")
PRICE_NAMES = ("lots", "size_lots", "sign", "is_onset")


@pytest.fixture(scope="module")
def emini_bars(test_data):
    """Bars of 10 s of the first 100,000 E-mini trades, in two sessions; the tick rule's side."""
    stream = emini_stream(test_data)
    opens = int(stream.session_start_idx[1])
    parts, starts = [], []
    for part in (stream.trades.slice(0, opens), stream.trades.slice(opens, len(stream.trades))):
        index = time_bar_index(part.ts_event_ns, 10 * SECOND)
        starts.append(sum(len(bars) for bars in parts))
        parts.append(aggregate_bars(part.price_ticks, part.qty_lots, part.sign, index))
    names = {"open": "open_ticks", "high": "high_ticks", "low": "low_ticks", "close": "close_ticks"}
    names |= {"volume": "volume_lots", "delta": "delta_lots"}
    bars = {k: np.concatenate([getattr(p, name) for p in parts]) for k, name in names.items()}
    return {**bars, "cvd": np.cumsum(bars["delta"]), "starts": np.array(starts)}


@needs_jit
def test_columns_of_real_bars_need_no_later_bar(emini_bars):
    bars, rule = emini_bars, BarAbsorptionRule(n_windows=120)
    inputs = [bars[name] for name in ("open", "close", "volume", "delta")]
    whole = bar_absorption(*inputs, bars["starts"], rule=rule)
    pivots = pivot_divergence(bars["high"], bars["low"], bars["cvd"], bars["starts"], width=3)
    n = len(whole)
    assert whole.is_absorbed.any()
    assert (pivots.sign != 0).any()
    edges = [0, *np.sort(np.random.default_rng(1).integers(0, n, 50)).tolist(), n]
    parts = closed_bar_cases.in_chunks(
        lambda state, columns, starts: continue_bar_absorption(state, *columns, starts, rule=rule),
        inputs,
        bars["starts"],
        edges,
    )
    assert closed_bar_cases.same_bits(whole, parts, ("z", "is_absorbed", "sign"))
    parts = closed_bar_cases.in_chunks(
        lambda state, columns, starts: continue_pivot_divergence(state, *columns, starts, width=3),
        [bars[name] for name in ("high", "low", "cvd")],
        bars["starts"],
        edges,
    )
    assert closed_bar_cases.same_bits(pivots, parts, ("is_bearish", "is_bullish"))
    for now in edges[1:-1:7]:
        prefix = bar_absorption(
            *(column[:now] for column in inputs), bars["starts"][bars["starts"] < now], rule=rule
        )
        assert prefix.z.tobytes() == whole.z[:now].tobytes()


@needs_jit
def test_betting_against_the_last_move_earns_the_bounce(emini_bars):
    # Two ticks are reached by the bounce between bid and ask more often against a bar's move than
    # at random: a figure that absorption and divergence must be held against.
    bars = emini_bars
    moves = future_moves(
        bars["high"],
        bars["low"],
        bars["close"],
        bars["starts"],
        n_bars=10,
        target_ticks=2,
        stop_ticks=2,
    )
    fade = hit_rate(-np.sign(bars["close"] - bars["open"]), moves)
    assert fade.hits.low > fade.null_high
    assert fade.p_more < 0.001
    absorbed = bar_absorption(
        *(bars[name] for name in ("open", "close", "volume", "delta")),
        bars["starts"],
        rule=BarAbsorptionRule(n_windows=120),
    )
    found = hit_rate(absorbed.sign, moves)
    assert found.hits.n > 30
    assert found.p_more > 0.05  # no skill found here


@needs_jit
def test_price_absorption_of_a_capture(test_data):
    ts, price, qty, sign = read_capture(test_data / FOLDER / "usdm/btcusdt_20240719.gz")[0][1:]
    rule = PriceAbsorptionRule(window_ns=SECOND, lookback_ns=60 * SECOND, multiplier=3.0)
    whole = price_absorption(ts, price, qty, sign, [0], rule=rule)
    # The unit of the sizes does not matter, not even where their squares pass int64.
    finer = price_absorption(ts, price, qty * 10_000, sign, [0], rule=rule)
    assert int(qty.max() * 10_000) ** 2 > 2**63
    assert finer.sign.tobytes() == whole.sign.tobytes()
    assert 3 < whole.is_onset.sum() < 0.05 * len(ts)
    edges = [0, *np.sort(np.random.default_rng(2).integers(0, len(ts), 60)).tolist(), len(ts)]
    parts = closed_bar_cases.in_chunks(
        lambda state, columns, starts: continue_price_absorption(
            state, *columns, starts, rule=rule
        ),
        [ts, price, qty, sign],
        np.array([0]),
        edges,
    )
    assert closed_bar_cases.same_bits(whole, parts, PRICE_NAMES)
    for now in edges[1:-1:12]:
        prefix = price_absorption(
            ts[:now], price[:now], qty[:now], sign[:now], [0][:now], rule=rule
        )
        assert prefix.size_lots.tobytes() == whole.size_lots[:now].tobytes()
        assert prefix.sign.tobytes() == whole.sign[:now].tobytes()


def test_price_absorption_of_a_capture_equals_the_loop(test_data):
    rows = read_capture(test_data / FOLDER / "usdm/btcusdt_20230404.dat.gz")[0][1:, :400]
    window = 500_000_000
    rule = PriceAbsorptionRule(
        window_ns=window, lookback_ns=10 * window, multiplier=1.0, least_cells=5
    )
    found = price_absorption(*rows, [0], rule=rule)
    expected = naive.price_absorption(
        *(row.tolist() for row in rows),
        [0],
        window=window,
        lookback=10 * window,
        multiplier=1.0,
        least=5,
    )
    assert found.lots.tolist() == [row[0] for row in expected]
    sizes = [np.nan if row[1] is None else row[1] for row in expected]
    np.testing.assert_allclose(found.size_lots, sizes, rtol=1e-9)
    assert np.isfinite(found.size_lots).sum() > 50
    assert found.sign.tolist() == [row[2] for row in expected]
    assert found.is_onset.tolist() == [row[3] for row in expected]


@needs_jit
def test_nothing_looks_across_the_holes_of_the_xrp_runs(test_data):
    # Runs of consecutive ids with trades missing between them: each run alone gives the same.
    path = test_data / "trades_xrpusdt_ska/XRPUSDT_trades.parquet"
    table = pq.read_table(
        path, columns=["trade_id", "ts_ms", "price", "quantity", "is_buyer_maker"]
    )
    table = table.slice(0, 40_000)
    trade_id, ts, price, qty, is_maker = (column.to_numpy() for column in table.columns)
    columns = [
        ts * 1_000_000,
        np.rint(price * 1e4).astype(np.int64),
        np.rint(qty * 10).astype(np.int64),
        np.where(is_maker, -1, 1).astype(np.int8),
    ]
    starts = np.r_[0, np.flatnonzero(np.diff(trade_id) != 1) + 1]
    assert len(starts) > 5
    rule = PriceAbsorptionRule(window_ns=10 * SECOND, lookback_ns=300 * SECOND, multiplier=3.0)
    whole = price_absorption(*columns, starts, rule=rule)
    assert whole.is_onset.sum() > 5
    alone = [
        price_absorption(*(column[first:end] for column in columns), [0], rule=rule)
        for first, end in zip(starts, [*starts[1:], len(trade_id)], strict=True)
    ]
    assert closed_bar_cases.same_bits(whole, alone, PRICE_NAMES)
    # The size is missing for the look back of each run, and no longer.
    since = ts - ts[starts[np.searchsorted(starts, np.arange(len(ts)), side="right") - 1]]
    assert np.isnan(whole.size_lots[since < 290_000]).all()
    assert np.isfinite(whole.size_lots[since > 310_000]).all()
