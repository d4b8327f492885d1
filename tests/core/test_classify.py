"""Trade signs: oracle, chunks, ties."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.alignment import quote_at_trade
from orderflow_core.classify import RESEARCH_RULES, RULES, classify, native_rule
from orderflow_core.quote_rules import lee_ready, quote_rule
from orderflow_core.tick_rules import TickState, tick_rule
from tests.core import trade_cases as cases
from tests.naive import classify as naive


@given(cases.trades(), cases.quotes())
def test_rules_equal_the_obvious_loops(trades, quotes):
    at_trade = quote_at_trade(trades["ts"], quotes)
    price, rows = trades["price"].tolist(), cases.met_rows(at_trade)
    assert tick_rule(trades["price"])[0].tolist() == naive.tick_rule(price)
    assert quote_rule(trades["price"], at_trade).tolist() == naive.quote_rule(price, rows)
    assert lee_ready(trades["price"], at_trade)[0].tolist() == naive.lee_ready(price, rows)


@given(
    cases.trades(),
    cases.quotes(),
    st.permutations(RULES + RESEARCH_RULES),
    st.integers(1, len(RULES)),
    st.booleans(),
    st.booleans(),
)
def test_layers_equal_the_obvious_loop(trades, quotes, order, n_rules, has_native, has_quotes):
    rules = ("tick", *(name for name in order if name != "tick"))[::-1][-n_rules:]
    at_trade = quote_at_trade(trades["ts"], quotes) if has_quotes else None
    got = classify(
        trades["price"],
        rules=rules,
        native_sign=trades["sign"] if has_native else None,
        at_trade=at_trade,
        qty_lots=trades["qty"] if has_quotes else None,
        session_start_idx=trades["starts"],
        allow_look_ahead=True,
    )
    sign, rule, confidence = naive.classify(
        trades["price"].tolist(),
        rules=rules,
        native=trades["sign"].tolist() if has_native else None,
        quotes=cases.met_rows(at_trade) if has_quotes else None,
        sizes=trades["qty"].tolist() if has_quotes else None,
        session_starts=trades["starts"].tolist() or [0],
    )
    assert got.sign.tolist() == sign
    assert got.rule.tolist() == rule
    assert [None if np.isnan(value) else value for value in got.confidence] == confidence
    assert got.sign.dtype == got.rule.dtype == np.int8
    assert len(got) == len(sign)


@given(st.data(), cases.trades(), cases.quotes(), st.permutations(RULES))
def test_chunks_equal_the_whole(data, trades, quotes, order):
    price, starts = trades["price"], trades["starts"]
    at_trade = quote_at_trade(trades["ts"], quotes)
    edges = data.draw(cases.cuts(len(price)))

    def over(first, end, **more):
        return classify(
            price[first:end],
            rules=order[:3],
            native_sign=trades["sign"][first:end],
            qty_lots=trades["qty"][first:end],
            at_trade=cases.part(at_trade, first, end),
            **more,
        )

    whole = over(0, len(price), session_start_idx=starts)
    state, parts = None, []
    for first, end in pairwise(edges):
        inner, opens = cases.starts_within(starts, first, end)
        parts.append(over(first, end, session_start_idx=inner, state=None if opens else state))
        state = parts[-1].state
    for name in ("sign", "rule", "confidence"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert joined.tobytes() == getattr(whole, name).tobytes()
    assert state == whole.state


@given(st.data(), cases.trades(), cases.quotes())
def test_single_rules_carry_their_memory(data, trades, quotes):
    price = trades["price"]
    at_trade = quote_at_trade(trades["ts"], quotes)
    edges = data.draw(cases.cuts(len(price)))
    states = [None, None]
    parts = [[], []]
    for first, end in pairwise(edges):
        chunk = price[first:end]
        for k, (sign, state) in enumerate(
            (
                tick_rule(chunk, states[0]),
                lee_ready(chunk, cases.part(at_trade, first, end), states[1]),
            )
        ):
            states[k] = state
            parts[k].append(sign)
    tick, hybrid = tick_rule(price), lee_ready(price, at_trade)
    assert np.concatenate(parts[0]).tobytes() == tick[0].tobytes()
    assert np.concatenate(parts[1]).tobytes() == hybrid[0].tobytes()
    assert states == [tick[1], hybrid[1]]


@given(cases.trades(), cases.quotes(), st.integers(0, 40), st.permutations(RULES))
def test_no_rule_looks_ahead(trades, quotes, now, rules):
    at_trade = quote_at_trade(trades["ts"], quotes)

    def until(end):
        return classify(
            trades["price"][:end],
            rules=rules[:3],
            at_trade=cases.part(at_trade, 0, end),
            native_sign=trades["sign"][:end],
            qty_lots=trades["qty"][:end],
        )

    full, prefix = until(len(trades["price"])), until(now)
    for name in ("sign", "rule", "confidence"):
        assert getattr(prefix, name).tobytes() == getattr(full, name)[:now].tobytes()


@given(cases.trades(), cases.quotes())
def test_mirrored_market_mirrors_the_signs(trades, quotes):
    at_trade = quote_at_trade(trades["ts"], quotes)
    mirrored = cases.known_quotes(-at_trade.ask_ticks, -at_trade.bid_ticks, at_trade.is_known)
    there = lee_ready(trades["price"], at_trade)[0]
    here = lee_ready(-trades["price"], mirrored)[0]
    assert here.tolist() == (-there).tolist()


def test_tick_rule_first_trades_and_zero_ticks():
    # 10, 10: no different price yet -> 0, 0. 11: up -> +1. 11: zero uptick keeps +1. 10: -1, -1.
    price = np.array([10, 10, 11, 11, 10, 10])
    sign, state = tick_rule(price)
    assert sign.tolist() == [0, 0, 1, 1, -1, -1]
    assert state == TickState(last_price_ticks=10, last_sign=-1, is_set=True)
    assert tick_rule(np.empty(0, np.int64)) == (pytest.approx([]), TickState())


def test_tick_memory_of_a_chunk_without_change_is_the_one_before():
    # 10, 11 | 11, 11 | 11: the change stays the step from 10 to 11.
    state = tick_rule(np.array([10, 11]))[1]
    sign, state = tick_rule(np.array([11, 11]), state)
    assert sign.tolist() == [1, 1]
    assert tick_rule(np.array([11]), state)[0].tolist() == [1]
    # An empty memory that is handed on stays empty: the first price has nothing before it.
    assert tick_rule(np.array([11]), TickState())[0].tolist() == [0]


def test_quote_rule_at_the_mid_locked_and_crossed():
    # bid 10, ask 12, mid 11: 12 buy, 11 mid -> 0, 10 sell. bid 10, ask 11, mid 10.5: 11 buy, 10 sell.
    # locked 10/10: 11 buy, 10 at the mid -> 0, 9 sell. crossed 11/10: always 0. unknown: 0.
    bid = [10, 10, 10, 10, 10, 10, 10, 10, 11, 11, 0]
    ask = [12, 12, 12, 11, 11, 10, 10, 10, 10, 10, 0]
    price = [12, 11, 10, 11, 10, 11, 10, 9, 11, 9, 10]
    known = [True] * 10 + [False]
    sign = quote_rule(np.array(price), cases.known_quotes(bid, ask, known))
    assert sign.tolist() == [1, 0, -1, 1, -1, 1, 0, -1, 0, 0, 0]


def test_lee_ready_falls_back_to_the_last_different_price_not_the_last_sign():
    # Trade 1 at 99, quote 98/99: above 98.5, buy. Trade 2 at 100, quote 99/101: at the mid;
    # the last different price is 99, so an uptick: +1.
    # Trade 3 at 100, quote 101/103: below 102, sell. Trade 4 at 100, quote 99/101: at the mid; the
    # last different price is still 99: +1, although the last sign given is -1.
    at_trade = cases.known_quotes([98, 99, 101, 99], [99, 101, 103, 101])
    sign, _ = lee_ready(np.array([99, 100, 100, 100]), at_trade)
    assert sign.tolist() == [1, 1, -1, 1]


def test_lee_ready_on_crossed_and_unknown_quotes_is_the_tick_rule():
    at_trade = cases.known_quotes([11, 11, 0], [10, 10, 0], [True, True, False])
    assert lee_ready(np.array([10, 11, 10]), at_trade)[0].tolist() == [0, 1, -1]


def test_integer_prices_are_exact_where_a_relative_tolerance_is_not():
    # 60 000.0 / 60 000.1 in ticks of 0.1: np.isclose calls the two equal; the mid is 600000.5.
    at_trade = cases.known_quotes([600_000] * 2, [600_001] * 2)
    assert quote_rule(np.array([600_000, 600_001]), at_trade).tolist() == [-1, 1]


def test_layers_tell_who_decided():
    # native +1; native silent and quote decides -1; at the mid lee_ready's tick leg: 100 -> 101 +1;
    # nothing known and no change yet in the second session: undecided.
    got = classify(
        np.array([100, 100, 101, 105]),
        native_sign=np.array([1, 0, 0, 0]),
        at_trade=cases.known_quotes([99, 100, 100, 0], [101, 102, 102, 0], [True] * 3 + [False]),
        session_start_idx=np.array([0, 3]),
    )
    assert got.sign.tolist() == [1, -1, 1, 0]
    assert [RULES[k] if k >= 0 else "" for k in got.rule] == [
        "native",
        "lee_ready",
        "lee_ready",
        "",
    ]


def test_confidence_is_the_share_of_the_two_tests_that_back_the_sign():
    # The venue's flag: 1. Then, all signed by the quote, bid 10 ask 12: 12 after 11, above the mid
    # and an uptick: 1. 10 after 9 below the mid, yet an uptick: 1/2. 11 after 10 at the mid: signed
    # by the tick, the quote is silent: 1/2. First trade of a session at the mid: none, NaN.
    got = classify(
        np.array([11, 12, 9, 10, 11, 11]),
        native_sign=np.array([-1, 0, 0, 0, 0, 0]),
        at_trade=cases.known_quotes([10] * 6, [12] * 6),
        session_start_idx=np.array([0, 5]),
    )
    assert got.sign.tolist() == [-1, 1, -1, -1, 1, 0]
    np.testing.assert_array_equal(got.confidence, [1, 1, 1, 0.5, 0.5, np.nan])


def test_confidence_is_none_where_both_tests_object():
    # Bid 10 with 5 lots, ask 12 with 4: a trade of 4 lots at 12 after 11 is a sell to the rule of
    # sizes, above the mid and an uptick: nothing backs it.
    at_trade = replace(
        cases.known_quotes([10, 10], [12, 12]),
        bid_lots=np.array([5, 5]),
        ask_lots=np.array([4, 4]),
    )
    got = classify(
        np.array([11, 12]), rules=("trade_size",), qty_lots=np.array([5, 4]), at_trade=at_trade
    )
    assert got.sign.tolist() == [1, -1]
    assert got.confidence.tolist() == [0.0, 0.0]


def test_tick_memory_is_empty_at_a_session_start():
    got = classify(np.array([10, 11, 12, 12, 11]), session_start_idx=np.array([0, 2]))
    assert got.sign.tolist() == [0, 1, 0, 0, -1]


def test_native_sign_domain():
    assert native_rule(np.array([-1, 0, 1], np.int32)).dtype == np.int8
    with pytest.raises(ValueError, match="native_sign"):
        native_rule(np.array([2]))
    with pytest.raises(TypeError, match="native_sign"):
        native_rule(np.array([1.0]))
    with pytest.raises(TypeError, match="native_sign"):
        native_rule(np.array([True]))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"rules": ("tick", "tick")}, ValueError, "rules"),
        ({"rules": ("vote",)}, ValueError, "vote"),
        ({"rules": "tick"}, ValueError, "rules"),
        ({"rules": ()}, ValueError, "rules"),
        ({"rules": ("quote",)}, ValueError, "at_trade absent"),
        ({"rules": ("trade_size",)}, ValueError, "at_trade, qty_lots absent"),
        ({"rules": ("tick", "reverse_tick")}, ValueError, "look ahead .* got 'reverse_tick'"),
        ({"qty_lots": np.array([1])}, ValueError, "qty_lots"),
        ({"native_sign": np.array([1])}, ValueError, "native_sign"),
        ({"native_sign": np.array([1, 7])}, ValueError, "native_sign"),
        ({"at_trade": cases.known_quotes([1], [2])}, ValueError, "at_trade"),
        ({"session_start_idx": np.array([1])}, ValueError, "session_start_idx"),
        ({"price_ticks": np.array([1.5, 2.5])}, TypeError, "price_ticks"),
        (
            {"at_trade": cases.known_quotes([1, 2**62], [2, 2**62])},
            ValueError,
            "bid_ticks may overflow",
        ),
    ],
)
def test_errors_name_the_argument(arguments, error, text):
    with pytest.raises(error, match=text):
        classify(**{"price_ticks": np.array([1, 2]), **arguments})


def test_flags_must_be_bools():
    at_trade = cases.known_quotes([1], [2])
    numbers = type(at_trade)(
        bid_ticks=at_trade.bid_ticks,
        ask_ticks=at_trade.ask_ticks,
        bid_lots=at_trade.bid_lots,
        ask_lots=at_trade.ask_lots,
        is_known=np.array([1]),
    )
    with pytest.raises(TypeError, match="is_known"):
        quote_rule(np.array([1]), numbers)
