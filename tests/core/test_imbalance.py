"""Diagonal imbalance and stacks: oracle, golden examples for each rule that platforms differ on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.footprint import FootprintCells
from orderflow_core.imbalance import diagonal_imbalance, stacked_levels
from tests.core.footprint_cases import cells_of
from tests.naive import imbalance as naive

ATAS_STACKED = {
    "ratio_num": 3,
    "ratio_den": 1,
    "compare": "gt",
    "min_lots": 0,
    "zero_opposite": "counts",
    "gap_policy": "skip",
}
STRICT = ATAS_STACKED | {"gap_policy": "zero"}


def flags(rows, **rule):
    is_buy, is_sell = diagonal_imbalance(cells_of([rows]), ticks_per_row=1, **rule)
    return is_buy.tolist(), is_sell.tolist()


volumes = st.integers(0, 9)
ladders = st.lists(
    st.dictionaries(st.integers(-4, 4), st.tuples(volumes, volumes), max_size=8), max_size=4
)
rules = st.fixed_dictionaries(
    {
        "ratio_num": st.integers(1, 4),
        "ratio_den": st.integers(1, 3),
        "compare": st.sampled_from(["gt", "ge"]),
        "min_lots": st.integers(0, 5),
        "zero_opposite": st.sampled_from(["counts", "skipped"]),
        "gap_policy": st.sampled_from(["zero", "break", "skip"]),
    }
)


@given(ladders, rules, st.integers(1, 3))
def test_agrees_with_the_obvious_loop(bars, rule, height):
    bars = [{p * height: v for p, v in rows.items()} for rows in bars]
    cells = cells_of(bars)
    is_buy, is_sell = diagonal_imbalance(cells, ticks_per_row=height, **rule)
    expected = naive.diagonal_imbalance(bars, ticks_per_row=height, **rule)
    assert (is_buy.tolist(), is_sell.tolist()) == expected

    gap_policy = rule["gap_policy"]
    runs = stacked_levels(cells, is_buy, is_sell, ticks_per_row=height, gap_policy=gap_policy)
    for got, side in zip(runs, expected, strict=True):
        wanted = naive.stacked_levels(bars, side, ticks_per_row=height, gap_policy=gap_policy)
        assert got.tolist() == wanted


@given(ladders, rules)
def test_mirrored_ladder_swaps_the_sides(bars, rule):
    mirrored = [{-p: (ask, bid) for p, (bid, ask) in rows.items()} for rows in bars]
    is_buy, is_sell = diagonal_imbalance(cells_of(bars), ticks_per_row=1, **rule)
    other_buy, other_sell = diagonal_imbalance(cells_of(mirrored), ticks_per_row=1, **rule)
    at = 0
    for rows in bars:
        own = slice(at, at + len(rows))
        assert is_buy[own].tolist() == other_sell[own][::-1].tolist()
        assert is_sell[own].tolist() == other_buy[own][::-1].tolist()
        at += len(rows)


def test_comparison_is_diagonal():
    # Buy at 11: ask(11) = 9 against bid(10) = 2: 9 > 6. Not ask(11) against bid(11) = 50.
    # Sell at 10: bid(10) = 2 against ask(11) = 9: no. Row 10 has no buy test, row 11 no sell test.
    assert flags({10: (2, 40), 11: (50, 9)}, **STRICT) == ([False, True], [False, False])


def test_ratio_met_exactly_counts_with_ge_only():
    # 6 against 3 * 2 = 6.
    rows = {10: (2, 0), 11: (0, 6)}
    assert flags(rows, **STRICT)[0] == [False, False]
    assert flags(rows, **STRICT | {"compare": "ge"})[0] == [False, True]


def test_ratio_is_a_fraction_compared_in_integers():
    # Ratio 3/2: ask 3 * 2 = 6 against bid 2 * 3 = 6, met exactly; 3.0000000001 in floats decides otherwise.
    rows = {10: (2, 0), 11: (0, 3)}
    rule = STRICT | {"ratio_num": 3, "ratio_den": 2}
    assert flags(rows, **rule)[0] == [False, False]
    assert flags(rows, **rule | {"compare": "ge"})[0] == [False, True]


def test_zero_on_the_other_side():
    rows = {10: (0, 0), 11: (0, 4)}
    assert flags(rows, **STRICT)[0] == [False, True]
    assert flags(rows, **STRICT | {"zero_opposite": "skipped"})[0] == [False, False]


def test_nothing_against_nothing_is_no_imbalance():
    # 0 >= 3 * 0 holds, but a side that did not trade dominates nothing.
    assert flags({10: (0, 0), 11: (0, 0)}, **STRICT | {"compare": "ge"}) == (
        [False, False],
        [False, False],
    )


def test_min_lots_is_inclusive_and_meets_the_dominant_side():
    rows = {10: (1, 0), 11: (0, 30)}
    assert flags(rows, **STRICT | {"min_lots": 30})[0] == [False, True]
    assert flags(rows, **STRICT | {"min_lots": 31})[0] == [False, False]


def test_untraded_row_between_two_traded_ones():
    # Rows 10 and 12; 11 did not trade. Buy at 12: ask 7 against
    #   zero: bid(11) = 0, so zero_opposite decides; break: nothing; skip: bid(10) = 2, 7 > 6.
    rows = {10: (2, 0), 12: (0, 7)}
    assert flags(rows, **STRICT)[0] == [False, True]
    assert flags(rows, **STRICT | {"zero_opposite": "skipped"})[0] == [False, False]
    assert flags(rows, **STRICT | {"gap_policy": "break"})[0] == [False, False]
    assert flags(rows, **ATAS_STACKED)[0] == [False, True]
    # With bid(10) = 3 the skipping rule sees 7 > 9, which is false, and the strict one still 7 > 0.
    rows = {10: (3, 0), 12: (0, 7)}
    assert flags(rows, **ATAS_STACKED)[0] == [False, False]
    assert flags(rows, **STRICT)[0] == [False, True]


def test_row_with_unsigned_lots_only_did_trade():
    # Row 11 is a cell with (0, 0): the buy test at 12 compares with it under every gap policy.
    rows = {10: (2, 0), 11: (0, 0), 12: (0, 7)}
    for gap_policy in ("zero", "break", "skip"):
        assert flags(rows, **STRICT | {"gap_policy": gap_policy})[0] == [False, False, True]


def test_bars_do_not_see_each_other():
    bars = [{10: (0, 0), 11: (0, 9)}, {12: (0, 9)}, {9: (9, 0)}]
    is_buy, is_sell = diagonal_imbalance(cells_of(bars), ticks_per_row=1, **STRICT)
    assert is_buy.tolist() == [False, True, False, False]
    assert not is_sell.any()


def test_stack_is_broken_by_an_untraded_row_unless_it_is_skipped():
    # Buy imbalances at 11, 12, 14: runs of 2 and 1, or of 3 when 13 is passed over.
    cells = cells_of([dict.fromkeys((10, 11, 12, 14), (0, 0))])
    is_buy = np.array([False, True, True, True])
    is_sell = np.zeros(4, np.bool_)
    for gap_policy, expected in (
        ("zero", [0, 2, 2, 1]), ("break", [0, 2, 2, 1]), ("skip", [0, 3, 3, 3])
    ):  # fmt: skip
        runs = stacked_levels(cells, is_buy, is_sell, ticks_per_row=1, gap_policy=gap_policy)
        assert runs[0].tolist() == expected
        assert runs[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ratio_num": 0}, ValueError, "ratio_num must be positive, got 0"),
        ({"ratio_den": 1.5}, TypeError, "ratio_den must be an integer, got 1.5"),
        ({"compare": ">"}, ValueError, "compare must be one of"),
        ({"min_lots": -1}, ValueError, "min_lots must not be negative, got -1"),
        ({"zero_opposite": "inf"}, ValueError, "zero_opposite must be one of"),
        ({"gap_policy": "none"}, ValueError, "gap_policy must be one of"),
        ({"ticks_per_row": 2}, ValueError, "on rows of 2 ticks"),
        ({"ratio_num": 2**62}, ValueError, "ratio may overflow"),
        ({"ratio_den": 2**63}, ValueError, "ratio_den must be below"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    cells = cells_of([{10: (2, 0), 11: (0, 7)}])
    with pytest.raises(error, match=message):
        diagonal_imbalance(cells, **({"ticks_per_row": 1} | STRICT | change))


def test_ratio_beyond_int64_is_named_where_nothing_traded_on_a_side():
    for rows in ({}, {10: (0, 0)}):
        with pytest.raises(ValueError, match="ratio_num must be below"):
            flags(rows, **STRICT | {"ratio_num": 2**63})


def test_rules_have_no_silent_defaults():
    with pytest.raises(TypeError, match="missing 7 required keyword-only arguments"):
        diagonal_imbalance(cells_of([{10: (2, 0)}]))


def test_unsorted_cells_and_wrong_flags_are_refused():
    cells = cells_of([{10: (2, 0)}, {10: (0, 7)}])
    backwards = FootprintCells(
        **{name: getattr(cells, name)[::-1] for name in FootprintCells.__slots__}
    )
    with pytest.raises(ValueError, match="sorted by"):
        diagonal_imbalance(backwards, ticks_per_row=1, **STRICT)
    no = np.zeros(2, np.bool_)
    with pytest.raises(TypeError, match="is_sell must hold booleans"):
        stacked_levels(cells, no, np.zeros(2), ticks_per_row=1, gap_policy="zero")
    with pytest.raises(ValueError, match="one length"):
        stacked_levels(cells, no[:1], no, ticks_per_row=1, gap_policy="zero")
