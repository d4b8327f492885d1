"""Quantiles of an outcome: linear quantile regression and boosted trees, shifted and put in order."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
from models.calibrate import quantile_shifts, rearranged
from models.config import QuantileConfig
from models.datasets import Dataset
from models.linear import LinearScore
from models.rung import Fitted, Rung, RungTable, Training
from models.tasks import LEVELS
from models.trees import Booster, grow
from orderflow_core.types import Float64

_NAMES = tuple(f"booster_{round(100 * level):02d}.txt" for level in LEVELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearQuantiles:
    """Linear quantile regression on standardised columns, one output a level.

    Attributes
    ----------
    score : LinearScore
    shift : ndarray of float64, shape (5,)
        Calibration: see `models.calibrate.quantile_shifts`.
    """

    score: LinearScore
    shift: Float64

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the quantiles (n, 5), not decreasing."""
        return rearranged(self.score(features) + self.shift)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return _shifts(self.shift)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return self.score.to_json() | {"shift": self.shift.tolist()}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "LinearQuantiles":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(score=LinearScore.from_json(data), shift=np.array(data["shift"], np.float64))


def fit_linear(training: Training) -> Fitted:
    """Shift a trial fit by the held-out rows, then fit again on every row of the fold."""
    train, inner, config = training.rows, training.inner(), training.config.quantiles
    trial = _fit_score(train.take(inner.fit_idx), training.weight_of(inner.fit_idx), config)
    raw = trial(train.features[inner.held_idx])
    shift = quantile_shifts(raw, train.label[inner.held_idx])
    predictor = LinearQuantiles(score=_fit_score(train, training.weight, config), shift=shift)
    return Fitted(predictor=predictor, held=rearranged(raw + shift))


def _fit_score(train: Dataset, weight: Float64, config: QuantileConfig) -> LinearScore:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
        fits = [
            quantile_regression(columns, train.label, weight, level, config) for level in LEVELS
        ]
    return LinearScore(
        standardizer=standardizer,
        coefficient=np.array([coefficient for coefficient, _ in fits]),
        intercept=np.array([intercept for _, intercept in fits]),
    )


def quantile_regression(
    columns: Float64, label: Float64, weight: Float64, level: float, config: QuantileConfig
) -> tuple[Float64, float]:
    """Return the coefficients and the intercept of a linear quantile.

    Parameters
    ----------
    columns : ndarray of float64, shape (n, k)
        Standardised.
    label, weight : ndarray of float64, shape (n,)
        Weights have mean one.
    level : float, in (0, 1)
    config : QuantileConfig

    Returns
    -------
    (ndarray of float64, shape (k,), float)
        In units of the label. The intercept is such that the share ``level`` of the rows lies below.

    Notes
    -----
    Minimises the mean of the weighted pinball loss, smoothed by a normal kernel, plus
    ``penalty / 2 |coefficients|^2`` in units of the label's standard deviation: the smoothed loss has
    a gradient, so that it takes milliseconds where a linear program of n rows takes minutes. A label
    that does not vary gets no coefficients. Source: Fernandes, Guerre and Horta (2021); bandwidth and
    kernel of He, Pan, Tan and Zhou (2023), Smoothed quantile regression with large-scale inference.
    """
    from scipy import optimize, special

    n, k = columns.shape
    scale = float(label.std())
    if scale == 0:
        return np.zeros(k), float(label[0])
    target = label / scale
    h = max(0.05, np.sqrt(level * (1 - level)) * ((k + np.log(n)) / n) ** 0.4)

    def loss(parameters: Float64) -> tuple[float, Float64]:
        v = (target - columns @ parameters[:k] - parameters[k]) / h
        below = special.ndtr(-v)
        density = np.exp(-v * v / 2) / np.sqrt(2 * np.pi)
        smooth = h * (density + v * (level - below))
        slope = weight * (below - level) / n
        penalty = config.penalty * parameters[:k]
        value = float((weight * smooth).mean() + penalty @ parameters[:k] / 2)
        return value, np.append(columns.T @ slope + penalty, slope.sum())

    start = np.append(np.zeros(k), np.quantile(target, level))
    found = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": config.max_iterations}
    )
    coefficient = found.x[:k] * scale
    return coefficient, float(np.quantile(label - columns @ coefficient, level))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesQuantiles:
    """Boosted trees, one booster a level, shifted and put in order."""

    boosters: tuple[Booster, ...]
    shift: Float64

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the quantiles (n, 5), not decreasing."""
        raw = np.column_stack([booster.raw(features) for booster in self.boosters])
        return rearranged(raw + self.shift)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        trees = {
            f"n_trees_{round(100 * level):02d}": float(booster.n_trees)
            for level, booster in zip(LEVELS, self.boosters, strict=True)
        }
        return trees | _shifts(self.shift)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers; the trees are in `texts`."""
        return {"shift": self.shift.tolist()}

    def texts(self) -> dict[str, str]:
        """Return each booster's own text format."""
        return {name: b.text for name, b in zip(_NAMES, self.boosters, strict=True)}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "TreesQuantiles":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(
            boosters=tuple(Booster(texts[name]) for name in _NAMES),
            shift=np.array(data["shift"], np.float64),
        )


def fit_trees(training: Training) -> Fitted:
    """Count trees and shift on the held-out rows, then fit again on every row of the fold."""
    grown = [grow(training, "quantile", alpha=level) for level in LEVELS]
    raw = np.column_stack([each.held_score for each in grown])
    shift = quantile_shifts(raw, training.rows.label[training.inner().held_idx])
    predictor = TreesQuantiles(boosters=tuple(Booster(g.text) for g in grown), shift=shift)
    return Fitted(predictor=predictor, held=rearranged(raw + shift))


def _shifts(shift: Float64) -> dict[str, float]:
    return {
        f"shift_{round(100 * level):02d}": float(x) for level, x in zip(LEVELS, shift, strict=True)
    }


RUNGS_OF_QUANTILES: RungTable = {
    ("quantiles", "linear"): Rung(
        fit=fit_linear,
        load=LinearQuantiles.from_json,
        settings=lambda config: asdict(config.quantiles),
    ),
    ("quantiles", "lightgbm"): Rung(
        fit=fit_trees, load=TreesQuantiles.from_json, settings=lambda config: asdict(config.trees)
    ),
}
