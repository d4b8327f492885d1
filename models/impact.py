"""How far the mid goes with an order: its side's mean, the law of impact with what past orders still
do, and trees on what those leave. None falls as the order grows.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from models.calibrate import value_slope
from models.datasets import Dataset
from models.order_rows import PAST_COLUMNS
from models.rung import Fitted, Rung, RungTable, Training, scaled_uniqueness
from models.trees import Booster, grow
from orderflow_core.impact import MIN_BLOCKS, fit_impact_law, law_impact
from orderflow_core.propagator import solve_propagator
from orderflow_core.types import Float64

SIGN, LOG_LOTS = "order_sign", "order_log_lots"
VOLATILITY, VOLUME = "volatility_60s_ticks", ("order_same_lots_60s", "order_other_lots_60s")
_N_BOOT = 200
_MOST_BLOCKS, _ROWS_OF_BLOCK = 50, 20
_EXPONENTS = (0.0, 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveImpact:
    """Each side's mean over the training rows.

    Attributes
    ----------
    column : int
        Position of ``order_sign``.
    sell, buy : float, basis points
    """

    column: int
    sell: float
    buy: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the expected move (n,) with the order, in basis points."""
        return np.where(features[:, self.column] > 0, self.buy, self.sell)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"sell": self.sell, "buy": self.buy}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return asdict(self)

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NaiveImpact":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(column=int(data["column"]), sell=float(data["sell"]), buy=float(data["buy"]))


