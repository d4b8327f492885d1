"""Expected values: how far the mid goes over the next X seconds, in basis points, and the like."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
from models.calibrate import return_slope
from models.config import RidgeConfig
from models.datasets import Dataset
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import Booster, grow
from orderflow_core.types import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeReturn:
    """Fitted ridge on standardised columns; the slope pulls the forecast towards no move.

    Attributes
    ----------
    coefficient : ndarray of float64, shape (k + flags,), basis points a standard deviation
    intercept : float, basis points
    slope : float
    """

    standardizer: Standardizer
    coefficient: Float64
    intercept: float
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the expected move (n,) in basis points."""
        raw = _linear_score(self.standardizer, self.coefficient, self.intercept, features)
        return np.asarray(self.slope * raw)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "standardizer": self.standardizer.to_json(),
            "coefficient": self.coefficient.tolist(),
            "intercept": self.intercept,
            "slope": self.slope,
        }

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "RidgeReturn":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            standardizer=Standardizer.from_json(data["standardizer"]),
            coefficient=np.array(data["coefficient"], np.float64),
            intercept=float(data["intercept"]),
            slope=float(data["slope"]),
        )


def fit_ridge(training: Training) -> Fitted:
    """Calibrate a trial fit on the held-out rows, then fit again on every row of the fold."""
    train, inner, config = training.rows, training.inner(), training.config.ridge
    trial = _fit_coefficients(train.take(inner.fit_idx), config)
    held = train.take(inner.held_idx)
    raw = _linear_score(*trial, held.features)
    slope = return_slope(raw, held.label)
    standardizer, coefficient, intercept = _fit_coefficients(train, config)
    predictor = RidgeReturn(
        standardizer=standardizer, coefficient=coefficient, intercept=intercept, slope=slope
    )
    return Fitted(predictor=predictor, held=slope * raw)


def _linear_score(
    standardizer: Standardizer, coefficient: Float64, intercept: float, features: Float64
) -> Float64:
    # not BLAS: a row's bits must not depend on how many rows are asked for at once
    return np.asarray(
        np.einsum("ij,j->i", standardizer.transform(features), coefficient) + intercept
    )


def _fit_coefficients(train: Dataset, config: RidgeConfig) -> tuple[Standardizer, Float64, float]:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    centre, mean = columns.mean(axis=0), float(train.label.mean())
    with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
        spread = columns - centre
        normal = spread.T @ spread
        normal[np.diag_indices_from(normal)] += config.penalty_per_row * len(train)
        coefficient = np.linalg.solve(normal, spread.T @ (train.label - mean))
    return standardizer, coefficient, mean - float(centre @ coefficient)


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
    grown = grow(train, inner, "regression", training.config.trees, training.seed)
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
