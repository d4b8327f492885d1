"""Scores of out-of-fold predictions, each with an interval and the base rate's score beside it.

A direction prediction is a matrix (n, 3) of probabilities in the order down, flat, up; a return
prediction a vector (n,) in basis points.
"""

from dataclasses import dataclass

import numpy as np

from models.bootstrap import (
    MIN_BLOCKS,
    Blocks,
    Estimate,
    OfTotals,
    estimate,
    mean_columns,
    ratio,
)
from models.tasks import Task
from orderflow_core.types import Bool, Float64, Int64

N_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric of one rung: value, 95 % interval, and the base rate's value on the same rows.

    ``low``, ``high`` and ``base`` are NaN where they are not defined.
    """

    metric: str
    value: float
    low: float
    high: float
    base: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One predictor against the one below it on identical rows, paired.

    Attributes
    ----------
    upper, below, metric : str
    difference, low, high : float
        Mean of ``loss(upper) - loss(below)`` with its 95 % interval: negative is better.
    p_value : float
        Two-sided, of a zero difference.
    miscalibration_difference, miscalibration_low, miscalibration_high : float
        The same for `miscalibration`.
    n_rows, label_overlap, block_len, n_blocks, n_boot : int
        What the interval rests on.
    beats : bool
        The whole interval lies below zero, and at least `MIN_BLOCKS` blocks support it.
    calibration_no_worse : bool
        The miscalibration is not shown to be larger: its interval does not lie above zero.
    """

    upper: str
    below: str
    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    miscalibration_difference: float
    miscalibration_low: float
    miscalibration_high: float
    n_rows: int
    label_overlap: int
    block_len: int
    n_blocks: int
    n_boot: int
    beats: bool
    calibration_no_worse: bool


def row_loss(task: Task, label: Float64, prediction: Float64) -> Float64:
    """Return the loss of each row: log loss (nats) for a direction, squared error (bp^2) for a return.

    Raises
    ------
    ValueError
        A prediction's shape does not fit, a value is not finite, or probabilities are not positive
        or do not sum to one.
    """
    _require_prediction(task, label, prediction)
    if task.kind == "return":
        return (prediction - label) ** 2
    return -np.log(prediction[np.arange(len(label)), _class_idx(label)])


def score(
    task: Task,
    label: Float64,
    prediction: Float64,
    base: Float64,
    blocks: Blocks,
    fold: Int64 | None = None,
) -> tuple[Score, ...]:
    """Return every metric of the task.

    Parameters
    ----------
    task : Task
    label : ndarray of float64, shape (n,)
    prediction, base : ndarray of float64, shape (n, 3) or (n,)
        The rung's prediction, and that of the training fold's averages alone (class shares, mean
        return).
    blocks : Blocks
        Resampling plan for these n rows.
    fold : ndarray of int64, shape (n,), optional
        Which fold's model predicted each row; None: one model did.

    Returns
    -------
    tuple of Score
        direction: ``log_loss``, ``accuracy``, ``auc_up_down``, ``brier``, ``ece``,
        ``miscalibration``; return: ``mse``, ``r2_zero``, ``r2_train_mean``, ``rank_ic``,
        ``miscalibration``.

    Raises
    ------
    ValueError
        As `row_loss`, or the folds are not one a row.

    Notes
    -----
    ``auc_up_down`` and ``rank_ic`` rank rows within each fold and are averaged over the folds by
    their rows: a model's level differs from fold to fold with its training rows, and ranks across
    folds would score that instead of telling rows apart. A fold where they are not defined (one
    side only, a constant forecast) is left out; where none is left the score is NaN.

    ``accuracy`` counts the most probable class (first of equals). ``auc_up_down`` ranks rows that
    went up or down by ``p_up / p_down``, ties count half, so a forecast that is constant in each
    fold has 0.5; its interval resamples the placement values (DeLong 1988). ``ece`` is the mean over the three classes of the expected calibration
    error in at most 10 bins of equal count. ``r2_zero`` compares with predicting no move,
    ``r2_train_mean`` with the training fold's mean. ``rank_ic`` is Spearman's correlation.
    """
    members = _members(label, fold)
    statistics = _statistics(task, label, prediction, base, members)
    base_statistics = _statistics(task, label, base, base, members)
    scores = []
    for metric, (columns, of_totals) in statistics.items():
        found = _clipped(metric, estimate(columns, of_totals, blocks))
        base_columns, base_of_totals = base_statistics[metric]
        with np.errstate(invalid="ignore", divide="ignore"):
            base_value = float(base_of_totals(base_columns.sum(axis=0)))
        scores.append(
            Score(metric=metric, value=found.value, low=found.low, high=found.high, base=base_value)
        )
    return tuple(scores)


