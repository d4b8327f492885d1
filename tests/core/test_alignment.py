"""The quote strictly before the trade."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import prevailing_quote_idx, quote_at_trade
from orderflow_core.types import QuoteArrays
from tests.core import trade_cases as cases
from tests.naive import alignment as naive


@given(cases.trades(), cases.quotes(), st.integers(0, 6), st.booleans())
def test_join_equals_the_obvious_loop(trades, quotes, lag_ns, inclusive):
    got = prevailing_quote_idx(trades["ts"], quotes.ts_event_ns, lag_ns=lag_ns, inclusive=inclusive)
    assert got.tolist() == naive.prevailing_quote_idx(
        trades["ts"].tolist(), quotes.ts_event_ns.tolist(), lag_ns=lag_ns, inclusive=inclusive
    )
    at_trade = quote_at_trade(trades["ts"], quotes, lag_ns=lag_ns, inclusive=inclusive)
    assert cases.met_rows(at_trade) == naive.quote_at_trade(
        trades["ts"].tolist(), cases.quote_rows(quotes), lag_ns=lag_ns, inclusive=inclusive
    )
    assert not at_trade.bid_ticks[~at_trade.is_known].any()


@given(cases.trades(), cases.quotes(), st.integers(-5, 120))
def test_join_looks_at_no_later_quote(trades, quotes, now):
    past = quotes.ts_event_ns < now
    seen = trades["ts"] <= now
    full = prevailing_quote_idx(trades["ts"], quotes.ts_event_ns)
    prefix = prevailing_quote_idx(trades["ts"][seen], quotes.ts_event_ns[past])
    assert prefix.tolist() == full[seen].tolist()


def test_equal_times_take_the_last_quote_of_an_earlier_time():
    # quotes at 7, 7, 10: a trade at 7 meets none, at 8 the second of 7 (position 1), at 10 still
    # that one (10 is not before 10), at 11 position 2. Inclusive: 1, 1, 2, 2.
    trade_ts, quote_ts = np.array([7, 8, 10, 11]), np.array([7, 7, 10])
    assert prevailing_quote_idx(trade_ts, quote_ts).tolist() == [-1, 1, 1, 2]
    assert prevailing_quote_idx(trade_ts, quote_ts, inclusive=True).tolist() == [1, 1, 2, 2]


def test_lag_moves_the_bound():
    # quotes at 0 and 5, trade at 9. Lag 3: before 6, so 5. Lag 4: before 5, so 0. Lag 9: none.
    for lag_ns, expected in ((3, 1), (4, 0), (8, 0), (9, -1)):
        got = prevailing_quote_idx(np.array([9]), np.array([0, 5]), lag_ns=lag_ns)
        assert got.tolist() == [expected]


def test_no_trades_and_no_quotes():
    nothing = np.empty(0, np.int64)
    assert prevailing_quote_idx(nothing, np.array([1])).tolist() == []
    assert prevailing_quote_idx(np.array([1, 2]), nothing).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"trade_ts_ns": np.array([2, 1])}, ValueError, "trade_ts_ns"),
        ({"quote_ts_ns": np.array([2, 1])}, ValueError, "quote_ts_ns"),
        ({"trade_ts_ns": np.array([1.0])}, TypeError, "trade_ts_ns"),
        ({"lag_ns": -1}, ValueError, "lag_ns"),
        ({"lag_ns": 2**63}, ValueError, "lag_ns"),
        ({"lag_ns": 0.5}, TypeError, "lag_ns"),
        ({"trade_ts_ns": np.array([-(2**63)]), "lag_ns": 1}, ValueError, "leaves int64"),
        ({"trade_ts_ns": np.array([2**63 - 1]), "inclusive": True}, ValueError, "leaves int64"),
    ],
)
def test_errors_name_the_argument(arguments, error, text):
    valid = {"trade_ts_ns": np.array([1]), "quote_ts_ns": np.array([0])}
    with pytest.raises(error, match=text):
        prevailing_quote_idx(**{**valid, **arguments})


def test_quote_columns_must_have_one_length():
    one, two = np.array([1]), np.array([1, 2])
    quotes = QuoteArrays(ts_event_ns=two, bid_ticks=two, bid_lots=two, ask_ticks=two, ask_lots=one)
    with pytest.raises(ValueError, match="ask_lots"):
        quote_at_trade(one, quotes)


def test_read_only_and_strided_input_is_taken():
    trade_ts = np.arange(20)[::2]
    quote_ts = np.arange(10)
    quote_ts.flags.writeable = False
    expected = np.minimum(trade_ts - 1, 9)
    assert prevailing_quote_idx(trade_ts, quote_ts).tolist() == expected.tolist()
