"""Intervals of predictions, from rows that were held out of a trial fit.

For values and quantiles the interval of the outcome (split conformal): its tails are those of the
held-out outcomes about their forecasts. For probabilities an outcome is no number to bracket: there
it is the interval of the event's frequency among held-out rows of like forecasts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.bootstrap import plan_blocks
from models.datasets import Dataset
from models.metrics import equal_count_bins
from models.tasks import Task
from orderflow_core.types import Float64, Int64
from orderflow_core.uniqueness import average_uniqueness

COVERAGE = 0.9
_GRID = 400  # tails are kept in steps of 1 / 400
_MIN_ROWS_BIN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformalInterval:
    """Tails of the held-out outcomes below and above their forecasts.

    Attributes
    ----------
    below, above : ndarray of float64, shape (401,), not decreasing
        Order statistics of ``outcome - lower forecast`` and ``outcome - upper forecast`` at the
        probabilities i / 400, moved outwards for the number of rows and rounded outwards. The
        forecasts are the value itself, or the outer quantiles.
    n_effective : float
        Rows that the tails rest on: the sum of the held-out labels' average uniqueness, since ten
        labels over the same seconds are one outcome.

    Notes
    -----
    Each tail holds half of what is left out, so that a skewed outcome gets a skewed interval. With
    exchangeable rows the interval of a new row holds its outcome with at least the coverage asked
    for (Vovk et al. 2005; Romano, Patterson and Candes 2019 for quantiles). With n such rows each
    tail is ``(n + 1) / n`` of its share further out; here n is the effective number. Rows in time are
    not exchangeable: what it covered out of fold is scored as ``interval_coverage_90``. Where n is
    too small for a tail (fewer than ``2 / (1 - coverage)``) the most extreme held-out row bounds it.
    """

    below: Float64
    above: Float64
    n_effective: float

    def bounds(self, prediction: Float64, coverage: float) -> tuple[Float64, Float64]:
        """Return the bounds (n,), (n,) of the outcome at a coverage in (0, 1)."""
        _require_coverage(coverage)
        tail = (1 - coverage) / 2 * _GRID
        lower, upper = _ends(prediction)
        low = lower + self.below[int(np.floor(tail + 1e-9))]
        high = upper + self.above[int(np.ceil(_GRID - tail - 1e-9))]
        return np.minimum(low, high), np.maximum(low, high)

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "kind": "conformal",
            "below": self.below.tolist(),
            "above": self.above.tolist(),
            "n_effective": self.n_effective,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyInterval:
    """How often the event came among held-out rows of like forecasts.

    Attributes
    ----------
    edges : ndarray of float64, shape (n_bins - 1,)
        Between bins of equal count, on the forecast: the probability of the event, or of three
        classes the expected sign (probability of up less that of down).
    share : ndarray of float64, shape (n_bins,), in [0, 1]
        Of the event; of three classes (mean sign + 1) / 2.
    n_effective : ndarray of float64, shape (n_bins,), at least 1
        Independent rows that the share rests on: rows over the design effect of blocks of time,
        whose length is that of `models.bootstrap.plan_blocks`.
    is_sign : bool
        Three classes: bounds are of the expected sign, in [-1, 1].

    Notes
    -----
    Wilson's interval (1927) at the effective number of rows. It is of the frequency among rows of
    like forecasts, not of one row's outcome, and need not hold the forecast where that is wrong.
    """

    edges: Float64
    share: Float64
    n_effective: Float64
    is_sign: bool

    def bounds(self, prediction: Float64, coverage: float) -> tuple[Float64, Float64]:
        """Return the bounds (n,), (n,) of the frequency at a coverage in (0, 1)."""
        from scipy import special

        _require_coverage(coverage)
        z2 = float(special.ndtri((1 + coverage) / 2)) ** 2
        n, share = self.n_effective, self.share
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        reach = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        low, high = np.clip(centre - reach, 0, 1), np.clip(centre + reach, 0, 1)
        if self.is_sign:
            low, high = 2 * low - 1, 2 * high - 1
        idx = np.searchsorted(self.edges, _forecast(prediction), side="right")
        return low[idx], high[idx]

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        return {
            "kind": "frequency",
            "edges": self.edges.tolist(),
            "share": self.share.tolist(),
            "n_effective": self.n_effective.tolist(),
            "is_sign": self.is_sign,
        }


Interval = ConformalInterval | FrequencyInterval


def fit_interval(task: Task, held: Dataset, prediction: Float64) -> Interval:
    """Learn a task's interval from held-out rows.

    Parameters
    ----------
    task : Task
    held : Dataset, at least one row
        Rows that the trial fit had not seen.
    prediction : ndarray of float64, of the shape that the task says
        What it predicted of them.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        There are no rows, or not one prediction a row.
    """
    if len(held) == 0 or prediction.shape != task.prediction_shape(len(held)):
        raise ValueError(
            f"prediction must have shape {task.prediction_shape(len(held))} of at least one row, "
            f"got {prediction.shape}"
        )
    if task.family in ("value", "quantiles"):
        lower, upper = _ends(prediction)
        n_effective = float(average_uniqueness(held.t0_ns, held.t1_ns).sum())
        return ConformalInterval(
            below=_order_statistics(held.label - lower, n_effective),
            above=_order_statistics(held.label - upper, n_effective),
            n_effective=n_effective,
        )
    is_sign = task.family == "classes"
    outcome = (held.label + 1) / 2 if is_sign else held.label
    forecast = _forecast(prediction)
    bins = equal_count_bins(forecast, max(1, min(10, len(held) // _MIN_ROWS_BIN)))
    used = np.unique(bins)
    # each bin begins with its smallest forecast
    edges = np.array([forecast[bins == number].min() for number in used[1:]])
    block = np.arange(len(held)) // plan_blocks(held.t0_ns, held.t1_ns, n_boot=1).block_len
    found = [_share(outcome[bins == number], block[bins == number]) for number in used]
    share, n_effective = np.array(found).T
    return FrequencyInterval(edges=edges, share=share, n_effective=n_effective, is_sign=is_sign)


def load_interval(data: dict[str, Any]) -> Interval:
    """Return the interval that ``to_json`` described.

    Raises
    ------
    ValueError
        Its kind is unknown.
    """
    if data["kind"] == "conformal":
        return ConformalInterval(
            below=np.array(data["below"], np.float64),
            above=np.array(data["above"], np.float64),
            n_effective=float(data["n_effective"]),
        )
    if data["kind"] == "frequency":
        return FrequencyInterval(
            edges=np.array(data["edges"], np.float64),
            share=np.array(data["share"], np.float64),
            n_effective=np.array(data["n_effective"], np.float64),
            is_sign=bool(data["is_sign"]),
        )
    raise ValueError(f"interval must be conformal or frequency, got {data['kind']!r}")


def _require_coverage(coverage: float) -> None:
    if not 0 < coverage < 1:
        raise ValueError(f"coverage must lie between 0 and 1, got {coverage}")


# The forecasts that the lower and the upper bound start from.
def _ends(prediction: Float64) -> tuple[Float64, Float64]:
    if prediction.ndim == 1:
        return prediction, prediction
    return prediction[:, 0], prediction[:, -1]


# One number a row: the probability, or the expected sign.
def _forecast(prediction: Float64) -> Float64:
    return prediction if prediction.ndim == 1 else prediction[:, 2] - prediction[:, 0]


def _order_statistics(residual: Float64, n_effective: float) -> Float64:
    ordered, n = np.sort(residual), len(residual)
    step = np.arange(_GRID + 1) / _GRID
    further = (n_effective + 1) / n_effective
    # n * (n + 1) / n of independent rows: the ranks k of n + 1
    upper, lower = (
        np.ceil(n * step * further - 1e-9),
        n + 1 - np.ceil(n * (1 - step) * further - 1e-9),
    )
    rank = np.where(np.arange(_GRID + 1) <= _GRID // 2, lower, upper)
    return ordered[np.clip(rank, 1, n).astype(np.int64) - 1]


# Share, and the number of independent rows behind it: the variance of a mean of independent rows
# against that between blocks of time (of a ratio: blocks hold unequal numbers of the bin's rows).
def _share(outcome: Float64, block: Int64) -> tuple[float, float]:
    share, n = float(outcome.mean()), len(outcome)
    of_block = np.bincount(block - block.min(), weights=outcome - share)
    n_blocks = len(np.unique(block))
    if n_blocks < 2:
        return share, 1.0
    between = n_blocks / (n_blocks - 1) * float((of_block**2).sum()) / n**2
    independent = float(outcome.var())
    if independent == 0:  # the blocks say nothing of a spread that was not seen
        return share, float(n_blocks)
    return share, float(np.clip(independent / between, 1.0, n)) if between > 0 else float(n)
