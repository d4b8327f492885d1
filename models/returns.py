"""Expected values: how far the mid goes over the next X seconds, in basis points, and the like."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
from models.calibrate import return_slope
from models.config import RidgeConfig
from models.datasets import Dataset
from models.linear import LinearScore
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import Booster, grow
from orderflow_core.types import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeReturn:
    """Fitted ridge on standardised columns; the slope pulls the forecast towards no move.

    Attributes
    ----------
    score : LinearScore
        One output, basis points.
    slope : float
    """

    score: LinearScore
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the expected move (n,) in basis points."""
        return np.asarray(self.slope * self.score(features)[:, 0])

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return self.score.to_json() | {"slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "RidgeReturn":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(score=LinearScore.from_json(data), slope=float(data["slope"]))


def fit_ridge(training: Training) -> Fitted:
    """Calibrate a trial fit on the held-out rows, then fit again on every row of the fold."""
    train, inner, config = training.rows, training.inner(), training.config.ridge
    trial = fit_ridge_score(train.take(inner.fit_idx), training.weight_of(inner.fit_idx), config)
    raw = trial(train.features[inner.held_idx])[:, 0]
    slope = return_slope(raw, train.label[inner.held_idx])
    predictor = RidgeReturn(score=fit_ridge_score(train, training.weight, config), slope=slope)
    return Fitted(predictor=predictor, held=slope * raw)


def fit_ridge_score(train: Dataset, weight: Float64, config: RidgeConfig) -> LinearScore:
    """Return the ridge regression of the rows' labels on their standardised features.

    Parameters
    ----------
    train : Dataset
    weight : ndarray of float64, shape (n,), mean 1
    config : RidgeConfig
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    centre = np.average(columns, axis=0, weights=weight)
    mean = float(np.average(train.label, weights=weight))
    with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
        spread = columns - centre
        weighted = spread * weight[:, None]
        normal = weighted.T @ spread
        normal[np.diag_indices_from(normal)] += config.penalty_per_row * len(train)
        solved = np.linalg.solve(normal, weighted.T @ (train.label - mean))
    coefficient = np.asarray(solved, np.float64)
    return LinearScore(
        standardizer=standardizer,
        coefficient=coefficient[None, :],
        intercept=np.array([mean - float(centre @ coefficient)]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesReturn:
    """Boosted trees with one output; the slope pulls the forecast towards no move."""

    booster: Booster
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the expected move (n,) in basis points."""
        return np.asarray(self.slope * self.booster.raw(features))

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope, "n_trees": float(self.booster.n_trees)}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted number; the trees are in `texts`."""
        return {"slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return the booster's own text format."""
        return {"booster.txt": self.booster.text}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "TreesReturn":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(booster=Booster(texts["booster.txt"]), slope=float(data["slope"]))


def fit_trees(training: Training) -> Fitted:
    """Count trees and calibrate on the held-out rows, then fit again on every row of the fold."""
    train, inner = training.rows, training.inner()
    grown = grow(training, "regression")
    slope = return_slope(grown.held_score, train.label[inner.held_idx])
    predictor = TreesReturn(booster=Booster(grown.text), slope=slope)
    return Fitted(predictor=predictor, held=slope * grown.held_score)


RUNGS_OF_VALUE: RungTable = {
    ("value", "linear"): Rung(
        fit=fit_ridge, load=RidgeReturn.from_json, settings=lambda config: asdict(config.ridge)
    ),
    ("value", "lightgbm"): Rung(
        fit=fit_trees, load=TreesReturn.from_json, settings=lambda config: asdict(config.trees)
    ),
}
