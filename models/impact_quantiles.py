"""Quantiles of an order's impact that rise with its size, whatever was fitted.

A quantile is a centre plus a multiple of a scale. The centre does not fall with the order's size and
the scale knows the market's state only.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from models.calibrate import quantile_shifts
from models.impact import LOG_LOTS, LawImpact, TreesImpact, law_of, trees_on_law
from models.rung import Fitted, Rung, RungTable, Training
from models.tasks import LEVELS
from models.trees import Booster, grow
from orderflow_core.types import Float64

_LEAST_SCALE = 0.1  # of the median: no market is taken to stand still


@dataclass(frozen=True, slots=True, kw_only=True)
class LawSizing:
    """Quantiles about the law of impact, as wide as the volatility says.

    Attributes
    ----------
    law : LawImpact
    multiple : ndarray of float64, shape (5,)
        Quantiles of the held-out rows' distance from the law, in volatilities.
    """

    law: LawImpact
    multiple: Float64

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the quantiles (n, 5) of the move with the order, in basis points."""
        scale = self.law.scale(features)[0]
        return self.law.predict(features)[:, None] + scale[:, None] * self.multiple

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return self.law.settings() | _multiples(self.multiple)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {"law": self.law.to_json(), "multiple": self.multiple.tolist()}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "LawSizing":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            law=LawImpact.from_json(data["law"], {}),
            multiple=np.array(data["multiple"], np.float64),
        )


def fit_law(training: Training) -> Fitted:
    """Fit the law on the inner rows; the held-out rows' distances from it give the quantiles."""
    rows, inner = training.rows, training.inner()
    law = law_of(rows.take(inner.fit_idx), training.seed)
    held = rows.features[inner.held_idx]
    distance = (rows.label[inner.held_idx] - law.predict(held)) / law.scale(held)[0]
    predictor = LawSizing(law=law, multiple=_quantiles(distance))
    return Fitted(predictor=predictor, held=predictor.predict(held))


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesSizing:
    """Quantiles about the trees' impact, as wide as other trees expect of the market's state.

    Attributes
    ----------
    centre : TreesImpact
    spread : Booster
        Expected distance from the centre; it is not shown the order's size.
    columns : tuple of int
        Positions of what it is shown.
    least : float, basis points
        Floor of the scale.
    multiple : ndarray of float64, shape (5,)
    """

    centre: TreesImpact
    spread: Booster
    columns: tuple[int, ...]
    least: float
    multiple: Float64

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the quantiles (n, 5) of the move with the order, in basis points."""
        shown = np.ascontiguousarray(features[:, list(self.columns)])
        scale = np.maximum(self.spread.raw(shown), self.least)
        return self.centre.predict(features)[:, None] + scale[:, None] * self.multiple

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return self.centre.settings() | _multiples(self.multiple)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers; the trees are in `texts`."""
        return {
            "centre": self.centre.to_json(),
            "columns": list(self.columns),
            "least": self.least,
            "multiple": self.multiple.tolist(),
        }

    def texts(self) -> dict[str, str]:
        """Return the boosters' own text format."""
        return self.centre.texts() | {"spread.txt": self.spread.text}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "TreesSizing":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(
            centre=TreesImpact.from_json(data["centre"], texts),
            spread=Booster(texts["spread.txt"]),
            columns=tuple(int(i) for i in data["columns"]),
            least=float(data["least"]),
            multiple=np.array(data["multiple"], np.float64),
        )


def fit_trees_sizing(training: Training) -> Fitted:
    """Fit the centre, the scale of what it misses, and the quantiles of the held-out rows' distances.

    Everything is fitted on the inner rows; the held-out rows are for the quantiles. A centre that had
    seen them would make them look too well known, and the quantiles too narrow.
    """
    rows, inner = training.rows, training.inner()
    known = replace(training, rows=rows.take(inner.fit_idx))
    centre, _ = trees_on_law(known)
    columns = tuple(i for i, name in enumerate(rows.names) if name != LOG_LOTS)
    distance = np.abs(known.rows.label - centre.predict(known.rows.features))
    state = replace(
        known.rows,
        features=np.ascontiguousarray(known.rows.features[:, list(columns)]),
        names=tuple(rows.names[i] for i in columns),
        label=distance,
    )
    predictor = TreesSizing(
        centre=centre,
        spread=Booster(grow(replace(known, rows=state), "regression").text),
        columns=columns,
        least=_LEAST_SCALE * float(np.median(distance)) or 1e-9,
        multiple=np.zeros(len(LEVELS)),
    )
    held = rows.features[inner.held_idx]
    shown = np.ascontiguousarray(held[:, list(columns)])
    scale = np.maximum(predictor.spread.raw(shown), predictor.least)
    missed = (rows.label[inner.held_idx] - centre.predict(held)) / scale
    predictor = replace(predictor, multiple=_quantiles(missed))
    return Fitted(predictor=predictor, held=predictor.predict(held))


def _quantiles(distance: Float64) -> Float64:
    return quantile_shifts(np.zeros((len(distance), len(LEVELS))), distance)


def _multiples(multiple: Float64) -> dict[str, float]:
    return {
        f"multiple_{round(100 * level):02d}": float(x)
        for level, x in zip(LEVELS, multiple, strict=True)
    }


RUNGS_OF_SIZING: RungTable = {
    ("sizing", "linear"): Rung(
        fit=fit_law,
        load=LawSizing.from_json,
        settings=lambda config: {"scale": "volatility"},  # noqa: ARG005
    ),
    ("sizing", "lightgbm"): Rung(
        fit=fit_trees_sizing,
        load=TreesSizing.from_json,
        settings=lambda config: asdict(config.trees),
    ),
}
