"""Accuracy with intervals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.scoring import score_signs
from tests.core import trade_cases as cases
from tests.naive import classify as naive


@given(st.data(), st.integers(0, 30))
def test_score_equals_the_obvious_count(data, n):
    rule, truth = data.draw(cases.signs(n)), data.draw(cases.signs(n))
    weight = data.draw(cases.int64s(n, 0, 5))
    cluster = np.sort(data.draw(cases.int64s(n, 0, 5)))
    for weights in (None, weight):
        expected = naive.score_signs(
            rule.tolist(), truth.tolist(), None if weights is None else weights.tolist()
        )
        for clusters in (None, cluster):
            score = score_signs(rule, truth, weights, cluster=clusters)
            assert (score.n, score.n_decided) == expected[:2]
            if score.n == 0:
                assert math.isnan(score.accuracy)
                assert math.isnan(score.low)
            else:
                assert score.accuracy == pytest.approx(float(expected[2]), abs=1e-15)
                assert 0 <= score.low <= score.accuracy <= score.high <= 1


def test_wilson_interval():
    # p = 8/10, z = 1.96: centre (0.8 + 1.9207/10) / 1.38415 = 0.71674, half width
    # 1.96 sqrt(0.016 + 0.96037/100) / 1.38415 = 0.22658: [0.49016, 0.94332].
    truth = np.ones(10, np.int8)
    rule = np.array([1] * 8 + [-1, 0], np.int8)
    score = score_signs(rule, truth)
    assert (score.n, score.n_decided, score.accuracy) == (10, 9, 0.8)
    assert (score.low, score.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)


def test_clusters_of_copies_give_the_interval_of_their_number():
    # 40 sweeps of 25 equal fills: 1 000 fills tell what 40 independent trades tell, up to the
    # degrees of freedom of the ratio estimator: n_e = 39 in place of 40.
    rng = np.random.default_rng(1)
    right = rng.random(40) < 0.8
    truth, cluster = np.ones(1000, np.int8), np.repeat(np.arange(40), 25)
    rule = np.where(right, 1, -1).astype(np.int8)[cluster]
    fills, robust = score_signs(rule, truth), score_signs(rule, truth, cluster=cluster)
    sweeps = score_signs(np.where(right, 1, -1), np.ones(40, np.int8))
    assert fills.accuracy == robust.accuracy == sweeps.accuracy
    assert robust.high - robust.low == pytest.approx(sweeps.high - sweeps.low, rel=0.02)
    assert robust.high - robust.low > 4 * (fills.high - fills.low)


def test_ratio_estimator_by_hand():
    # Clusters right/total 2/2, 0/1, 3/3: p = 5/6; residuals 2 - 2p = 1/3, -p = -5/6, 3 - 3p = 1/2,
    # squares 19/18; v = 19/18 * 3/2 / 6^2 = 19/432; n_e = (5/36) / (19/432) = 60/19 = 3.158.
    # Wilson with it: scale 1 + 3.8415/3.158 = 2.2165, centre (0.83333 + 0.60823) / 2.2165 = 0.65039,
    # half width 1.96 sqrt(0.043981 + 0.096300) / 2.2165 = 0.33120.
    rule = np.array([1, 1, -1, 1, 1, 1])
    score = score_signs(rule, np.ones(6, np.int8), cluster=np.array([4, 4, 9, 2, 2, 2]))
    assert score.accuracy == pytest.approx(5 / 6)
    assert (score.low, score.high) == pytest.approx((0.319188, 0.981592), abs=1e-6)


def test_nothing_wrong_leaves_the_interval_of_the_number_of_clusters():
    truth, cluster = np.ones(100, np.int8), np.repeat(np.arange(10), 10)
    robust = score_signs(truth, truth, cluster=cluster)
    ten = score_signs(np.ones(10, np.int8), np.ones(10, np.int8))
    assert (robust.low, robust.high) == pytest.approx((ten.low, ten.high))


def test_cluster_interval_covers_the_truth_at_its_level():
    # Sweeps of 1..20 fills, all right or all wrong with probability 0.9: about 95 of 100 intervals
    # must hold 0.9; the fill-level one, blind to sweeps, holds it far less often.
    rng = np.random.default_rng(3)
    covered = {"fills": 0, "sweeps": 0}
    for _ in range(100):
        cluster = np.repeat(np.arange(200), rng.integers(1, 21, 200))
        rule = np.where(rng.random(200) < 0.9, 1, -1).astype(np.int8)[cluster]
        truth = np.ones(len(rule), np.int8)
        for name, clusters in (("fills", None), ("sweeps", cluster)):
            score = score_signs(rule, truth, cluster=clusters)
            covered[name] += score.low <= 0.9 <= score.high
    assert covered["sweeps"] >= 88
    assert covered["fills"] <= 70


def test_errors_name_the_argument():
    one = np.array([1])
    with pytest.raises(ValueError, match="rule_sign"):
        score_signs(np.array([3]), one)
    with pytest.raises(ValueError, match="one length"):
        score_signs(one, np.array([1, 1]))
    with pytest.raises(ValueError, match="weight"):
        score_signs(one, one, np.array([-1.0]))
    with pytest.raises(ValueError, match="weight"):
        score_signs(one, one, np.array([np.nan]))
    with pytest.raises(ValueError, match="weight must be finite"):  # also of a trade left out
        score_signs(one, np.array([0]), np.array([np.inf]))
    with pytest.raises(TypeError, match="cluster"):
        score_signs(one, one, cluster=np.array([0.5]))
