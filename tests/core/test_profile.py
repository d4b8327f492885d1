"""Volume profile: oracle in any order, both paths, composites, bad trades, a peer on real trades."""

import tracemalloc
from dataclasses import astuple
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orderflow_core.profile
from orderflow_core.footprint import footprint
from orderflow_core.profile import ProfileRows, composite_profile, volume_profile
from orderflow_core.types import BarIndex
from tests.core import captures
from tests.core.cell_cases import as_rows
from tests.core.trade_cases import cuts
from tests.naive import profile as naive

trades = st.lists(
    st.tuples(st.integers(-30, 30), st.integers(1, 9), st.sampled_from([-1, 0, 1])), max_size=40
)


def columns(rows):
    return np.array(rows, np.int64).reshape(-1, 3).T


def profile_of(rows, **options):
    price, qty, sign = columns(rows)
    return volume_profile(price, qty, sign.astype(np.int8), **{"ticks_per_row": 1} | options)


@given(trades, st.integers(1, 7), st.integers(-9, 9), st.randoms(use_true_random=False))
def test_profile_agrees_with_the_obvious_loop_in_any_order(rows, height, anchor, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    grid = {"ticks_per_row": height, "anchor_tick": anchor}
    expected = naive.volume_profile(*columns(rows).tolist(), **grid)
    for order in (rows, shuffled):
        got = profile_of(order, **grid)
        assert as_rows(astuple(got)) == expected
        assert got.volume_lots.sum() == sum(q for _, q, _ in rows)
        assert len(got) == len(expected)


@given(st.lists(st.tuples(st.integers(-30, 30), st.integers(1, 9), st.integers(-1, 1)), min_size=8))
def test_ranges_added_up_side_by_side_give_the_same(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orderflow_core.profile, "_TRADES_PER_RANGE", 4)
        assert as_rows(astuple(profile_of(rows))) == as_rows(astuple(by_footprint(rows)))


def test_ladders_of_all_ranges_together_have_a_limit(monkeypatch):
    # 64 trades over 100 ticks: 16 ladders of more than 100 ticks, 64 bytes each, are above 100 kB.
    monkeypatch.setattr(orderflow_core.profile, "_RANGES_A_CORE", 16)
    rows = [(i * 100 // 64, i + 1, i % 3 - 1) for i in range(64)]
    monkeypatch.setattr(orderflow_core.profile, "_TRADES_PER_RANGE", 4)
    expected = as_rows(astuple(by_footprint(rows)))
    for most_ticks, is_small in ((10_000, False), (600, True), (90, True)):
        monkeypatch.setattr(orderflow_core.profile, "_LADDER_TICKS_IN_ALL", most_ticks)
        tracemalloc.start()
        got = profile_of(rows)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert as_rows(astuple(got)) == expected
        assert (peak < 100_000) is is_small


def by_footprint(rows):
    price, qty, sign = columns(rows)
    one = np.zeros(1, np.int64)
    bar = BarIndex(bar_id=one, t0_ns=one, t1_ns=one + 1, first_idx=one, end_idx=one + len(rows))
    cells = footprint(price, qty, sign, bar, ticks_per_row=1)
    return ProfileRows(
        price_tick=cells.price_tick,
        bid_lots=cells.bid_lots,
        ask_lots=cells.ask_lots,
        unsigned_lots=cells.unsigned_lots,
    )


def test_an_extreme_that_the_sample_misses():
    # Every third of 3,000 trades is looked at first: the lone prints at -900 and 900 are not among
    # them, and lie outside of the ladder that the sample suggests.
    rows = [(i % 5, 1, 1) for i in range(3_000)]
    rows[1], rows[2] = (-900, 2, -1), (900, 3, 0)
    got = profile_of(rows)
    assert as_rows(astuple(got))[0] == (-900, 2, 0, 0)
    assert as_rows(astuple(got))[-1] == (900, 0, 0, 3)
    assert got.volume_lots.sum() == 2_998 + 5


@pytest.mark.parametrize("far", [2**40, 2**61 - 9, -(2**61)])
def test_far_prints_take_another_path(far):
    got = profile_of([(7, 2, 1), (far, 3, -1), (7, 1, 0)], ticks_per_row=4)
    floored = far // 4 * 4
    assert sorted(as_rows(astuple(got))) == sorted([(4, 0, 2, 1), (floored, 3, 0, 0)])


BROKEN = {
    "sign 2": ([(1, 1, 2)], {}, "sign must be in"),
    "sign -2": ([(1, 1, 1), (1, 1, -2)], {}, "got -2 at position 1"),
    "size 0": ([(1, 1, 1), (1, 0, 1)], {}, "qty_lots must be positive, got 0 at position 1"),
    "size -1": ([(1, -1, 1)], {}, "qty_lots must be positive, got -1"),
    "sum beyond int64": ([(1, 2**62, 1), (1, 2**62, 1)], {}, "qty_lots may overflow int64"),
    "price beyond 2**61": ([(2**62, 1, 1)], {}, "within 2\\*\\*61 of anchor_tick"),
    "near the end of int64": ([(-(2**63), 1, 1)], {}, "within 2\\*\\*61 of anchor_tick"),
    "no row height": ([(1, 1, 1)], {"ticks_per_row": 0}, "ticks_per_row must be positive"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_contracts_are_named(case):
    rows, options, message = BROKEN[case]
    with pytest.raises(ValueError, match=message):
        profile_of(rows, **options)


def test_signs_are_narrowed_or_refused():
    assert volume_profile([1], [2], [1], ticks_per_row=1).ask_lots.tolist() == [2]
    with pytest.raises(TypeError, match="sign must hold integers"):
        volume_profile([1], [2], [1.0], ticks_per_row=1)
    with pytest.raises(TypeError, match="price_ticks must hold integers"):
        volume_profile([np.nan], [2], [1], ticks_per_row=1)
    with pytest.raises(ValueError, match="one length"):
        volume_profile([1, 2], [2], [1], ticks_per_row=1)
    for anchor in (0.5, np.nan):
        with pytest.raises(TypeError, match="anchor_tick must be an integer"):
            volume_profile([1], [2], [1], ticks_per_row=2, anchor_tick=anchor)


@given(trades, st.integers(1, 3), st.data())
def test_composite_of_any_parts_is_the_whole(rows, height, data):
    edges = data.draw(cuts(len(rows)))
    parts = [profile_of(rows[a:b], ticks_per_row=height) for a, b in pairwise(edges)]
    whole = as_rows(astuple(profile_of(rows, ticks_per_row=height)))
    assert as_rows(astuple(composite_profile(parts, ticks_per_row=height))) == whole
    so_far = composite_profile([], ticks_per_row=height)
    for part in parts:
        so_far = composite_profile([so_far, part], ticks_per_row=height)
    assert as_rows(astuple(so_far)) == whole


def test_composites_of_two_grids_are_refused():
    days = [profile_of([(0, 1, 1)], ticks_per_row=2), profile_of([(3, 1, 1)], ticks_per_row=1)]
    with pytest.raises(ValueError, match="multiples of ticks_per_row 2"):
        composite_profile(days, ticks_per_row=2)
    with pytest.raises(ValueError, match="profiles may overflow int64"):
        composite_profile([profile_of([(0, 2**62, 1)])] * 2, ticks_per_row=1)


def test_recorded_trades_are_conserved(test_data):
    for name in (*captures.FUTURES[:2], captures.SPOT[0]):
        (_, _, price, qty, sign), *_ = captures.read_capture(test_data / captures.FOLDER / name)
        signs = sign.astype(np.int8)
        rows = volume_profile(price, qty, signs, ticks_per_row=10)
        assert int(rows.volume_lots.sum()) == int(qty.sum())
        assert int(rows.ask_lots.sum() - rows.bid_lots.sum()) == int((signs * qty).sum())
        assert ((price.min() - rows.price_tick[0]) < 10) & (price.min() >= rows.price_tick[0])
