"""Gradient-boosted trees (LightGBM) that come out the same to the bit, run after run.

A missing value follows its own branch (LightGBM's native handling): nothing is imputed.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.config import TreesConfig
from models.forecast import calibrated_fit, forecast_reader
from models.rung import Fitted, Rung, Training
from models.tasks import Family
from orderflow_core.types import Float64

_OBJECTIVES = {"classes": "multiclass", "binary": "binary", "value": "regression"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A booster as text, and the trial fit's raw scores of the held-out rows."""

    text: str
    held_score: Float64


def grow(training: Training, objective: str, **terms: Any) -> Grown:
    """Fit on the inner part, count trees on the held-out part, fit again on every row.

    Parameters
    ----------
    training : Training
        Its weights enter both fits; the held-out rows count once each.
    objective : {"multiclass", "binary", "regression", "quantile"}
    terms
        What LightGBM takes besides: ``alpha`` for a quantile, ``monotone_constraints`` by column.

    Returns
    -------
    Grown
        ``held_score`` has shape (n_held, 3) or (n_held,): raw scores of the trial fit, which never
        saw those rows nor a label that reaches into them.
    """
    import lightgbm

    train, inner, config = training.rows, training.inner(), training.config.trees
    target = train.label + 1 if objective == "multiclass" else train.label
    names = [f"f{i}" for i in range(len(train.names))]

    def rows(idx: Any, weight: Float64 | None, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            train.features[idx],
            label=target[idx],
            weight=weight,
            feature_name=names,
            reference=reference,
            free_raw_data=True,
        )

    fit_rows = rows(inner.fit_idx, training.weight_of(inner.fit_idx))
    trial = lightgbm.train(
        _params(objective, config, training.seed, len(inner.fit_idx)) | terms,
        fit_rows,
        num_boost_round=config.n_trees,
        valid_sets=[rows(inner.held_idx, None, fit_rows)],
        callbacks=[lightgbm.early_stopping(config.patience, verbose=False)],
    )
    n_trees = max(1, int(trial.best_iteration))
    held = trial.predict(
        train.features[inner.held_idx], num_iteration=n_trees, raw_score=True, num_threads=1
    )
    final = lightgbm.train(
        _params(objective, config, training.seed, len(train)) | terms,
        rows(slice(None), training.weight),
        num_boost_round=n_trees,
    )
    return Grown(text=final.model_to_string(), held_score=np.asarray(held, np.float64))


def _params(objective: str, config: TreesConfig, seed: int, n_rows: int) -> dict[str, Any]:
    return {
        "objective": objective,
        **({"num_class": 3} if objective == "multiclass" else {}),
        "num_leaves": config.num_leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": max(1, min(config.min_rows_leaf, n_rows // 50)),
        "feature_fraction": config.feature_share,
        "lambda_l2": config.l2,
        "max_bin": config.max_bin,
        "num_threads": config.n_threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


class Booster:
    """A booster made from its text, so that a model in memory and one loaded are the same."""

    def __init__(self, text: str) -> None:
        import lightgbm

        self.text = text
        self._booster = lightgbm.Booster(model_str=text)

    @property
    def n_trees(self) -> int:
        """Boosting rounds (with three outputs each is three trees)."""
        return int(self._booster.current_iteration())

    def settings(self) -> dict[str, float]:
        """Return what early stopping decided."""
        return {"n_trees": float(self.n_trees)}

    def to_json(self) -> dict[str, Any]:
        """Return nothing: the trees are in `texts`."""
        return {}

    def texts(self) -> dict[str, str]:
        """Return the booster's own text format."""
        return {"booster.txt": self.text}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "Booster":  # noqa: ARG003
        """Return the booster of `texts`."""
        return cls(texts["booster.txt"])

    def raw(self, features: Float64) -> Float64:
        """Return raw scores, shape (n, 3) or (n,)."""
        if len(features) == 0:  # LightGBM refuses no rows
            n_outputs = self._booster.num_model_per_iteration()
            return np.empty((0, n_outputs) if n_outputs > 1 else 0)
        return np.asarray(
            self._booster.predict(features, raw_score=True, num_threads=1), np.float64
        )


def fit_trees(training: Training) -> Fitted:
    """Count trees and calibrate on the held-out rows, then fit again on every row of the fold."""
    grown = grow(training, _OBJECTIVES[training.task.family])
    return calibrated_fit(training, Booster(grown.text), grown.held_score)


def trees_rung(family: Family) -> Rung:
    """Return the rung ``lightgbm`` of a family."""
    return Rung(
        fit=fit_trees,
        load=forecast_reader(family, Booster.from_json),
        settings=lambda config: asdict(config.trees),
    )
