"""Accuracy by the age of the quote."""

import gzip
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import quote_at_trade
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.quote_rules import lee_ready
from orderflow_core.scoring import score_signs
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.types import QuoteArrays
from tests.core import captures
from tests.core import trade_cases as cases
from tests.naive import bulk_volume as naive

MS = 1_000_000
LAGS = [0, MS, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, 500 * MS]


@given(cases.trades(), cases.quotes(), st.sets(st.integers(0, 9), min_size=1, max_size=4))
def test_each_lag_scores_as_by_hand(trades, quotes, lags):
    lags = sorted(lags)
    found = lag_sweep(
        trades["ts"], trades["price"], quotes, trades["sign"], lags, cluster=trades["trade_id"]
    )
    for k, lag in enumerate(lags):
        sign, _ = lee_ready(trades["price"], quote_at_trade(trades["ts"], quotes, lag_ns=lag))
        score = score_signs(sign, trades["sign"], cluster=trades["trade_id"])
        got = (found.accuracy[k], found.low[k], found.high[k])
        np.testing.assert_array_equal(got, (score.accuracy, score.low, score.high))
        assert found.n == score.n
    best = naive.lag_sweep(found.accuracy.tolist())
    assert found.best_lag_ns == (None if best is None else lags[best])
    assert len(found) == len(lags)


def late_quotes():
    # The book moves with each trade and says so 2 ns late: 9/10 before the buy at 10, 10/11 after.
    ts, bid = np.array([0, 12, 22]), np.array([9, 10, 11])
    return QuoteArrays(ts_event_ns=ts, bid_ticks=bid, bid_lots=ts, ask_ticks=bid + 1, ask_lots=ts)


def test_a_late_stamp_needs_its_lag_and_equals_go_to_the_smaller():
    # Buys at 10 and 11, received at 13 and 23, after the quotes that they left behind (12 and 22).
    # Lag 0: 10 against 10/11 and 11 against 11/12: both below the mid: wrong. From lag 1 on
    # (before 12 and 22) 9/10 and 10/11 are met: both right, so the smallest of equals is 1.
    trade_ts, price, truth = np.array([13, 23]), np.array([10, 11]), np.array([1, 1])
    found = lag_sweep(trade_ts, price, late_quotes(), truth, [0, 1, 2])
    assert found.accuracy.tolist() == [0.0, 1.0, 1.0]
    assert found.best_lag_ns == 1
    unknown = lag_sweep(trade_ts, price, late_quotes(), np.zeros(2, np.int8), [0, 1])
    assert (unknown.n, unknown.best_lag_ns) == (0, None)
    assert math.isnan(unknown.low[0])


@pytest.mark.parametrize(
    ("lags", "error", "text"),
    [
        ([], ValueError, "lags_ns must hold at least one"),
        ([1, 1], ValueError, "lags_ns must be strictly increasing"),
        ([2, 1], ValueError, "lags_ns must be strictly increasing"),
        ([-1, 1], ValueError, "lag_ns must be in"),
        ([0.5], TypeError, "lags_ns must hold integers"),
    ],
)
def test_lags_are_checked(lags, error, text):
    with pytest.raises(error, match=text):
        lag_sweep(np.array([13]), np.array([10]), late_quotes(), np.array([1]), lags)


def read_by_receipt(path):
    """Trades (id, receipt, price, sign) and quotes in the order that they were received in."""
    trades, quotes = [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            received, text = line.split(" ", 1)
            data = json.loads(text).get("data", {})
            if data.get("e") == "trade":
                price = captures.steps(data["p"], "0.01")
                trades.append((data["t"], int(received), price, -1 if data["m"] else 1))
            elif "u" in data and "e" not in data:
                sizes = (captures.steps(data[name], "0.00000001") for name in "BA")
                prices = (captures.steps(data[name], "0.01") for name in "ba")
                quotes.append((int(received), *prices, *sizes))
    return np.array(trades, np.int64).T, np.array(quotes, np.int64).T


@pytest.mark.parametrize("name", ["spot/btcusdt_20240809.gz", "spot/ethusdt_20240808.gz"])
def test_spot_quotes_have_no_time_but_a_lag(test_data, name):
    # Spot quotes carry only our receipt, and come before the trades that moved them: without a lag
    # the join meets the quote after the trade.
    (trade_id, received, price, truth), quotes = read_by_receipt(test_data / captures.FOLDER / name)
    quote_ts, bid, ask, bid_size, ask_size = quotes
    quotes = QuoteArrays(
        ts_event_ns=np.maximum.accumulate(quote_ts), bid_ticks=bid, bid_lots=bid_size,
        ask_ticks=ask, ask_lots=ask_size,
    )  # fmt: skip
    received = np.maximum.accumulate(received)
    sweep = assign_sweeps(received, trade_id, price, truth)
    found = lag_sweep(received, price, quotes, truth, LAGS, cluster=sweep)

    assert found.accuracy[0] < 0.60
    assert 5 * MS <= found.best_lag_ns <= 100 * MS
    best = LAGS.index(found.best_lag_ns)
    assert found.accuracy[best] > 0.97
    assert found.low[best] > found.high[0]
    assert found.accuracy[-1] < found.accuracy[best]


@pytest.mark.parametrize("name", ["usdm/btcusdt_20240719.gz", "cm/btcusd_perp_20240809.gz"])
def test_futures_quotes_need_no_lag(test_data, name):
    trades, quotes, _, _ = captures.read_capture(test_data / captures.FOLDER / name)
    _, ts, price, _, truth = trades
    _, quote_ts, bid, bid_size, ask, ask_size = quotes
    quotes = QuoteArrays(
        ts_event_ns=quote_ts, bid_ticks=bid, bid_lots=bid_size, ask_ticks=ask, ask_lots=ask_size
    )
    found = lag_sweep(ts, price, quotes, truth, LAGS)
    assert found.best_lag_ns == 0
    assert found.accuracy[0] >= 0.995
    assert found.accuracy[-1] < found.accuracy[0]
