"""Effective and realised spread, price impact."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import quote_at_trade
from orderflow_core.rolling_spreads import continue_rolling_spreads, rolling_spreads
from orderflow_core.spreads import (
    effective_half_spread,
    spread_outcomes,
    twice_mid,
)
from orderflow_core.types import QuoteArrays
from tests.core import trade_cases as cases
from tests.naive import spreads as naive

FIRST = np.array([0])
NAMES = ("effective_half_spread_ticks", "realised_half_spread_ticks", "price_impact_ticks")


def twice_mids(at_trade):
    """Twice the mid that each trade met, None without one."""
    return [
        None if met is None or met[0] > met[2] else met[0] + met[2]
        for met in cases.met_rows(at_trade)
    ]


def columns_of(spreads):
    return np.array([getattr(spreads, name) for name in NAMES])


@given(cases.trades(), cases.quotes())
def test_effective_equals_the_obvious_loop(trades, quotes):
    met = quote_at_trade(trades["ts"], quotes)
    got = effective_half_spread(trades["price"], trades["sign"], met)
    rows = naive.effective_half_spread(
        trades["price"].tolist(), trades["sign"].tolist(), twice_mids(met)
    )
    assert np.array_equal(got, rows, equal_nan=True)
    mid2, is_known = twice_mid(met)
    expected = [0 if mid is None else mid for mid in twice_mids(met)]
    assert mid2.tolist() == expected
    assert is_known.tolist() == [mid is not None for mid in twice_mids(met)]


@given(cases.trades(), cases.quotes(), st.integers(1, 6), st.integers(0, 3))
def test_outcomes_equal_the_obvious_loop(trades, quotes, horizon, lag):
    got = spread_outcomes(
        trades["ts"], trades["price"], trades["sign"], quotes, horizon_ns=horizon, lag_ns=lag
    )
    rows = naive.spread_outcomes(
        trades["ts"].tolist(),
        trades["price"].tolist(),
        trades["sign"].tolist(),
        cases.quote_rows(quotes),
        horizon,
        lag,
    )
    pairs = np.column_stack((got.realised_half_spread_ticks, got.price_impact_ticks))
    assert np.array_equal(pairs, np.array(rows).reshape(-1, 2), equal_nan=True)
    assert (got.known_ns == trades["ts"] + horizon).all()


@given(cases.trades(), cases.quotes(), st.data())
def test_a_longer_recording_only_fills_in_outcomes(trades, quotes, data):
    n = data.draw(st.integers(0, len(quotes)))
    short = QuoteArrays(
        **{name: getattr(quotes, name)[:n] for name in QuoteArrays.__dataclass_fields__}
    )
    arrays = (trades["ts"], trades["price"], trades["sign"])
    early = spread_outcomes(*arrays, short, horizon_ns=4).realised_half_spread_ticks
    late = spread_outcomes(*arrays, quotes, horizon_ns=4)
    is_known = ~np.isnan(early)
    assert (early[is_known] == late.realised_half_spread_ticks[is_known]).all()
    # Nothing is known before its time: the last quote of the short recording is at or after it.
    if is_known.any():
        assert late.known_ns[is_known].max() <= short.ts_event_ns[-1]


@given(cases.trades(), cases.quotes(), st.integers(1, 12), st.integers(1, 8))
def test_rolling_equals_the_obvious_loop(trades, quotes, window, horizon):
    met = quote_at_trade(trades["ts"], quotes)
    got = rolling_spreads(
        trades["ts"],
        trades["price"],
        trades["sign"],
        met,
        trades["starts"],
        window_ns=window,
        horizon_ns=horizon,
    )
    rows = naive.rolling_spreads(
        trades["ts"].tolist(),
        trades["price"].tolist(),
        trades["sign"].tolist(),
        twice_mids(met),
        trades["starts"].tolist(),
        window,
        horizon,
    )
    assert np.array_equal(columns_of(got).T, np.array(rows).reshape(-1, 3), equal_nan=True)


@given(st.data(), cases.trades(), cases.quotes(), st.integers(1, 12), st.integers(1, 8))
def test_chunks_equal_the_whole_and_prefixes_are_final(data, trades, quotes, window, horizon):
    met = quote_at_trade(trades["ts"], quotes)
    rule = {"window_ns": window, "horizon_ns": horizon}
    arrays = (trades["ts"], trades["price"], trades["sign"])
    whole = columns_of(rolling_spreads(*arrays, met, trades["starts"], **rule))
    state, parts = None, []
    for first, end in pairwise(data.draw(cases.cuts(len(trades["ts"])))):
        inner, opens = cases.starts_within(trades["starts"], first, end)
        chunk = (*(column[first:end] for column in arrays), cases.part(met, first, end))
        part, state = continue_rolling_spreads(None if opens else state, *chunk, inner, **rule)
        parts.append(columns_of(part))
        prefix = np.concatenate(parts, axis=1)
        assert prefix.tobytes() == whole[:, : prefix.shape[1]].tobytes()


def test_one_trade_by_hand():
    # A buy at 12 met 10 to 12 (mid 11): effective 1. A second later 12 to 14 (mid 13): realised
    # 12 - 13 = -1, impact 13 - 11 = 2, and 1 = -1 + 2. The quote of the outcome's own time (5 + 10)
    # is after it and proves that none is missing.
    quotes = QuoteArrays(
        ts_event_ns=np.array([0, 14, 15]),
        bid_ticks=np.array([10, 12, 50]),
        bid_lots=np.array([1, 1, 1]),
        ask_ticks=np.array([12, 14, 52]),
        ask_lots=np.array([1, 1, 1]),
    )
    trade = (np.array([5]), np.array([12]), np.array([1]))
    got = spread_outcomes(*trade, quotes, horizon_ns=10)
    assert (got.realised_half_spread_ticks[0], got.price_impact_ticks[0]) == (-1.0, 2.0)
    assert got.known_ns.tolist() == [15]
    assert np.isnan(spread_outcomes(*trade, quotes, horizon_ns=11).price_impact_ticks[0])
    assert effective_half_spread(*trade[1:], quote_at_trade(trade[0], quotes)).tolist() == [1.0]


def test_a_window_by_hand():
    # Window and horizon 10. Time 0: buy at 12, mid 11: effective 1. Time 10: sell at 12, mid 13:
    # effective 1; the buy has left, and is settled here: 12 - 13 = -1, 13 - 11 = 2. Time 19: no sign.
    met = cases.known_quotes([10, 12, 10], [12, 14, 12])
    got = rolling_spreads(
        [0, 10, 19], [12, 12, 11], [1, -1, 0], met, FIRST, window_ns=10, horizon_ns=10
    )
    assert columns_of(got).tolist()[0] == [1.0, 1.0, 1.0]
    assert np.isnan(columns_of(got)[1:, 0]).all()
    assert columns_of(got)[1:, 1:].tolist() == [[-1.0, -1.0], [2.0, 2.0]]


@pytest.mark.parametrize(("is_known", "sign"), [(False, 1), (True, 0)])
def test_trades_that_cost_nothing_known_do_not_fill_the_memory(is_known, sign):
    # No quote ever settles them, or they have no side: none of them has an outcome to wait for.
    state, n = None, 500
    for first in range(0, 20 * n, n):
        met = cases.known_quotes([10] * n, [12] * n, [is_known] * n)
        ts, price = np.arange(first, first + n), np.full(n, 11)
        got, state = continue_rolling_spreads(
            state, ts, price, np.full(n, sign), met, FIRST, window_ns=50, horizon_ns=20
        )
        assert np.isnan(columns_of(got)).all()
    assert len(state.window) <= 51


def test_nothing_and_errors():
    none = cases.known_quotes([], [])
    rule = {"window_ns": 5, "horizon_ns": 5}
    got, state = continue_rolling_spreads(None, [], [], [], none, [], **rule)
    assert (len(got.price_impact_ticks), state) == (0, None)
    one, met = np.array([1]), cases.known_quotes([10], [12])
    with pytest.raises(ValueError, match="window_ns must be positive"):
        rolling_spreads(one, one, one, met, FIRST, window_ns=0, horizon_ns=1)
    with pytest.raises(ValueError, match=r"window_ns must be below 2\*\*63, got 1180"):
        rolling_spreads(one, one, one, met, FIRST, window_ns=2**70, horizon_ns=1)
    with pytest.raises(ValueError, match=r"trade_ts_ns must lie within 2\*\*62, got 46"):
        rolling_spreads(one * 2**62, one, one, met, FIRST, **rule)
    with pytest.raises(ValueError, match="horizon_ns must be positive"):
        rolling_spreads(one, one, one, met, FIRST, window_ns=1, horizon_ns=-1)
    with pytest.raises(ValueError, match=r"price_ticks must lie within 2\*\*40"):
        effective_half_spread(one * 2**41, one, met)
    with pytest.raises(ValueError, match=r"at_trade.ask_ticks must lie within 2\*\*40"):
        effective_half_spread(one, one, cases.known_quotes([10], [2**41]))
    with pytest.raises(ValueError, match="sign must be in"):
        effective_half_spread(one, one * 2, met)
    _, state = continue_rolling_spreads(None, one, one, one, met, FIRST, **rule)
    with pytest.raises(ValueError, match="trade_ts_ns must be non-decreasing, got 0 after 1"):
        continue_rolling_spreads(state, one - 1, one, one, met, FIRST, **rule)
    nothing = np.empty(0, np.int64)
    quotes = QuoteArrays(**dict.fromkeys(QuoteArrays.__dataclass_fields__, nothing))
    with pytest.raises(ValueError, match="leads beyond int64"):
        spread_outcomes(one, one, one, quotes, horizon_ns=2**63 - 1)
    assert np.isnan(spread_outcomes(one, one, one, quotes, horizon_ns=1).price_impact_ticks[0])
