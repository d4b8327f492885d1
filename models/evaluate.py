"""Scores of out-of-fold predictions, each with an interval and the base rate's score beside it.

What a prediction looks like is said by `models.tasks.Task.family`.
"""

from dataclasses import dataclass

import numpy as np

from models.bootstrap import MIN_BLOCKS, Blocks, Estimate, estimate, mean_columns, ratio
from models.metrics import (
    DOMAIN,
    calibration_of,
    equal_count_bins,
    family_statistics,
    loss_of,
)
from models.tasks import CLASSES, Task
from orderflow_core.types import Float64, Int64

Bounds = tuple[Float64, Float64]
_CLASSES_OF: dict[str, tuple[int, ...]] = {"classes": CLASSES, "binary": (0, 1)}
_ROUNDING = 1e-12  # of the mean loss: what two ways to compute the same forecast differ by


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
    rare : tuple of int
        `rare_classes`. The losses are then of the other classes alone, each probability given that it is
        none of the rare ones: else the chance that a forecast leaves for what has not been seen would
        decide. Where fewer than two classes are left, there is no interval (NaN): nothing is shown.
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
    rare: tuple[int, ...]
    beats: bool
    calibration_no_worse: bool


def row_loss(task: Task, label: Float64, prediction: Float64) -> Float64:
    """Return the loss of each row.

    Log loss (nats) for classes and events, squared error for a value, pinball loss averaged over
    the levels for quantiles.

    Raises
    ------
    ValueError
        A prediction's shape does not fit, a value is not finite, probabilities are not positive or
        do not sum to one, a label is none of the family's, or quantiles cross.
    """
    return loss_of(task, label, prediction)


def score(
    task: Task,
    label: Float64,
    prediction: Float64,
    base: Float64,
    blocks: Blocks,
    fold: Int64 | None = None,
    interval: Bounds | None = None,
) -> tuple[Score, ...]:
    """Return every metric of the task.

    Parameters
    ----------
    task : Task
    label : ndarray of float64, shape (n,)
    prediction, base : ndarray of float64, of the shape that the task says
        The rung's prediction, and that of the training fold's averages alone (`base_rate`).
    blocks : Blocks
        Resampling plan for these n rows.
    fold : ndarray of int64, shape (n,), optional
        Which fold's model predicted each row; None: one model did.
    interval : (ndarray, ndarray) of float64, shape (n,), optional
        Bounds of each row's outcome at 90 % coverage, of values and quantiles.

    Returns
    -------
    tuple of Score
        classes: ``log_loss``, ``accuracy``, ``hit_rate``, ``auc_up_down``, ``brier``, ``ece``,
        ``miscalibration``; binary: ``log_loss``, ``brier``, ``auc``, ``ece``, ``miscalibration``;
        value: ``mse``, ``r2_zero``, ``r2_train_mean``, ``rank_ic``, ``miscalibration``; quantiles:
        ``pinball``, ``pinball_skill``, ``coverage_90``, ``width_90``, ``below_05`` to ``below_95``,
        ``miscalibration``. With an interval also ``interval_coverage_90``, the share of outcomes
        within it, bounds included, and ``interval_width_90``, its mean width; their base is NaN.

    Raises
    ------
    ValueError
        As `row_loss`, or the folds are not one a row.

    Notes
    -----
    ``auc_up_down``, ``auc`` and ``rank_ic`` rank rows within each fold and are averaged over the folds by
    their rows: a model's level differs from fold to fold with its training rows, and ranks across
    folds would score that instead of telling rows apart. A fold where they are not defined (one
    side only, a constant forecast) is left out; where none is left the score is NaN. Ranks flatter what
    fades a wandering price: a rank is relative to later rows too, and within any stretch of a random walk
    what lies high is followed by what lies lower. So skill is shown by losses and by ``hit_rate``, whose
    reference is fixed before the row: the share, among rows that moved, of those whose more probable
    side came (no side counts half); one half where moves are a fair coin, whatever is forecast.

    ``accuracy`` counts the most probable class (first of equals). ``auc_up_down`` ranks rows that
    went up or down by ``p_up / p_down``, ties count half, so a forecast that is constant in each
    fold has 0.5; its interval resamples the placement values (DeLong 1988). ``ece`` is the mean over the three classes of the expected calibration
    error in at most 10 bins of equal count, for an event that of its probability. ``r2_zero`` compares
    with predicting no move, ``r2_train_mean`` with the training fold's mean. ``rank_ic`` is Spearman's
    correlation. ``pinball_skill`` is one less the ratio to the base rate's pinball loss; ``coverage_90``
    the share of outcomes within the outer quantiles, bounds included, ``width_90`` their mean distance;
    ``below_q`` the share of outcomes at or below that quantile. `miscalibration` is explained in
    `models.metrics`.
    """
    members = _members(label, fold)
    statistics = family_statistics(task, label, prediction, base, members)
    base_statistics = family_statistics(task, label, base, base, members)
    scores = []
    for metric, (columns, of_totals) in statistics.items():
        found = _clipped(metric, estimate(columns, of_totals, blocks))
        base_columns, base_of_totals = base_statistics[metric]
        with np.errstate(invalid="ignore", divide="ignore"):
            base_value = float(base_of_totals(base_columns.sum(axis=0)))
        scores.append(
            Score(metric=metric, value=found.value, low=found.low, high=found.high, base=base_value)
        )
    return tuple(scores) + (() if interval is None else _interval_scores(label, interval, blocks))


