"""The metrics of each family of tasks as functions of column totals, which the bootstrap resamples."""

from collections.abc import Callable

import numpy as np

from models.bootstrap import OfTotals, mean_columns, ratio
from models.tasks import LEVELS, Family, Task
from orderflow_core.types import Bool, Float64, Int64

N_BINS = 10
DOMAIN = {
    "log_loss": (0.0, np.inf),
    "brier": (0.0, np.inf),
    "mse": (0.0, np.inf),
    "pinball": (0.0, np.inf),
    "accuracy": (0.0, 1.0),
    "hit_rate": (0.0, 1.0),
    "auc_up_down": (0.0, 1.0),
    "auc": (0.0, 1.0),
    "ece": (0.0, 1.0),
    "rank_ic": (-1.0, 1.0),
    "miscalibration": (0.0, np.inf),
    "coverage_90": (0.0, 1.0),
    "width_90": (0.0, np.inf),
    "interval_coverage_90": (0.0, 1.0),
    "interval_width_90": (0.0, np.inf),
} | {f"below_{round(100 * level):02d}": (0.0, 1.0) for level in LEVELS}

Statistic = tuple[Float64, OfTotals]


def loss_of(task: Task, label: Float64, prediction: Float64) -> Float64:
    """Return the loss of each row; see `models.evaluate.row_loss`."""
    _require_prediction(task, label, prediction)
    if task.family == "classes":
        return -np.log(prediction[np.arange(len(label)), _class_idx(label)])
    if task.family == "binary":
        is_event = _is_event(label)
        return -np.log(np.where(is_event, prediction, 1 - prediction))
    if task.family == "value":
        return (prediction - label) ** 2
    above = label[:, None] - prediction
    levels = np.array(LEVELS)
    return np.asarray(np.maximum(levels * above, (levels - 1) * above).mean(axis=1))


def family_statistics(
    task: Task, label: Float64, prediction: Float64, base: Float64, members: list[Int64]
) -> dict[str, Statistic]:
    """Return every metric as columns, one row a prediction, and the function of their totals.

    Parameters
    ----------
    task : Task
    label : ndarray of float64, shape (n,)
    prediction, base : ndarray of float64, of the shape that the task says
    members : list of ndarray of int64
        Row positions of each fold: what ranks rows ranks them within these.
    """
    loss = loss_of(task, label, prediction)
    found = _STATISTICS[task.family](task, label, prediction, base, members, loss)
    return found | {"miscalibration": calibration_of(task, label, prediction)}


def _of_classes(
    task: Task,  # noqa: ARG001
    label: Float64,
    prediction: Float64,
    base: Float64,  # noqa: ARG001
    members: list[Int64],
    loss: Float64,
) -> dict[str, Statistic]:
    is_class = np.eye(3)[_class_idx(label)]
    rank_score = np.log(prediction[:, 2]) - np.log(prediction[:, 0])
    return {
        "log_loss": (mean_columns(loss), ratio),
        "accuracy": (mean_columns(prediction.argmax(axis=1) == _class_idx(label)), ratio),
        "hit_rate": (_hit_columns(rank_score, label), ratio),
        "auc_up_down": (_auc_columns(rank_score, label > 0, label < 0, members), ratio),
        "brier": (mean_columns(((prediction - is_class) ** 2).sum(axis=1)), ratio),
        "ece": (_ece_columns(is_class, prediction), _ece),
    }


def _of_binary(
    task: Task,  # noqa: ARG001
    label: Float64,
    prediction: Float64,
    base: Float64,  # noqa: ARG001
    members: list[Int64],
    loss: Float64,
) -> dict[str, Statistic]:
    is_event = _is_event(label)
    return {
        "log_loss": (mean_columns(loss), ratio),
        "brier": (mean_columns((prediction - label) ** 2), ratio),
        "auc": (_auc_columns(prediction, is_event, ~is_event, members), ratio),
        "ece": (_ece_columns(label[:, None], prediction[:, None]), _ece),
    }


def _of_value(
    task: Task,  # noqa: ARG001
    label: Float64,
    prediction: Float64,
    base: Float64,
    members: list[Int64],
    loss: Float64,
) -> dict[str, Statistic]:
    return {
        "mse": (mean_columns(loss), ratio),
        "r2_zero": (np.column_stack([loss, label**2]), _skill),
        "r2_train_mean": (np.column_stack([loss, (label - base) ** 2]), _skill),
        "rank_ic": (_rank_columns(label, prediction, members), _correlation),
    }


def _of_quantiles(
    task: Task,
    label: Float64,
    prediction: Float64,
    base: Float64,
    members: list[Int64],  # noqa: ARG001
    loss: Float64,
) -> dict[str, Statistic]:
    low, high = prediction[:, 0], prediction[:, -1]
    below = label[:, None] <= prediction
    found: dict[str, Statistic] = {
        "pinball": (mean_columns(loss), ratio),
        "pinball_skill": (np.column_stack([loss, loss_of(task, label, base)]), _skill),
        "coverage_90": (mean_columns((low <= label) & (label <= high)), ratio),
        "width_90": (mean_columns(high - low), ratio),
    }
    for k, level in enumerate(LEVELS):
        found[f"below_{round(100 * level):02d}"] = (mean_columns(below[:, k]), ratio)
    return found


_STATISTICS: dict[
    Family,
    Callable[
        [Task, Float64, Float64, Float64, list[Int64], Float64],
        dict[str, Statistic],
    ],
] = {
    "classes": _of_classes,
    "binary": _of_binary,
    "value": _of_value,
    "quantiles": _of_quantiles,
}


