"""How large an order may be, and what keeping to it would have meant for orders that were real."""

from dataclasses import dataclass

import numpy as np

from models.bootstrap import Estimate, estimate, ratio
from models.impact import LOG_LOTS, column_of
from models.ladder import Model
from models.results import WalkForward
from models.tasks import LEVELS
from orderflow_core.order_size import largest_order
from orderflow_core.types import Bool, Float64, Int64


def order_sizes(
    model: Model, features: Float64, *, budget: float, probability: float, size_lots: Int64
) -> Int64:
    """Return the largest order in each state whose impact stays within a budget with a probability.

    Parameters
    ----------
    model : Model
        Of a ``sizing_Xs`` task.
    features : ndarray of float64, shape (n, k)
        States, as the model takes them; the column ``order_log_lots`` is not looked at.
    budget : float, basis points
    probability : float
        One of `models.tasks.LEVELS`.
    size_lots : ndarray of int64, shape (n_sizes,), > 0, strictly increasing
        Sizes that are asked for; between them the quantile is a straight line in the logarithm.

    Returns
    -------
    ndarray of int64, shape (n,), unit lots
        See `orderflow_core.order_size.largest_order`; 0 where the smallest size is too dear.

    Raises
    ------
    ValueError
        The model is of another task, or the probability none of the levels.
    """
    if model.task.subject != "sizing":
        raise ValueError(f"the model must be of a sizing task, got {model.task.name}")
    if probability not in LEVELS:
        raise ValueError(f"probability must be one of {LEVELS}, got {probability}")
    level, column = LEVELS.index(probability), column_of(model.names, LOG_LOTS)
    asked = np.array(features, np.float64)
    cost = np.empty((len(features), len(size_lots)))
    for k, lots in enumerate(np.asarray(size_lots).tolist()):
        asked[:, column] = np.log(lots)
        cost[:, k] = model.predict(asked)[:, level]
    # The last bits of sums of trees may fall where the trees do not.
    return largest_order(budget, size_lots, np.maximum.accumulate(cost, axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingScore:
    """What one rung allowed of the real orders that no model had seen, at a budget and a probability.

    Attributes
    ----------
    rung : str
    budget, probability : float
    n_allowed : int
        Orders no larger than the largest that the rung allows in their state.
    coverage, coverage_low, coverage_high : float
        Share of those whose impact stayed within the budget, with its 95 % interval over blocks of
        time: to be at least the probability. NaN where none was allowed.
    share_allowed : float
        Of all orders.
    lots_allowed : float
        Of all lots: among rungs that keep to the probability, the more the better.
    mean_lots : float
        Mean size of the orders allowed; NaN where none was.
    """

    rung: str
    budget: float
    probability: float
    n_allowed: int
    coverage: float
    coverage_low: float
    coverage_high: float
    share_allowed: float
    lots_allowed: float
    mean_lots: float


def judge_sizing(
    found: WalkForward, *, budget: float, probability: float
) -> tuple[SizingScore, ...]:
    """Judge every rung by the real orders that it would have allowed.

    Parameters
    ----------
    found : WalkForward
        Of a ``sizing_Xs`` task.
    budget : float, basis points
    probability : float
        One of `models.tasks.LEVELS`.

    Returns
    -------
    tuple of SizingScore
        By rung. The naive one knows neither state nor size: it allows all orders or none.

    Raises
    ------
    ValueError
        The probability is none of the levels.

    Notes
    -----
    The quantile does not fall with size, so that an order is at most the largest that is allowed just
    where the quantile at its own size lies within the budget: predictions of real orders suffice, and
    what would have happened to an order that nobody sent need not be guessed.
    """
    if probability not in LEVELS:
        raise ValueError(f"probability must be one of {LEVELS}, got {probability}")
    level = LEVELS.index(probability)
    rows = found.dataset.take(found.row_idx)
    lots = np.exp(rows.features[:, column_of(rows.names, LOG_LOTS)])
    scores = []
    for rung in found.rungs:
        is_allowed = found.predictions[rung][:, level] <= budget
        kept = _share(is_allowed & (rows.label <= budget), is_allowed, found)
        scores.append(
            SizingScore(
                rung=rung,
                budget=budget,
                probability=probability,
                n_allowed=int(is_allowed.sum()),
                coverage=kept.value,
                coverage_low=float(np.maximum(kept.low, 0.0)),
                coverage_high=float(np.minimum(kept.high, 1.0)),
                share_allowed=float(is_allowed.mean()),
                lots_allowed=float(lots[is_allowed].sum() / lots.sum()),
                mean_lots=float(lots[is_allowed].mean()) if is_allowed.any() else np.nan,
            )
        )
    return tuple(scores)


def _share(hit: Bool, among: Bool, found: WalkForward) -> Estimate:
    return estimate(np.column_stack([hit, among]).astype(np.float64), ratio, found.blocks)
