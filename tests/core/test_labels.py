"""Labels: oracle, golden edges of sessions, gaps and the end of the record."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.labels import direction_labels, return_labels
from tests.core.label_cases import amounts, arguments, situations
from tests.naive import labels as naive


@given(situations(), st.integers(1, 5), st.data())
def test_direction_agrees_with_the_obvious_loop(situation, horizon, data):
    given_, ours, theirs = arguments(situation)
    cost = data.draw(amounts(len(given_[0])))
    got = direction_labels(*given_, horizon_sweeps=horizon, cost_mid2=np.array(cost, float), **ours)
    expected = naive.direction_labels(*given_, horizon_sweeps=horizon, cost=cost, **theirs)
    assert got.t0_ns.tolist() == given_[0]
    assert got.t1_ns.tolist() == [t1 for t1, _ in expected]
    np.testing.assert_array_equal(got.label, np.array([label for _, label in expected], float))


@given(situations(), st.integers(1, 12))
def test_return_agrees_with_the_obvious_loop(situation, horizon):
    given_, ours, theirs = arguments(situation)
    got = return_labels(*given_, horizon_ns=horizon, **ours)
    expected = naive.return_labels(*given_, horizon_ns=horizon, **theirs)
    assert got.t1_ns.tolist() == [t1 for t1, _ in expected]
    wanted = np.array([label for _, label in expected], float)
    np.testing.assert_allclose(got.label, wanted, rtol=1e-9, atol=1e-9)


@given(situations(), st.integers(1, 12))
def test_a_label_depends_on_nothing_after_its_t1(situation, horizon):
    given_, ours, _ = arguments(situation)
    whole = return_labels(*given_, horizon_ns=horizon, **ours)
    t0, ref_ts, ref = given_
    for i in np.flatnonzero(np.isfinite(whole.label)):
        n = sum(1 for ts in ref_ts if ts <= whole.t1_ns[i])
        part = return_labels(t0, ref_ts[:n], ref[:n], horizon_ns=horizon, **ours)
        assert part.label[i] == whole.label[i]


OPEN = {"session_end_ns": 100, "gap_start_ns": [], "known_until_ns": 100}


def one_return(t0=10, horizon=5, **change):
    labels = return_labels([t0], [0, 15], [20_000, 20_002], horizon_ns=horizon, **OPEN | change)
    return float(labels.label[0])


def test_return_is_in_basis_points_of_the_price_at_t0():
    # 1e4 * (10001 / 10000 - 1) = 1 bp; the price at t1 = 15 itself counts.
    assert one_return() == 1.0
    assert one_return(horizon=4) == 0.0


def test_label_ends_before_the_sessions_end():
    # Sessions are half-open: t1 = 15 is outside [.., 15).
    assert math.isnan(one_return(session_end_ns=15))
    assert one_return(session_end_ns=16) == 1.0


def test_label_needs_the_record_to_reach_t1():
    assert one_return(known_until_ns=15) == 1.0
    assert math.isnan(one_return(known_until_ns=14))


def test_gap_that_starts_within_the_label_hides_it():
    for start, is_hidden in ((9, False), (10, True), (15, True), (16, False)):
        assert math.isnan(one_return(gap_start_ns=[start])) == is_hidden
    # A gap that began earlier hides the price at t0 for as long as it lasts.
    assert math.isnan(one_return(gap_start_ns=[5], gap_end_ns=[10]))
    assert one_return(gap_start_ns=[5], gap_end_ns=[9]) == 1.0


def test_no_reference_price_before_the_decision():
    assert math.isnan(one_return(t0=-1))
    assert np.isnan(return_labels([1], [], [], horizon_ns=1, **OPEN).label).all()


def test_direction_counts_sweeps_and_uses_the_last_price_of_a_time():
    # Rows at 1, 2, 2, 4; two sweeps later: 2, 4, none, none. Of the two prices at 2 the last counts.
    labels = direction_labels(
        [1, 2, 2, 4], [1, 2, 2, 4], [20, 30, 20, 18], horizon_sweeps=2, **OPEN
    )
    assert labels.t1_ns.tolist() == [2, 4, 2, 4]
    np.testing.assert_array_equal(labels.label, [0, -1, np.nan, np.nan])


def test_a_direction_within_its_cost_is_flat():
    given_ = ([1, 2], [1, 2], [20, 22])
    for cost, label in ((0.0, 1), (1.9, 1), (2.0, 0), (math.nan, math.nan)):
        found = direction_labels(*given_, horizon_sweeps=1, cost_mid2=cost, **OPEN)
        np.testing.assert_array_equal(found.label, [label, np.nan])
    assert direction_labels(*given_, horizon_sweeps=1, **OPEN).label[0] == 1


def test_direction_stays_in_its_session():
    # The second sweep after row 1 belongs to the next session, which starts at 10.
    labels = direction_labels(
        [1, 2, 11, 12], [1, 2, 11, 12], [20, 22, 24, 26], horizon_sweeps=1,
        session_end_ns=np.array([10, 10, 20, 20]), gap_start_ns=[], known_until_ns=12,
    )  # fmt: skip
    np.testing.assert_array_equal(labels.label, [1, np.nan, 1, np.nan])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"t0_ns": [2, 1]}, ValueError, "t0_ns must be non-decreasing"),
        ({"ref_ts_ns": [2, 1]}, ValueError, "ref_ts_ns must be non-decreasing"),
        ({"ref_mid2": [1]}, ValueError, "one length"),
        ({"ref_mid2": [1, 0]}, ValueError, "ref_mid2 must be positive"),
        ({"ref_mid2": [1.0, 2.0]}, TypeError, "ref_mid2 must hold integers"),
        ({"horizon_ns": 0}, ValueError, "horizon_ns must be positive"),
        ({"horizon_ns": 2**63 - 2}, ValueError, "must stay within int64"),
        ({"session_end_ns": [1, 2, 3]}, ValueError, "one length"),
        ({"gap_start_ns": [2, 1]}, ValueError, "gap_start_ns must be non-decreasing"),
        ({"gap_end_ns": [1]}, ValueError, "one length"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    good = {"t0_ns": [1, 2], "ref_ts_ns": [1, 2], "ref_mid2": [4, 4], "horizon_ns": 1}
    with pytest.raises(error, match=message):
        return_labels(**(good | OPEN | change))
