"""Rules that look at the quote, and the join that signs as it goes."""

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core import quote_rules, row_ranges, tick_rules
from orderflow_core.alignment import quote_at_trade
from orderflow_core.quote_rules import (
    clnv,
    depth_rule,
    emo,
    lee_ready,
    lee_ready_joined,
    quote_rule,
    trade_size_rule,
)
from orderflow_core.tick_rules import reverse_tick_rule, tick_rule
from orderflow_core.types import QuoteArrays, QuoteAtTrade
from tests.core import trade_cases as cases
from tests.naive import classify as naive


def met(bid, bid_lots, ask, ask_lots):
    """A known quote for each trade, from four lists."""
    columns = (np.array(column, np.int64) for column in (bid, bid_lots, ask, ask_lots))
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    return QuoteAtTrade(
        **dict(zip(names, columns, strict=True)), is_known=np.ones(len(bid), np.bool_)
    )


@given(cases.trades(), cases.quotes())
def test_rules_equal_the_obvious_loops(trades, quotes):
    at_trade = quote_at_trade(trades["ts"], quotes)
    price, rows = trades["price"].tolist(), cases.met_rows(at_trade)
    assert emo(trades["price"], at_trade)[0].tolist() == naive.emo(price, rows)
    assert clnv(trades["price"], at_trade)[0].tolist() == naive.clnv(price, rows)
    assert depth_rule(trades["price"], at_trade).tolist() == naive.depth_rule(price, rows)
    size = trade_size_rule(trades["qty"], at_trade)
    assert size.tolist() == naive.trade_size_rule(trades["qty"].tolist(), rows)
    reverse = reverse_tick_rule(trades["price"])
    assert (reverse.sign.tolist(), reverse.known_idx.tolist()) == naive.reverse_tick_rule(price)


@pytest.fixture
def short_segments(monkeypatch):
    # What is cut for threads in long inputs is cut here after every few trades.
    monkeypatch.setattr(tick_rules, "_SEGMENT_TRADES", 3)
    monkeypatch.setattr(quote_rules, "_RANGE_TRADES", 5)
    monkeypatch.setattr(quote_rules, "_FEW_TRADES", 3)


def test_few_trades_wake_no_threads(monkeypatch):
    # A thread takes longer to begin than a few trades take, also where sessions begin in them.
    def refused(*arguments):
        raise AssertionError("threads for a handful of trades")

    monkeypatch.setattr(row_ranges, "Thread", refused)
    price = np.array([10, 11, 12, 13])
    assert tick_rule(price, session_start_idx=np.array([0, 2]))[0].tolist() == [0, 1, 0, 1]
    quotes = QuoteArrays(
        ts_event_ns=price, bid_ticks=price, bid_lots=price, ask_ticks=price + 4, ask_lots=price
    )
    # Each trade at ts = price = p meets the quote p - 1 / p + 3, mid p + 1: a sell; none before the first.
    assert lee_ready_joined(price, price, quotes)[0].tolist() == [0, -1, -1, -1]


@pytest.mark.usefixtures("short_segments")
@given(st.data(), cases.trades(), cases.quotes(), st.integers(0, 6))
def test_the_join_that_signs_equals_join_and_rule(data, trades, quotes, lag_ns):
    price, ts = trades["price"], trades["ts"]
    expected = lee_ready(price, quote_at_trade(ts, quotes, lag_ns=lag_ns))
    got = lee_ready_joined(ts, price, quotes, lag_ns=lag_ns)
    assert got[0].tobytes() == expected[0].tobytes()
    assert got[1] == expected[1]
    state, parts = None, []
    for first, end in pairwise(data.draw(cases.cuts(len(price)))):
        sign, state = lee_ready_joined(
            ts[first:end], price[first:end], quotes, state, lag_ns=lag_ns
        )
        parts.append(sign)
    assert np.concatenate(parts).tobytes() == got[0].tobytes()
    assert state == got[1]


@pytest.mark.usefixtures("short_segments")
@given(cases.trades())
def test_segments_of_the_tick_rule_know_what_came_before(trades):
    starts = trades["starts"]
    got, _ = tick_rule(trades["price"], session_start_idx=starts)
    expected = []
    for first, end in pairwise([*starts.tolist(), len(got)]):
        expected += naive.tick_rule(trades["price"][first:end].tolist())
    assert got.tolist() == expected


