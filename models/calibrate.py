"""How strongly to believe a model: fitted on rows that the model has not seen.

One slope scales a forecast's distance from what is known without it: the class shares for three
classes (a temperature of 1 / slope about the prior), the event's log odds for a probability, no
move for a return, the mean for any other value. 0 = the model is worthless, fall back, to the bit, so
that nothing is compared with itself; 1 = take it as it is. A temperature about
the uniform distribution would pull a rare flat class up to one third. Quantiles are shifted, each
by what the held-out outcomes demand, and put in order.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.datasets import Dataset
from models.tasks import LEVELS, Family, Task
from orderflow_core.splits import TooFewRowsError
from orderflow_core.types import Float64, Int64

MAX_SLOPE = 2.0
HELD_SHARE = 0.2
MIN_HELD_ROWS = 20
MIN_PROBABILITY = 1e-6
_BISECTIONS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerSplit:
    """Positions within a training set: what a trial fit sees and what it is calibrated on."""

    fit_idx: Int64
    held_idx: Int64


def inner_split(train: Dataset, *, embargo_ns: int) -> InnerSplit:
    """Hold out the last fifth of the rows; drop earlier rows whose label reaches into it.

    Parameters
    ----------
    train : Dataset
    embargo_ns : int
        Demanded between the last fitted outcome and the first held-out decision.

    Returns
    -------
    InnerSplit
        Every fitted row has ``t1_ns + embargo_ns <= min t0_ns`` of the held-out rows.

    Raises
    ------
    ValueError
        Fewer than `MIN_HELD_ROWS` rows remain on either side.
    """
    first_held = len(train) - int(np.ceil(HELD_SHARE * len(train)))
    held_idx = np.arange(first_held, len(train), dtype=np.int64)
    if len(held_idx) == 0:
        raise TooFewRowsError("train must have rows, got none")
    is_over = train.t1_ns[:first_held] + embargo_ns <= train.t0_ns[first_held]
    fit_idx = np.flatnonzero(is_over).astype(np.int64)
    if min(len(fit_idx), len(held_idx)) < MIN_HELD_ROWS:
        raise TooFewRowsError(
            f"a training fold must leave at least {MIN_HELD_ROWS} rows to fit and to hold out after "
            f"purging, got {len(fit_idx)} and {len(held_idx)} of {len(train)}"
        )
    return InnerSplit(fit_idx=fit_idx, held_idx=held_idx)


def class_shares(label: Float64) -> Float64:
    """Return the shares of down, flat and up, one row added to each (no share is zero)."""
    counts = np.array([(label == c).sum() for c in (-1.0, 0.0, 1.0)], dtype=np.float64) + 1
    return np.asarray(counts / counts.sum())


def event_share(label: Float64) -> float:
    """Return the share of ones among zeros and ones, one row added to each (never 0 or 1)."""
    return float((label.sum() + 1) / (len(label) + 2))


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p))."""
    return float(np.log(probability) - np.log1p(-probability))


def softmax(score: Float64) -> Float64:
    """Return probabilities (n, 3) from unnormalised log probabilities, none under the floor."""
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    probability = weight / weight.sum(axis=1, keepdims=True)
    probability = np.maximum(probability, MIN_PROBABILITY)
    return np.asarray(probability / probability.sum(axis=1, keepdims=True))


def tempered(score: Float64, prior: Float64, slope: float) -> Float64:
    """Return probabilities whose log distance from the prior is ``slope`` times the model's.

    Parameters
    ----------
    score : ndarray of float64, shape (n, 3)
        Unnormalised log probabilities of the model.
    prior : ndarray of float64, shape (3,)
        Class shares of the rows that the model was fitted on.
    slope : float, >= 0
    """
    log_prior = np.log(prior)
    return softmax(log_prior + slope * (score - log_prior))


def direction_slope(score: Float64, prior: Float64, label: Float64) -> float:
    """Return the slope in [0, `MAX_SLOPE`] that minimises the log loss of held-out rows.

    The log loss is convex in the slope: the zero of its derivative is found by bisection.
    """
    log_prior = np.log(prior)
    distance = score - log_prior
    chosen = distance[np.arange(len(label)), label.astype(np.int64) + 1].mean()

    def derivative(slope: float) -> float:
        expected = (softmax(log_prior + slope * distance) * distance).sum(axis=1)
        return float(expected.mean() - chosen)

    return _root(derivative)


