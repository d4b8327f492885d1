"""Absorption by refill: oracle, chunks, prefixes, ties."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.refills import (
    RefillRule,
    Refills,
    continue_refill_absorption,
    refill_absorption,
)
from orderflow_core.types import QuoteArrays, TradeArrays
from tests.core import trade_cases as cases
from tests.naive import refills as naive

NAMES = tuple(item.name for item in fields(Refills))
QUOTES = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


def trades_of(ts, price, qty, sign):
    return TradeArrays(
        ts_event_ns=np.array(ts, np.int64), trade_id=np.arange(len(ts)),
        price_ticks=np.array(price, np.int64), qty_lots=np.array(qty, np.int64),
        sign=np.array(sign, np.int8),
    )  # fmt: skip


def quotes_of(rows):
    columns = zip(*rows, strict=True) if rows else [()] * 5
    return QuoteArrays(
        **{name: np.array(column, np.int64) for name, column in zip(QUOTES, columns, strict=True)}
    )


@st.composite
def streams(draw):
    """Trades mostly at a best price, quotes of their times."""
    rows = draw(cases.trades())
    quotes = draw(cases.quotes())
    return trades_of(rows["ts"], rows["price"], rows["qty"], rows["sign"]), quotes, rows["starts"]


@st.composite
def rules(draw):
    return RefillRule(
        window_ns=draw(st.integers(1, 6)), least_refills=draw(st.integers(1, 3)),
        share_num=draw(st.integers(0, 2)), share_den=draw(st.integers(2, 3)),
    )  # fmt: skip


def rows_of(found):
    return list(zip(*(getattr(found, name).tolist() for name in NAMES), strict=True))


@given(streams(), rules())
def test_equals_the_obvious_loop(stream, rule):
    trades, quotes, starts = stream
    columns = (trades.ts_event_ns, trades.price_ticks, trades.qty_lots, trades.sign)
    expected = naive.refill_absorption(
        list(zip(*(c.tolist() for c in columns), strict=True)), cases.quote_rows(quotes),
        starts.tolist(), window=rule.window_ns, least=rule.least_refills, num=rule.share_num,
        den=rule.share_den,
    )  # fmt: skip
    assert rows_of(refill_absorption(trades, quotes, starts, rule=rule)) == expected


def part_of(bundle, first, end):
    return type(bundle)(**{f.name: getattr(bundle, f.name)[first:end] for f in fields(bundle)})


def in_chunks(trades, quotes, starts, rule, cuts):
    """Chunks up to each time of ``cuts``, and the rest."""
    state, parts = None, []
    edges = [
        [0, *np.searchsorted(stream.ts_event_ns, cuts, side="right").tolist(), len(stream)]
        for stream in (trades, quotes)
    ]
    for (a, b), (c, d) in zip(*(pairwise(e) for e in edges), strict=True):
        within = starts[(starts >= a) & (starts < b)] - a
        part, state = continue_refill_absorption(
            state, part_of(trades, a, b), part_of(quotes, c, d), within, rule=rule
        )
        parts.append(part)
    return parts


@given(streams(), rules(), st.lists(st.integers(-6, 120), max_size=4).map(sorted))
def test_chunks_equal_the_whole(stream, rule, cuts):
    whole = refill_absorption(*stream, rule=rule)
    parts = in_chunks(*stream, rule, cuts)
    for name in NAMES:
        together = np.concatenate([getattr(part, name) for part in parts])
        assert together.tobytes() == getattr(whole, name).tobytes(), name


def seeded(seed, n=3_000):
    rng = np.random.default_rng(seed)
    ts = np.cumsum(rng.integers(0, 3, n))
    mid = 500 + np.cumsum(rng.choice([-1, 0, 0, 0, 0, 0, 1], n))
    sign = rng.choice([-1, 1], n)
    trades = trades_of(ts, mid + (sign > 0), rng.integers(1, 9, n), sign)
    quotes = QuoteArrays(
        ts_event_ns=ts, bid_ticks=mid, bid_lots=rng.integers(1, 20, n), ask_ticks=mid + 1,
        ask_lots=rng.integers(1, 20, n),
    )  # fmt: skip
    return trades, quotes, np.array([0, n // 3, n // 2])


def test_no_look_ahead_and_long_chunks():
    trades, quotes, starts = seeded(3)
    rule = RefillRule(window_ns=40, least_refills=3, share_num=2, share_den=3)
    whole = refill_absorption(trades, quotes, starts, rule=rule)
    assert 20 < whole.is_onset.sum() < 500
    for now in (int(t) for t in trades.ts_event_ns[[10, 999, 1_000, 1_001, 2_500]]):
        known = [np.searchsorted(s.ts_event_ns, now, side="right") for s in (trades, quotes)]
        prefix = refill_absorption(
            part_of(trades, 0, known[0]), part_of(quotes, 0, known[1]), starts[starts < known[0]],
            rule=rule,
        )  # fmt: skip
        for name in NAMES:
            n = len(prefix)
            assert getattr(prefix, name).tobytes() == getattr(whole, name)[:n].tobytes()
        assert n == (whole.ts_ns <= now).sum()
    cuts = np.sort(np.random.default_rng(4).integers(0, int(trades.ts_event_ns[-1]), 40))
    parts = in_chunks(trades, quotes, starts, rule, cuts)
    for name in NAMES:
        together = np.concatenate([getattr(part, name) for part in parts])
        assert together.tobytes() == getattr(whole, name).tobytes()


def test_sides_mirror():
    trades, quotes, starts = seeded(5, 600)
    rule = RefillRule(window_ns=30)
    here = refill_absorption(trades, quotes, starts, rule=rule)
    there = refill_absorption(
        trades_of(trades.ts_event_ns, -trades.price_ticks, trades.qty_lots, -trades.sign),
        QuoteArrays(
            ts_event_ns=quotes.ts_event_ns, bid_ticks=-quotes.ask_ticks, bid_lots=quotes.ask_lots,
            ask_ticks=-quotes.bid_ticks, ask_lots=quotes.bid_lots,
        ), starts, rule=rule,
    )  # fmt: skip
    for sign in (-1, 1):
        for name in ("ts_ns", "refilled_lots", "n_refills", "is_onset"):
            a = getattr(here, name)[here.sign == sign]
            assert a.tolist() == getattr(there, name)[there.sign == -sign].tolist()


def book(ts, bid_lots, bid=100, ask=101):
    return (ts, bid, bid_lots, ask, 50)


def test_what_was_shown_what_was_taken_what_is_left():
    # Shown 10. At 5 sells of 4 + 3 leave 3: all accounted for, no refill. At 7 a sell of 8 leaves
    # 2: 8 were taken of 3 shown, 2 + 8 - 3 = 7 came back. At 9 the bid is gone and 6 were taken
    # where 2 were shown: 4 were hidden.
    trades = trades_of([5, 5, 7, 9], [100] * 4, [4, 3, 8, 6], [-1] * 4)
    quotes = quotes_of([book(1, 10), book(5, 3), book(7, 2), book(9, 30, bid=99)])
    # The session opens at its first trade, and a quote from before it does not count: hence a
    # trade without a side at 1.
    trades = trades_of([1, *trades.ts_event_ns], [100] * 5, [1, 4, 3, 8, 6], [0, -1, -1, -1, -1])
    found = refill_absorption(trades, quotes, [0], rule=RefillRule(window_ns=10, least_refills=2))
    assert found.ts_ns.tolist() == [5, 7, 9]
    assert found.taken_lots.tolist() == [7, 8, 6]
    assert found.refilled_lots.tolist() == [0, 7, 4]
    assert found.n_refills.tolist() == [0, 1, 2]
    # 11 of 21 came back: more than half.
    assert found.is_onset.tolist() == [False, False, True]
    assert found.sign.tolist() == [1, 1, 1]


def test_ties_of_window_share_and_onset():
    # Each hit takes 4 of 10 shown and leaves 8: 2 of 4 come back, exactly the half that is asked.
    ts = [10, 20, 25, 30, 35, 50]
    trades = trades_of([0, *ts], [100] * 7, [1] + [4] * 6, [0] + [-1] * 6)
    quotes = quotes_of([row for t in ts for row in (book(t - 1, 10), book(t, 8))])
    rule = RefillRule(window_ns=10, least_refills=2, share_num=1, share_den=2)
    found = refill_absorption(trades, quotes, [0], rule=rule)
    # (t - 10, t]: the one at 10 has left at 20, that at 20 is there at 25 and has left at 30.
    assert found.n_refills.tolist() == [1, 1, 2, 2, 2, 1]
    assert found.is_absorbing.tolist() == [False, False, True, True, True, False]
    assert found.is_onset.tolist() == [False, False, True, False, False, False]
    stricter = RefillRule(window_ns=10, least_refills=2, share_num=2, share_den=3)
    assert not refill_absorption(trades, quotes, [0], rule=stricter).is_absorbing.any()


def test_an_onset_comes_again_a_whole_window_after_the_last_alarm():
    # 25 and 30: 2 of 4 each, an alarm at 30. 38: 9 of 10 taken and 2 left, so 1 came back: 3 of 13
    # in (28, 38] are too few. 40: 20 of 10 shown were taken and 10 are left: 20 came back, 21 of
    # 29 in (30, 40], and the alarm at 30 has just left it.
    trades = trades_of([0, 25, 30, 38, 40], [100] * 5, [1, 4, 4, 9, 20], [0] + [-1] * 4)
    left = {25: 8, 30: 8, 38: 2, 40: 10}
    quotes = quotes_of([row for t, q in left.items() for row in (book(t - 1, 10), book(t, q))])
    found = refill_absorption(trades, quotes, [0], rule=RefillRule(window_ns=10, least_refills=2))
    assert found.refilled_lots.tolist() == [2, 2, 1, 20]
    assert found.window_taken_lots.tolist() == [4, 8, 13, 29]
    assert found.is_absorbing.tolist() == [False, True, False, True]
    assert found.is_onset.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    "quotes",
    [
        [book(5, 8)],  # none strictly before
        [book(1, 10)],  # none of the trade's own time
        [book(1, 10), book(6, 8)],
        [book(1, 10, bid=101), book(5, 8)],  # locked
        [book(1, 10, bid=102), book(5, 8)],  # crossed
        [book(1, 10, bid=99), book(5, 8, bid=99)],  # traded away from the best price
    ],
)
def test_what_cannot_be_told_is_no_hit(quotes):
    trades = trades_of([0, 5], [100] * 2, [1, 4], [0, -1])
    rule = RefillRule(window_ns=10)
    assert not len(refill_absorption(trades, quotes_of(quotes), [0], rule=rule))


def test_a_quote_of_an_earlier_session_does_not_count():
    trades = trades_of([0, 5, 8], [100] * 3, [1, 4, 4], [0, -1, -1])
    quotes = quotes_of([book(1, 10), book(5, 8), book(8, 8)])
    rule = RefillRule(window_ns=10, least_refills=1)
    assert len(refill_absorption(trades, quotes, [0], rule=rule)) == 2
    assert refill_absorption(trades, quotes, [0, 1], rule=rule).ts_ns.tolist() == [8]


def test_no_records():
    none, rule = trades_of([], [], [], []), RefillRule(window_ns=10)
    found, state = continue_refill_absorption(None, none, quotes_of([]), [], rule=rule)
    assert (len(found), state) == (0, None)
    found, state = continue_refill_absorption(None, none, quotes_of([book(1, 10)]), [], rule=rule)
    assert len(found) == 0
    _, same = continue_refill_absorption(state, none, quotes_of([]), [], rule=rule)
    assert same is state


@pytest.mark.parametrize(
    ("trades", "quotes", "error", "message"),
    [
        (([2, 1], [1, 1], [1, 1], [1, 1]), [], ValueError, "trades.ts_event_ns must be non-decr"),
        (([1], [1], [0], [1]), [], ValueError, "trades.qty_lots must be positive"),
        (([1], [1], [1], [2]), [], ValueError, "sign must be in"),
        (([1], [1], [2**60], [1]), [], ValueError, "trades.qty_lots may overflow"),
        (([2**62], [1], [1], [1]), [], ValueError, "must lie within"),
        (([1], [1], [1], [1]), [book(2, 1), book(1, 1)], ValueError, "quotes.ts_event_ns must"),
        (([1], [1], [1], [1]), [book(1, -1)], ValueError, "quotes.bid_lots must not be"),
        (([1], [1], [1], [1]), [book(1, 2**60)], ValueError, "quotes.bid_lots may overflow"),
    ],
)
def test_errors_name_the_argument(trades, quotes, error, message):
    with pytest.raises(error, match=message):
        refill_absorption(trades_of(*trades), quotes_of(quotes), [0], rule=RefillRule(window_ns=10))


def test_a_chunk_must_lie_after_the_one_before():
    rule = RefillRule(window_ns=10)
    one = trades_of([5], [100], [1], [1])
    _, state = continue_refill_absorption(None, one, quotes_of([book(5, 1)]), [0], rule=rule)
    for trades, quotes in ((one, []), (trades_of([], [], [], []), [book(5, 1)])):
        with pytest.raises(ValueError, match="must lie after the chunk before, got 5 after 5"):
            continue_refill_absorption(state, trades, quotes_of(quotes), [], rule=rule)
    far = RefillRule(window_ns=2**62 + 2**61)
    trades = trades_of([-(2**62) + 1, -(2**62) + 2], [100] * 2, [1] * 2, [0, -1])
    quotes = quotes_of([book(-(2**62) + 1, 5), book(-(2**62) + 2, 5)])
    with pytest.raises(ValueError, match="beyond int64"):
        refill_absorption(trades, quotes, [0], rule=far)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window_ns": 0}, "window_ns"), ({"least_refills": 0}, "least_refills"),
        ({"share_num": 3}, "share_num / share_den must be at most 1"),
        ({"share_den": 1001}, "share_den at most 1000"), ({"share_num": -1}, "share_num"),
    ],
)  # fmt: skip
def test_rules_are_checked(changed, message):
    with pytest.raises(ValueError, match=message):
        RefillRule(**{"window_ns": 10, **changed})
