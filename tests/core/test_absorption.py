"""Absorption by bar: oracle, chunks, prefixes, ties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.absorption import (
    BarAbsorptionRule,
    bar_absorption,
    continue_bar_absorption,
)
from tests.core import closed_bar_cases
from tests.core import trade_cases as cases
from tests.naive import absorption as naive

NAMES = ("z", "is_absorbed", "sign")
INPUTS = ("open", "close", "volume", "delta")
RULES = st.builds(
    BarAbsorptionRule,
    n_windows=st.integers(1, 20),
    least_windows=st.integers(2, 4),
    least_z=st.sampled_from([0.5, 1.0, 2.0]),
    ticks_per_step=st.integers(1, 2),
    still_steps=st.integers(0, 2),
    cap_steps=st.integers(3, 5),
)


def run(bars, rule):
    return bar_absorption(*(bars[name] for name in INPUTS), bars["starts"], rule=rule)


@given(closed_bar_cases.bars(), RULES)
def test_equals_the_obvious_loop(bars, rule):
    found = run(bars, rule)
    expected = naive.bar_absorption(
        *(bars[name].tolist() for name in INPUTS),
        bars["starts"].tolist() or [0],
        n_windows=rule.n_windows,
        least=rule.least_windows,
        z0=rule.least_z,
        step=rule.ticks_per_step,
        still=rule.still_steps,
        cap=rule.cap_steps,
    )
    assert [None if math.isnan(z) else z for z in found.z] == [
        None if z is None else pytest.approx(z, rel=1e-12) for z, _, _ in expected
    ]
    assert found.is_absorbed.tolist() == [row[1] for row in expected]
    assert found.sign.tolist() == [row[2] for row in expected]


@given(st.data(), closed_bar_cases.bars(), RULES)
def test_chunks_equal_the_whole(data, bars, rule):
    edges = data.draw(cases.cuts(len(bars["open"])))
    parts = closed_bar_cases.in_chunks(
        lambda state, columns, starts: continue_bar_absorption(state, *columns, starts, rule=rule),
        [bars[name] for name in INPUTS],
        bars["starts"],
        edges,
    )
    assert closed_bar_cases.same_bits(run(bars, rule), parts, NAMES)


def test_no_look_ahead_and_long_chunks():
    bars = closed_bar_cases.seeded_bars(1, 600)
    rule = BarAbsorptionRule(n_windows=100, least_windows=5, least_z=1.0)
    whole = run(bars, rule)
    assert 0 < whole.is_absorbed.sum() < 200
    for now in (1, 150, 200, 301, 599):
        prefix = bar_absorption(
            *(bars[name][:now] for name in INPUTS),
            bars["starts"][bars["starts"] < now],
            rule=rule,
        )
        for name in NAMES:
            assert getattr(prefix, name).tobytes() == getattr(whole, name)[:now].tobytes()
    one_by_one = closed_bar_cases.in_chunks(
        lambda state, columns, starts: continue_bar_absorption(state, *columns, starts, rule=rule),
        [bars[name] for name in INPUTS],
        bars["starts"],
        list(range(601)),
    )
    assert closed_bar_cases.same_bits(whole, one_by_one, NAMES)


def test_score_and_side_by_hand():
    # Bars that move 0: 4, 6, 8 lots; mean 6, squares 4 + 0 + 4 = 8, deviation sqrt(8 / 2) = 2.
    # The fourth, of 10 lots: z = (10 - 6) / 2 = 2, exactly the threshold: absorbed. Its delta is
    # negative: bids took the sellers, +1.
    # The fifth, 11 lots against 4, 6, 8, 10: mean 7, squares 9 + 1 + 1 + 9 = 20,
    # deviation sqrt(20 / 3): z = 4 / 2.582 = 1.549, below 2.
    price = np.full(5, 100)
    found = bar_absorption(
        price,
        price,
        [4, 6, 8, 10, 11],
        [1, 1, 1, -3, 5],
        [0],
        rule=BarAbsorptionRule(n_windows=10, least_windows=3),
    )
    assert found.z[3] == 2.0
    assert found.z[4] == pytest.approx(4 / math.sqrt(20 / 3))
    assert found.is_absorbed.tolist() == [False, False, False, True, False]
    assert found.sign.tolist() == [0, 0, 0, 1, 0]


def test_only_bars_of_the_same_displacement_are_compared():
    # Steps 0, 3, 0, 3, 0: the last bar knows the still ones of 2 and 4 lots (mean 3, deviation
    # sqrt(2)), not those of 90: z = (9 - 3) / sqrt(2).
    found = bar_absorption(
        [10, 10, 10, 10, 10],
        [10, 13, 10, 7, 10],
        [2, 90, 4, 90, 9],
        [0, 0, 0, 0, 1],
        [0],
        rule=BarAbsorptionRule(n_windows=10, least_windows=2),
    )
    assert found.z[4] == pytest.approx(6 / math.sqrt(2))
    assert found.sign.tolist() == [0, 0, 0, 0, -1]


def test_capped_displacements_share_their_moments():
    # Moves of 5, 9 and 7 are all "5 or more": 10 against 2 and 4, z = 7 / sqrt(2). Not still.
    found = bar_absorption(
        [0, 0, 0],
        [5, 9, -7],
        [2, 4, 10],
        [1, 1, 1],
        [0],
        rule=BarAbsorptionRule(n_windows=2, least_windows=2),
    )
    assert found.z[2] == pytest.approx(7 / math.sqrt(2))
    assert not found.is_absorbed[2]


def test_no_score_without_variance_warmth_or_across_a_session():
    rule = BarAbsorptionRule(n_windows=3, least_windows=2)
    price = np.full(6, 7)
    # Equal volumes have no deviation; the session's first two bars have no two like bars before.
    found = bar_absorption(price, price, [5, 5, 9, 1, 2, 9], np.ones(6, int), [0, 3], rule=rule)
    assert np.isnan(found.z[:5]).all()
    assert found.z[5] == pytest.approx((9 - 1.5) / math.sqrt(0.5))


def test_a_delta_of_zero_has_no_side():
    found = bar_absorption(
        [1] * 3,
        [1] * 3,
        [1, 3, 9],
        [0] * 3,
        [0],
        rule=BarAbsorptionRule(n_windows=9, least_windows=2),
    )
    assert found.is_absorbed.tolist() == [False, False, True]
    assert found.sign.tolist() == [0, 0, 0]


def test_steps_of_several_ticks():
    # 19 ticks are one whole step of 10, and still; 20 are two.
    rule = BarAbsorptionRule(n_windows=9, least_windows=2, ticks_per_step=10)
    for move, is_absorbed in ((19, True), (-19, True), (20, False)):
        found = bar_absorption([0] * 3, [move] * 3, [1, 3, 9], [1] * 3, [0], rule=rule)
        assert found.is_absorbed[2] == is_absorbed


def test_empty_input():
    rule = BarAbsorptionRule(n_windows=5)
    none = np.empty(0, np.int64)
    found, state = continue_bar_absorption(None, none, none, none, none, none, rule=rule)
    assert len(found) == len(state.volume_lots) == 0
    assert found.z.dtype == np.float64
    assert found.sign.dtype == np.int8
    assert found.is_absorbed.dtype == np.bool_
    assert len(bar_absorption([], [], [], [], [], rule=rule)) == 0


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"volume_lots": [1, 0]}, ValueError, "volume_lots must be positive, got 0"),
        ({"volume_lots": [1, -1]}, ValueError, "volume_lots must be positive, got -1"),
        ({"volume_lots": [1.0, math.nan]}, TypeError, "volume_lots"),
        ({"volume_lots": [1]}, ValueError, "one length"),
        ({"volume_lots": [2**62, 2**62]}, ValueError, "volume_lots may overflow"),
        ({"open_ticks": [1.5, 2.0]}, TypeError, "open_ticks"),
        ({"open_ticks": [-(2**62) - 1, 0]}, ValueError, "open_ticks may overflow"),
        ({"close_ticks": [2**62, 0]}, ValueError, "close_ticks may overflow"),
        ({"close_ticks": [1]}, ValueError, "one length"),
        ({"delta_lots": [0.5, 1.0]}, TypeError, "delta_lots"),
        ({"session_start_bar": [1]}, ValueError, "session_start_bar must start at 0"),
        ({"session_start_bar": [0, 2]}, ValueError, "session_start_bar must lie below 2"),
    ],
)
def test_errors_name_the_argument(changed, error, text):
    arguments = {
        "open_ticks": [1, 2],
        "close_ticks": [1, 2],
        "volume_lots": [1, 2],
        "delta_lots": [1, 2],
        "session_start_bar": [0],
    }
    with pytest.raises(error, match=text):
        bar_absorption(**{**arguments, **changed}, rule=BarAbsorptionRule(n_windows=5))


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"n_windows": 0}, ValueError, "n_windows must be positive"),
        ({"n_windows": 5.0}, TypeError, "n_windows"),
        ({"n_windows": 2**63}, ValueError, r"n_windows must be below 2\*\*63"),
        ({"least_windows": 1}, ValueError, "least_windows must be at least 2"),
        ({"least_z": math.nan}, ValueError, "least_z"),
        ({"ticks_per_step": 0}, ValueError, "ticks_per_step"),
        ({"still_steps": -1}, ValueError, "still_steps"),
        ({"cap_steps": 2**63}, ValueError, r"cap_steps must be below 2\*\*63"),
        ({"still_steps": 5}, ValueError, "cap_steps must be at least 6"),
    ],
)
def test_rules_are_checked(changed, error, text):
    with pytest.raises(error, match=text):
        BarAbsorptionRule(**{"n_windows": 5, **changed})


def test_volumes_that_no_float_can_hold_are_told_apart():
    # Like bars of 2**53 + 1 and 2**53 + 3: mean 2**53 + 2, deviation sqrt(2). The third, of
    # 2**53 + 10: z = 8 / sqrt(2).
    rule, edge = BarAbsorptionRule(n_windows=9, least_windows=2), 2**53
    found = bar_absorption(
        [1] * 3, [1] * 3, [edge + 1, edge + 3, edge + 10], [1] * 3, [0], rule=rule
    )
    assert found.z[2] == pytest.approx(8 / math.sqrt(2), rel=1e-15)


@pytest.mark.parametrize("lots", [2**54 + 1, 3**36 + 2, 2**59 + 7])
def test_equal_volumes_have_no_deviation_however_large(lots):
    # Five times 2**54 + 1 is no float: a mean that is one would leave a deviation of rounding.
    n = 8
    rule = BarAbsorptionRule(n_windows=7, least_windows=2)
    found = bar_absorption([1] * n, [1] * n, [lots] * (n - 1) + [lots + 5], [1] * n, [0], rule=rule)
    assert np.isnan(found.z).all()
