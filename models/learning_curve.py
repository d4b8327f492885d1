"""Would more data help: every rung refitted on the last part of each training fold."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.bootstrap import estimate
from models.datasets import Dataset
from models.evaluate import row_loss
from models.ladder import fit_rung
from models.results import FoldScores, WalkForward
from models.stability import skill_of_totals
from models.tasks import BASE_RATE
from orderflow_core.splits import TooFewRowsError
from orderflow_core.types import Float64, Int64

SHARES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One rung trained on the last ``share`` of each training fold, judged on all test rows.

    Attributes
    ----------
    share : float
    rung : str
    n_train, n_days : float
        Rows and trading days that it was trained on, averaged over the folds.
    loss : float
        Mean loss of the out-of-fold rows; NaN where a fold had too few rows to train on.
    skill, low, high : float
        ``1 - loss / loss(base rate)`` with its 95 % interval. The base rate is that of the whole
        training folds at every share, so that the curve moves with the model alone.
    note : str
        Why there is no score, or nothing.
    """

    share: float
    rung: str
    n_train: float
    n_days: float
    loss: float
    skill: float
    low: float
    high: float
    note: str


def learning_curve(
    found: WalkForward,
    *,
    shares: tuple[float, ...] = SHARES,
    on_fit: Callable[[int, int], None] | None = None,
) -> tuple[CurvePoint, ...]:
    """Refit the rungs on ever more of the past and score the same rows each time.

    Parameters
    ----------
    found : WalkForward
        Gives rows, folds, terms and seed. What it predicted is the point of share 1.
    shares : tuple of float, in (0, 1], increasing
    on_fit : callable, optional
        Called with (points done, points) after each point.

    Returns
    -------
    tuple of CurvePoint
        Share by share, each rung.

    Raises
    ------
    ValueError
        A share lies outside (0, 1] or they do not increase.

    Notes
    -----
    Test rows are fixed and the newest rows are kept, as somebody would who had begun to collect
    later. Costs ``(len(shares) - 1) * folds`` fits a rung. It chooses nothing, so it adds no trial.
    """
    if any(not 0 < share <= 1 for share in shares) or list(shares) != sorted(set(shares)):
        raise ValueError(f"shares must increase within (0, 1], got {shares}")
    rungs = [rung for rung in found.predictions if rung != BASE_RATE]
    points: list[CurvePoint] = []
    for share in shares:
        for rung in rungs:
            points.append(_point(found, rung, share))
            if on_fit is not None:
                on_fit(len(points), len(shares) * len(rungs))
    return tuple(points)


def _point(found: WalkForward, rung: str, share: float) -> CurvePoint:
    trained = [_last(found, fold, share) for fold in found.folds]
    rows = [len(idx) for idx in trained]
    days = [len(np.unique(found.dataset.trading_day[idx])) for idx in trained]
    note, skill, low, high, loss = "", np.nan, np.nan, np.nan, np.nan
    try:
        prediction = _predicted(found, rung, trained) if share < 1 else found.predictions[rung]
    except TooFewRowsError as error:
        note = str(error)
    else:
        label = found.dataset.label[found.row_idx]
        own = row_loss(found.task, label, prediction)
        base = row_loss(found.task, label, found.predictions[BASE_RATE])
        estimated = estimate(np.column_stack([own, base]), skill_of_totals, found.blocks)
        loss = float(own.mean())
        skill, low, high = estimated.value, estimated.low, estimated.high
    return CurvePoint(
        share=share,
        rung=rung,
        n_train=float(np.mean(rows)),
        n_days=float(np.mean(days)),
        loss=loss,
        skill=skill,
        low=low,
        high=high,
        note=note,
    )


def _last(found: WalkForward, fold: FoldScores, share: float) -> Int64:
    # The fold's training rows: everything whose outcome was known an embargo before its first test
    # decision, which is how the split chose them.
    data: Dataset = found.dataset
    is_before = np.arange(len(data)) < found.row_idx[found.fold == fold.fold].min()
    is_known = data.t1_ns + found.embargo_ns <= fold.test_start_ns
    idx = np.flatnonzero(is_before & is_known)
    return idx[len(idx) - int(np.ceil(share * len(idx))) :]


def _predicted(found: WalkForward, rung: str, trained: list[Int64]) -> Float64:
    parts = []
    for fold, idx in zip(found.folds, trained, strict=True):
        model = fit_rung(
            found.task,
            rung,
            found.dataset.take(idx),
            embargo_ns=found.embargo_ns,
            config=found.config,
            seed=found.seed,
        )
        test = found.dataset.take(found.row_idx[found.fold == fold.fold])
        parts.append(model.predict_rows(test))
    return np.concatenate(parts)
