from dataclasses import replace

import numpy as np
import pytest

from models.config import LadderConfig, QuantileConfig
from models.quantiles import quantile_regression
from models.rung import Training
from models.significant_move import NaiveMove, fit_naive_move
from tests.models.synthetic import TASKS, synthetic


def skewed(n=1500):
    """Scale and place of the outcome depend on the columns, so that each level has its own slope."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(n, 3))
    label = columns[:, 0] + np.exp(columns[:, 1] / 3) * rng.exponential(size=n)
    return columns, label


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_linear_quantiles_equal_those_of_the_linear_program(level):
    from sklearn.linear_model import QuantileRegressor

    columns, label = skewed()
    coefficient, intercept = quantile_regression(
        columns, label, np.ones(len(label)), level, QuantileConfig(penalty=1e-6)
    )
    exact = QuantileRegressor(quantile=level, alpha=0, solver="highs").fit(columns, label)

    def pinball(forecast):
        above = label - forecast
        return np.maximum(level * above, (level - 1) * above).mean()

    ours = pinball(columns @ coefficient + intercept)
    assert ours <= 1.01 * pinball(exact.predict(columns))
    assert (label <= columns @ coefficient + intercept).mean() == pytest.approx(level, abs=0.001)
    np.testing.assert_allclose(coefficient, exact.coef_, atol=0.12)


def test_weights_count_rows():
    columns, label = skewed(600)
    config = QuantileConfig(penalty=1e-6)
    twice = np.repeat(np.arange(600), np.where(np.arange(600) < 300, 3, 1))
    weight = np.where(np.arange(600) < 300, 1.5, 0.5)
    weighted, _ = quantile_regression(columns, label, weight, 0.5, config)
    repeated, _ = quantile_regression(
        columns[twice], label[twice], np.ones(len(twice)), 0.5, config
    )
    np.testing.assert_allclose(weighted, repeated, atol=0.05)
    plain, _ = quantile_regression(columns, label, np.ones(600), 0.5, config)
    assert np.abs(weighted - repeated).max() < 0.5 * np.abs(weighted - plain).max()


def test_an_outcome_that_does_not_vary_gets_no_slope():
    coefficient, intercept = quantile_regression(
        np.random.default_rng(0).normal(size=(50, 2)), np.full(50, 3.0), np.ones(50), 0.25,
        QuantileConfig(),
    )  # fmt: skip
    assert (coefficient.tolist(), intercept) == ([0, 0], 3)


def moves(names=("last_tick_sign", "volatility_60s_ticks", "c", "d", "e", "f")):
    rng = np.random.default_rng(0)
    data = synthetic("move", n=1000)
    features = data.features.copy()
    features[:, 1] = rng.exponential(size=1000)
    features[:10, 1] = np.nan
    label = (rng.random(1000) < np.where(features[:, 1] > 1, 0.6, 0.1)).astype(float)
    t1_ns = data.t0_ns + 1  # outcomes that have nothing to do with each other
    rows = replace(data, features=features, label=label, names=names, t1_ns=t1_ns)
    return Training(task=TASKS["move"], rows=rows, embargo_ns=1, config=LadderConfig(), seed=0)


def test_naive_move_knows_quiet_from_wild_times():
    training = moves()
    found = fit_naive_move(training).predictor
    assert isinstance(found, NaiveMove)
    p = found.predict(
        np.array([[0, 0.1, 0, 0, 0, 0], [0, 9.0, 0, 0, 0, 0], [0, np.nan, 0, 0, 0, 0]])
    )
    assert p[0] < 0.2
    assert p[1] > 0.5
    assert p[2] == found.prior == pytest.approx((training.rows.label.sum() + 1) / 1002)
    again = NaiveMove.from_json(found.to_json(), {})
    np.testing.assert_array_equal(
        again.predict(training.rows.features), found.predict(training.rows.features)
    )


def test_outcomes_that_are_shared_count_as_few_for_naive_move():
    alone = moves()
    shared = replace(alone, rows=replace(alone.rows, t1_ns=alone.rows.t0_ns + 20 * 10**9))
    shares = [fit_naive_move(training).predictor.shares for training in (alone, shared)]
    # Twenty rows share an outcome, a group rests on ten: its share lies nearer to that of all rows.
    assert np.ptp(shares[1]) < 0.5 * np.ptp(shares[0])
    assert (np.sign(np.diff(shares[1])) == np.sign(np.diff(shares[0]))).all()


def test_naive_move_without_a_volatility_is_the_share():
    found = fit_naive_move(moves(names=tuple("abcdef"))).predictor
    assert set(found.predict(np.zeros((3, 6)))) == {found.prior}
