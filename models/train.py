"""Walk-forward training: fit on the past, predict the next block, score, compare, refit on all."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.bootstrap import Blocks, plan_blocks
from models.config import LadderConfig
from models.datasets import Dataset
from models.evaluate import Bounds, Comparison, Score, compare, score
from models.ladder import Model, base_rate, fit_rung
from models.results import FoldScores, WalkForward
from models.tasks import ALL_RUNGS, BASE_RATE, RUNGS, Task
from orderflow_core.splits import Fold, TooFewRowsError, purged_walk_forward
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_sorted

DEFAULT_CONFIG = LadderConfig()


def walk_forward(
    dataset: Dataset,
    task: Task,
    *,
    n_folds: int,
    embargo_ns: int,
    seed: int = 0,
    n_boot: int = 2000,
    config: LadderConfig = DEFAULT_CONFIG,
    rungs: tuple[str, ...] = RUNGS,
    on_fold: Callable[[int, int], None] | None = None,
) -> WalkForward:
    """Train and judge every rung of a task's ladder on purged, embargoed folds.

    Parameters
    ----------
    dataset : Dataset
    task : Task
    n_folds : int
        Test blocks; the first block of time is training only.
    embargo_ns : int, >= 1
        Demanded between the last training outcome and the first test decision.
    seed : int
        Of the trees and of the resampling. The same seed gives the same bits.
    n_boot : int
        Resamples behind each interval.
    config : LadderConfig
    rungs : tuple of str
        Which rungs, from the simplest up; the first must be ``naive``.
    on_fold : callable, optional
        Called with (folds done, folds) after each fold.

    Returns
    -------
    WalkForward

    Raises
    ------
    ValueError
        No rows, embargo below one, a fold too small to fit, a split that would leak, or rungs that
        do not begin with the naive one.
    TooFewRowsError
        All outcomes are the same.

    Notes
    -----
    Causal: a prediction of fold f uses rows whose outcome was known before the fold's first
    decision. Each rung is paired with the rung below it on identical rows.
    """
    if embargo_ns < 1:
        raise ValueError(f"embargo_ns must be at least 1, got {embargo_ns}")
    if len(dataset) == 0:
        raise ValueError("dataset must have rows, got none")
    if np.ptp(dataset.label) == 0:
        raise TooFewRowsError(
            f"outcomes must differ to be told apart, all {len(dataset):,} are {dataset.label[0]:g}"
        )
    if rungs[:1] != RUNGS[:1]:
        raise ValueError(f"rungs must begin with {RUNGS[0]!r}, got {rungs}")
    plan = _Plan(
        task=task, rungs=rungs, embargo_ns=embargo_ns, config=config, seed=seed, n_boot=n_boot
    )
    folds = purged_walk_forward(
        dataset.t0_ns, dataset.t1_ns, n_folds=n_folds, embargo_ns=embargo_ns
    )
    results = []
    for fold in folds:
        require_no_leak(dataset, fold, embargo_ns=embargo_ns)
        results.append(_run_fold(dataset, fold, plan))
        if on_fold is not None:
            on_fold(len(results), len(folds))
    models = {rung: plan.fit(rung, dataset) for rung in rungs}
    return _pooled(dataset, results, models, plan)


def require_no_leak(dataset: Dataset, fold: Fold, *, embargo_ns: int) -> None:
    """Demand that a fold's training outcomes were all known before its first test decision.

    Raises
    ------
    ValueError
        A training label ends too late, or the recorded training end is not the latest one.
    """
    if len(fold.train_idx) == 0 or len(fold.test_idx) == 0:
        raise ValueError(
            f"fold {fold.fold} must have rows on both sides, got {len(fold.train_idx)} to train and "
            f"{len(fold.test_idx)} to test"
        )
    train_end_ns = int(dataset.t1_ns[fold.train_idx].max())
    test_start_ns = int(dataset.t0_ns[fold.test_idx].min())
    if train_end_ns + embargo_ns > test_start_ns:
        raise ValueError(
            f"fold {fold.fold} leaks: a training outcome at {train_end_ns} and the embargo of "
            f"{embargo_ns} reach past the first test decision at {test_start_ns}"
        )
    if train_end_ns != fold.train_end_ns:
        raise ValueError(
            f"fold {fold.fold} must record its latest training outcome {train_end_ns}, "
            f"got {fold.train_end_ns}"
        )


def best_rung(task: Task, scores: dict[str, tuple[Score, ...]]) -> str:
    """Return the rung with the smallest pooled loss; of equals the simpler one."""
    loss = {
        rung: next(s.value for s in scores[rung] if s.metric == task.loss)
        for rung in ALL_RUNGS
        if rung in scores
    }
    return min(loss, key=lambda rung: loss[rung])


# What stays the same from fold to fold.
@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    task: Task
    rungs: tuple[str, ...]
    embargo_ns: int
    config: LadderConfig
    seed: int
    n_boot: int

    def fit(self, rung: str, train: Dataset) -> Model:
        return fit_rung(
            self.task, rung, train, embargo_ns=self.embargo_ns, config=self.config, seed=self.seed
        )

    def blocks(self, rows: Dataset) -> Blocks:
        return plan_blocks(rows.t0_ns, rows.t1_ns, n_boot=self.n_boot, seed=self.seed)

    def scores(
        self,
        rows: Dataset,
        predictions: dict[str, Float64],
        intervals: dict[str, Bounds],
        blocks: Blocks,
        fold: Int64 | None = None,
    ) -> dict[str, tuple[Score, ...]]:
        base = predictions[BASE_RATE]
        is_outcome = self.task.family in ("value", "quantiles")  # else it is of a frequency
        return {
            rung: score(
                self.task,
                rows.label,
                prediction,
                base,
                blocks,
                fold,
                intervals.get(rung) if is_outcome else None,
            )
            for rung, prediction in predictions.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoldResult:
    test_idx: Int64
    predictions: dict[str, Float64]
    intervals: dict[str, Bounds]
    summary: FoldScores


def _run_fold(dataset: Dataset, fold: Fold, plan: _Plan) -> _FoldResult:
    train, test = dataset.take(fold.train_idx), dataset.take(fold.test_idx)
    models = {rung: plan.fit(rung, train) for rung in plan.rungs}
    predictions = {BASE_RATE: base_rate(plan.task, train.label, len(test))}
    predictions |= {rung: model.predict_rows(test) for rung, model in models.items()}
    intervals = {rung: model.bounds(predictions[rung]) for rung, model in models.items()}
    summary = FoldScores(
        fold=int(fold.fold),
        n_train=len(train),
        n_test=len(test),
        train_end_ns=int(fold.train_end_ns),
        test_start_ns=int(test.t0_ns.min()),
        test_end_ns=int(test.t1_ns.max()),
        scores=plan.scores(test, predictions, intervals, plan.blocks(test)),
        settings={rung: model.predictor.settings() | model.tuned for rung, model in models.items()},
    )
    return _FoldResult(
        test_idx=fold.test_idx, predictions=predictions, intervals=intervals, summary=summary
    )


def _pooled(
    dataset: Dataset, results: list[_FoldResult], models: dict[str, Model], plan: _Plan
) -> WalkForward:
    row_idx = np.concatenate([result.test_idx for result in results])
    require_sorted("test rows over the folds", row_idx, strict=True)
    sizes = [len(result.test_idx) for result in results]
    predictions = {
        rung: np.concatenate([result.predictions[rung] for result in results])
        for rung in (BASE_RATE, *plan.rungs)
    }
    intervals = {
        rung: (
            np.concatenate([result.intervals[rung][0] for result in results]),
            np.concatenate([result.intervals[rung][1] for result in results]),
        )
        for rung in plan.rungs
    }
    rows = dataset.take(row_idx)
    blocks = plan.blocks(rows)
    fold = np.repeat(np.array([r.summary.fold for r in results], np.int64), sizes)
    scores = plan.scores(rows, predictions, intervals, blocks, fold)
    return WalkForward(
        task=plan.task,
        dataset=dataset,
        config=plan.config,
        n_folds=len(results),
        embargo_ns=plan.embargo_ns,
        seed=plan.seed,
        blocks=blocks,
        row_idx=row_idx,
        fold=fold,
        train_end_ns=np.repeat(
            np.array([r.summary.train_end_ns for r in results], np.int64), sizes
        ),
        predictions=predictions,
        intervals=intervals,
        folds=tuple(result.summary for result in results),
        scores=scores,
        comparisons=_comparisons(plan, rows.label, predictions, blocks),
        models=models,
        candidate=best_rung(plan.task, scores),
        n_trials=sum(model.n_configurations for model in models.values()),
    )


def _comparisons(
    plan: _Plan, label: Float64, predictions: dict[str, Float64], blocks: Blocks
) -> tuple[Comparison, ...]:
    task = plan.task
    return tuple(
        compare(task, label, (upper, predictions[upper]), (below, predictions[below]), blocks)
        for upper, below in rung_pairs(plan.rungs)
    )


def rung_pairs(rungs: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return which rungs are compared: each with the one below it and with the ladder's foot.

    Examples
    --------
    >>> rung_pairs(("naive", "linear", "lightgbm"))  # doctest: +NORMALIZE_WHITESPACE
    [('naive', 'base_rate'), ('linear', 'naive'), ('lightgbm', 'linear'), ('lightgbm', 'naive')]
    """
    steps = list(zip(rungs, (BASE_RATE, *rungs[:-1]), strict=True))
    return steps + [(rung, rungs[0]) for rung in rungs[2:]]