def _interval_scores(label: Float64, interval: Bounds, blocks: Blocks) -> tuple[Score, ...]:
    low, high = interval
    rows = {
        "interval_coverage_90": (low <= label) & (label <= high),
        "interval_width_90": high - low,
    }
    scores = []
    for metric, values in rows.items():
        found = _clipped(metric, estimate(mean_columns(values), ratio, blocks))
        scores.append(
            Score(metric=metric, value=found.value, low=found.low, high=found.high, base=np.nan)
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
    rare = rare_classes(task, label, blocks)
    found = _paired_loss(task, label, (upper[1], below[1]), rare, blocks)
    (above, of_totals), (under, _) = (
        calibration_of(task, label, part) for part in (upper[1], below[1])
    )
    width = above.shape[1]

    def excess(totals: Float64) -> Float64:
        return of_totals(totals[..., :width]) - of_totals(totals[..., width:])

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
        rare=rare,
        beats=bool(found.high < 0 and blocks.n_blocks >= MIN_BLOCKS),
        calibration_no_worse=bool(calibration.low <= 0),
    )


def rare_classes(task: Task, label: Float64, blocks: Blocks) -> tuple[int, ...]:
    """Return the classes that come in fewer than `MIN_BLOCKS` blocks of rows, or never.

    None of values and quantiles, and none where there are too few blocks to show anything.
    """
    if task.family not in _CLASSES_OF or blocks.n_blocks < MIN_BLOCKS:
        return ()
    block = np.arange(len(label)) // blocks.block_len
    return tuple(
        c for c in _CLASSES_OF[task.family] if len(np.unique(block[label == c])) < MIN_BLOCKS
    )


def is_one_class(task: Task, label: Float64, blocks: Blocks) -> bool:
    """Return whether all classes of a task but one are rare, so that nothing can be shown."""
    n_classes = len(_CLASSES_OF.get(task.family, ()))
    return n_classes > 0 and n_classes - len(rare_classes(task, label, blocks)) < 2


# Mean of the upper one's loss less that of the one below.
def _paired_loss(
    task: Task,
    label: Float64,
    predictions: tuple[Float64, Float64],
    rare: tuple[int, ...],
    blocks: Blocks,
) -> Estimate:
    upper, below = (row_loss(task, label, prediction) for prediction in predictions)
    difference, counts = upper - below, np.ones(len(label))
    common = [c for c in _CLASSES_OF.get(task.family, ()) if c not in rare]
    if is_one_class(task, label, blocks):
        nothing = {"low": np.nan, "high": np.nan, "p_value": np.nan}
        return Estimate(value=float(difference.mean()), **nothing)
    if rare:  # of three classes: each probability given that it is one of the two
        left = [prediction[:, np.array(common) + 1].sum(axis=1) for prediction in predictions]
        difference += np.log(left[0]) - np.log(left[1])
        counts = np.isin(label, common).astype(np.float64)
    difference[np.abs(difference) <= _ROUNDING * below.mean()] = 0.0
    return estimate(np.column_stack([difference * counts, counts]), ratio, blocks)


# Row positions of each fold.
def _members(label: Float64, fold: Int64 | None) -> list[Int64]:
    if fold is None:
        return [np.arange(len(label))]
    if fold.shape != label.shape:
        raise ValueError(f"fold must have shape {label.shape}, got {fold.shape}")
    return [np.flatnonzero(fold == number) for number in np.unique(fold)]


def _clipped(metric: str, found: Estimate) -> Estimate:
    lowest, highest = DOMAIN.get(metric, (-np.inf, np.inf))
    return Estimate(
        value=found.value,
        low=float(np.maximum(found.low, lowest)),
        high=float(np.minimum(found.high, highest)),
        p_value=found.p_value,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows of like forecasts: what was said of them, and what happened, with its 95 % interval."""

    forecast: float
    outcome: float
    low: float
    high: float
    n: int


def reliability(forecast: Float64, outcome: Float64, blocks: Blocks) -> tuple[ReliabilityBin, ...]:
    """Return the reliability curve: forecast against mean outcome in bins of equal count.

    Parameters
    ----------
    forecast, outcome : ndarray of float64, shape (n,)
        A probability and its event (0 or 1), or an expected value and what came.
    blocks : Blocks
        Resampling plan for these n rows.

    Returns
    -------
    tuple of ReliabilityBin
        At most 10, in increasing order of the forecast; equal forecasts share a bin.
    """
    bins = equal_count_bins(forecast)
    found = []
    for number in np.unique(bins):
        inside = bins == number
        columns = np.column_stack([outcome * inside, inside.astype(np.float64)])
        mean = estimate(columns, ratio, blocks)
        found.append(
            ReliabilityBin(
                forecast=float(forecast[inside].mean()),
                outcome=mean.value,
                low=mean.low,
                high=mean.high,
                n=int(inside.sum()),
            )
        )
    return tuple(found)