def value_slope(distance: Float64, label: Float64) -> float:
    """Return the slope in [0, `MAX_SLOPE`] that minimises the squared error of held-out rows.

    Parameters
    ----------
    distance, label : ndarray of float64, shape (n,)
        Forecasts and outcomes, both less what is known without the model.
    """
    power = float((distance * distance).sum())
    if power == 0:
        return 0.0
    return float(np.clip((distance * label).sum() / power, 0.0, MAX_SLOPE))


def sigmoid(score: Float64) -> Float64:
    """Return the probability of each log odds, kept within [floor, 1 - floor]."""
    e = np.exp(-np.abs(score))
    probability = np.where(score >= 0, 1 / (1 + e), e / (1 + e))
    return np.asarray(np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY))


def tempered_event(score: Float64, prior: float, slope: float) -> Float64:
    """Return probabilities whose log odds' distance from the prior's is ``slope`` times the model's.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Log odds of the model.
    prior : float, in (0, 1)
        Share of the event in the rows that the model was fitted on.
    slope : float, >= 0
    """
    centre = log_odds(prior)
    return sigmoid(centre + slope * (score - centre))


def event_slope(score: Float64, prior: float, label: Float64) -> float:
    """Return the slope in [0, `MAX_SLOPE`] that minimises the log loss of held-out rows.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Log odds of the model.
    prior : float, in (0, 1)
    label : ndarray of float64, shape (n,), 0 or 1
    """
    distance = score - log_odds(prior)

    def derivative(slope: float) -> float:
        return float(((tempered_event(score, prior, slope) - label) * distance).mean())

    return _root(derivative)


def prior_of(task: Task, label: Float64) -> tuple[float, ...]:
    """Return what is known without a model: class shares, the event's share, no return, a mean."""
    if task.family == "classes":
        return tuple(class_shares(label).tolist())
    if task.family == "binary":
        return (event_share(label),)
    return (0.0 if task.subject == "return" else float(label.mean()),)


def slope_of(family: Family, score: Float64, prior: tuple[float, ...], label: Float64) -> float:
    """Return the slope that held-out rows give a model's scores: log probabilities, log odds or values."""
    if family == "classes":
        return direction_slope(score, np.array(prior), label)
    if family == "binary":
        return event_slope(score, prior[0], label)
    return value_slope(score - prior[0], label - prior[0])


def calibrated(family: Family, score: Float64, prior: tuple[float, ...], slope: float) -> Float64:
    """Return predictions of a family, ``slope`` times as far from the prior as the scores are."""
    if slope == 0:
        return np.broadcast_to(
            np.array(prior), score.shape if family == "classes" else len(score)
        ).copy()
    if family == "classes":
        return tempered(score, np.array(prior), slope)
    if family == "binary":
        return tempered_event(score, prior[0], slope)
    return np.asarray(prior[0] + slope * (score - prior[0]))


# Zero of the (increasing) derivative of a convex loss, within the bounds of a slope.
def _root(derivative: Callable[[float], float]) -> float:
    if derivative(0.0) >= 0:
        return 0.0
    if derivative(MAX_SLOPE) <= 0:
        return MAX_SLOPE
    low, high = 0.0, MAX_SLOPE
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if derivative(middle) < 0 else (low, middle)
    return (low + high) / 2


def quantile_shifts(forecast: Float64, label: Float64) -> Float64:
    """Return what to add to each quantile so that held-out outcomes lie below it as often as said.

    Parameters
    ----------
    forecast : ndarray of float64, shape (n, 5)
        Quantiles at `models.tasks.LEVELS`.
    label : ndarray of float64, shape (n,)

    Returns
    -------
    ndarray of float64, shape (5,)
    """
    residual = label[:, None] - forecast
    return np.array([np.quantile(residual[:, k], level) for k, level in enumerate(LEVELS)])


def rearranged(quantiles: Float64) -> Float64:
    """Return each row's quantiles in increasing order.

    Sorting never makes the pinball loss larger. Source: Chernozhukov, Fernandez-Val and Galichon
    (2010), Quantile and probability curves without crossing.
    """
    return np.sort(quantiles, axis=1)
