"""Resting orders: oracle on drawn markets, golden queues, what comes later changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.backtest.resting import resting_fills
from orderflow_core.types import QuoteArrays, TradeArrays
from tests.naive import labels_orders as naive


def ints(values):
    return np.array(values, np.int64)


def trades_of(rows):
    ts, price, lots, sign = np.array(rows, np.int64).reshape(-1, 4).T
    return TradeArrays(
        ts_event_ns=ts, trade_id=np.arange(len(ts)), price_ticks=price, qty_lots=lots,
        sign=sign.astype(np.int8),
    )  # fmt: skip


def quotes_of(rows):
    ts, bid, bid_lots, ask, ask_lots = np.array(rows, np.int64).reshape(-1, 5).T
    return QuoteArrays(
        ts_event_ns=ts, bid_ticks=bid, bid_lots=bid_lots, ask_ticks=ask, ask_lots=ask_lots
    )


def times(draw, n):
    return np.cumsum(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))).tolist()


@st.composite
def markets(draw):
    def row(ts, *bounds):
        return (ts, *(draw(st.integers(*bound)) for bound in bounds))

    trades = [row(ts, (9, 13), (1, 4), (-1, 1)) for ts in times(draw, draw(st.integers(0, 15)))]
    quotes = []
    for ts in times(draw, draw(st.integers(0, 15))):
        bid = draw(st.integers(9, 12))
        spread = draw(st.sampled_from([1, 1, 1, 2, 0, -1]))
        quotes.append((ts, bid, draw(st.integers(0, 4)), bid + spread, draw(st.integers(0, 4))))
    side = st.sampled_from([-1, 1])
    orders = [(ts, draw(side)) for ts in times(draw, draw(st.integers(0, 5)))]
    return trades, draw(st.one_of(st.just(quotes), st.none())), orders


def run(trades, quotes, orders, *, latency=0, rest=9):
    return resting_fills(
        trades_of(trades),
        None if quotes is None else quotes_of(quotes),
        ints([at for at, _ in orders]),
        ints([side for _, side in orders]).astype(np.int8),
        latency_ns=latency,
        rest_ns=rest,
        tick_steps=1,
    )


@given(markets(), st.integers(0, 3), st.integers(1, 12))
def test_agrees_with_the_obvious_loop(market, latency, rest):
    got = run(*market, latency=latency, rest=rest)
    wanted = naive.resting_fills(*market, latency=latency, rest=rest, tick_steps=1)
    assert got.is_placed.tolist() == [price is not None for price, _, _ in wanted]
    assert got.fill_ns.tolist() == [-1 if fill is None else fill for _, _, fill in wanted]
    for i, (price, ahead, _) in enumerate(wanted):
        if price is not None:
            assert got.price_ticks[i] == price
            assert got.queue_lots[i] == (-1 if ahead is None else ahead)


@given(markets(), st.integers(0, 3), st.integers(0, 20))
def test_a_fill_depends_on_nothing_after_it(market, latency, cut):
    trades, quotes, orders = market
    whole = run(*market, latency=latency)
    part = run(
        [row for row in trades if row[0] <= cut],
        None if quotes is None else [row for row in quotes if row[0] <= cut],
        orders,
        latency=latency,
    )
    settled = (whole.fill_ns >= 0) & (whole.fill_ns <= cut) & (whole.arrive_ns <= cut)
    assert part.fill_ns[settled].tolist() == whole.fill_ns[settled].tolist()
    assert (part.fill_ns[(whole.deadline_ns <= cut) & (whole.fill_ns < 0)] == -1).all()


@given(markets(), st.integers(0, 3))
def test_the_other_side_is_the_mirror_image(market, latency):
    trades, quotes, orders = market
    mirrored = (
        [(ts, -price, lots, -sign) for ts, price, lots, sign in trades],
        quotes
        and [(ts, -ask, ask_lots, -bid, bid_lots) for ts, bid, bid_lots, ask, ask_lots in quotes],
        [(at, -side) for at, side in orders],
    )
    one, other = run(*market, latency=latency), run(*mirrored, latency=latency)
    assert one.fill_ns.tolist() == other.fill_ns.tolist()
    assert one.price_ticks.tolist() == (-other.price_ticks).tolist()


BOOK = [(0, 10, 3, 11, 5)]


def fill_of(trades, quotes=BOOK, side=1, **change):
    return int(run(trades, quotes, [(0, side)], **change).fill_ns[0])


def test_queue_is_worked_off_first():
    # Three lots ahead: sales of 2 and 1 leave the order first, the next lot is its own.
    sales = [(1, 10, 2, -1), (2, 10, 1, -1), (3, 10, 1, -1)]
    assert fill_of(sales) == 3
    assert fill_of([(1, 10, 4, -1)]) == 1
    assert fill_of([(1, 10, 3, -1)]) == -1
    assert fill_of([(1, 10, 9, 1)]) == -1  # buyers at the bid's price take nothing from the bid


def test_size_shown_bounds_what_is_ahead():
    # The bid shows 1 lot: of the 3 ahead at most that one is left.
    assert fill_of([(2, 10, 2, -1)], [*BOOK, (1, 10, 1, 11, 5)]) == 2
    # A bid that fell below the price and came back: nobody is ahead.
    assert fill_of([(3, 10, 1, -1)], [*BOOK, (1, 9, 8, 11, 5), (2, 10, 8, 11, 5)]) == 3
    # A larger bid stands behind.
    assert fill_of([(2, 10, 4, -1)], [*BOOK, (1, 10, 90, 11, 5)]) == 2


def test_trade_through_and_ask_that_comes_down_fill():
    assert fill_of([(1, 9, 1, -1)]) == 1
    assert fill_of([], [*BOOK, (1, 9, 1, 10, 1)]) == 1
    assert fill_of([(0, 9, 9, -1)]) == -1  # events of the decision's own time came before it
    assert fill_of([(10, 9, 9, -1)], rest=9) == -1
    assert fill_of([(9, 9, 9, -1)], rest=9) == 9


def test_latency_meets_the_market_that_is_there_then():
    moved = [*BOOK, (2, 8, 4, 10, 6)]
    assert fill_of([], moved, latency=3) == 3  # the ask came down to the price on the way
    late = run([], [*BOOK, (2, 10, 7, 11, 5)], [(0, 1)], latency=3)
    assert late.queue_lots.tolist() == [7]


def test_without_quotes_only_a_trade_through_fills():
    trades = [(0, 10, 1, 1), (1, 9, 50, -1), (2, 8, 1, -1)]
    assert fill_of(trades, None) == 2
    assert not run([], None, [(0, 1)]).is_placed[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": ints([0, 1]).astype(np.int8)}, "side must be -1 or"),
        ({"decided_ns": ints([2, 1])}, "decided_ns must be non-decreasing"),
        ({"decided_ns": ints([1])}, "one length"),
        ({"latency_ns": -1}, "latency_ns"),
        ({"rest_ns": 0}, "rest_ns must be positive"),
        ({"decided_ns": ints([1, 2**63 - 2])}, "must leave room"),
        ({"tick_steps": 0}, "tick_steps must be positive"),
    ],
)
def test_broken_contracts_are_named(change, message):
    good = {
        "trades": trades_of([(0, 10, 1, 1)]), "quotes": None, "decided_ns": ints([1, 2]),
        "side": ints([1, 1]).astype(np.int8), "latency_ns": 0, "rest_ns": 5, "tick_steps": 1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        resting_fills(**(good | change))
