from dataclasses import replace

import numpy as np
import pytest

from models.artifact import load_model, save_model
from models.combinatorial import combinatorial_losses
from models.config import LadderConfig, RidgeConfig, TreesConfig
from models.evaluate import row_loss
from models.ladder import fit_rung
from models.rung import Training
from models.tuning import tune
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
