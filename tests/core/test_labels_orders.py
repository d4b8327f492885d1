"""Labels of orders: oracle, truncation, golden figures of impact, slippage, fills and markouts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.backtest.resting import RestingFills
from orderflow_core.labels_orders import (
    adverse_labels,
    fill_labels,
    impact_labels,
    markout_labels,
    slippage_labels,
)
from tests.naive import labels_orders as naive

times = st.lists(st.integers(0, 30), max_size=12).map(sorted)


@st.composite
def situations(draw):
    t0 = draw(times)
    orders = [(at, at + draw(st.integers(0, 4)), draw(st.integers(-1, 1))) for at in t0]
    ref = [(ts, draw(st.integers(10, 14))) for ts in draw(times)]
    gaps = sorted(draw(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=3)))
    gaps = [(start, start + length) for start, length in gaps]
    return orders, ref, gaps, draw(st.integers(1, 40)), draw(st.integers(0, 40))


def ints(values):
    return np.array(values, np.int64)


def arguments(situation):
    orders, ref, gaps, session_end, known_until = situation
    t0, at, sign = (ints([row[k] for row in orders]) for k in range(3))
    ours = {
        "session_end_ns": session_end,
        "gap_start_ns": ints(sorted(start for start, _ in gaps)),
        "gap_end_ns": ints(sorted(end for _, end in gaps)),
        "known_until_ns": known_until,
    }
    theirs = {"session_end": session_end, "gaps": gaps, "known_until": known_until}
    path = ints([ts for ts, _ in ref]), ints([mid2 for _, mid2 in ref])
    return (t0, at, sign.astype(np.int8)), path, ours, theirs


@given(situations(), st.integers(1, 12))
def test_impact_agrees_with_the_obvious_loop(situation, horizon):
    orders, path, ours, theirs = arguments(situation)
    got = impact_labels(*orders, *path, horizon_ns=horizon, **ours)
    wanted = naive.impact_labels(situation[0], situation[1], horizon=horizon, **theirs)
    assert got.t1_ns.tolist() == [t1 for t1, _ in wanted]
    np.testing.assert_allclose(got.label, [label for _, label in wanted])


@given(situations())
def test_slippage_agrees_with_the_obvious_loop(situation):
    orders, path, ours, theirs = arguments(situation)
    vwap = np.linspace(5, 7, len(orders[0]))
    got = slippage_labels(*orders, vwap, *path, **ours)
    wanted = naive.slippage_labels(situation[0], vwap, situation[1], **theirs)
    assert got.t1_ns.tolist() == [t1 for t1, _ in wanted]
    np.testing.assert_allclose(got.label, [label for _, label in wanted])


@given(situations(), st.integers(1, 12))
def test_markouts_agree_with_the_obvious_loop_and_are_impact_less_slippage(situation, horizon):
    orders, path, ours, theirs = arguments(situation)
    vwap = np.linspace(5, 7, len(orders[0]))
    got = markout_labels(*orders, vwap, *path, horizon_ns=horizon, **ours)
    wanted = naive.markout_labels(situation[0], vwap, situation[1], horizon=horizon, **theirs)
    assert got.t1_ns.tolist() == [t1 for t1, _ in wanted]
    np.testing.assert_allclose(got.label, [label for _, label in wanted])
    impact = impact_labels(*orders, *path, horizon_ns=horizon, **ours).label
    paid = slippage_labels(*orders, vwap, *path, **ours).label
    known = np.isfinite(got.label)
    assert (known == np.isfinite(impact)).all()
    base = [path[1][int((path[0] < at).sum()) - 1] / 2 for at in orders[1][known]]
    np.testing.assert_allclose(
        got.label[known] * vwap[known] / base, (impact - paid)[known], atol=1e-9
    )


@given(situations(), st.integers(1, 12))
def test_a_label_depends_on_nothing_after_its_t1(situation, horizon):
    orders, path, ours, _ = arguments(situation)
    paid = np.full(len(orders[0]), 6.0)
    for made, given_ in ((impact_labels, orders), (markout_labels, (*orders, paid))):
        whole = made(*given_, *path, horizon_ns=horizon, **ours)
        for i in np.flatnonzero(np.isfinite(whole.label)):
            n = int((path[0] <= whole.t1_ns[i]).sum())
            part = made(*given_, path[0][:n], path[1][:n], horizon_ns=horizon, **ours)
            assert part.label[i] == whole.label[i]


@st.composite
def resting(draw):
    orders, ref, gaps, session_end, known_until = draw(situations())
    rows = []
    for t0, arrive, _ in orders:
        deadline = arrive + 6
        fill = draw(st.one_of(st.none(), st.integers(arrive, deadline)))
        placed = draw(st.booleans())
        rows.append(
            (t0, arrive, deadline, draw(st.sampled_from([-1, 1])), fill if placed else None, placed)
        )
    return rows, (orders, ref, gaps, session_end, known_until)


def fills_of(rows):
    return RestingFills(
        arrive_ns=ints([row[1] for row in rows]),
        deadline_ns=ints([row[2] for row in rows]),
        price_ticks=ints([6 if row[5] else 0 for row in rows]),
        queue_lots=ints([1 for _ in rows]),
        fill_ns=ints([-1 if row[4] is None else row[4] for row in rows]),
        is_placed=np.array([row[5] for row in rows], np.bool_),
    )


@given(resting(), st.integers(1, 12))
def test_fills_and_markouts_agree_with_the_obvious_loop(drawn, horizon):
    rows, situation = drawn
    (t0, _, _), path, ours, theirs = arguments(situation)
    got = fill_labels(t0, fills_of(rows), **ours)
    wanted = naive.fill_labels(
        t0.tolist(), [r[2] for r in rows], [(r[5], r[4]) for r in rows], **theirs
    )
    assert got.t1_ns.tolist() == [row[2] for row in rows]
    np.testing.assert_array_equal(got.label, np.array(wanted, float))
    side = np.array([row[3] for row in rows], np.int8)
    got = adverse_labels(t0, fills_of(rows), side, *path, horizon_ns=horizon, **ours)
    wanted = naive.adverse_labels(
        t0.tolist(), [(r[3], 6, r[2], r[4]) for r in rows], situation[1], horizon=horizon, **theirs
    )
    assert got.t1_ns.tolist() == [t1 for t1, _ in wanted]
    np.testing.assert_allclose(got.label, [label for _, label in wanted])


OPEN = {"session_end_ns": 100, "gap_start_ns": [], "known_until_ns": 100}
ONE = (ints([10]), ints([12]), np.array([1], np.int8))


def test_impact_starts_just_before_the_order():
    # Mid 10,000 before the order at 12; the quote at 12 is the order's own doing: 10,001 at 15.
    path = ([9, 12, 15], [20_000, 20_002, 20_002])
    assert impact_labels(*ONE, *path, horizon_ns=3, **OPEN).label.tolist() == [1.0]
    sold = (*ONE[:2], np.array([-1], np.int8))
    assert impact_labels(*sold, *path, horizon_ns=3, **OPEN).label.tolist() == [-1.0]
    nobody = (*ONE[:2], np.array([0], np.int8))
    assert math.isnan(impact_labels(*nobody, *path, horizon_ns=3, **OPEN).label[0])
    unknown = ([12], [20_000])
    assert math.isnan(impact_labels(*ONE, *unknown, horizon_ns=3, **OPEN).label[0])


def test_impact_ends_within_session_and_record():
    path = ([9], [20_000])
    for change, is_known in (
        ({"session_end_ns": 15}, False), ({"session_end_ns": 16}, True),
        ({"known_until_ns": 14}, False), ({"known_until_ns": 15}, True),
        ({"gap_start_ns": [10]}, False), ({"gap_start_ns": [16]}, True), ({"gap_start_ns": [9]}, True),
    ):  # fmt: skip
        label = impact_labels(*ONE, *path, horizon_ns=3, **(OPEN | change)).label[0]
        assert math.isnan(label) != is_known


def test_slippage_of_a_sale_below_the_mid_is_a_cost():
    sold = (*ONE[:2], np.array([-1], np.int8))
    # Arrival mid 10,000; sold at 9,995: 5 bp.
    assert slippage_labels(*sold, np.array([9995.0]), [9], [20_000], **OPEN).label.tolist() == [5.0]


def test_a_markout_is_of_what_was_paid():
    # Bought at 10,000 on average, the mid is 10,001 from 15 on; what was resting there lost as much.
    path = ([9, 15], [19_998, 20_002])
    for horizon, worth in ((2, -1.0), (3, 1.0)):
        found = markout_labels(*ONE, np.array([1e4]), *path, horizon_ns=horizon, **OPEN)
        assert (found.label.tolist(), found.t1_ns.tolist()) == ([worth], [12 + horizon])
    with pytest.raises(ValueError, match="vwap_ticks must be positive, got 0"):
        markout_labels(*ONE, np.zeros(1), *path, horizon_ns=1, **OPEN)


def test_markout_is_the_half_spread_where_nothing_happens():
    fills = fills_of([(10, 10, 16, 1, 12, True)])
    # Bought at 6 with the mid at 6.5: 1e4 / 12; the mid falls to 5.5 at 14.
    path = ([9, 14], [13, 11])
    one = np.array([1], np.int8)
    early = adverse_labels(ints([10]), fills, one, *path, horizon_ns=1, **OPEN)
    late = adverse_labels(ints([10]), fills, one, *path, horizon_ns=2, **OPEN)
    assert early.label[0] == pytest.approx(1e4 / 12)
    assert late.label[0] == pytest.approx(-1e4 / 12)
    assert late.t1_ns.tolist() == [14]


@pytest.mark.parametrize("fill", [12, 16])
def test_whether_a_markout_is_known_does_not_depend_on_when_the_order_was_filled(fill):
    # The deadline is 16 and the horizon 3: all is known at 19, whenever the fill came.
    fills = fills_of([(10, 10, 16, 1, fill, True)])
    given_ = (ints([10]), fills, np.array([1], np.int8), [9], [13])
    for change, is_known in (
        ({"session_end_ns": 19}, False), ({"session_end_ns": 20}, True),
        ({"known_until_ns": 18}, False), ({"known_until_ns": 19}, True),
        ({"gap_start_ns": [19]}, False), ({"gap_start_ns": [20]}, True),
    ):  # fmt: skip
        found = adverse_labels(*given_, horizon_ns=3, **(OPEN | change))
        assert math.isnan(found.label[0]) != is_known, change
        assert found.t1_ns.tolist() == [fill + 3]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"t0_ns": [2, 1]}, ValueError, "t0_ns must be non-decreasing"),
        ({"order_ns": [0, 5]}, ValueError, "must not lie before t0_ns"),
        ({"order_sign": [1, 2]}, ValueError, "order_sign must be in"),
        ({"ref_mid2": [1]}, ValueError, "one length"),
        ({"ref_mid2": [1, 0]}, ValueError, "ref_mid2 must be positive"),
        ({"ref_ts_ns": [2, 1]}, ValueError, "ref_ts_ns must be non-decreasing"),
        ({"horizon_ns": 0}, ValueError, "horizon_ns must be positive"),
        ({"horizon_ns": 2**63 - 2}, ValueError, "must stay within int64"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    good = {
        "t0_ns": [1, 2], "order_ns": [2, 3], "order_sign": [1, 1], "ref_ts_ns": [1, 2],
        "ref_mid2": [4, 4], "horizon_ns": 1,
    }  # fmt: skip
    with pytest.raises(error, match=message):
        impact_labels(**(good | OPEN | change))
