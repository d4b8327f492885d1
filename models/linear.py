"""What the linear rungs share: standardised columns times coefficients, the same bits for any batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.baselines import Standardizer
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

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "standardizer": self.standardizer.to_json(),
            "coefficient": self.coefficient.tolist(),
            "intercept": self.intercept.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "LinearScore":
        """Return the score that `to_json` described."""
        return cls(
            standardizer=Standardizer.from_json(data["standardizer"]),
            coefficient=np.atleast_2d(np.array(data["coefficient"], np.float64)),
            intercept=np.atleast_1d(np.array(data["intercept"], np.float64)),
        )
