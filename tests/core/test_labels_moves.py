"""Labels of directions, moves and barriers: oracle, golden edges, nothing after t1."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.labels_directions import direction_time_labels, direction_trades_labels
from orderflow_core.labels_moves import significant_move_labels, triple_barrier_labels
from tests.core.label_cases import amounts, arguments, assert_same, situations, times
from tests.naive import labels as naive

OPEN = {"session_end_ns": 100, "gap_start_ns": [], "known_until_ns": 100}


@given(situations(), times, st.integers(1, 5), st.data())
def test_direction_over_trades_agrees_with_the_obvious_loop(situation, trade_ts, horizon, data):
    (t0, ref_ts, ref), ours, theirs = arguments(situation)
    known = [sum(ts <= t for ts in trade_ts) for t in t0]
    rows = [i for i, n in enumerate(known) if n]
    # Some decisions know fewer trades than stand at their time.
    trade_idx = [known[i] - 1 - data.draw(st.integers(0, 1)) * (known[i] > 1) for i in rows]
    trade_idx = np.maximum.accumulate(np.array(trade_idx, np.int64)).tolist()
    t0 = [t0[i] for i in rows]
    ours["session_end_ns"] = ours["session_end_ns"][rows]
    theirs["session_end"] = [theirs["session_end"][i] for i in rows]
    given_ = (t0, trade_idx, trade_ts, ref_ts, ref)
    cost = data.draw(amounts(len(t0)))
    got = direction_trades_labels(
        *given_, horizon_trades=horizon, cost_mid2=np.array(cost, float), **ours
    )
    expected = naive.direction_trades_labels(*given_, horizon_trades=horizon, cost=cost, **theirs)
    assert_same(got, expected)


@given(situations(), st.integers(1, 12), st.data())
def test_direction_over_time_agrees_with_the_obvious_loop(situation, horizon, data):
    given_, ours, theirs = arguments(situation)
    cost = data.draw(amounts(len(given_[0])))
    got = direction_time_labels(
        *given_, horizon_ns=horizon, cost_mid2=np.array(cost, float), **ours
    )
    assert_same(got, naive.direction_time_labels(*given_, horizon_ns=horizon, cost=cost, **theirs))


@given(situations(), st.integers(1, 12), st.data())
def test_significant_move_agrees_with_the_obvious_loop(situation, horizon, data):
    given_, ours, theirs = arguments(situation)
    sigma, cost = (data.draw(amounts(len(given_[0]))) for _ in range(2))
    got = significant_move_labels(
        *given_, horizon_ns=horizon, sigma_mid2=np.array(sigma, float), n_sigmas=1.5,
        cost_mid2=np.array(cost, float), **ours,
    )  # fmt: skip
    expected = naive.significant_move_labels(
        *given_, horizon_ns=horizon, sigma=sigma, n_sigmas=1.5, cost=cost, **theirs
    )
    assert_same(got, expected)


@given(situations(), st.integers(1, 40), st.data())
def test_triple_barrier_agrees_with_the_obvious_loop(situation, horizon, data):
    given_, ours, theirs = arguments(situation)
    barrier = data.draw(amounts(len(given_[0]), least=1))
    got = triple_barrier_labels(
        *given_, horizon_ns=horizon, barrier_mid2=np.array(barrier, float), **ours
    )
    expected = naive.triple_barrier_labels(*given_, horizon_ns=horizon, barrier=barrier, **theirs)
    assert_same(got, expected)


def test_triple_barrier_passes_blocks_without_a_touch_as_the_obvious_loop_does():
    # 1,500 events: walks in which most rows pass several blocks of 64 before they touch.
    rng = np.random.default_rng(3)
    ref_ts = np.sort(rng.integers(0, 3_000, 1_500))
    ref = 1_000 + np.cumsum(rng.integers(-1, 2, 1_500))
    t0 = np.sort(rng.choice(ref_ts, 60))
    barrier = rng.choice([3.0, 11.5, 25.0, 60.0], 60)
    ends = {"session_end": [10_000] * 60, "gaps": [], "known_until": 10_000}
    expected = naive.triple_barrier_labels(
        t0.tolist(), ref_ts.tolist(), ref.tolist(), horizon_ns=1_200, barrier=barrier.tolist(),
        **ends,
    )  # fmt: skip
    got = triple_barrier_labels(
        t0, ref_ts, ref, horizon_ns=1_200, barrier_mid2=barrier,
        session_end_ns=10_000, gap_start_ns=[], known_until_ns=10_000,
    )  # fmt: skip
    assert_same(got, expected)
    assert {label for _, label in expected} == {-1, 0, 1}


def all_labels(t0, ref_ts, ref, *, horizon, trades, **ends):
    """Every label of this file on one situation."""
    n = len(t0)
    idx = np.searchsorted(trades, t0, side="right") - 1
    common = {"horizon_ns": horizon, **ends}
    given_ = (t0, ref_ts, ref)
    yield direction_trades_labels(t0, idx, trades, ref_ts, ref, horizon_trades=2, **ends)
    yield direction_time_labels(*given_, cost_mid2=np.full(n, 1.0), **common)
    yield significant_move_labels(
        *given_, sigma_mid2=np.full(n, 0.5), n_sigmas=2, cost_mid2=0.0, **common
    )
    yield triple_barrier_labels(*given_, barrier_mid2=np.full(n, 1.5), **common)


@given(situations(), st.integers(1, 12), st.integers(0, 30), st.integers(10, 14))
def test_a_label_known_by_a_time_does_not_change_with_what_follows(situation, horizon, at, other):
    (t0, ref_ts, ref), ours, _ = arguments(situation)
    trades = np.array([0, *t0], np.int64)
    whole = all_labels(t0, ref_ts, ref, horizon=horizon, trades=trades, **ours)
    # After `at` all prices are another one, trades come sooner, and there is a gap.
    changed = [m if ts <= at else other for ts, m in zip(ref_ts, ref, strict=True)]
    later = np.where(trades <= at, trades, np.maximum(at + 1, trades - 2))
    ours |= {
        "gap_start_ns": np.append(ours["gap_start_ns"], 60),
        "gap_end_ns": np.append(ours["gap_end_ns"], 70),
    }
    cut = all_labels(t0, ref_ts, changed, horizon=horizon, trades=np.minimum(later, trades), **ours)
    for before, after in zip(whole, cut, strict=True):
        is_known = (before.t1_ns <= at) & ~np.isnan(before.label)
        assert after.label[is_known].tolist() == before.label[is_known].tolist()
        assert after.t1_ns[is_known].tolist() == before.t1_ns[is_known].tolist()


@given(situations(), st.integers(1, 12))
def test_labels_of_the_mirrored_price_are_mirrored(situation, horizon):
    (t0, ref_ts, ref), ours, _ = arguments(situation)
    trades = np.array([0, *t0], np.int64)
    _, *up = all_labels(t0, ref_ts, ref, horizon=horizon, trades=trades, **ours)
    mirrored = [24 - m for m in ref]
    _, *down = all_labels(t0, ref_ts, mirrored, horizon=horizon, trades=trades, **ours)
    for a, b, sign in zip(up[:3], down[:3], (-1, 1, -1), strict=True):
        np.testing.assert_array_equal(a.label, sign * b.label)


def barrier(t0=10, *, ref_ts=(0, 12, 12, 14), ref=(20, 23, 16, 20), width=2.5, **change):
    found = triple_barrier_labels(
        [t0], ref_ts, ref, horizon_ns=5, barrier_mid2=width, **OPEN | change
    )
    return float(found.label[0]), int(found.t1_ns[0])


def test_the_first_event_of_a_time_stamp_touches_first():
    # m0 = 20. At 12 the price is 23, then 16: above by 3, then below by 4. The first one counts.
    assert barrier() == (1.0, 12)
    # 3.5 above is not reached; 4 below is, at the same time.
    assert barrier(width=3.5) == (-1.0, 12)


def test_a_price_at_the_barrier_touches_it():
    assert barrier(width=3.0) == (1.0, 12)
    assert barrier(width=4.0) == (-1.0, 12)
    assert barrier(width=4.5) == (0.0, 15)


def test_an_event_at_t0_is_the_base_and_one_at_the_end_touches():
    assert barrier(ref_ts=(0, 10), ref=(20, 30)) == (0.0, 15)
    assert barrier(ref_ts=(0, 15), ref=(20, 30)) == (1.0, 15)
    assert barrier(ref_ts=(0, 16), ref=(20, 30)) == (0.0, 15)


@pytest.mark.parametrize("width", [2.5, 4.5])
def test_a_label_is_known_where_its_whole_time_is_on_record_touched_or_not(width):
    # At width 2.5 the touch is at 12, at 4.5 there is none; the time is over at 15.
    label, t1 = barrier(width=width)
    assert (label, t1) == ((1.0, 12) if width == 2.5 else (0.0, 15))
    for change, is_known in (
        ({"gap_start_ns": [13]}, False), ({"gap_start_ns": [15]}, False),
        ({"gap_start_ns": [16]}, True),
        ({"session_end_ns": 15}, False), ({"session_end_ns": 16}, True),
        ({"known_until_ns": 14}, False), ({"known_until_ns": 15}, True),
    ):  # fmt: skip
        found, at = barrier(width=width, **change)
        assert math.isnan(found) != is_known, change
        assert at == t1


def test_ends_of_the_record_do_not_pick_the_touches_out():
    # A walk whose record is cut off again and again: shares of labels stay those of the whole.
    rng = np.random.default_rng(5)
    n, horizon = 20_000, 50
    ts = np.arange(n)
    mid2 = 10_000 + 2 * np.cumsum(rng.choice([-1, 1], n))
    terms = {"horizon_ns": horizon, "barrier_mid2": 16.0, "known_until_ns": n, "session_end_ns": n}
    whole = triple_barrier_labels(ts, ts, mid2, gap_start_ns=[], **terms).label
    cut = triple_barrier_labels(ts, ts, mid2, gap_start_ns=np.arange(75, n, 75), **terms).label
    touched, touched_of_cut = (
        float(np.mean(np.abs(label[~np.isnan(label)]))) for label in (whole, cut)
    )
    assert 0.3 < touched < 0.7
    assert 0.25 < np.mean(~np.isnan(cut)) < 0.4
    assert abs(touched_of_cut - touched) < 0.05


def test_a_move_equal_to_its_costs_is_flat_and_not_significant():
    given_ = ([10], [0, 12], [20, 22])
    for cost, expected in ((2.0, 0.0), (1.9, 1.0)):
        flat = direction_time_labels(*given_, horizon_ns=5, cost_mid2=cost, **OPEN)
        assert flat.label.tolist() == [expected]
        for sigma in (0.5, 1.0):
            found = significant_move_labels(
                *given_, horizon_ns=5, sigma_mid2=sigma, n_sigmas=2, cost_mid2=cost, **OPEN
            )
            assert found.label.tolist() == [expected if sigma == 0.5 else 0.0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"cost_mid2": [-1.0]}, ValueError, "cost_mid2 must be finite and >= 0, or NaN, got -1.0"),
        ({"cost_mid2": [1.0, 2.0]}, ValueError, "cost_mid2 must have 1 elements, got 2"),
        ({"cost_mid2": [1]}, TypeError, "cost_mid2 must hold floats"),
        ({"sigma_mid2": math.inf}, ValueError, "sigma_mid2 must be finite"),
        ({"n_sigmas": 0}, ValueError, "n_sigmas must be finite and positive"),
        ({"horizon_ns": 0}, ValueError, "horizon_ns must be positive"),
    ],
)
def test_broken_contracts_of_moves_are_named(change, error, message):
    good = {"horizon_ns": 5, "sigma_mid2": 1.0, "n_sigmas": 2, "cost_mid2": [1.0]}
    with pytest.raises(error, match=message):
        significant_move_labels([1], [0], [4], **(good | OPEN | change))


def test_broken_contracts_of_the_others_are_named():
    with pytest.raises(ValueError, match="barrier_mid2 must be positive, got 0 at row 0"):
        barrier(width=0.0)
    with pytest.raises(ValueError, match=r"ref_mid2 must lie within 2\*\*60"):
        barrier(ref=(20, 23, 16, 2**61))
    with pytest.raises(ValueError, match=r"trade_idx must be in 0\.\.1, got 2 to 2"):
        direction_trades_labels([5], [2], [1, 2], [0], [4], horizon_trades=1, **OPEN)
    with pytest.raises(ValueError, match="trade_idx must not lie after t0_ns, got 1 at row 0"):
        direction_trades_labels([1], [1], [1, 2], [0], [4], horizon_trades=1, **OPEN)
