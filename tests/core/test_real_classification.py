"""Rules against the true aggressor on recorded Binance trades.

The bounds are the product's claims: Lee-Ready with the quote strictly before the trade finds at least
99.5 % on every futures file; the inclusive join, on the same rows, is a different and worse rule.
"""

import numpy as np
import pytest
import wickra

from orderflow_core.alignment import quote_at_trade
from orderflow_core.delta import cumulative_delta
from orderflow_core.quote_rules import lee_ready
from orderflow_core.scoring import score_signs
from orderflow_core.sweeps import assign_sweeps, sweep_bounds
from orderflow_core.tick_rules import tick_rule
from orderflow_core.types import QuoteArrays
from tests.core import captures

MS = 1_000_000
# Millisecond bursts in which the quote of the trade's own time is mostly the one it left behind.
BURSTS = ("20240719", "20240808", "20240809")


def load(test_data, name):
    trades, quotes, n_trades_back, n_quotes_back = captures.read_capture(
        test_data / captures.FOLDER / name
    )
    assert (n_trades_back, n_quotes_back) == (0, 0)  # none of these files runs back in time
    if quotes is not None:
        quotes = QuoteArrays(
            ts_event_ns=quotes[1],
            bid_ticks=quotes[2],
            bid_lots=quotes[3],
            ask_ticks=quotes[4],
            ask_lots=quotes[5],
        )
    return trades, quotes


def true_sweeps(name, trades):
    trade_id, ts, price, _, true_sign = trades
    return assign_sweeps(
        ts, trade_id, price, true_sign, max_id_step=2 if name.startswith("usdm") else 1
    )


@pytest.mark.parametrize("name", captures.FUTURES)
def test_strict_join_finds_the_aggressor_and_the_inclusive_one_does_not(test_data, name):
    (_, ts, price, _, true_sign), quotes = load(test_data, name)
    accuracy = {}
    for inclusive in (False, True):
        at_trade = quote_at_trade(ts, quotes, inclusive=inclusive)
        sign, _ = lee_ready(price, at_trade)
        accuracy[inclusive] = score_signs(sign, true_sign).accuracy
    assert accuracy[False] >= 0.995
    assert accuracy[True] < accuracy[False]
    if any(day in name for day in BURSTS):
        assert accuracy[True] < 0.80


@pytest.mark.parametrize("name", captures.FUTURES)
def test_older_quotes_find_less(test_data, name):
    (_, ts, price, _, true_sign), quotes = load(test_data, name)
    by_lag = [
        score_signs(lee_ready(price, quote_at_trade(ts, quotes, lag_ns=lag))[0], true_sign).accuracy
        for lag in (0, 50 * MS, 500 * MS)
    ]
    assert by_lag[0] >= by_lag[1] > by_lag[2] > 0.6  # in one quiet file 50 ms cost nothing


@pytest.mark.parametrize("name", captures.FUTURES + captures.SPOT)
def test_tick_rule_per_fill_and_per_sweep(test_data, name):
    trades, _ = load(test_data, name)
    true_sign = trades[4]
    sign, _ = tick_rule(trades[2])
    sweep = true_sweeps(name, trades)
    first, _ = sweep_bounds(sweep)
    fills = score_signs(sign, true_sign, cluster=sweep)
    sweeps = score_signs(sign[first], true_sign[first])
    by_fill, by_sweep = (
        ((0.78, 0.84), (0.73, 0.78)) if "cm/" in name else ((0.94, 0.99), (0.89, 0.98))
    )
    assert by_fill[0] <= round(fills.accuracy, 2) <= by_fill[1]
    assert by_sweep[0] <= round(sweeps.accuracy, 2) <= by_sweep[1]
    # Runs of fills flatter the rule, and make the interval of independent fills too narrow.
    assert sweeps.accuracy < fills.accuracy
    blind = score_signs(sign, true_sign)
    assert fills.high - fills.low > blind.high - blind.low


@pytest.mark.parametrize("name", captures.FUTURES + captures.SPOT)
def test_cumulative_delta_equals_wickra(test_data, name):
    (_, _, price, qty, true_sign), _ = load(test_data, name)
    ours = cumulative_delta(true_sign, qty, np.array([0]))
    # Whole lots below 2**53: wickra's float sums are exact, so equality is.
    theirs = wickra.CumulativeVolumeDelta().batch(
        price.astype(np.float64), qty.astype(np.float64), true_sign > 0
    )
    assert np.abs(ours).max() < 2**53
    assert ours.tolist() == np.asarray(theirs).tolist()


def test_sweeps_put_fills_of_one_time_together(test_data):
    trades, _ = load(test_data, "usdm/btcusdt_20240719.gz")
    sweep = true_sweeps("usdm/btcusdt_20240719.gz", trades)
    first, end = sweep_bounds(sweep)
    assert (len(trades[0]), len(first)) == (9727, 3147)
    assert (trades[1][first] == trades[1][end - 1]).all()
    assert (trades[4][first] == trades[4][end - 1]).all()
