from dataclasses import replace

import numpy as np
import optuna
import pytest

from models.artifact import load_model, save_model
from models.combinatorial import combinatorial_losses
from models.config import LadderConfig, RidgeConfig, TreesConfig
from models.datasets import Dataset
from models.evaluate import row_loss
from models.impact import LOG_LOTS, SIGN, VOLATILITY, VOLUME
from models.ladder import fit_rung
from models.order_rows import PAST_COLUMNS
from models.predictors import PREDICTORS
from models.rung import Training
from models.tasks import Task
from models.tuning import _SPACES, tune
from tests.models.synthetic import SECOND, TASKS, synthetic

FEW = LadderConfig(trees=TreesConfig(n_trees=5), n_trials=4)


def training(kind="return", config=FEW, data=None, seed=1):
    data = synthetic(kind, n=600, strength=0.3) if data is None else data
    return Training(task=TASKS[kind], rows=data, embargo_ns=SECOND, config=config, seed=seed)


def fit(rung, config, data, seed=1):
    return fit_rung(TASKS["return"], rung, data, embargo_ns=SECOND, config=config, seed=seed)


@pytest.mark.parametrize("rung", ["linear", "lightgbm"])
def test_same_seed_same_choice_and_every_trial_is_counted(rung):
    first, again = tune(training(), rung), tune(training(), rung)
    assert first == again
    assert first.n_tried == 4
    assert first.values
    assert fit(rung, FEW, training().rows).n_configurations == 4


def test_without_trials_or_space_the_given_configuration_stands():
    fixed = LadderConfig()
    assert tune(training(config=fixed), "linear").config is fixed
    assert tune(training(), "naive").config is FEW
    assert fit("linear", fixed, training().rows).n_configurations == 1


@pytest.mark.parametrize("key", sorted(PREDICTORS))
def test_a_rung_is_tuned_only_in_settings_that_it_reads(key):
    """Every suggestion must reach the settings that the rung says it takes."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    suggest = _SPACES.get(key)
    if suggest is None:
        assert key[1] == "naive" or key in {("impact", "linear"), ("sizing", "linear")}
        return
    settings = PREDICTORS[key].settings
    assert settings(suggest(study.ask(), FEW)) != settings(FEW)


def test_the_law_of_impact_is_fitted_once():
    data = order_rows()
    law = Training(task=Task("impact_5s"), rows=data, embargo_ns=SECOND, config=FEW, seed=1)
    assert tune(law, "linear").n_tried == 1
    found = fit_rung(Task("impact_5s"), "linear", data, embargo_ns=SECOND, config=FEW, seed=1)
    assert (found.n_configurations, found.tuned) == (1, {})


def order_rows(n=300):
    rng = np.random.default_rng(0)
    names = (VOLATILITY, *VOLUME, SIGN, LOG_LOTS, *PAST_COLUMNS)
    columns = [
        rng.uniform(1, 2, n), rng.uniform(10, 20, n), rng.uniform(10, 20, n),
        rng.choice([-1.0, 1.0], n), rng.uniform(0, 3, n),
        *(rng.choice([-1.0, 1.0], n) for _ in PAST_COLUMNS),
    ]  # fmt: skip
    t0 = np.arange(n, dtype=np.int64) * 10 * SECOND
    return Dataset(
        features=np.column_stack(columns), names=names, label=rng.normal(size=n), t0_ns=t0,
        t1_ns=t0 + 5 * SECOND, decision_id=np.arange(n), trading_day=np.zeros(n, np.int64),
    )  # fmt: skip


def test_an_absurd_penalty_is_left_behind():
    absurd = LadderConfig(ridge=RidgeConfig(penalty_per_row=30.0), n_trials=8)
    found = tune(training(config=absurd), "linear")
    assert found.config.ridge.penalty_per_row < 10
    data = synthetic("return", n=1500, strength=0.3)
    train, test = data.take(slice(0, 600)), data.take(slice(700, 1500))
    tuned, given = (
        row_loss(
            TASKS["return"], test.label, fit("linear", config, train).predict(test.features)
        ).mean()
        for config in (absurd, replace(absurd, n_trials=0))
    )
    assert tuned < given


def test_the_search_reads_nothing_outside_the_training_rows():
    """Rows after the training are turned upside down: the choice must be the same."""
    data = synthetic("return", n=900, strength=0.3)
    other = replace(data, label=np.where(np.arange(900) < 600, data.label, -data.label))
    first, again = (
        tune(training(data=rows.take(slice(0, 600))), "linear") for rows in (data, other)
    )
    assert first == again


def test_a_tuned_model_reads_back(tmp_path):
    model = fit("linear", FEW, training().rows)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    assert (loaded.tuned, loaded.n_configurations) == (model.tuned, 4)
    assert set(model.tuned) == {"penalty_factor"}


@pytest.mark.parametrize("strength", [0.0, 0.4])
def test_every_path_gains_by_a_planted_signal_and_hardly_any_by_noise(strength):
    found = combinatorial_losses(
        synthetic("return", n=1500, strength=strength),
        TASKS["return"],
        n_groups=5,
        n_test_groups=2,
        embargo_ns=SECOND,
        config=LadderConfig(),
        seed=1,
        rungs=("naive", "linear"),
    )
    difference = found.difference("linear", "naive")
    assert found.n_folds == 10
    assert difference.shape == (4,)
    # mean squared errors of about 20 with the signal and 10 without
    assert (difference < -5).all() if strength else (np.abs(difference) < 0.5).all()
    rows = found.to_json()["rungs"]
    assert [row["rung"] for row in rows] == ["base_rate", "naive", "linear"]
    assert rows[2]["least"] <= rows[2]["mean"] <= rows[2]["most"]
