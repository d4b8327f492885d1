"""Absorption by price: oracle, chunks, prefixes, ties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.price_absorption import (
    PriceAbsorptionRule,
    continue_price_absorption,
    price_absorption,
)
from tests.core import closed_bar_cases
from tests.core import trade_cases as cases
from tests.naive import absorption as naive

NAMES = ("lots", "size_lots", "sign", "is_onset")
INPUTS = ("ts", "price", "qty", "sign")


@st.composite
def rules(draw):
    window = draw(st.integers(1, 6))
    return PriceAbsorptionRule(
        window_ns=window,
        lookback_ns=window * draw(st.integers(1, 4)),
        multiplier=draw(st.sampled_from([0.5, 1.0, 2.0])),
        least_cells=draw(st.integers(2, 4)),
    )


def run(trades, rule):
    return price_absorption(*(trades[name] for name in INPUTS), trades["starts"], rule=rule)


def seeded_trades(seed, n=2_000):
    rng = np.random.default_rng(seed)
    return {
        "ts": np.cumsum(rng.integers(0, 4, n)) - 50,
        "price": 500 + np.cumsum(rng.choice([-1, 0, 0, 0, 1], n)),
        "qty": np.ceil(rng.lognormal(1, 1.2, n)).astype(np.int64),
        "sign": rng.choice([-1, 0, 1], n, p=[0.45, 0.1, 0.45]).astype(np.int8),
        "starts": np.array([0, n // 3, n // 2]),
    }


@given(cases.trades(), rules(), st.sampled_from([0, 10**9, 10**15]))
def test_equals_the_obvious_loop(trades, rule, more_lots):
    # Large lots that differ little: a deviation must not drown in their squares.
    trades = {**trades, "qty": trades["qty"] + more_lots}
    found = run(trades, rule)
    expected = naive.price_absorption(
        *(trades[name].tolist() for name in INPUTS),
        trades["starts"].tolist() or [0],
        window=rule.window_ns,
        lookback=rule.lookback_ns,
        multiplier=rule.multiplier,
        least=rule.least_cells,
    )
    assert found.lots.tolist() == [row[0] for row in expected]
    assert [None if math.isnan(size) else size for size in found.size_lots] == [
        None if row[1] is None else pytest.approx(row[1], rel=1e-14) for row in expected
    ]
    # Where lots and size are whole and equal rounding decides: the loop's mean is another sum.
    clear = [row[1] is None or abs(row[0] - row[1]) > 1e-14 * row[1] for row in expected]
    assert [s for s, ok in zip(found.sign, clear, strict=True) if ok] == [
        row[2] for row, ok in zip(expected, clear, strict=True) if ok
    ]
    if all(clear):
        assert found.is_onset.tolist() == [row[3] for row in expected]


@given(st.data(), cases.trades(), rules())
def test_chunks_equal_the_whole(data, trades, rule):
    edges = data.draw(cases.cuts(len(trades["ts"])))
    assert closed_bar_cases.same_bits(run(trades, rule), in_chunks(trades, rule, edges), NAMES)


def in_chunks(trades, rule, edges):
    return closed_bar_cases.in_chunks(
        lambda state, columns, starts: continue_price_absorption(
            state, *columns, starts, rule=rule
        ),
        [trades[name] for name in INPUTS],
        trades["starts"],
        edges,
    )


def test_no_look_ahead_and_long_chunks():
    trades = seeded_trades(3)
    rule = PriceAbsorptionRule(window_ns=20, lookback_ns=200, multiplier=2.0)
    whole = run(trades, rule)
    assert 5 < whole.is_onset.sum() < 200
    assert (whole.is_onset <= (whole.sign != 0)).all()
    for now in (1, 400, 667, 1_001, 1_999):
        prefix = price_absorption(
            *(trades[name][:now] for name in INPUTS),
            trades["starts"][trades["starts"] < now],
            rule=rule,
        )
        for name in NAMES:
            assert getattr(prefix, name).tobytes() == getattr(whole, name)[:now].tobytes()
    rng = np.random.default_rng(4)
    edges = [0, *np.sort(rng.integers(0, 2_000, 40)).tolist(), 2_000]
    assert closed_bar_cases.same_bits(whole, in_chunks(trades, rule, edges), NAMES)


def test_sides_mirror():
    trades = seeded_trades(5, 600)
    rule = PriceAbsorptionRule(window_ns=20, lookback_ns=100, multiplier=1.5)
    here = run(trades, rule)
    there = run({**trades, "price": -trades["price"], "sign": -trades["sign"]}, rule)
    assert there.sign.tolist() == (-here.sign).tolist()
    assert there.size_lots.tobytes() == here.size_lots.tobytes()


def test_far_prints_change_nothing():
    # A print 2**40 ticks away leaves no ladder by price: the cells are found by rank.
    trades = seeded_trades(6, 400)
    rule = PriceAbsorptionRule(window_ns=20, lookback_ns=100, multiplier=1.5)
    far = {**trades, "price": trades["price"].copy()}
    far["price"][399] += 2**40
    near, wide = run(trades, rule), run(far, rule)
    for name in NAMES:
        assert getattr(near, name)[:399].tobytes() == getattr(wide, name)[:399].tobytes()


def test_size_and_window_by_hand():
    # Buckets [0, 10) and [10, 20): cells 2 (two buys of 1 at 5), 4 (a sell at 5), 6 (a buy at 6):
    # mean 4, squares 4 + 0 + 4, deviation 2, multiplier 1: size 6, from bucket [20, 30) on.
    # At 20 a buy of 6 at 5: the window (10, 20] holds 6 lots: equal, no absorption.
    # At 21 a buy of 1 at 5: 7 > 6, absorbed by the ask: -1, an onset. At 22 one more: no onset.
    # At 29 a sell of 7 at 5: 7 > 6, +1, another side: its own onset.
    ts, price = [0, 3, 9, 15, 20, 21, 22, 29], [5, 5, 5, 6, 5, 5, 5, 5]
    qty, sign = [1, 4, 1, 6, 6, 1, 1, 7], [1, -1, 1, 1, 1, 1, 1, -1]
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0, least_cells=3)
    found = price_absorption(ts, price, qty, sign, [0], rule=rule)
    assert np.isnan(found.size_lots[:4]).all()
    assert found.size_lots[4:].tolist() == [6.0] * 4
    assert found.lots.tolist() == [1, 4, 2, 6, 6, 7, 8, 7]
    assert found.sign.tolist() == [0, 0, 0, 0, 0, -1, -1, 1]
    assert found.is_onset.tolist() == [False] * 5 + [True, False, True]


def test_onset_again_after_a_window_without_one():
    # Cells of 1 and 3 lots: mean 2, deviation sqrt(2), multiplier 1: size 3.41 in buckets 2 and 3
    # (look back of two: buckets 0 and 1, then 1 and 2).
    # 20: 9 lots. 29: 9 + 4, still above and less than 10 after: no onset. 39: exactly 10 after the
    # one at 29, which has left (29, 39]: an onset again, once there is a size.
    ts, qty = [0, 10, 20, 29, 39], [1, 3, 9, 4, 50]
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0, least_cells=2)
    found = price_absorption(ts, [5] * 5, qty, [1] * 5, [0], rule=rule)
    # Bucket 3 looks at cells 3 and 13: mean 8, deviation sqrt(50) = 7.07, size 15.07.
    assert found.size_lots[2:].tolist() == pytest.approx(
        [2 + math.sqrt(2)] * 2 + [8 + math.sqrt(50)]
    )
    assert found.lots.tolist() == [1, 3, 9, 13, 50]
    assert found.is_onset.tolist() == [False, False, True, False, True]


def test_equal_cells_have_no_deviation_and_empty_buckets_no_cells():
    # Cells 3 and 3: size 3 exactly; 3 lots are no absorption, 4 are. After a silence of 3 buckets
    # the look back of two holds no cell: no size.
    ts, qty = [0, 10, 20, 25, 65], [3, 3, 3, 1, 9]
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=2.0, least_cells=2)
    found = price_absorption(ts, [5] * 5, qty, [-1] * 5, [0], rule=rule)
    assert found.size_lots[2:4].tolist() == [3.0, 3.0]
    assert found.sign.tolist() == [0, 0, 0, 1, 0]
    assert math.isnan(found.size_lots[4])


@pytest.mark.parametrize("lots", [10**9 + 1, 2**53 + 1, 3**36 + 2])
def test_equal_cells_have_no_deviation_however_large(lots):
    # Their squares leave the exact floats; the size is their lots all the same.
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=70, multiplier=2.0, least_cells=2)
    found = price_absorption(np.arange(9) * 10, [5] * 9, [lots] * 9, [1] * 9, [0], rule=rule)
    assert found.size_lots[7:].tolist() == [float(lots)] * 2


def test_a_deviation_far_below_the_lots():
    # Cells of 10**15 and 10**15 + 4: deviation sqrt(8), size 10**15 + 2 + 2 sqrt(8) = ... + 7.657.
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=2.0, least_cells=2)
    lots = [10**15, 10**15 + 4, 10**15 + 7, 10**15 + 8]
    found = price_absorption([0, 10, 20, 30], [5] * 4, lots, [1] * 4, [0], rule=rule)
    assert found.size_lots[2] - 10**15 == pytest.approx(2 + 2 * math.sqrt(8), abs=0.1)
    assert found.sign.tolist() == [0, 0, 0, 0]
    lots[2] += 1
    assert price_absorption([0, 10, 20], [5] * 3, lots[:3], [1] * 3, [0], rule=rule).sign[2] == -1


def test_a_window_that_reaches_beyond_int64_is_refused():
    window = 2**62 + 2
    rule = PriceAbsorptionRule(window_ns=window, lookback_ns=window, multiplier=1.0)
    with pytest.raises(ValueError, match=r"ts_event_ns of -4.* beyond int64"):
        price_absorption([-(2**62) + 1], [1], [1], [1], [0], rule=rule)
    found = price_absorption([2], [1], [7], [1], [0], rule=rule)
    assert found.lots.tolist() == [7]


def test_unsigned_trades_belong_to_no_side():
    ts, sign = [0, 10, 20, 20, 20], [1, -1, 0, 1, 0]
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0, least_cells=2)
    found = price_absorption(ts, [5] * 5, [1, 3, 99, 1, 99], sign, [0], rule=rule)
    assert found.lots.tolist() == [1, 3, 0, 1, 0]
    assert found.sign.tolist() == [0] * 5


def test_empty_and_single_input():
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0)
    none = np.empty(0, np.int64)
    found, state = continue_price_absorption(None, none, none, none, none, none, rule=rule)
    assert len(found) == 0
    assert state is None
    one, state = continue_price_absorption(None, [5], [5], [5], [1], [0], rule=rule)
    assert one.lots.tolist() == [5]
    again, same = continue_price_absorption(state, none, none, none, none, none, rule=rule)
    assert same is state
    assert len(again) == 0


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"ts_event_ns": [2, 1]}, ValueError, "ts_event_ns must be non-decreasing"),
        ({"ts_event_ns": [-(2**62), 1]}, ValueError, r"ts_event_ns must lie within 2\*\*62"),
        ({"ts_event_ns": [1, 2**62]}, ValueError, r"ts_event_ns must lie within 2\*\*62"),
        ({"price_ticks": [1.0, math.nan]}, TypeError, "price_ticks"),
        ({"qty_lots": [1, -1]}, ValueError, "qty_lots must be positive"),
        ({"qty_lots": [2**62, 2**62]}, ValueError, "qty_lots may overflow"),
        ({"qty_lots": [1]}, ValueError, "one length"),
        ({"sign": [1, 2]}, ValueError, "sign must be in"),
        ({"session_start_idx": [1]}, ValueError, "session_start_idx must start at 0"),
    ],
)
def test_errors_name_the_argument(changed, error, text):
    arguments = {
        "ts_event_ns": [1, 2],
        "price_ticks": [1, 2],
        "qty_lots": [1, 2],
        "sign": [1, 1],
        "session_start_idx": [0],
    }
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0)
    with pytest.raises(error, match=text):
        price_absorption(**{**arguments, **changed}, rule=rule)


def test_states_are_checked():
    rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0)
    _, state = continue_price_absorption(None, [5], [5], [5], [1], [0], rule=rule)
    with pytest.raises(ValueError, match="ts_event_ns must be non-decreasing, got 4 after 5"):
        continue_price_absorption(state, [4], [5], [5], [1], [], rule=rule)
    longer = PriceAbsorptionRule(window_ns=10, lookback_ns=30, multiplier=1.0)
    with pytest.raises(ValueError, match="state must hold 3 buckets, got 2"):
        continue_price_absorption(state, [6], [5], [5], [1], [], rule=longer)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"window_ns": 0}, ValueError, "window_ns must be positive"),
        ({"lookback_ns": 25}, ValueError, "lookback_ns must be a multiple of 10, got 25"),
        ({"multiplier": math.inf}, ValueError, "multiplier"),
        ({"least_cells": 1}, ValueError, "least_cells must be at least 2"),
    ],
)
def test_rules_are_checked(changed, error, text):
    with pytest.raises(error, match=text):
        PriceAbsorptionRule(**{"window_ns": 10, "lookback_ns": 20, "multiplier": 1.0, **changed})
