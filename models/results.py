"""What a walk-forward training found: predictions, scores, comparisons, models. Plain data."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Blocks
from models.config import LadderConfig
from models.datasets import Dataset
from models.evaluate import Bounds, Comparison, Score
from models.ladder import Model
from models.tasks import ALL_RUNGS, BASE_RATE, Task
from orderflow_core.types import Float64, Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScores:
    """One test block: what it was trained on and each rung's scores.

    ``settings`` holds per rung what the training fold decided (trees kept, slope, fade or follow).
    """

    fold: int
    n_train: int
    n_test: int
    train_end_ns: int
    test_start_ns: int
    test_end_ns: int
    scores: dict[str, tuple[Score, ...]]
    settings: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForward:
    """A whole training: every prediction here was made by a model that had not seen the row.

    Attributes
    ----------
    task : Task
    dataset : Dataset
    config : LadderConfig
    n_folds, embargo_ns, seed : int
    blocks : Blocks
        Resampling plan of the pooled out-of-fold rows.
    row_idx, fold, train_end_ns : ndarray of int64, shape (n_oof,)
        Position in ``dataset`` (ascending), fold, and latest outcome that its model was fitted on.
    predictions : dict of rung (and ``base_rate``) to ndarray, of the shape that the task says
    intervals : dict of rung to (ndarray, ndarray), shape (n_oof,)
        Bounds at 90 % coverage, as `Model.predict_interval`.
    folds : tuple of FoldScores
    scores : dict of rung (and ``base_rate``) to tuple of Score
        Pooled over the folds; what ranks rows ranks them within each fold.
    comparisons : tuple of Comparison
        Each rung against the one below it, naive against the base rate, and each against naive.
    models : dict of rung to Model
        Each rung fitted on every row, for registration.
    candidate : str
        The rung with the smallest pooled loss (of equals the simpler one).
    n_trials : int
        Configurations that were tried for the registered models: those of each rung, and those
        that were sought inside the training rows.
    """

    task: Task
    dataset: Dataset
    config: LadderConfig
    n_folds: int
    embargo_ns: int
    seed: int
    blocks: Blocks
    row_idx: Int64
    fold: Int64
    train_end_ns: Int64
    predictions: dict[str, Float64]
    intervals: dict[str, Bounds]
    folds: tuple[FoldScores, ...]
    scores: dict[str, tuple[Score, ...]]
    comparisons: tuple[Comparison, ...]
    models: dict[str, Model]
    candidate: str
    n_trials: int

    def comparison(self, upper: str, below: str) -> Comparison | None:
        """Return the comparison of two rungs, or None where it was not made."""
        for found in self.comparisons:
            if (found.upper, found.below) == (upper, below):
                return found
        return None

    def label_shares(self) -> dict[str, float]:
        """Return what the outcomes look like: shares of the classes or the event, or mean and deviation."""
        label = self.dataset.label[self.row_idx]
        if self.task.family == "binary":
            return {"share_event": float(label.mean())}
        if self.task.family in ("value", "quantiles"):
            return {"label_mean": float(label.mean()), "label_sd": float(label.std())}
        names = ("share_down", "share_flat", "share_up")
        return {name: float((label == c).mean()) for name, c in zip(names, (-1, 0, 1), strict=True)}

    @property
    def rungs(self) -> tuple[str, ...]:
        """Names of the rungs that were judged, from the simplest up."""
        return tuple(rung for rung in ALL_RUNGS if rung in self.models)

    def prediction_table(self) -> dict[str, NDArray[Any]]:
        """Return the out-of-fold predictions as columns, one row a (rung, decision).

        Returns
        -------
        dict of str to ndarray, shape (n_rungs * n_oof,)
            ``rung`` (object), ``trading_day`` (days since 1970), ``t0_ns``, ``t1_ns``,
            ``decision_id``, ``fold``, ``train_end_ns`` (int64), ``label``, those of
            `prediction_columns` and of the task's own `Task.prediction_columns` (float64).
        """
        rungs = self.rungs
        rows, n = self.dataset.take(self.row_idx), len(rungs)
        columns: dict[str, NDArray[Any]] = {"rung": np.repeat(np.array(rungs, object), len(rows))}
        for name in ("trading_day", "t0_ns", "t1_ns", "decision_id", "label"):
            columns[name] = np.tile(getattr(rows, name), n)
        columns["fold"] = np.tile(self.fold, n)
        columns["train_end_ns"] = np.tile(self.train_end_ns, n)
        parts = [
            prediction_columns(self.task, self.predictions[rung], self.intervals[rung])
            for rung in rungs
        ]
        for name in parts[0]:
            columns[name] = np.concatenate([part[name] for part in parts])
        return columns

    def to_json(self) -> dict[str, Any]:
        """Return scores, comparisons and the terms on which they were made; NaN becomes None."""
        found: dict[str, Any] = plain(
            {
                "task": self.task.name,
                "loss": self.task.loss,
                "candidate": self.candidate,
                "n_trials": self.n_trials,
                "n_folds": self.n_folds,
                "embargo_ns": self.embargo_ns,
                "seed": self.seed,
                "blocks": asdict(self.blocks),
                "labels": self.label_shares(),
                "left_out": {
                    name: getattr(self.dataset, name)
                    for name in (
                        "n_null_labels",
                        "n_unlabelled",
                        "n_orphan_labels",
                        "n_thinned",
                        "n_without_window",
                    )
                },
                "scores": score_rows(self.scores, len(self.row_idx)),
                "comparisons": [asdict(found) for found in self.comparisons],
                "folds": [
                    {**_fold_terms(fold), "scores": score_rows(fold.scores, fold.n_test)}
                    for fold in self.folds
                ],
            }
        )
        return found


def _fold_terms(fold: FoldScores) -> dict[str, Any]:
    names = (
        "fold",
        "n_train",
        "n_test",
        "train_end_ns",
        "test_start_ns",
        "test_end_ns",
        "settings",
    )
    return {name: getattr(fold, name) for name in names}


def score_rows(scores: dict[str, tuple[Score, ...]], n_rows: int) -> list[dict[str, Any]]:
    """Return one flat row a (rung, metric): rung, metric, value, low, high, base, n."""
    return [
        {"rung": rung, **asdict(found), "n": n_rows}
        for rung in (BASE_RATE, *ALL_RUNGS)
        for found in scores.get(rung, ())
    ]


def prediction_columns(task: Task, prediction: Float64, interval: Bounds) -> dict[str, Float64]:
    """Return a prediction as columns, those of ``research.predictions`` first.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        ``p_down``, ``p_flat``, ``p_up`` (NaN but for classes); ``value``: the expected label
        (``p_up - p_down`` of classes, the probability of an event), or the median; ``low``, ``high``:
        the interval, of the outcome for values and quantiles, else of ``value``; then the task's own
        columns.
    """
    own = dict(zip(task.prediction_columns, np.atleast_2d(prediction.T), strict=True))
    nothing = np.full(len(prediction), np.nan)
    columns = dict.fromkeys(("p_down", "p_flat", "p_up", "value"), nothing)
    columns |= dict(zip(("low", "high"), interval, strict=True))
    if task.family == "classes":
        columns["value"] = own["p_up"] - own["p_down"]
    elif task.family == "binary":
        columns["value"] = own["probability"]
    elif task.family == "quantiles":
        columns["value"] = own["q50"]
    return columns | own


def plain(value: Any) -> Any:
    """Return nested data that strict JSON takes: NaN and infinities become None, tuples lists."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
