"""Order-flow imbalance at the best quotes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.ofi import (
    continue_ofi_at_trade,
    continue_ofi_events,
    continue_rolling_ofi,
    ofi_at_trade,
    ofi_events,
    rolling_ofi,
)
from orderflow_core.types import QuoteArrays
from tests.core import trade_cases as cases
from tests.naive import ofi as naive

FIRST = np.array([0])


def quotes_of(*rows, ts=None):
    """Quotes from rows (bid, bid size, ask, ask size), a nanosecond apart unless told."""
    bid, bid_lots, ask, ask_lots = np.array(rows, np.int64).reshape(-1, 4).T
    return QuoteArrays(
        ts_event_ns=np.arange(len(bid)) if ts is None else np.array(ts, np.int64),
        bid_ticks=bid,
        bid_lots=bid_lots,
        ask_ticks=ask,
        ask_lots=ask_lots,
    )


def part(quotes, first, end):
    return QuoteArrays(
        ts_event_ns=quotes.ts_event_ns[first:end],
        bid_ticks=quotes.bid_ticks[first:end],
        bid_lots=quotes.bid_lots[first:end],
        ask_ticks=quotes.ask_ticks[first:end],
        ask_lots=quotes.ask_lots[first:end],
    )


def known_or_none(got):
    return [
        int(lots) if known else None for lots, known in zip(got.ofi_lots, got.is_known, strict=True)
    ]


@given(st.data(), cases.quotes(), st.integers(1, 5))
def test_events_equal_the_obvious_loops(data, quotes, n_events):
    starts = data.draw(cases.session_starts(len(quotes)))
    rows = cases.quote_rows(quotes)
    assert ofi_events(quotes, starts).tolist() == naive.ofi_events(rows, starts.tolist())
    rolled = rolling_ofi(quotes, starts, n_events=n_events)
    assert rolled.tolist() == naive.rolling_ofi(rows, starts.tolist(), n_events)


@given(cases.quotes(), st.data(), st.integers(0, 3))
def test_at_trade_equals_the_obvious_loop(quotes, data, lag):
    trade_ts = data.draw(st.integers(0, 30).flatmap(cases.times))
    starts = sorted(data.draw(st.sets(st.integers(-6, 40), max_size=3)))
    got = ofi_at_trade(trade_ts, quotes, np.array(starts, np.int64), lag_ns=lag)
    rows = cases.quote_rows(quotes)
    assert known_or_none(got) == naive.ofi_at_trade(trade_ts.tolist(), rows, starts, lag)


@given(st.data(), cases.quotes(), st.integers(1, 5))
def test_chunks_of_quotes_equal_the_whole(data, quotes, n_events):
    starts = data.draw(cases.session_starts(len(quotes)))
    edges = data.draw(cases.cuts(len(quotes)))
    state, rolling, events, sums = None, None, [], []
    for first, end in pairwise(edges):
        inner, opens = cases.starts_within(starts, first, end)
        chunk = part(quotes, first, end)
        event, state = continue_ofi_events(None if opens else state, chunk, inner)
        total, rolling = continue_rolling_ofi(
            None if opens else rolling, chunk, inner, n_events=n_events
        )
        events.append(event)
        sums.append(total)
    assert np.concatenate(events).tolist() == ofi_events(quotes, starts).tolist()
    assert np.concatenate(sums).tolist() == rolling_ofi(quotes, starts, n_events=n_events).tolist()


@given(st.data(), cases.quotes(), st.integers(0, 3))
def test_chunks_of_both_streams_equal_the_whole(data, quotes, lag):
    trade_ts = data.draw(st.integers(1, 30).flatmap(cases.times))
    starts = np.array(sorted(data.draw(st.sets(st.integers(-6, 40), max_size=3))), np.int64)
    whole = ofi_at_trade(trade_ts, quotes, starts, lag_ns=lag)
    edges = data.draw(cases.cuts(len(trade_ts)))
    state, done, parts = None, 0, []
    for first, end in pairwise(edges):
        # Every quote before the chunk's last trade has come, and some run ahead.
        needed = done
        if end > first:
            bound = trade_ts[end - 1] - lag
            needed = max(done, int(np.searchsorted(quotes.ts_event_ns, bound)))
        until = data.draw(st.integers(needed, len(quotes)))
        got, state = continue_ofi_at_trade(
            state, trade_ts[first:end], part(quotes, done, until), starts, lag_ns=lag
        )
        parts += known_or_none(got)
        done = until
    assert parts == known_or_none(whole)


@given(cases.quotes(), st.data())
def test_the_future_changes_nothing(quotes, data):
    trade_ts = data.draw(st.integers(1, 30).flatmap(cases.times))
    n = data.draw(st.integers(0, len(trade_ts)))
    last = trade_ts[n - 1] if n else -(10**6)
    # Quotes of the last trade's own time are not known to it either.
    seen = int(np.searchsorted(quotes.ts_event_ns, last))
    whole = ofi_at_trade(trade_ts, quotes, FIRST)
    prefix = ofi_at_trade(trade_ts[:n], part(quotes, 0, seen), FIRST)
    assert known_or_none(prefix) == known_or_none(whole)[:n]


def test_each_case_by_hand():
    quotes = quotes_of(
        (10, 5, 12, 7),
        (10, 8, 12, 7),  # bid grows by 3: 8 - 5 - 7 + 7 = 3
        (11, 2, 12, 7),  # bid up, 2 come: 2 - 7 + 7 = 2
        (11, 2, 13, 4),  # ask up, 7 are gone: 2 - 2 + 7 = 7
        (9, 6, 13, 4),  # bid down, 2 are gone: -2 - 4 + 4 = -2
        (9, 6, 11, 3),  # ask down, 3 come: 6 - 6 - 3 = -3
    )
    assert ofi_events(quotes, FIRST).tolist() == [0, 3, 2, 7, -2, -3]
    assert ofi_events(quotes, [0, 3]).tolist() == [0, 3, 2, 0, -2, -3]
    assert rolling_ofi(quotes, FIRST, n_events=2).tolist() == [0, 3, 5, 9, 5, -5]
    # Times 0 to 5: a trade at 2 meets what was there at 1; sessions from time 4 on start at 0.
    got = ofi_at_trade([0, 2, 2, 4, 5, 9], quotes, [0, 4])
    assert known_or_none(got) == [None, 3, 3, None, 0, -3]


def test_swapping_the_sides_flips_the_sign():
    rng = np.random.default_rng(3)
    bid = rng.integers(90, 95, 200)
    ask = bid + rng.integers(1, 4, 200)
    sizes = rng.integers(0, 9, (2, 200))
    there = quotes_of(*zip(bid, sizes[0], ask, sizes[1], strict=True))
    mirrored = quotes_of(*zip(-ask, sizes[1], -bid, sizes[0], strict=True))
    assert (ofi_events(there, FIRST) == -ofi_events(mirrored, FIRST)).all()


def test_nothing_to_do():
    nothing = quotes_of()
    assert len(ofi_events(nothing, [])) == 0
    assert len(rolling_ofi(nothing, [], n_events=3)) == 0
    assert len(ofi_at_trade([], nothing, [])) == 0
    assert known_or_none(ofi_at_trade([5], nothing, [])) == [None]
    got, state = continue_ofi_events(None, nothing, [])
    assert (len(got), state) == (0, None)


def test_errors_name_the_argument():
    one = quotes_of((10, 5, 12, 7))
    with pytest.raises(ValueError, match=r"quotes.bid_lots must not be negative, got -1"):
        ofi_events(quotes_of((10, -1, 12, 7)), FIRST)
    with pytest.raises(ValueError, match=r"quotes.ask_lots may overflow"):
        ofi_events(quotes_of((10, 1, 12, 2**61)), FIRST)
    with pytest.raises(ValueError, match=r"quotes.ts_event_ns must be non-decreasing"):
        ofi_events(quotes_of((10, 1, 12, 1), (10, 1, 12, 1), ts=[2, 1]), FIRST)
    with pytest.raises(ValueError, match="session_start_idx must start at 0"):
        ofi_events(one, [])
    with pytest.raises(ValueError, match="n_events must be positive"):
        rolling_ofi(one, FIRST, n_events=0)
    with pytest.raises(ValueError, match="session_start_ns must be strictly increasing"):
        ofi_at_trade([1], one, [3, 3])
    far = quotes_of(*[(10 + k % 2, 2**60, 12 + k % 2, 2**60) for k in range(9)])
    with pytest.raises(ValueError, match="overflow int64"):
        rolling_ofi(far, FIRST, n_events=9)


def test_a_chunk_must_follow_the_one_before():
    _, state = continue_ofi_at_trade(None, [5], quotes_of((10, 1, 12, 1), ts=[3]), FIRST)
    with pytest.raises(ValueError, match="must not lie before 5, which trades were answered"):
        continue_ofi_at_trade(state, [7], quotes_of((10, 1, 12, 1), ts=[4]), FIRST)
    with pytest.raises(ValueError, match="trade_ts_ns must be non-decreasing, got 4 after 5"):
        continue_ofi_at_trade(state, [4], quotes_of(), FIRST)
    # A quote of the answered trade's own time is what that trade left behind: it is in time.
    got, _ = continue_ofi_at_trade(state, [6], quotes_of((10, 4, 12, 1), ts=[5]), FIRST)
    assert known_or_none(got) == [3]