def compare(
    task: Task,
    label: Float64,
    upper: tuple[str, Float64],
    below: tuple[str, Float64],
    blocks: Blocks,
) -> Comparison:
    """Compare two named predictions of the same rows by the paired block bootstrap.

    Parameters
    ----------
    task : Task
    label : ndarray of float64, shape (n,)
    upper, below : (name, prediction)
        The one that must prove itself, and the one it must beat.
    blocks : Blocks

    Returns
    -------
    Comparison
    """
    loss = row_loss(task, label, upper[1]) - row_loss(task, label, below[1])
    found = estimate(mean_columns(loss), ratio, blocks)
    above, under = (_calibration_columns(task, label, part) for part in (upper[1], below[1]))
    width = above.shape[1]

    def excess(totals: Float64) -> Float64:
        return _miscalibration(totals[..., :width]) - _miscalibration(totals[..., width:])

    calibration = estimate(np.column_stack([above, under]), excess, blocks)
    return Comparison(
        upper=upper[0],
        below=below[0],
        metric=task.loss,
        difference=found.value,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        miscalibration_difference=calibration.value,
        miscalibration_low=calibration.low,
        miscalibration_high=calibration.high,
        n_rows=blocks.n_rows,
        label_overlap=blocks.label_overlap,
        block_len=blocks.block_len,
        n_blocks=blocks.n_blocks,
        n_boot=blocks.n_boot,
        beats=bool(found.high < 0 and blocks.n_blocks >= MIN_BLOCKS),
        calibration_no_worse=bool(calibration.low <= 0),
    )


def _require_prediction(task: Task, label: Float64, prediction: Float64) -> None:
    shape = (len(label), 3) if task.kind == "direction" else (len(label),)
    if prediction.shape != shape:
        raise ValueError(f"prediction must have shape {shape}, got {prediction.shape}")
    if not np.isfinite(prediction).all():
        raise ValueError("prediction must be finite, got NaN or infinity")
    if task.kind == "direction":
        if (prediction <= 0).any():
            raise ValueError(f"probabilities must be positive, got {prediction.min()}")
        if np.abs(prediction.sum(axis=1) - 1).max(initial=0) > 1e-9:
            raise ValueError("probabilities must sum to one in each row")


def _class_idx(label: Float64) -> Int64:
    unknown = ~np.isin(label, (-1.0, 0.0, 1.0))
    if unknown.any():
        raise ValueError(f"direction label must be -1, 0 or +1, got {label[np.argmax(unknown)]}")
    return label.astype(np.int64) + 1


# Row positions of each fold.
def _members(label: Float64, fold: Int64 | None) -> list[Int64]:
    if fold is None:
        return [np.arange(len(label))]
    if fold.shape != label.shape:
        raise ValueError(f"fold must have shape {label.shape}, got {fold.shape}")
    return [np.flatnonzero(fold == number) for number in np.unique(fold)]


def _statistics(
    task: Task, label: Float64, prediction: Float64, base: Float64, members: list[Int64]
) -> dict[str, tuple[Float64, OfTotals]]:
    loss = row_loss(task, label, prediction)
    calibration = _calibration_columns(task, label, prediction)
    if task.kind == "direction":
        is_class = np.eye(3)[_class_idx(label)]
        return {
            "log_loss": (mean_columns(loss), ratio),
            "accuracy": (mean_columns(prediction.argmax(axis=1) == _class_idx(label)), ratio),
            "auc_up_down": (_auc_columns(label, prediction, members), ratio),
            "brier": (mean_columns(((prediction - is_class) ** 2).sum(axis=1)), ratio),
            "ece": (_ece_columns(is_class, prediction), _ece),
            "miscalibration": (calibration, _miscalibration),
        }
    return {
        "mse": (mean_columns(loss), ratio),
        "r2_zero": (np.column_stack([loss, label**2]), _r2),
        "r2_train_mean": (np.column_stack([loss, (label - base) ** 2]), _r2),
        "rank_ic": (_rank_columns(label, prediction, members), _correlation),
        "miscalibration": (calibration, _miscalibration),
    }


_DOMAIN = {
    "accuracy": (0.0, 1.0),
    "auc_up_down": (0.0, 1.0),
    "ece": (0.0, 1.0),
    "rank_ic": (-1.0, 1.0),
    "miscalibration": (0.0, np.inf),
}


def _clipped(metric: str, found: Estimate) -> Estimate:
    lowest, highest = _DOMAIN.get(metric, (-np.inf, np.inf))
    return Estimate(
        value=found.value,
        low=float(np.maximum(found.low, lowest)),
        high=float(np.minimum(found.high, highest)),
        p_value=found.p_value,
    )


def _r2(totals: Float64) -> Float64:
    return 1 - ratio(totals)


