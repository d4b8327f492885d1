"""Shares with Wilson's interval against plain loops, worked examples and coverage."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderflow_core.intervals import share_interval, wilson_interval
from tests.naive import intervals as naive

Z95 = NormalDist().inv_cdf(0.975)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_solves_the_score_equation(case):
    n_hits, n = case
    ours = wilson_interval(n_hits, n)
    assert ours.value == n_hits / n
    assert ours.low == pytest.approx(naive.wilson_bound(n_hits / n, n, Z95, -1), abs=1e-12)
    assert ours.high == pytest.approx(naive.wilson_bound(n_hits / n, n, Z95, 1), abs=1e-12)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_wilson_interval_edges():
    nothing = wilson_interval(0, 0)
    assert math.isnan(nothing.value)
    assert math.isnan(nothing.low)
    # No hit in 10: centre = half = z^2 / 20, so the low end is 0 and the high one
    # z^2 / (10 + z^2) = 3.8415 / 13.8415.
    none = wilson_interval(0, 10)
    assert (none.low, none.high) == pytest.approx((0.0, 3.841459 / 13.841459), abs=1e-6)
    with pytest.raises(ValueError, match="n_hits must not exceed n = 3, got 4"):
        wilson_interval(4, 3)
    with pytest.raises(ValueError, match="level must be in"):
        wilson_interval(1, 3, level=1.0)
    with pytest.raises(TypeError, match="n must be an integer"):
        wilson_interval(1, 3.0)


case = st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3))


@settings(max_examples=50)
@given(st.lists(case, min_size=1, max_size=30))
def test_share_interval_equals_the_obvious_loops(cases):
    hits, weights, clusters = (list(values) for values in zip(*cases, strict=True))
    hit, weight, cluster = np.array(hits), np.array(weights), np.array(clusters)
    if sum(weights) == 0:
        assert math.isnan(share_interval(hit, weight).value)
        return
    for groups in (None, cluster):
        ours = share_interval(hit, weight, cluster=groups)
        share, n_effective = naive.effective_size(
            hits, weights, None if groups is None else clusters
        )
        assert ours.n == sum(w > 0 for w in weights)
        assert ours.value == pytest.approx(share, abs=1e-15)
        for bound, direction in ((ours.low, -1), (ours.high, 1)):
            expected = naive.wilson_bound(ours.value, n_effective, Z95, direction)
            assert bound == pytest.approx(expected, abs=1e-9)
        assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_equal_weights_give_the_interval_of_the_count():
    hit = np.arange(10) < 8
    assert share_interval(hit) == wilson_interval(8, 10)
    assert share_interval(hit, np.full(10, 2.5)).low == pytest.approx(wilson_interval(8, 10).low)


@pytest.mark.parametrize("unit", [5e-324, 1e-200, 1e200, 1e308])
def test_the_unit_of_the_weights_does_not_matter(unit):
    hit, cluster = np.arange(10) < 8, np.arange(10)
    expected = wilson_interval(8, 10)
    got = share_interval(hit, np.full(10, unit))
    assert (got.value, got.low, got.high) == pytest.approx((0.8, expected.low, expected.high))
    low = share_interval(hit, np.full(10, unit), cluster=cluster).low
    assert low == pytest.approx(share_interval(hit, cluster=cluster).low)


def test_a_case_in_one_cluster_tells_as_much_as_one_case():
    # All ten in one cluster: n_e = 1 at p = 0.8: scale 4.8415, centre 2.7207 / 4.8415 = 0.56197,
    # half width 1.95996 sqrt(0.16 + 0.96037) / 4.8415 = 0.42850.
    one = share_interval(np.arange(10) < 8, cluster=np.zeros(10, np.int64))
    assert (one.low, one.high) == pytest.approx((0.13347, 0.99047), abs=1e-5)


def test_errors_name_the_argument():
    hit = np.array([True, False])
    with pytest.raises(TypeError, match="is_hit must hold booleans, got dtype int64"):
        share_interval(np.array([1, 0]))
    with pytest.raises(ValueError, match="is_hit must be one-dimensional"):
        share_interval(np.ones((2, 2), bool))
    with pytest.raises(ValueError, match=r"weight must be finite and not negative, got -1\.0"):
        share_interval(hit, np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="weight must be finite and not negative, got nan"):
        share_interval(hit, np.array([1.0, np.nan]))
    with pytest.raises(TypeError, match="cluster must hold integers"):
        share_interval(hit, cluster=np.array([0.5, 1.0]))
    with pytest.raises(ValueError, match="one length"):
        share_interval(hit, cluster=np.array([1]))
    with pytest.raises(ValueError, match="level must be in"):
        share_interval(hit, level=0.0)


def test_nothing_to_count_is_undefined():
    nothing = share_interval(np.array([]))
    assert nothing.n == 0
    assert math.isnan(nothing.high)
