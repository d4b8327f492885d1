"""The quote strictly before the trade."""

from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import (
    continue_quote_at_trade,
    prevailing_quote_idx,
    quote_at_trade,
)
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


def quotes_between(quotes, first, end):
    return QuoteArrays(**{f.name: getattr(quotes, f.name)[first:end] for f in fields(QuoteArrays)})


@given(st.data(), cases.trades(), cases.quotes(), st.integers(0, 6))
def test_chunks_equal_the_whole(data, trades, quotes, lag_ns):
    # Each chunk brings the quotes before its last trade, or more of them.
    ts, whole = trades["ts"], quote_at_trade(trades["ts"], quotes, lag_ns=lag_ns)
    state, parts, given_quotes = None, [], 0
    for first, end in pairwise(data.draw(cases.cuts(len(ts)))):
        needed = int(np.searchsorted(quotes.ts_event_ns, ts[end - 1] - lag_ns)) if end else 0
        up_to = data.draw(st.integers(max(needed, given_quotes), len(quotes)))
        chunk = quotes_between(quotes, given_quotes, up_to)
        part, state = continue_quote_at_trade(state, ts[first:end], chunk, lag_ns=lag_ns)
        parts, given_quotes = [*parts, part], up_to
        is_ahead = quotes.ts_event_ns[:up_to] >= (ts[end - 1] - lag_ns if end else -(2**62))
        assert len(state.quotes) <= is_ahead.sum() + 1
    for field in fields(whole):
        got = np.concatenate([getattr(part, field.name) for part in parts])
        assert got.tobytes() == getattr(whole, field.name).tobytes()


def test_what_comes_too_late_is_refused():
    quotes = QuoteArrays(**{f.name: np.array([3, 5]) for f in fields(QuoteArrays)})
    _, state = continue_quote_at_trade(None, np.array([6]), quotes, lag_ns=2)
    assert state.quotes.ts_event_ns.tolist() == [3, 5]
    later = QuoteArrays(**{f.name: np.array([9, 9]) for f in fields(QuoteArrays)})
    early = QuoteArrays(**{f.name: np.array([3, 4]) for f in fields(QuoteArrays)})
    with pytest.raises(ValueError, match="trade_ts_ns must be non-decreasing, got 5 after 6"):
        continue_quote_at_trade(state, np.array([5]), later, lag_ns=2)
    with pytest.raises(ValueError, match=r"quotes\.ts_event_ns must not lie before 4"):
        continue_quote_at_trade(state, np.array([9]), early, lag_ns=2)
    with pytest.raises(ValueError, match="lag_ns must stay 2"):
        continue_quote_at_trade(state, np.array([9]), later)
    floats = replace(later, ask_lots=np.array([1.5, 2.5]))
    with pytest.raises(TypeError, match=r"quotes\.ask_lots"):
        continue_quote_at_trade(state, np.array([9]), floats, lag_ns=2)


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