def _require_prediction(task: Task, label: Float64, prediction: Float64) -> None:
    shape = task.prediction_shape(len(label))
    if prediction.shape != shape:
        raise ValueError(f"prediction must have shape {shape}, got {prediction.shape}")
    if not np.isfinite(prediction).all():
        raise ValueError("prediction must be finite, got NaN or infinity")
    if task.family == "classes":
        if (prediction <= 0).any():
            raise ValueError(f"probabilities must be positive, got {prediction.min()}")
        if np.abs(prediction.sum(axis=1) - 1).max(initial=0) > 1e-9:
            raise ValueError("probabilities must sum to one in each row")
    elif task.family == "binary":
        outside = (prediction <= 0) | (prediction >= 1)
        if outside.any():
            found = prediction[np.argmax(outside)]
            raise ValueError(f"probabilities must be positive and below one, got {found}")
    elif task.family == "quantiles" and (np.diff(prediction, axis=1) < 0).any():
        raise ValueError("quantiles must not decrease with their level")


def _class_idx(label: Float64) -> Int64:
    unknown = ~np.isin(label, (-1.0, 0.0, 1.0))
    if unknown.any():
        raise ValueError(f"direction label must be -1, 0 or +1, got {label[np.argmax(unknown)]}")
    return label.astype(np.int64) + 1


def _is_event(label: Float64) -> Bool:
    unknown = ~np.isin(label, (0.0, 1.0))
    if unknown.any():
        raise ValueError(f"event label must be 0 or 1, got {label[np.argmax(unknown)]}")
    return np.asarray(label == 1)


def _skill(totals: Float64) -> Float64:
    return 1 - ratio(totals)


# Rows that moved, and those of them whose more probable side came; no side counts half.
def _hit_columns(rank_score: Float64, label: Float64) -> Float64:
    has_moved = label != 0
    hit = (1 + np.sign(rank_score) * label) / 2
    return np.column_stack([hit * has_moved, has_moved])


# Area under the curve as a mean: a fold's area plus each row's influence on it, and whether the row
# counts. The mean over the rows is the mean of the folds' areas, weighted by their rows.
def _auc_columns(rank_score: Float64, is_up: Bool, is_down: Bool, members: list[Int64]) -> Float64:
    columns = np.zeros((len(rank_score), 2))
    for rows in members:
        up, down = is_up[rows], is_down[rows]
        if up.any() and down.any():
            columns[rows, 0] = _area_influence(rank_score[rows], up, down)
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


# Columns: one an (output, bin), holding y - p in its own bin; then the outputs times rows.
def _ece_columns(outcome: Float64, prediction: Float64) -> Float64:
    n_outputs = prediction.shape[1]
    columns = np.zeros((len(prediction), n_outputs * N_BINS + 1))
    columns[:, -1] = n_outputs
    rows = np.arange(len(prediction))
    for k in range(n_outputs):
        bins = equal_count_bins(prediction[:, k])
        columns[rows, k * N_BINS + bins] = outcome[:, k] - prediction[:, k]
    return columns


def _ece(totals: Float64) -> Float64:
    return np.asarray(np.abs(totals[..., :-1]).sum(axis=-1) / totals[..., -1])


def calibration_of(task: Task, label: Float64, prediction: Float64) -> Statistic:
    """Return what is wrong with the levels of the forecasts, apart from how well they rank.

    For probabilities and values the quadratic loss that a straight-line recalibration of each output
    would have saved. For quantiles the sum over the levels of the squared distance between the level
    and the share of outcomes below the quantile; where outcomes equal it, any share from those below
    to those at or below it counts as right.

    Notes
    -----
    Both sides of a comparison have the same number of free parameters, so that chance adds alike to
    both; a binned error has a noise floor that grows with the number of distinct forecasts.
    """
    if task.family == "quantiles":
        below, not_above = label[:, None] < prediction, label[:, None] <= prediction
        columns = np.column_stack([np.ones(len(label)), below, not_above])
        return columns.astype(np.float64), _share_error
    if task.family == "classes":
        outcome, forecast = np.eye(3)[_class_idx(label)], prediction
    else:
        outcome, forecast = label[:, None], prediction[:, None]
    return _line_columns(outcome, forecast), _line_error


def _share_error(totals: Float64) -> Float64:
    shares = totals[..., 1:] / totals[..., :1]
    below, not_above = shares[..., : len(LEVELS)], shares[..., len(LEVELS) :]
    levels = np.array(LEVELS)
    error = np.maximum(0.0, np.maximum(below - levels, levels - not_above))
    return np.asarray((error**2).sum(axis=-1))


# Sums that a straight-line recalibration of each output column needs.
def _line_columns(outcome: Float64, forecast: Float64) -> Float64:
    parts = [np.ones(len(outcome))]
    for k in range(outcome.shape[1]):
        p, e = forecast[:, k], outcome[:, k] - forecast[:, k]
        parts += [p, e, p * p, p * e]
    return np.column_stack(parts)


# Sum over outputs of mean (y - p)^2 - min over (a, b) of mean (y - a - b p)^2.
def _line_error(totals: Float64) -> Float64:
    n = totals[..., 0]
    saved = np.zeros(totals.shape[:-1])
    for k in range(1, totals.shape[-1], 4):
        p, e, pp, pe = (totals[..., k + i] / n for i in range(4))
        variance, covariance = pp - p * p, pe - p * e
        is_spread = variance > 1e-12 * np.maximum(pp, 1e-300)
        slope_gain = np.where(is_spread, covariance**2 / np.where(is_spread, variance, 1), 0)
        saved = saved + e * e + slope_gain  # regressing the error on (1, p)
    return np.asarray(saved)
