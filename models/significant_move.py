"""Whether the mid moves significantly: what recent volatility alone says, the rung to beat.

The other rungs are those of any event (`models.events`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.calibrate import event_share
from models.rung import Fitted, Rung, RungTable, Training
from orderflow_core.types import Float64, Int64
from orderflow_core.uniqueness import average_uniqueness

VOLATILITY = "volatility_60s_ticks"
N_GROUPS = 5
_PRIOR_ROWS = 20.0  # so many independent rows of the overall share are added to each group


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveMove:
    """The event's share among training rows of like volatility: moves come in spells.

    Attributes
    ----------
    column : int or None
        Position of ``volatility_60s_ticks`` among the features; None: they lack it, and every row
        gets the overall share.
    edges : ndarray of float64, shape (n_groups - 1,), unit ticks
        Between the groups: quintiles of the training rows, equal ones once.
    shares : ndarray of float64, shape (n_groups,)
    prior : float
        Overall share, for rows whose volatility is not known.
    """

    column: int | None
    edges: Float64
    shares: Float64
    prior: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the probability (n,) of a significant move."""
        if self.column is None:
            return np.full(len(features), self.prior)
        volatility = features[:, self.column]
        share = self.shares[_group(self.edges, volatility)]
        return np.where(np.isnan(volatility), self.prior, share)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"share_quietest": float(self.shares[0]), "share_wildest": float(self.shares[-1])}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "column": self.column,
            "edges": self.edges.tolist(),
            "shares": self.shares.tolist(),
            "prior": self.prior,
        }

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NaiveMove":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            column=None if data["column"] is None else int(data["column"]),
            edges=np.array(data["edges"], np.float64),
            shares=np.array(data["shares"], np.float64),
            prior=float(data["prior"]),
        )


def fit_naive_move(training: Training) -> Fitted:
    """Count the event in five groups of equal size by recent volatility.

    A row counts by the uniqueness of its label: a hundred decisions over the same seconds are one
    outcome, and a share of few outcomes stays near the overall one.
    """
    train, prior = training.rows, event_share(training.rows.label)
    column = train.names.index(VOLATILITY) if VOLATILITY in train.names else None
    known = np.zeros(len(train), bool) if column is None else ~np.isnan(train.features[:, column])
    if column is None or not known.any():
        edges, shares = np.empty(0), np.array([prior])
    else:
        volatility = train.features[known, column]
        edges = np.unique(np.quantile(volatility, np.arange(1, N_GROUPS) / N_GROUPS))
        group, n_groups = _group(edges, volatility), len(edges) + 1
        weight = average_uniqueness(train.t0_ns, train.t1_ns)[known]
        n_rows = np.bincount(group, weights=weight, minlength=n_groups)
        n_events = np.bincount(group, weights=weight * train.label[known], minlength=n_groups)
        shares = (n_events + _PRIOR_ROWS * prior) / (n_rows + _PRIOR_ROWS)
    return Fitted(predictor=NaiveMove(column=column, edges=edges, shares=shares, prior=prior))


# NaN lies in the last group; the caller replaces it.
def _group(edges: Float64, volatility: Float64) -> Int64:
    return np.searchsorted(edges, volatility, side="right").astype(np.int64)


RUNGS_OF_MOVE: RungTable = {
    ("move", "naive"): Rung(
        fit=fit_naive_move,
        load=NaiveMove.from_json,
        settings=lambda config: {"choices": "share by volatility"},  # noqa: ARG005
    ),
}