def fit_naive(training: Training) -> Fitted:
    """Average the outcomes of each side; of a side without rows, those of both."""
    rows = training.rows
    column = column_of(rows.names, SIGN)
    is_buy = rows.features[:, column] > 0
    means = [
        float(rows.label[side].mean()) if side.any() else float(rows.label.mean())
        for side in (~is_buy, is_buy)
    ]
    return Fitted(predictor=NaiveImpact(column=column, sell=means[0], buy=means[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LawImpact:
    """``Y sigma (q / V) ** delta`` plus what the sweeps before the order still do to the price.

    sigma and V are the volatility and the lots of the last 60 s. The prefactor turns ticks into
    basis points.

    Attributes
    ----------
    columns : tuple of int
        Positions of volatility, lots of the order's side and of the other, log lots, past signs.
    prefactor, exponent : float, not negative
    exponent_low, exponent_high : float
        95 % interval of the exponent over blocks of the training rows; all that was searched where
        `blocks_of_law` finds too few.
    kernel : ndarray of float64, shape (n_past,), basis points
        What a sweep of the order's side so many sweeps ago adds.
    lowest, usual : tuple of 2 floats
        Floor and median of volatility and volume in training: what is below or unknown is put there.
    slope : float
        Calibration towards no move.
    """

    columns: tuple[int, ...]
    prefactor: float
    exponent: float
    exponent_low: float
    exponent_high: float
    kernel: Float64
    lowest: tuple[float, float]
    usual: tuple[float, float]
    slope: float = 1.0

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the expected move (n,) with the order, in basis points."""
        law = law_impact(self.prefactor, self.exponent, *self.scale(features))
        return np.asarray(self.slope * (law + self.past(features)))

    def scale(self, features: Float64) -> tuple[Float64, Float64]:
        """Return volatility (n,) in ticks and ``q / V`` (n,), both positive."""
        volatility, same, other, log_lots = (features[:, i] for i in self.columns[:4])
        known = []
        for values, lowest, usual in zip(
            (volatility, same + other), self.lowest, self.usual, strict=True
        ):
            known.append(np.maximum(np.where(np.isnan(values), usual, values), lowest))
        return known[0], np.exp(log_lots) / known[1]

    def past(self, features: Float64) -> Float64:
        """Return what past sweeps add (n,), in basis points; one that is not known adds nothing."""
        total = np.zeros(len(features))  # term by term: a row's bits must not depend on the others
        for weight, column in zip(self.kernel.tolist(), self.columns[4:], strict=True):
            total += weight * np.nan_to_num(features[:, column])
        return total

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {
            "prefactor": self.prefactor,
            "exponent": self.exponent,
            "exponent_low": self.exponent_low,
            "exponent_high": self.exponent_high,
            "kernel_1": float(self.kernel[0]),
            "slope": self.slope,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return asdict(self) | {"kernel": self.kernel.tolist()}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "LawImpact":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(
            columns=tuple(int(i) for i in data["columns"]),
            prefactor=float(data["prefactor"]),
            exponent=float(data["exponent"]),
            exponent_low=float(data["exponent_low"]),
            exponent_high=float(data["exponent_high"]),
            kernel=np.array(data["kernel"], np.float64),
            lowest=_pair(data["lowest"]),
            usual=_pair(data["usual"]),
            slope=float(data["slope"]),
        )


def _pair(values: list[float]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def fit_law(training: Training) -> Fitted:
    """Calibrate a trial fit on the held-out rows, then fit again on every row of the fold."""
    rows, inner = training.rows, training.inner()
    trial = calibrated_law(training)
    predictor = replace(law_of(rows, training.seed), slope=trial.slope)
    return Fitted(predictor=predictor, held=trial.predict(rows.features[inner.held_idx]))


def calibrated_law(training: Training) -> LawImpact:
    """Return the law of the inner rows with the slope that the held-out rows give it."""
    rows, inner = training.rows, training.inner()
    law = law_of(rows.take(inner.fit_idx), training.seed)
    raw = law.predict(rows.features[inner.held_idx])
    return replace(law, slope=value_slope(raw, rows.label[inner.held_idx]))


def law_of(rows: Dataset, seed: int) -> LawImpact:
    """Fit kernel and law on these rows, uncalibrated, each row weighed by the uniqueness of its label.

    The kernel solves the Toeplitz system of the past signs' correlation and the moves' response to
    them, the order's own sign among them; the law has the moves less the past's part. Then both are
    fitted once more, the kernel on what the law leaves, so that large orders do not blur it. A prefactor
    below zero is set to zero, so that no forecast falls with size.
    """
    names = (VOLATILITY, *VOLUME, LOG_LOTS, *PAST_COLUMNS)
    columns = tuple(column_of(rows.names, name) for name in names)
    volume = rows.features[:, columns[1]] + rows.features[:, columns[2]]
    terms = [_floor_and_median(v) for v in (rows.features[:, columns[0]], volume)]
    past, weight = rows.features[:, list(columns[4:])], scaled_uniqueness(rows)
    correlation = np.append(1.0, _mean(past, weight))
    law = LawImpact(
        columns=columns,
        prefactor=0.0,
        exponent=0.0,
        exponent_low=0.0,
        exponent_high=0.0,
        kernel=solve_propagator(correlation, _response(past, rows.label, weight))[1:],
        lowest=(terms[0][0], terms[1][0]),
        usual=(terms[0][1], terms[1][1]),
    )
    law = _with_law(law, rows, weight, seed)
    left = rows.label - law_impact(law.prefactor, law.exponent, *law.scale(rows.features))
    kernel = solve_propagator(correlation[:-1], _response(past, left, weight)[1:])
    return _with_law(replace(law, kernel=kernel), rows, weight, seed)


# Mean of the moves times the order's own sign and each past one, all turned to the order's side.
def _response(past: Float64, label: Float64, weight: Float64) -> Float64:
    return np.append(_mean(label, weight), _mean(past * label[:, None], weight))


# Over rows, of weights whose own mean is one.
def _mean(values: Float64, weight: Float64) -> Float64:
    return np.asarray((values.T * weight).mean(axis=-1))


def _with_law(law: LawImpact, rows: Dataset, weight: Float64, seed: int) -> LawImpact:
    n_blocks = blocks_of_law(rows)
    found = fit_impact_law(
        rows.label - law.past(rows.features),
        *law.scale(rows.features),
        exponent_range=_EXPONENTS,
        n_blocks=max(MIN_BLOCKS, n_blocks),
        n_boot=_N_BOOT,
        seed=seed,
        weight=weight,
    )
    low, high = (found.exponent_low, found.exponent_high) if n_blocks else _EXPONENTS
    return replace(
        law,
        prefactor=max(0.0, found.prefactor),
        exponent=found.exponent,
        exponent_low=low,
        exponent_high=high,
    )


def blocks_of_law(rows: Dataset) -> int:
    """Return into how many blocks `fit_impact_law` may cut the rows, or 0 where there is no such number.

    The most from 10 to 50, of some 20 rows or more, that each last longer than every label that begins in
    them: orders then share moves with the next block's only.
    """
    most = min(_MOST_BLOCKS, max(MIN_BLOCKS, len(rows) // _ROWS_OF_BLOCK))
    for n_blocks in range(most, MIN_BLOCKS - 1, -1):
        first = (np.arange(n_blocks) * len(rows)) // n_blocks
        lasts = np.diff(rows.t0_ns[np.append(first, len(rows) - 1)])
        if (lasts > np.maximum.reduceat(rows.t1_ns - rows.t0_ns, first)).all():
            return n_blocks
    return 0


def _floor_and_median(values: Float64) -> tuple[float, float]:
    positive = values[values > 0]  # NaN is not
    if len(positive) == 0:
        return 1.0, 1.0
    return float(np.quantile(positive, 0.01)), float(np.median(positive))


def column_of(names: tuple[str, ...], name: str) -> int:
    """Return a feature's position.

    Raises
    ------
    ValueError
        The rows are not those of orders (`models.order_rows.order_dataset`), or lack the feature.
    """
    if name not in names:
        raise ValueError(f"features must include {name!r} for a task of orders, got {names}")
    return names.index(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesImpact:
    """The law, and boosted trees on what it leaves, which do not fall with the order's size."""

    law: LawImpact
    booster: Booster
    slope: float

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the expected move (n,) with the order, in basis points."""
        return self.law.predict(features) + self.slope * self.booster.raw(features)

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"slope": self.slope, "n_trees": float(self.booster.n_trees)}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers; the trees are in `texts`."""
        return {"law": self.law.to_json(), "slope": self.slope}

    def texts(self) -> dict[str, str]:
        """Return the booster's own text format."""
        return {"booster.txt": self.booster.text}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "TreesImpact":
        """Return the predictor that `to_json` and `texts` described."""
        return cls(
            law=LawImpact.from_json(data["law"], {}),
            booster=Booster(texts["booster.txt"]),
            slope=float(data["slope"]),
        )


def fit_trees(training: Training) -> Fitted:
    """Fit the law on the inner rows and trees on what it leaves of every row.

    Of the held-out rows the law has seen its slope only, so that the trees' number and slope are decided
    by what it leaves of rows that are all but new to it.
    """
    predictor, held = trees_on_law(training)
    return Fitted(predictor=predictor, held=held)


def trees_on_law(training: Training) -> tuple[TreesImpact, Float64]:
    """Return the law with trees on what it leaves, and the trial fit's forecast of the held-out rows."""
    rows, inner = training.rows, training.inner()
    law = calibrated_law(training)
    base = law.predict(rows.features)
    left = replace(training, rows=replace(rows, label=rows.label - base))
    grown = grow(left, "regression", monotone_constraints=rising_with_size(rows.names))
    slope = value_slope(grown.held_score, left.rows.label[inner.held_idx])
    predictor = TreesImpact(law=law, booster=Booster(grown.text), slope=slope)
    return predictor, base[inner.held_idx] + slope * grown.held_score


def rising_with_size(names: tuple[str, ...]) -> list[int]:
    """Return LightGBM's constraint by column: 1 for the order's size, 0 for all else."""
    return [int(name == LOG_LOTS) for name in names]


RUNGS_OF_IMPACT: RungTable = {
    ("impact", "naive"): Rung(
        fit=fit_naive,
        load=NaiveImpact.from_json,
        settings=lambda config: {"choices": "mean by side"},  # noqa: ARG005
    ),
    ("impact", "linear"): Rung(
        fit=fit_law,
        load=LawImpact.from_json,
        settings=lambda config: {"n_past": len(PAST_COLUMNS)},  # noqa: ARG005
    ),
    ("impact", "lightgbm"): Rung(
        fit=fit_trees, load=TreesImpact.from_json, settings=lambda config: asdict(config.trees)
    ),
}
