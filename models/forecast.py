"""What linear and boosted rungs of classes, events and values share: a score, and how strongly to believe it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.calibrate import calibrated, prior_of, slope_of
from models.rung import Fitted, Predictor, Training
from models.tasks import Family
from orderflow_core.types import Float64


class Score(Protocol):
    """A fitted function of the features; its state is plain numbers and text."""

    def raw(self, features: Float64) -> Float64:
        """Return unnormalised log probabilities (n, 3), log odds (n,) or values (n,)."""
        ...

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided, as numbers worth a look."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        ...

    def texts(self) -> dict[str, str]:
        """Return further files: name to content."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A score of classes, an event or a value, calibrated.

    Attributes
    ----------
    family : {"classes", "binary", "value"}
    score : Score
    prior : tuple of float
        `models.calibrate.prior_of` the training rows.
    slope : float
        Calibration: see `models.calibrate`.
    """

    family: Family
    score: Score
    prior: tuple[float, ...]
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return probabilities (n, 3) of down, flat, up; of the event (n,); or the value (n,)."""
        return calibrated(self.family, self.score.raw(features), self.prior, self.slope)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope} | self.score.settings()

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return self.score.to_json() | {"prior": list(self.prior), "slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return the score's further files."""
        return self.score.texts()


def forecast_reader(
    family: Family, read_score: Callable[[dict[str, Any], dict[str, str]], Score]
) -> Callable[[dict[str, Any], dict[str, str]], Predictor]:
    """Return what makes a predictor of a family from what `Forecast.to_json` and `texts` returned.

    Models that were stored before have the prior of an event as one number, and of a value none: zero.
    """
    return lambda data, texts: Forecast(
        family=family,
        score=read_score(data, texts),
        prior=tuple(np.atleast_1d(data.get("prior") or 0.0).tolist()),
        slope=float(data["slope"]),
    )


def calibrated_fit(training: Training, score: Score, held_score: Float64) -> Fitted:
    """Calibrate a score by what a trial fit said of the held-out rows.

    Parameters
    ----------
    training : Training
    score : Score
        Fitted on every row.
    held_score : ndarray of float64, shape (n_held, 3) or (n_held,)
        Raw scores by the fit on ``training.inner().fit_idx`` alone.
    """
    inner, task, label = training.inner(), training.task, training.rows.label
    family, prior = task.family, prior_of(task, label[inner.fit_idx])
    slope = slope_of(family, held_score, prior, label[inner.held_idx])
    predictor = Forecast(family=family, score=score, prior=prior_of(task, label), slope=slope)
    return Fitted(predictor=predictor, held=calibrated(family, held_score, prior, slope))
