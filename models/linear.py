"""What the linear rungs share: standardised columns times coefficients, the same bits for any batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
from models.datasets import Dataset
from models.forecast import calibrated_fit
from models.rung import Fitted, Training
from orderflow_core.types import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearScore:
    """A linear function of standardised columns.

    Attributes
    ----------
    standardizer : Standardizer
    coefficient : ndarray of float64, shape (n_outputs, k + flags)
    intercept : ndarray of float64, shape (n_outputs,)
    """

    standardizer: Standardizer
    coefficient: Float64
    intercept: Float64

    def __call__(self, features: Float64) -> Float64:
        """Return the scores, shape (n, n_outputs)."""
        # not BLAS: a row's bits must not depend on how many rows are asked for at once
        columns = self.standardizer.transform(features)
        return np.asarray(np.einsum("ij,kj->ik", columns, self.coefficient) + self.intercept)

    def raw(self, features: Float64) -> Float64:
        """Return the scores, shape (n, n_outputs), or (n,) of one output."""
        found = self(features)
        return found if found.shape[1] > 1 else found[:, 0]

    def settings(self) -> dict[str, float]:
        """Return nothing worth a look."""
        return {}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "standardizer": self.standardizer.to_json(),
            "coefficient": self.coefficient.tolist(),
            "intercept": self.intercept.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str] | None = None) -> "LinearScore":  # noqa: ARG003
        """Return the score that `to_json` described."""
        return cls(
            standardizer=Standardizer.from_json(data["standardizer"]),
            coefficient=np.atleast_2d(np.array(data["coefficient"], np.float64)),
            intercept=np.atleast_1d(np.array(data["intercept"], np.float64)),
        )


def fit_linear(training: Training, fit: Callable[[Dataset, Float64], LinearScore]) -> Fitted:
    """Calibrate a trial fit on the held-out rows, then fit again on every row of the fold.

    Parameters
    ----------
    training : Training
    fit : callable
        Returns the score of rows and their weights.
    """
    train, inner = training.rows, training.inner()
    trial = fit(train.take(inner.fit_idx), training.weight_of(inner.fit_idx))
    held_score = trial.raw(train.features[inner.held_idx])
    return calibrated_fit(training, fit(train, training.weight), held_score)