def test_signs_are_written_over_the_callers_array():
    price, at = np.array([10, 11, 11]), np.array([1, 2, 3])
    quotes = QuoteArrays(ts_event_ns=at, bid_ticks=at, bid_lots=at, ask_ticks=at, ask_lots=at)
    for sign_all in (
        lambda out: tick_rule(price, out=out),
        lambda out: lee_ready_joined(at, price, quotes, out=out),
    ):
        room = np.full(3, 7, np.int8)
        sign, _ = sign_all(room)
        assert sign is room
        assert sign.tolist() == sign_all(None)[0].tolist()
        for wrong in (np.zeros(3, np.int64), np.zeros(2, np.int8), np.zeros(6, np.int8)[::2]):
            with pytest.raises(ValueError, match="out must be"):
                sign_all(wrong)
        with pytest.raises(ValueError, match="out must not share memory with"):
            sign_all(price.view(np.int8)[:3])
    with pytest.raises(ValueError, match="out must not share memory with trade_ts_ns"):
        lee_ready_joined(at, price, quotes, out=at.view(np.int8)[:3])


@pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many trades for interpreted kernels"
)
def test_long_input_joins_as_a_binary_search_does():
    # Longer than a block (8,192) and a range (65,536), with more than four quotes between trades.
    rng = np.random.default_rng(5)
    ts, quote_ts = np.sort(rng.integers(0, 50_000, (2, 150_001)), axis=1)
    ts = ts[:110_001]
    bid = rng.integers(97, 102, len(quote_ts))
    ask = bid + rng.integers(-1, 4, len(quote_ts))
    price = rng.integers(96, 105, len(ts))
    idx = np.searchsorted(quote_ts, ts, side="left") - 1
    at_trade = cases.known_quotes(bid[idx], ask[idx], idx >= 0)
    quotes = QuoteArrays(
        ts_event_ns=quote_ts, bid_ticks=bid, bid_lots=bid, ask_ticks=ask, ask_lots=ask
    )
    expected = lee_ready(price, at_trade)
    got = lee_ready_joined(ts, price, quotes)
    assert got[0].tobytes() == expected[0].tobytes()
    assert got[1] == expected[1]


def test_emo_at_the_touch_inside_locked_and_crossed():
    # bid 10 ask 12: 12 buy, 10 sell; 11 inside: tick rule, up from 10: +1. Locked 11/11, 11 again:
    # tick rule, zero uptick +1. Crossed 12/10, price 10: tick rule, down: -1; outside at 13: up, +1.
    price = np.array([12, 10, 11, 11, 10, 13])
    at_trade = cases.known_quotes([10, 10, 10, 11, 12, 10], [12, 12, 12, 11, 10, 12])
    assert emo(price, at_trade)[0].tolist() == [1, -1, 1, 1, -1, 1]


def test_clnv_bounds_are_included():
    # bid 100, ask 110, s = 10, 0.3 s = 3: sells 100..103, buys 107..110, between and outside the
    # tick rule. 103 sell; 104 tick rule, up: +1; 106 up: +1; 105 down: -1; 107 buy; 110 buy;
    # 111 up: +1; 99 down: -1.
    price = np.array([103, 104, 106, 105, 107, 110, 111, 99])
    at_trade = cases.known_quotes([100] * 8, [110] * 8)
    assert clnv(price, at_trade)[0].tolist() == [-1, 1, 1, -1, 1, 1, 1, -1]
    # A spread of one tick: 0.3 ticks from the ask there is the ask alone. Locked: the tick rule.
    narrow = cases.known_quotes([10, 10, 10], [11, 11, 10])
    assert clnv(np.array([11, 10, 10]), narrow)[0].tolist() == [1, -1, -1]


def test_depth_at_the_mid_only():
    # Mid 11. More offered than bid: +1; less: -1; equal: 0; not at the mid: 0; locked: its own mid;
    # crossed 12/10: 0 though 11 lies halfway.
    at_trade = met(
        [10, 10, 10, 10, 11, 12], [3, 5, 4, 3, 3, 3], [12, 12, 12, 12, 11, 10], [5, 3, 4, 5, 5, 5]
    )
    assert depth_rule(np.array([11, 11, 11, 12, 11, 11]), at_trade).tolist() == [1, -1, 0, 0, 1, 0]


def test_trade_size_equals_one_side():
    # Bid shows 3, ask 5: 3 lots buy, 5 lots sell, 4 neither. Both show 3: 3 lots say nothing.
    at_trade = met([10] * 4, [3, 3, 3, 3], [11] * 4, [5, 5, 5, 3])
    assert trade_size_rule(np.array([3, 5, 4, 3]), at_trade).tolist() == [1, -1, 0, 0]


