"""What every model must beat, and how the linear rung prepares its columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.calibrate import class_shares, event_share
from models.datasets import Dataset
from models.rung import Fitted, Rung, RungTable, Training
from models.tasks import LEVELS
from orderflow_core.types import Bool, Float64, Int64

CLIP_SD = 5.0
TICK_SIGN = "last_tick_sign"


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveDirection:
    """Fade or follow the last tick: the probabilities of right, flat and wrong on the training rows.

    Attributes
    ----------
    column : int
        Position of ``last_tick_sign`` among the features.
    is_follow : bool
        Guess the last tick's sign; else its opposite. Chosen by hits on the training rows, a tie follows.
    shares : tuple of 3 floats
        Training shares of outcome against the guess, flat, with the guess; one row added to each.
    prior : tuple of 3 floats
        Class shares, for rows whose last tick's sign is 0 or unknown.
    """

    column: int
    is_follow: bool
    shares: tuple[float, float, float]
    prior: tuple[float, float, float]

    n_configurations = 2

    def predict(self, features: Float64) -> Float64:
        """Return probabilities (n, 3) of down, flat, up."""
        guess = _guess(features[:, self.column], is_follow=self.is_follow)
        table = np.array([self.shares[::-1], self.prior, self.shares])
        return np.asarray(table[guess + 1])

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided."""
        return {"is_follow": float(self.is_follow), "share_right": self.shares[2]}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "column": self.column,
            "is_follow": self.is_follow,
            "shares": list(self.shares),
            "prior": list(self.prior),
        }

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NaiveDirection":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        shares, prior = (tuple(float(x) for x in data[key]) for key in ("shares", "prior"))
        return cls(
            column=int(data["column"]),
            is_follow=bool(data["is_follow"]),
            shares=(shares[0], shares[1], shares[2]),
            prior=(prior[0], prior[1], prior[2]),
        )


def fit_naive_direction(train: Dataset) -> NaiveDirection:
    """Choose fade or follow by its hits on the training rows.

    Raises
    ------
    ValueError
        The features lack ``last_tick_sign``.
    """
    if TICK_SIGN not in train.names:
        raise ValueError(
            f"features must include {TICK_SIGN!r} for the naive rung, got {train.names}"
        )
    column = train.names.index(TICK_SIGN)
    outcome = train.label * _guess(train.features[:, column], is_follow=True)
    is_follow = bool((outcome > 0).sum() >= (outcome < 0).sum())
    is_guessed = _guess(train.features[:, column], is_follow=True) != 0
    relative = outcome[is_guessed] if is_follow else -outcome[is_guessed]
    against, flat, right = (float(x) for x in class_shares(relative))
    down, still, up = (float(x) for x in class_shares(train.label))
    return NaiveDirection(
        column=column, is_follow=is_follow, shares=(against, flat, right), prior=(down, still, up)
    )


def _guess(tick_sign: Float64, *, is_follow: bool) -> Int64:
    sign = np.sign(np.nan_to_num(tick_sign, nan=0.0)).astype(np.int64)
    return sign if is_follow else -sign


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveReturn:
    """No move is expected: the martingale."""

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return zeros (n,), in basis points."""
        return np.zeros(len(features))

    def settings(self) -> dict[str, float]:
        """Return nothing: there is nothing to decide."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Return nothing: there is nothing fitted."""
        return {}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NaiveReturn":  # noqa: ARG003
        """Return the predictor."""
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveConstant:
    """The same for every row: what the training rows' outcomes were like.

    Attributes
    ----------
    value : ndarray of float64, shape (1,) or (5,)
        The event's share (one row added to each side), the mean, or the quantiles.
    """

    value: Float64

    n_configurations = 1

    def predict(self, features: Float64) -> Float64:
        """Return the constant: (n,), or (n, 5) quantiles."""
        repeated = np.tile(self.value, (len(features), 1))
        return repeated if len(self.value) > 1 else repeated[:, 0]

    def settings(self) -> dict[str, float]:
        """Return nothing: the training folds' base rate is a score of its own."""
        return {}

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {"value": self.value.tolist()}

    def texts(self) -> dict[str, str]:
        """Return no further files."""
        return {}

    @classmethod
    def from_json(cls, data: dict[str, Any], texts: dict[str, str]) -> "NaiveConstant":  # noqa: ARG003
        """Return the predictor that `to_json` described."""
        return cls(value=np.array(data["value"], np.float64))


