import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines import NaiveReturn
from models.calibrate import (
    MAX_SLOPE,
    calibrated,
    class_shares,
    direction_slope,
    event_share,
    event_slope,
    inner_split,
    log_odds,
    prior_of,
    quantile_shifts,
    rearranged,
    sigmoid,
    slope_of,
    softmax,
    tempered,
    tempered_event,
    value_slope,
)
from models.ladder import base_rate
from models.tasks import LEVELS, Task
from tests.models.synthetic import SECOND, synthetic


@given(st.integers(120, 400), st.integers(0, 30))
def test_inner_split_never_shares_time(n, embargo_s):
    data = synthetic("direction", n=n)
    found = inner_split(data.take(slice(0, n)), embargo_ns=embargo_s * SECOND + 1)
    latest = data.t1_ns[found.fit_idx].max()
    assert latest + embargo_s * SECOND + 1 <= data.t0_ns[found.held_idx].min()
    assert len(found.held_idx) == int(np.ceil(0.2 * n))
    assert found.held_idx[-1] == n - 1


def test_inner_split_of_too_little_is_refused():
    with pytest.raises(ValueError, match="at least 20 rows"):
        inner_split(synthetic("direction", n=40), embargo_ns=1)
    with pytest.raises(ValueError, match="must have rows"):
        inner_split(synthetic("direction", n=40).take(slice(0, 0)), embargo_ns=1)


def test_class_shares_add_one_row_to_each():
    # counts 2, 0, 1 -> 3, 1, 2 of 6
    np.testing.assert_allclose(class_shares(np.array([-1.0, -1.0, 1.0])), [3 / 6, 1 / 6, 2 / 6])


def outcomes(score, prior, slope, seed=0):
    p = tempered(score, prior, slope)
    draw = np.random.default_rng(seed).random(len(score))[:, None]
    return np.minimum((draw > p.cumsum(axis=1)).sum(axis=1), 2) - 1.0


@pytest.mark.parametrize("truth", [0.3, 1.0, 1.6])
def test_direction_slope_finds_the_planted_one(truth):
    prior = np.array([0.45, 0.1, 0.45])
    score = np.log(prior) + np.random.default_rng(1).normal(size=(20_000, 3))
    assert direction_slope(score, prior, outcomes(score, prior, truth)) == pytest.approx(
        truth, abs=0.05
    )


def test_direction_slope_is_zero_for_a_contrary_model_and_bounded_for_a_timid_one():
    prior = np.array([0.4, 0.2, 0.4])
    score = np.log(prior) + np.random.default_rng(1).normal(size=(5000, 3))
    label = outcomes(score, prior, 1.0)
    assert direction_slope(2 * np.log(prior) - score, prior, label) == 0.0
    timid = np.log(prior) + 0.1 * (score - np.log(prior))
    assert direction_slope(timid, prior, label) == MAX_SLOPE


def test_slope_zero_falls_back_to_the_class_shares():
    prior = np.array([0.45, 0.1, 0.45])
    score = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_allclose(tempered(score, prior, 0.0), np.tile(prior, (5, 1)))
    np.testing.assert_allclose(tempered(score, prior, 1.0), softmax(score))


def test_no_probability_is_zero():
    p = softmax(np.array([[0.0, -1e6, 1e6]]))
    assert (p > 0).all()
    assert p.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["direction_10", "move_10s", "return_10s", "adverse_10s"])
def test_a_useless_model_answers_the_prior_to_the_bit(name):
    task = Task(name)
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 50).astype(np.float64)
    score = rng.normal(size=task.prediction_shape(7))
    said = calibrated(task.family, score, prior_of(task, label), 0.0)
    without = (
        NaiveReturn().predict(score) if task.subject == "return" else base_rate(task, label, 7)
    )
    np.testing.assert_array_equal(said, without)


def test_a_value_is_shrunk_to_its_mean_and_a_return_to_none():
    rng = np.random.default_rng(2)
    label, score = 5 + rng.normal(size=(2, 4000))
    prior = prior_of(Task("adverse_10s"), label)
    assert prior == (label.mean(),)
    slope = slope_of("value", score, prior, label)
    assert slope < 0.05
    np.testing.assert_allclose(calibrated("value", score, prior, slope), prior[0], atol=0.2)
    assert prior_of(Task("return_10s"), label) == (0.0,)
    assert slope_of("value", score, (0.0,), label) == pytest.approx(25 / 26, abs=0.02)


def test_value_slope():
    rng = np.random.default_rng(0)
    forecast = rng.normal(size=5000)
    label = 0.4 * forecast + rng.normal(size=5000)
    assert value_slope(forecast, label) == pytest.approx(0.4, abs=0.05)
    assert value_slope(-forecast, label) == 0.0
    assert value_slope(np.zeros(3), np.ones(3)) == 0.0
    assert value_slope(0.1 * forecast, label) == MAX_SLOPE


@pytest.mark.parametrize("truth", [0.3, 1.0, 1.6])
def test_event_slope_finds_the_planted_one(truth):
    rng = np.random.default_rng(1)
    score = log_odds(0.2) + rng.normal(size=20_000)
    label = (rng.random(20_000) < tempered_event(score, 0.2, truth)).astype(float)
    assert event_slope(score, 0.2, label) == pytest.approx(truth, abs=0.06)
    assert event_slope(2 * log_odds(0.2) - score, 0.2, label) == 0.0
    assert event_slope(log_odds(0.2) + 0.1 * (score - log_odds(0.2)), 0.2, label) == MAX_SLOPE


def test_event_slope_zero_falls_back_to_the_share():
    np.testing.assert_allclose(tempered_event(np.array([-4.0, 9.0]), 0.2, 0.0), 0.2)
    np.testing.assert_allclose(
        tempered_event(np.array([-4.0, 9.0]), 0.2, 1.0), 1 / (1 + np.exp([4.0, -9.0]))
    )
    assert event_share(np.array([0.0, 0.0])) == 1 / 4
    far = sigmoid(np.array([-1e4, 1e4]))
    assert ((far > 0) & (far < 1)).all()


def test_shifted_quantiles_lie_above_as_many_outcomes_as_they_say():
    rng = np.random.default_rng(0)
    label = rng.exponential(size=4000)
    forecast = np.tile([0.0, 0.5, 1.0, 1.5, 2.0], (4000, 1))
    shifted = rearranged(forecast + quantile_shifts(forecast, label))
    for k, level in enumerate(LEVELS):
        assert (label <= shifted[:, k]).mean() == pytest.approx(level, abs=0.001)


def test_rearranged_quantiles_do_not_cross():
    np.testing.assert_array_equal(
        rearranged(np.array([[1.0, 0.0, 2.0, 5.0, 4.0]])), [[0.0, 1.0, 2.0, 4.0, 5.0]]
    )
