"""Random trades and quotes that meet the hard cases often: equal times, mids, locks, crosses."""

import numpy as np
from hypothesis import strategies as st

from orderflow_core.types import QuoteArrays, QuoteAtTrade

SIGNS = st.sampled_from([-1, 0, 1])


def times(n):
    """Non-decreasing times with many ties."""
    return st.lists(st.integers(0, 3), min_size=n, max_size=n).map(
        lambda steps: np.cumsum(np.array(steps, np.int64)) - 5
    )


def int64s(n, low, high):
    return st.lists(st.integers(low, high), min_size=n, max_size=n).map(
        lambda values: np.array(values, np.int64)
    )


def signs(n):
    return st.lists(SIGNS, min_size=n, max_size=n).map(lambda values: np.array(values, np.int8))


def session_starts(n):
    """Strictly increasing positions from 0."""
    if n == 0:
        return st.just(np.empty(0, np.int64))
    return st.sets(st.integers(0, n - 1), max_size=4).map(
        lambda inner: np.array(sorted({0} | inner), np.int64)
    )


@st.composite
def trades(draw, max_size=40):
    """A dict of ts, trade_id, price, qty, sign, starts."""
    n = draw(st.integers(0, max_size))
    return {
        "ts": draw(times(n)),
        "trade_id": np.cumsum(draw(int64s(n, 1, 3))) + 100,
        "price": draw(int64s(n, 98, 103)),
        "qty": draw(int64s(n, 1, 9)),
        "sign": draw(signs(n)),
        "starts": draw(session_starts(n)),
    }


@st.composite
def quotes(draw, max_size=40):
    """Best quotes of which some are locked and some crossed."""
    n = draw(st.integers(0, max_size))
    bid = draw(int64s(n, 98, 102))
    return QuoteArrays(
        ts_event_ns=draw(times(n)),
        bid_ticks=bid,
        bid_lots=draw(int64s(n, 1, 9)),
        ask_ticks=bid + draw(int64s(n, -1, 3)),
        ask_lots=draw(int64s(n, 1, 9)),
    )


def quote_rows(quotes):
    """Rows (ts, bid, bid size, ask, ask size) as the naive twins take them."""
    columns = (
        quotes.ts_event_ns,
        quotes.bid_ticks,
        quotes.bid_lots,
        quotes.ask_ticks,
        quotes.ask_lots,
    )
    return [tuple(row) for row in np.column_stack(columns).tolist()]


def met_rows(at_trade):
    """Rows (bid, bid size, ask, ask size), None where no quote was known."""
    columns = (at_trade.bid_ticks, at_trade.bid_lots, at_trade.ask_ticks, at_trade.ask_lots)
    rows = np.column_stack(columns).tolist()
    return [
        tuple(row) if known else None for row, known in zip(rows, at_trade.is_known, strict=True)
    ]


def known_quotes(bid, ask, is_known=None):
    """A QuoteAtTrade from plain lists."""
    n = len(bid)
    return QuoteAtTrade(
        bid_ticks=np.array(bid, np.int64),
        ask_ticks=np.array(ask, np.int64),
        bid_lots=np.ones(n, np.int64),
        ask_lots=np.ones(n, np.int64),
        is_known=np.ones(n, np.bool_) if is_known is None else np.array(is_known, np.bool_),
    )


def part(at_trade, first, end):
    """The elements first <= i < end."""
    return QuoteAtTrade(
        bid_ticks=at_trade.bid_ticks[first:end],
        ask_ticks=at_trade.ask_ticks[first:end],
        bid_lots=at_trade.bid_lots[first:end],
        ask_lots=at_trade.ask_lots[first:end],
        is_known=at_trade.is_known[first:end],
    )


@st.composite
def cuts(draw, n):
    """Edges of chunks of n elements, some of them empty."""
    inner = draw(st.lists(st.integers(0, n), max_size=4))
    return [0, *sorted(inner), n]


def starts_within(starts, first, end):
    """Session starts of the chunk [first, end), and whether its first trade opens a session."""
    if first == end:
        return np.empty(0, np.int64), False
    inner = starts[(starts > first) & (starts < end)] - first
    return np.concatenate(([0], inner)).astype(np.int64), bool((starts == first).any())