# Area under the curve as a mean: a fold's area plus each row's influence on it, and whether the row
# counts. The mean over the rows is the mean of the folds' areas, weighted by their rows.
def _auc_columns(label: Float64, prediction: Float64, members: list[Int64]) -> Float64:
    rank_score = np.log(prediction[:, 2]) - np.log(prediction[:, 0])
    columns = np.zeros((len(label), 2))
    for rows in members:
        is_up, is_down = label[rows] > 0, label[rows] < 0
        if is_up.any() and is_down.any():
            columns[rows, 0] = _area_influence(rank_score[rows], is_up, is_down)
            columns[rows, 1] = 1
    return columns


def _area_influence(rank_score: Float64, is_up: Bool, is_down: Bool) -> Float64:
    up, down = rank_score[is_up], rank_score[is_down]
    above_down = _share_below(down, up)
    below_up = 1 - _share_below(up, down)
    area = above_down.mean()
    influence = np.full(len(rank_score), area)
    influence[is_up] += (above_down - area) / is_up.mean()
    influence[is_down] += (below_up - area) / is_down.mean()
    return influence


# Share of ``reference`` below each value; equal ones count half.
def _share_below(reference: Float64, values: Float64) -> Float64:
    ordered = np.sort(reference)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + not_above) / (2 * len(ordered)))


def midranks(values: Float64) -> Float64:
    """Return ranks from 1; equal values share their mean rank."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    not_above = np.searchsorted(ordered, values, side="right")
    return np.asarray((below + not_above + 1) / 2)


# Ranks within each fold, standardised there: their correlation over all rows is then the mean of the
# folds' correlations, weighted by their rows. The rows of a fold without one count nothing.
def _rank_columns(label: Float64, prediction: Float64, members: list[Int64]) -> Float64:
    columns = np.zeros((len(label), 6))
    for rows in members:
        x, y = midranks(prediction[rows]), midranks(label[rows])
        if np.ptp(x) > 0 and np.ptp(y) > 0:
            x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
            columns[rows] = np.column_stack([np.ones(len(rows)), x, y, x * x, y * y, x * y])
    return columns


def _correlation(totals: Float64) -> Float64:
    n, x, y, xx, yy, xy = np.moveaxis(totals, -1, 0)
    spread = np.sqrt(np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0))
    return np.asarray((xy - x * y / n) / spread)


def equal_count_bins(values: Float64, n_bins: int = N_BINS) -> Int64:
    """Return the bin of each value: edges at the quantiles, equal values in one bin."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


# Columns: one a (class, bin), holding y - p in its own bin; the last counts rows.
def _ece_columns(is_class: Float64, prediction: Float64) -> Float64:
    columns = np.zeros((len(prediction), 3 * N_BINS + 1))
    columns[:, -1] = 1
    rows = np.arange(len(prediction))
    for k in range(3):
        bins = equal_count_bins(prediction[:, k])
        columns[rows, k * N_BINS + bins] = is_class[:, k] - prediction[:, k]
    return columns


def _ece(totals: Float64) -> Float64:
    return np.asarray(np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1] / 3)


# Sums that a straight-line recalibration of each output column needs.
def _calibration_columns(task: Task, label: Float64, prediction: Float64) -> Float64:
    if task.kind == "direction":
        outcome, forecast = np.eye(3)[_class_idx(label)], prediction
    else:
        outcome, forecast = label[:, None], prediction[:, None]
    parts = [np.ones(len(label))]
    for k in range(outcome.shape[1]):
        p, e = forecast[:, k], outcome[:, k] - forecast[:, k]
        parts += [p, e, p * p, p * e]
    return np.column_stack(parts)


def _miscalibration(totals: Float64) -> Float64:
    """Return the quadratic loss that a straight-line recalibration would have saved.

    ``sum over outputs of mean (y - p)^2 - min over (a, b) of mean (y - a - b p)^2``: what is wrong
    with the levels of the forecasts, apart from how well they tell rows apart. Both sides of a
    comparison have the same two free parameters an output, so that chance adds alike to both; a
    binned error has a noise floor that grows with the number of distinct forecasts.
    """
    n = totals[..., 0]
    saved = np.zeros(totals.shape[:-1])
    for k in range(1, totals.shape[-1], 4):
        p, e, pp, pe = (totals[..., k + i] / n for i in range(4))
        variance, covariance = pp - p * p, pe - p * e
        is_spread = variance > 1e-12 * np.maximum(pp, 1e-300)
        slope_gain = np.where(is_spread, covariance**2 / np.where(is_spread, variance, 1), 0)
        saved = saved + e * e + slope_gain  # regressing the error on (1, p)
    return np.asarray(saved)