def test_reverse_tick_tells_when_it_was_known():
    # 10, 10 -> 9 at position 2: both came down later: buys, known at 2. 9 -> 12: sell, known at 3.
    # 12 ends the session: unknown, though 11 follows in the next one; 11, 11: nothing follows.
    got = reverse_tick_rule(np.array([10, 10, 9, 12, 11, 11]), session_start_idx=np.array([0, 4]))
    assert got.sign.tolist() == [1, 1, -1, 0, 0, 0]
    assert got.known_idx.tolist() == [2, 2, 3, -1, -1, -1]
    assert len(got) == 6
    assert len(reverse_tick_rule(np.array([]))) == 0


def test_rules_of_nothing_and_of_one_trade():
    none = cases.known_quotes([], [])
    for rule in (quote_rule, depth_rule, trade_size_rule):
        assert rule(np.array([]), none).tolist() == []
    for rule in (lee_ready, emo, clnv):
        assert rule(np.array([]), none)[0].tolist() == []
        assert rule(np.array([11]), cases.known_quotes([10], [12]))[0].tolist() == [0]


def joined(**changed):
    ones = np.ones(2, np.int64)
    quotes = {"ts_event_ns": np.array([0, 1]), "bid_ticks": ones, "ask_ticks": ones + 1}
    arguments = {"trade_ts_ns": np.array([3, 4]), "price_ticks": ones, "lag_ns": 0}
    for name, value in changed.items():
        (arguments if name in arguments else quotes)[name] = value
    return lee_ready_joined(quotes=QuoteArrays(bid_lots=ones, ask_lots=ones, **quotes), **arguments)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"trade_ts_ns": np.array([4, 3])}, ValueError, "trade_ts_ns must be non-decreasing"),
        ({"ts_event_ns": np.array([1, 0])}, ValueError, "quote_ts_ns must be non-decreasing"),
        ({"ts_event_ns": np.array([9, 8])}, ValueError, "quote_ts_ns must be non-decreasing"),
        ({"trade_ts_ns": np.array([4])}, ValueError, "one length"),
        ({"ask_ticks": np.array([4])}, ValueError, "one length"),
        ({"price_ticks": np.array([1, 2**62])}, ValueError, "price_ticks may overflow"),
        ({"bid_ticks": np.array([1, -(2**63)])}, ValueError, "bid_ticks may overflow"),
        ({"ask_ticks": np.array([1, 2**62])}, ValueError, "ask_ticks may overflow"),
        ({"price_ticks": np.array([1.0, 2.0])}, TypeError, "price_ticks"),
        ({"lag_ns": -1}, ValueError, "lag_ns"),
    ],
)
def test_errors_of_the_join_that_signs(changed, error, text):
    joined()
    # Uncompiled, numbers that wrap would warn before the check that follows upon the join.
    with np.errstate(over="ignore"), pytest.raises(error, match=text):
        joined(**changed)


@given(st.data(), cases.trades(), cases.quotes())
def test_disorder_is_found_wherever_it_is(data, trades, quotes):
    # Whatever pair runs back, at a border of ranges or beyond the last trade, it is named.
    if len(quotes) < 2:
        return
    at = data.draw(st.integers(1, len(quotes) - 1))
    ts = np.arange(len(quotes)) * 3
    ts[at] = ts[at - 1] - 1
    broken = QuoteArrays(
        ts_event_ns=ts, bid_ticks=quotes.bid_ticks, bid_lots=quotes.bid_lots,
        ask_ticks=quotes.ask_ticks, ask_lots=quotes.ask_lots,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quote_rules, "_RANGE_TRADES", 5)
        patch.setattr(quote_rules, "_FEW_TRADES", data.draw(st.sampled_from([0, 100_000])))
        with pytest.raises(ValueError, match="quote_ts_ns must be non-decreasing"):
            lee_ready_joined(trades["ts"], trades["price"], broken)


def test_prices_near_the_edge_of_int64():
    # 2**62 - 1 doubled is 2**63 - 2: it fits, and the comparison with the mid is exact.
    edge = 2**62 - 1
    at_trade = cases.known_quotes([edge - 1, -edge], [edge, -edge])
    assert quote_rule(np.array([edge, -edge]), at_trade).tolist() == [1, 0]
    with pytest.raises(ValueError, match="price_ticks may overflow"):
        clnv(np.array([2**59]), cases.known_quotes([1], [2]))
    with pytest.raises(ValueError, match="qty_lots must be positive"):
        trade_size_rule(np.array([0]), cases.known_quotes([1], [2]))
    with pytest.raises(ValueError, match="session_start_idx"):
        tick_rule(np.array([1, 2]), session_start_idx=np.array([1]))
