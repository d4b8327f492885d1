"""Where the mid goes next: down, flat or up, as calibrated probabilities."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
from models.calibrate import class_shares, direction_slope, tempered
from models.config import LogitConfig
from models.datasets import Dataset
from models.linear import LinearScore
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import Booster, grow
from orderflow_core.types import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitDirection:
    """Fitted multinomial logit on standardised columns.

    Attributes
    ----------
    score : LinearScore
        Unnormalised log probabilities, three outputs.
    prior : ndarray of float64, shape (3,)
        Class shares of the training rows.
    slope : float
        Calibration: see `models.calibrate`.
    """

    score: LinearScore
    prior: Float64
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return probabilities (n, 3) of down, flat, up."""
        return tempered(self.score(features), self.prior, self.slope)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return self.score.to_json() | {"prior": self.prior.tolist(), "slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "LogitDirection":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            score=LinearScore.from_json(data),
            prior=np.array(data["prior"], np.float64),
            slope=float(data["slope"]),
        )


def fit_logit(training: Training) -> Fitted:
    """Calibrate a trial fit on the held-out rows, then fit again on every row of the fold."""
    train, inner, config = training.rows, training.inner(), training.config.logit
    trial = _fit_score(train.take(inner.fit_idx), training.weight_of(inner.fit_idx), config)
    raw = trial(train.features[inner.held_idx])
    prior = class_shares(train.label[inner.fit_idx])
    slope = direction_slope(raw, prior, train.label[inner.held_idx])
    predictor = LogitDirection(
        score=_fit_score(train, training.weight, config),
        prior=class_shares(train.label),
        slope=slope,
    )
    return Fitted(predictor=predictor, held=tempered(raw, prior, slope))


# A class that the rows lack gets no coefficients and the (smoothed) prior as its score.
def _fit_score(train: Dataset, weight: Float64, config: LogitConfig) -> LinearScore:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    coefficient = np.zeros((3, columns.shape[1]))
    intercept = np.log(class_shares(train.label))
    classes = np.unique(train.label).astype(np.int64) + 1
    if len(classes) > 1:
        logit = LogisticRegression(
            C=1 / (config.penalty_per_row * len(train)), max_iter=config.max_iterations
        )
        with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
            logit.fit(columns, train.label, sample_weight=weight)
        if len(classes) == 3:
            coefficient[classes], intercept[classes] = logit.coef_, logit.intercept_
        else:  # two classes: one row of coefficients, for the second against the first
            coefficient[classes[1]] = logit.coef_[0]
            intercept[classes[1]] = intercept[classes[0]] + logit.intercept_[0]
    return LinearScore(standardizer=standardizer, coefficient=coefficient, intercept=intercept)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesDirection:
    """Boosted trees with three outputs, calibrated about the class shares."""

    booster: Booster
    prior: Float64
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return probabilities (n, 3) of down, flat, up."""
        return tempered(self.booster.raw(features), self.prior, self.slope)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope, "n_trees": float(self.booster.n_trees)}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers; the trees are in `texts`."""
        return {"prior": self.prior.tolist(), "slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return the booster's own text format."""
        return {"booster.txt": self.booster.text}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "TreesDirection":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(
            booster=Booster(texts["booster.txt"]),
            prior=np.array(data["prior"], np.float64),
            slope=float(data["slope"]),
        )


def fit_trees(training: Training) -> Fitted:
    """Count trees and calibrate on the held-out rows, then fit again on every row of the fold."""
    train, inner = training.rows, training.inner()
    grown = grow(training, "multiclass")
    prior = class_shares(train.label[inner.fit_idx])
    slope = direction_slope(grown.held_score, prior, train.label[inner.held_idx])
    predictor = TreesDirection(
        booster=Booster(grown.text), prior=class_shares(train.label), slope=slope
    )
    return Fitted(predictor=predictor, held=tempered(grown.held_score, prior, slope))


RUNGS_OF_CLASSES: RungTable = {
    ("classes", "linear"): Rung(
        fit=fit_logit,
        load=LogitDirection.from_json,
        settings=lambda config: asdict(config.logit),
    ),
    ("classes", "lightgbm"): Rung(
        fit=fit_trees,
        load=TreesDirection.from_json,
        settings=lambda config: asdict(config.trees),
    ),
}
