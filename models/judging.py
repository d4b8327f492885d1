"""All that is known of a training beyond its pooled scores, gathered for the model card."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.combinatorial import PathLosses
from models.economics import Economics, Untraded
from models.learning_curve import CurvePoint, learning_curve
from models.levels import TouchLift
from models.results import WalkForward
from models.stability import GroupSkill, skill_by_regime, skill_over_time, volatility_feature


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What a model card shows beside the scores.

    Attributes
    ----------
    over_time, by_regime : tuple of GroupSkill
        ``by_regime`` is empty where no feature measures volatility.
    volatility : str or None
        The feature that the regimes were made of.
    volatility_range : (float, float) or None
        Its 1st and 99th percentile over the rows of the training: outside is unknown ground.
    learning : tuple of CurvePoint
        Empty: not computed.
    economics : Economics or Untraded
    lift : TouchLift or None
        Of levels over random ones; None of other tasks, or not computed.
    paths : PathLosses or None
        None: not computed.
    leak_checks : dict of str to bool
        What was recomputed from the predictions' own times; see `leak_checks`.
    """

    over_time: tuple[GroupSkill, ...]
    by_regime: tuple[GroupSkill, ...]
    volatility: str | None
    volatility_range: tuple[float, float] | None
    learning: tuple[CurvePoint, ...]
    economics: Economics | Untraded
    lift: TouchLift | None
    paths: PathLosses | None
    leak_checks: dict[str, bool]


def judge(
    found: WalkForward,
    *,
    economics: Economics | Untraded | None = None,
    lift: TouchLift | None = None,
    paths: PathLosses | None = None,
    with_learning_curve: bool = False,
    on_fit: Callable[[int, int], None] | None = None,
) -> Judging:
    """Judge a training by day, by regime and, where asked for, by the amount of data.

    Parameters
    ----------
    found : WalkForward
    economics : Economics or Untraded, optional
        From `models.economics.economic_value`, which needs the market; None: not computed.
    lift : TouchLift, optional
        From `models.levels.touch_lift`, which needs the levels' touches.
    paths : PathLosses, optional
        From `models.combinatorial.combinatorial_losses`.
    with_learning_curve : bool
        Costs three fits a rung and fold.
    on_fit : callable, optional
        Progress of the learning curve.
    """
    volatility = volatility_feature(found.dataset)
    return Judging(
        over_time=skill_over_time(found),
        by_regime=skill_by_regime(found),
        volatility=volatility,
        volatility_range=None if volatility is None else _usual_range(found, volatility),
        learning=learning_curve(found, on_fit=on_fit) if with_learning_curve else (),
        economics=economics or Untraded(reason="the market was not given to this training"),
        lift=lift,
        paths=paths,
        leak_checks=leak_checks(found),
    )


def leak_checks(found: WalkForward) -> dict[str, bool]:
    """Return what was checked on the finished predictions and could have failed, and whether it held.

    Notes
    -----
    ``walk_forward`` refuses a leaking fold before it is fitted. This looks again at the end, at the
    times that are stored with each prediction. What holds of every training by construction (each
    row once, outcomes after decisions, one set of rows for all rungs) is no check and not listed:
    it would stand on a card as evidence that it is not.
    """
    t0_ns = found.dataset.t0_ns[found.row_idx]
    return {
        "every training outcome was known an embargo before the decisions it was judged on": bool(
            (found.train_end_ns + found.embargo_ns <= t0_ns).all()
        )
    }


def _usual_range(found: WalkForward, name: str) -> tuple[float, float] | None:
    values = found.dataset.features[:, found.dataset.names.index(name)]
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.01, 0.99])
    return float(low), float(high)
