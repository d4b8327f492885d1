"""Does a score hold everywhere: by day or block of time, and by regime of volatility."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from models.bootstrap import Blocks, estimate, plan_blocks
from models.datasets import Dataset
from models.evaluate import is_one_class, row_loss
from models.results import WalkForward
from models.tasks import BASE_RATE
from models.verdict import Verdict, verdict
from orderflow_core.types import Bool, Float64, Int64

N_TIME_BLOCKS = 8  # where one day, or very few, is all that was judged
MAX_TIME_GROUPS = 40  # more days than this are joined, neighbours with neighbours
REGIMES = ("calm", "middle", "volatile")
UNKNOWN_REGIME = -1
# The first of these that a dataset has measures the trailing volatility.
VOLATILITY_FEATURES = ("volatility_60s_ticks", "volatility_ticks", "realised_volatility")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSkill:
    """How one rung did on one group of out-of-fold rows.

    Attributes
    ----------
    group : str
        A date, a stretch of time, or a regime.
    rung : str
    start_ns, end_ns : int, unit ns
        First and last decision of the group.
    n_rows, n_blocks : int
    loss, loss_low, loss_high : float
        Mean loss with its 95 % interval.
    skill, low, high : float
        ``1 - loss / loss(base rate)`` on the same rows with its 95 % interval: 0 = no better than
        the averages of the training fold, negative = worse.
    beats_base : str
        Verdict by the skill's interval: yes, no or not shown, which it is where all but one class
        are rare.
    """

    group: str
    rung: str
    start_ns: int
    end_ns: int
    n_rows: int
    n_blocks: int
    loss: float
    loss_low: float
    loss_high: float
    skill: float
    low: float
    high: float
    beats_base: Verdict


def skill_over_time(found: WalkForward) -> tuple[GroupSkill, ...]:
    """Return each rung's skill day by day, or by equal blocks of rows where there are few days.

    Returns
    -------
    tuple of GroupSkill
        Group by group in time order, every rung of the training in each.
    """
    rows = found.dataset.take(found.row_idx)
    return _skills(found, rows, _time_groups(rows))


def skill_by_regime(found: WalkForward, feature: str | None = None) -> tuple[GroupSkill, ...]:
    """Return each rung's skill in calm, middle and volatile markets.

    Parameters
    ----------
    found : WalkForward
    feature : str, optional
        Column that measures trailing volatility; default: the first of `VOLATILITY_FEATURES` that
        the dataset has.

    Returns
    -------
    tuple of GroupSkill
        Nothing where the dataset has no such column.

    Raises
    ------
    ValueError
        The named column does not exist.
    """
    name = feature or volatility_feature(found.dataset)
    if name is None:
        return ()
    regime = volatility_regime(found, name)
    rows = found.dataset.take(found.row_idx)
    return _skills(found, rows, {word: regime == k for k, word in enumerate(REGIMES)})


def volatility_feature(dataset: Dataset) -> str | None:
    """Return the column that measures trailing volatility, or None where there is none."""
    return next((name for name in VOLATILITY_FEATURES if name in dataset.names), None)


def volatility_regime(found: WalkForward, feature: str) -> Int64:
    """Return the regime of each out-of-fold row as it was known at its decision.

    Parameters
    ----------
    found : WalkForward
    feature : str

    Returns
    -------
    ndarray of int64, shape (n_oof,)
        0, 1, 2 for the lowest, middle and highest third; `UNKNOWN_REGIME` where the feature is NaN
        or no row before the fold has it.

    Raises
    ------
    ValueError
        There is no such column.

    Notes
    -----
    Causal: the bounds of a fold are the terciles of the feature over all decisions before the
    fold's first one. A value on a bound belongs to the upper third.
    """
    if feature not in found.dataset.names:
        raise ValueError(f"feature must be one of {found.dataset.names}, got {feature!r}")
    values = found.dataset.features[:, found.dataset.names.index(feature)]
    regime = np.full(len(found.row_idx), UNKNOWN_REGIME, np.int64)
    for fold in found.folds:
        before = values[found.dataset.t0_ns < fold.test_start_ns]
        before = before[np.isfinite(before)]
        own = values[found.row_idx]
        is_judged = (found.fold == fold.fold) & np.isfinite(own)
        if len(before):
            bounds = np.quantile(before, [1 / 3, 2 / 3])
            regime[is_judged] = np.searchsorted(bounds, own[is_judged], side="right")
    return regime


# Masks over the out-of-fold rows, in time order.
def _time_groups(rows: Dataset) -> dict[str, Bool]:
    days = np.unique(rows.trading_day)
    if len(days) >= 3:
        chunks = np.array_split(days, min(len(days), MAX_TIME_GROUPS))
        return {_days(chunk): np.isin(rows.trading_day, chunk) for chunk in chunks}
    parts = np.array_split(np.arange(len(rows)), min(N_TIME_BLOCKS, len(rows)))
    return {_stretch(rows.t0_ns[part], i): _mask(part, len(rows)) for i, part in enumerate(parts)}


def _mask(positions: Int64, n: int) -> Bool:
    is_in = np.zeros(n, dtype=bool)
    is_in[positions] = True
    return is_in


def _days(days: Int64) -> str:
    first, last = (str(np.datetime64(int(day), "D")) for day in (days[0], days[-1]))
    return first if first == last else f"{first} to {last}"


def _stretch(t0_ns: Int64, number: int) -> str:
    stamp = str(np.datetime64(int(t0_ns[0]), "ns").astype("datetime64[s]"))
    return f"{number + 1}: {stamp.replace('T', ' ')}"


def _skills(
    found: WalkForward, rows: Dataset, groups: Mapping[str, Bool]
) -> tuple[GroupSkill, ...]:
    rungs = [rung for rung in found.predictions if rung != BASE_RATE]
    loss = {
        rung: row_loss(found.task, rows.label, prediction)
        for rung, prediction in found.predictions.items()
    }
    made = []
    for name, is_in in groups.items():
        if not is_in.any():
            continue
        part = rows.take(is_in)
        blocks = plan_blocks(part.t0_ns, part.t1_ns, n_boot=found.blocks.n_boot, seed=found.seed)
        skills = [_skill(name, rung, part, loss[rung][is_in], loss[BASE_RATE][is_in], blocks)
                  for rung in rungs]  # fmt: skip
        if is_one_class(found.task, part.label, blocks):
            skills = [replace(skill, beats_base="not shown") for skill in skills]
        made += skills
    return tuple(made)


def _skill(
    group: str, rung: str, part: Dataset, loss: Float64, base: Float64, blocks: Blocks
) -> GroupSkill:
    columns = np.column_stack([loss, base, np.ones(len(loss))])
    own = estimate(columns, lambda totals: totals[..., 0] / totals[..., 2], blocks)
    skill = estimate(columns, skill_of_totals, blocks)
    return GroupSkill(
        group=group,
        rung=rung,
        start_ns=int(part.t0_ns[0]),
        end_ns=int(part.t0_ns[-1]),
        n_rows=len(loss),
        n_blocks=blocks.n_blocks,
        loss=own.value,
        loss_low=own.low,
        loss_high=own.high,
        skill=skill.value,
        low=skill.low,
        high=skill.high,
        beats_base=verdict(-skill.high, -skill.low, blocks.n_blocks),
    )


def skill_of_totals(totals: Float64) -> Float64:
    """Return ``1 - loss / base loss`` from totals whose first columns are those two."""
    return np.asarray(1 - totals[..., 0] / totals[..., 1])
