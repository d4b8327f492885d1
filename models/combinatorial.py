"""Combinatorial purged cross-validation of a ladder: how much each rung's loss hangs on the path.

Models of such folds have seen what came after their test rows: this says how stable a result is, it
is no simulation of trading, and nothing is chosen by it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.config import LadderConfig
from models.datasets import Dataset
from models.evaluate import row_loss
from models.ladder import base_rate, fit_rung
from models.results import plain
from models.tasks import BASE_RATE, RUNGS, Task
from orderflow_core.splits import combinatorial_purged
from orderflow_core.types import Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class PathLosses:
    """Pooled loss of each rung in each backtest path.

    Attributes
    ----------
    task : Task
    n_groups, n_test_groups, n_folds : int
    losses : dict of rung (and ``base_rate``) to ndarray of float64, shape (n_paths,)
        Mean loss over all rows, every one predicted by a model that had not seen it.
    """

    task: Task
    n_groups: int
    n_test_groups: int
    n_folds: int
    losses: dict[str, Float64]

    def difference(self, upper: str, below: str) -> Float64:
        """Return the loss of one rung less that of another, path by path, shape (n_paths,)."""
        return self.losses[upper] - self.losses[below]

    def to_json(self) -> dict[str, Any]:
        """Return the losses with their mean, least and most, as plain data."""
        found: dict[str, Any] = plain(
            {
                "task": self.task.name,
                "loss": self.task.loss,
                "n_groups": self.n_groups,
                "n_test_groups": self.n_test_groups,
                "n_folds": self.n_folds,
                "rungs": [
                    {
                        "rung": rung,
                        "mean": float(values.mean()),
                        "least": float(values.min()),
                        "most": float(values.max()),
                        "paths": values.tolist(),
                    }
                    for rung, values in self.losses.items()
                ],
            }
        )
        return found


def combinatorial_losses(
    dataset: Dataset,
    task: Task,
    *,
    n_groups: int,
    n_test_groups: int,
    embargo_ns: int,
    config: LadderConfig,
    seed: int,
    rungs: tuple[str, ...] = RUNGS,
) -> PathLosses:
    """Fit every rung on every choice of training groups and score the paths.

    Parameters
    ----------
    dataset : Dataset
    task : Task
    n_groups, n_test_groups : int
        The rows are cut into so many groups of time, of which a fold tests so many: there are
        C(n_groups, n_test_groups) folds and C(n_groups - 1, n_test_groups - 1) paths.
    embargo_ns : int, >= 0
    config : LadderConfig
    seed : int
        Of the trees.
    rungs : tuple of str

    Returns
    -------
    PathLosses

    Raises
    ------
    ValueError
        As `combinatorial_purged` and `fit_rung`.

    Notes
    -----
    Paths share folds and rows: their spread is a picture of stability, no standard error.
    """
    split = combinatorial_purged(
        dataset.t0_ns,
        dataset.t1_ns,
        n_groups=n_groups,
        n_test_groups=n_test_groups,
        embargo_ns=embargo_ns,
    )
    predictions: dict[str, list[Float64]] = {name: [] for name in (BASE_RATE, *rungs)}
    for fold in split.folds:
        train, test = dataset.take(fold.train_idx), dataset.take(fold.test_idx)
        for group in fold.test_groups:
            train = train.heard_by(int(dataset.t0_ns[split.group_start_idx[group]]))
        predictions[BASE_RATE].append(base_rate(task, train.label, len(test)))
        for rung in rungs:
            model = fit_rung(task, rung, train, embargo_ns=embargo_ns, config=config, seed=seed)
            predictions[rung].append(model.predict_rows(test))
    losses = {
        rung: np.array([row_loss(task, dataset.label, path).mean() for path in split.paths(found)])
        for rung, found in predictions.items()
    }
    return PathLosses(
        task=task,
        n_groups=n_groups,
        n_test_groups=n_test_groups,
        n_folds=len(split.folds),
        losses=losses,
    )