def fit_constant(training: Training) -> NaiveConstant:
    """Return what the training rows' outcomes were like, whatever the features say."""
    label = training.rows.label
    if training.task.family == "binary":
        return NaiveConstant(value=np.array([event_share(label)]))
    if training.task.family == "quantiles":
        return NaiveConstant(value=np.quantile(label, LEVELS))
    return NaiveConstant(value=np.array([label.mean()]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standardizer:
    """Columns for a linear model, all of it learnt from the training rows.

    NaN becomes the column's training median, and a column that had NaN in training brings a second
    one that says where. Then each is centred, divided by its standard deviation (a constant column
    by one) and clipped to +/- `CLIP_SD`: a running sum such as ``cvd_lots`` leaves the range that it
    was fitted on. A column without any known value in training becomes a constant.

    Attributes
    ----------
    median : ndarray of float64, shape (k,)
    is_flagged : ndarray of bool, shape (k,)
        Columns with a missing-value indicator.
    mean, scale : ndarray of float64, shape (k + sum(is_flagged),)
    """

    median: Float64
    is_flagged: Bool
    mean: Float64
    scale: Float64

    @classmethod
    def fit(cls, features: Float64) -> "Standardizer":
        """Learn from training rows (n, k)."""
        is_missing = np.isnan(features)
        median = np.zeros(features.shape[1])
        has_values = ~is_missing.all(axis=0)
        median[has_values] = np.nanmedian(features[:, has_values], axis=0)
        is_flagged = np.asarray(is_missing.any(axis=0))
        filled = _fill(features, median, is_flagged)
        scale = filled.std(axis=0)
        return cls(
            median=median,
            is_flagged=is_flagged,
            mean=filled.mean(axis=0),
            scale=np.where(scale > 0, scale, 1.0),
        )

    def transform(self, features: Float64) -> Float64:
        """Return the prepared columns (n, k + flags)."""
        filled = _fill(features, self.median, self.is_flagged)
        return np.asarray(np.clip((filled - self.mean) / self.scale, -CLIP_SD, CLIP_SD))

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "median": self.median.tolist(),
            "is_flagged": self.is_flagged.tolist(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Standardizer":
        """Return the standardizer that `to_json` described."""
        return cls(
            median=np.array(data["median"], np.float64),
            is_flagged=np.array(data["is_flagged"], np.bool_),
            mean=np.array(data["mean"], np.float64),
            scale=np.array(data["scale"], np.float64),
        )


def _fill(features: Float64, median: Float64, is_flagged: Bool) -> Float64:
    is_missing = np.isnan(features)
    filled = np.where(is_missing, median, features)
    return np.column_stack([filled, is_missing[:, is_flagged].astype(np.float64)])


NAIVE: RungTable = {
    ("classes", "naive"): Rung(
        fit=lambda training: Fitted(predictor=fit_naive_direction(training.rows)),
        load=NaiveDirection.from_json,
        settings=lambda config: {"choices": "fade,follow"},  # noqa: ARG005
    ),
    ("return", "naive"): Rung(
        fit=lambda training: Fitted(predictor=NaiveReturn()),  # noqa: ARG005
        load=NaiveReturn.from_json,
        settings=lambda config: {"choices": "zero"},  # noqa: ARG005
    ),
    **{
        (family, "naive"): Rung(
            fit=lambda training: Fitted(predictor=fit_constant(training)),
            load=NaiveConstant.from_json,
            settings=lambda config: {"choices": "constant"},  # noqa: ARG005
        )
        for family in ("binary", "value", "quantiles")
    },
}
