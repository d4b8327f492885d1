"""Settings of a rung sought inside its training rows: seeded TPE (Optuna), every trial counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from models.config import LadderConfig
from models.datasets import Dataset
from models.evaluate import row_loss
from models.predictors import find_rung, rung_key
from models.rung import Predictor, Training, WindowPredictor
from models.tasks import NETWORK
from orderflow_core.types import Float64

# Sets what a trial suggests in a configuration. ``trial`` is an optuna.trial.Trial.
Suggest = Callable[[Any, LadderConfig], LadderConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The best configuration found.

    Attributes
    ----------
    config : LadderConfig
    values : dict of str to float
        What was chosen, by parameter.
    n_tried : int
        Configurations that were scored, the given one included.
    """

    config: LadderConfig
    values: dict[str, float]
    n_tried: int


def tune(training: Training, rung: str) -> Tuned:
    """Return the configuration with the least loss on held-out rows of the training.

    Parameters
    ----------
    training : Training
        ``config.n_trials`` says how many configurations are tried; none: the given one stands. The
        first trial is the given one, so that the choice is never worse than it on the rows held out.
    rung : str
        A rung without a search space keeps its configuration.

    Returns
    -------
    Tuned

    Notes
    -----
    Each trial fits the rung, calibration and all, on the rows before the last fifth (purged by label
    end) and is scored on that fifth. Nothing outside the training is read. The sampler is seeded and
    runs in one thread. A trial of the network holds out a fifth of its own rows to stop by; the fifth
    that chose the configuration then stops and calibrates the network that is kept.
    Source: Bergstra et al. (2011), Algorithms for hyper-parameter optimization.
    """
    n_trials = training.config.n_trials
    suggest = _SPACES.get(rung_key(training.task, rung))
    if n_trials < 1 or suggest is None:
        return Tuned(config=training.config, values={}, n_tried=1)
    import optuna

    inner, fit = training.inner(), find_rung(training.task, rung).fit
    trial_rows, held = training.fit_rows(), training.rows.take(inner.held_idx)

    def loss(trial: Any) -> float:
        config = suggest(trial, training.config)
        fitted = fit(replace(training, rows=trial_rows, config=config))
        prediction = _predicted(fitted.predictor, held)
        return float(row_loss(training.task, held.label, prediction).mean())

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=training.seed))
    study.enqueue_trial(_given(rung, training.config))
    study.optimize(loss, n_trials=n_trials, n_jobs=1)
    config = suggest(study.best_trial, training.config)
    values = {name: float(value) for name, value in study.best_params.items()}
    return Tuned(config=config, values=values, n_tried=n_trials)


def _predicted(predictor: Predictor, rows: Dataset) -> Float64:
    if isinstance(predictor, WindowPredictor) and rows.windows is not None:
        return predictor.predict_windows(rows.windows)
    return predictor.predict(rows.features)


# The same multiple of the given penalty for every linear model.
def _linear(trial: Any, config: LadderConfig) -> LadderConfig:
    factor = trial.suggest_float("penalty_factor", 0.01, 100.0, log=True)
    return replace(
        config,
        logit=replace(config.logit, penalty_per_row=factor * config.logit.penalty_per_row),
        ridge=replace(config.ridge, penalty_per_row=factor * config.ridge.penalty_per_row),
        quantiles=replace(config.quantiles, penalty=factor * config.quantiles.penalty),
    )


def _trees(trial: Any, config: LadderConfig) -> LadderConfig:
    return replace(
        config,
        trees=replace(
            config.trees,
            num_leaves=trial.suggest_int("num_leaves", 3, 31),
            learning_rate=trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            min_rows_leaf=trial.suggest_int("min_rows_leaf", 20, 1000, log=True),
            feature_share=trial.suggest_float("feature_share", 0.4, 1.0),
            l2=trial.suggest_float("l2", 0.1, 100.0, log=True),
        ),
    )


# Two settings only: every trial trains the network anew, which takes minutes.
def _network(trial: Any, config: LadderConfig) -> LadderConfig:
    return replace(
        config,
        network=replace(
            config.network,
            learning_rate=trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            weight_decay=trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
        ),
    )


# By the key of `models.predictors.PREDICTORS`. The laws of ``impact`` and ``sizing`` read no setting:
# trials of them would all be the same fit.
_SPACES: dict[tuple[str, str], Suggest] = {
    **{(family, "linear"): _linear for family in ("classes", "binary", "value", "quantiles")},
    **{
        (group, "lightgbm"): _trees
        for group in ("classes", "binary", "value", "quantiles", "impact", "sizing")
    },
    **{(family, NETWORK): _network for family in ("classes", "binary", "value")},
}


def _given(rung: str, config: LadderConfig) -> dict[str, float]:
    if rung == "linear":
        return {"penalty_factor": 1.0}
    if rung == NETWORK:
        network = config.network
        return {"learning_rate": network.learning_rate, "weight_decay": network.weight_decay}
    names = ("num_leaves", "learning_rate", "min_rows_leaf", "feature_share", "l2")
    return {name: getattr(config.trees, name) for name in names}
