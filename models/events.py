"""Whether something happens: calibrated probabilities of an event, by logit and by boosted trees."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
from models.calibrate import event_share, event_slope, log_odds, tempered_event
from models.config import LogitConfig
from models.datasets import Dataset
from models.linear import LinearScore
from models.rung import Fitted, Rung, RungTable, Training
from models.trees import Booster, grow
from orderflow_core.types import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitEvent:
    """Fitted logit on standardised columns.

    Attributes
    ----------
    score : LinearScore
        Log odds, one output.
    prior : float
        Share of the event in the training rows.
    slope : float
        Calibration: see `models.calibrate`.
    """

    score: LinearScore
    prior: float
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the probability (n,) of the event."""
        return tempered_event(self.score(features)[:, 0], self.prior, self.slope)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return self.score.to_json() | {"prior": self.prior, "slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "LogitEvent":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            score=LinearScore.from_json(data),
            prior=float(data["prior"]),
            slope=float(data["slope"]),
        )


def fit_logit(training: Training) -> Fitted:
    """Calibrate a trial fit on the held-out rows, then fit again on every row of the fold."""
    train, inner, config = training.rows, training.inner(), training.config.logit
    trial = _fit_score(train.take(inner.fit_idx), training.weight_of(inner.fit_idx), config)
    raw = trial(train.features[inner.held_idx])[:, 0]
    prior = event_share(train.label[inner.fit_idx])
    slope = event_slope(raw, prior, train.label[inner.held_idx])
    predictor = LogitEvent(
        score=_fit_score(train, training.weight, config),
        prior=event_share(train.label),
        slope=slope,
    )
    return Fitted(predictor=predictor, held=tempered_event(raw, prior, slope))


# Rows of one kind only: no coefficients, and the (smoothed) share as the score.
def _fit_score(train: Dataset, weight: Float64, config: LogitConfig) -> LinearScore:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    standardizer = Standardizer.fit(train.features)
    columns = standardizer.transform(train.features)
    coefficient = np.zeros((1, columns.shape[1]))
    intercept = np.array([log_odds(event_share(train.label))])
    if np.ptp(train.label) > 0:
        logit = LogisticRegression(
            C=1 / (config.penalty_per_row * len(train)), max_iter=config.max_iterations
        )
        with threadpool_limits(limits=1):  # sums in one order, whatever the number of cores
            logit.fit(columns, train.label, sample_weight=weight)
        coefficient, intercept = logit.coef_, logit.intercept_
    return LinearScore(standardizer=standardizer, coefficient=coefficient, intercept=intercept)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesEvent:
    """Boosted trees with one output, the log odds, calibrated about the event's share."""

    booster: Booster
    prior: float
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the probability (n,) of the event."""
        return tempered_event(self.booster.raw(features), self.prior, self.slope)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope, "n_trees": float(self.booster.n_trees)}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers; the trees are in `texts`."""
        return {"prior": self.prior, "slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return the booster's own text format."""
        return {"booster.txt": self.booster.text}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "TreesEvent":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(
            booster=Booster(texts["booster.txt"]),
            prior=float(data["prior"]),
            slope=float(data["slope"]),
        )


def fit_trees(training: Training) -> Fitted:
    """Count trees and calibrate on the held-out rows, then fit again on every row of the fold."""
    train, inner = training.rows, training.inner()
    grown = grow(training, "binary")
    prior = event_share(train.label[inner.fit_idx])
    slope = event_slope(grown.held_score, prior, train.label[inner.held_idx])
    predictor = TreesEvent(booster=Booster(grown.text), prior=event_share(train.label), slope=slope)
    return Fitted(predictor=predictor, held=tempered_event(grown.held_score, prior, slope))


RUNGS_OF_EVENTS: RungTable = {
    ("binary", "linear"): Rung(
        fit=fit_logit, load=LogitEvent.from_json, settings=lambda config: asdict(config.logit)
    ),
    ("binary", "lightgbm"): Rung(
        fit=fit_trees, load=TreesEvent.from_json, settings=lambda config: asdict(config.trees)
    ),
}
