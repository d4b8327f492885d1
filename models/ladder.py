"""The rungs of the ladder: naive, linear, lightgbm. One call fits any of them for any task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from models import direction, returns
from models.baselines import NaiveDirection, NaiveReturn, fit_naive_direction
from models.calibrate import class_shares, inner_split
from models.datasets import Dataset
from models.tasks import RUNGS, Task
from models.trees import TreesConfig
from orderflow_core.types import Float64


class Predictor(Protocol):
    """What a fitted rung can do. Its state is plain numbers and text, never code."""

    n_configurations: int

    def predict(self, features: Float64) -> Float64:
        """Return calibrated predictions, shape (n, 3) or (n,)."""
        ...

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided, as numbers worth a look."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        ...

    def texts(self) -> dict[str, str]:
        """Return further files: name to content."""
        ...


PREDICTORS: dict[tuple[str, str], Any] = {
    ("direction", "naive"): NaiveDirection,
    ("direction", "linear"): direction.LogitDirection,
    ("direction", "lightgbm"): direction.TreesDirection,
    ("return", "naive"): NaiveReturn,
    ("return", "linear"): returns.RidgeReturn,
    ("return", "lightgbm"): returns.TreesReturn,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderConfig:
    """The one configuration of each rung that is tried."""

    logit: direction.LogitConfig = field(default_factory=direction.LogitConfig)
    ridge: returns.RidgeConfig = field(default_factory=returns.RidgeConfig)
    trees: TreesConfig = field(default_factory=TreesConfig)

    def of_rung(self, task: Task, rung: str) -> dict[str, Any]:
        """Return the settings of a rung as plain values."""
        if rung == "naive":
            return {"choices": "fade,follow"} if task.kind == "direction" else {"choices": "zero"}
        if rung == "lightgbm":
            return asdict(self.trees)
        return asdict(self.logit) if task.kind == "direction" else asdict(self.ridge)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A fitted rung with all that must be known to use it.

    Attributes
    ----------
    task : Task
    rung : str
    names : tuple of str
        Features, in the order of the columns that `predict` takes.
    predictor : Predictor
    train_start_ns, train_end_ns : int
        First decision, and latest outcome (max ``t1_ns``), of the rows that it was fitted on. It
        may judge only decisions after ``train_end_ns + embargo_ns``.
    embargo_ns, n_train, seed : int
    """

    task: Task
    rung: str
    names: tuple[str, ...]
    predictor: Predictor
    train_start_ns: int
    train_end_ns: int
    embargo_ns: int
    n_train: int
    seed: int

    def predict(self, features: Float64) -> Float64:
        """Return predictions: (n, 3) probabilities of down, flat, up, or (n,) basis points.

        Raises
        ------
        ValueError
            The matrix does not have one column a name.
        """
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise ValueError(
                f"features must have the {len(self.names)} columns {self.names}, got shape {features.shape}"
            )
        return self.predictor.predict(np.ascontiguousarray(features, dtype=np.float64))

    def predict_table(self, table: Mapping[str, ArrayLike]) -> Float64:
        """Return predictions for named columns; others are ignored.

        Raises
        ------
        KeyError
            A feature is missing.
        """
        missing = [name for name in self.names if name not in table]
        if missing:
            raise KeyError(f"the model needs the columns {missing}, which the table lacks")
        columns = [np.asarray(table[name], dtype=np.float64) for name in self.names]
        return self.predict(np.column_stack(columns))


def fit_rung(
    task: Task, rung: str, train: Dataset, *, embargo_ns: int, config: LadderConfig, seed: int
) -> Model:
    """Fit one rung on these rows, and on nothing else.

    Everything that is chosen (imputation, scale, class shares, fade or follow, number of trees,
    calibration) comes from ``train``. Calibration and the number of trees are decided on its last
    fifth, which the trial fit did not see (purged by label end); then every row is fitted again.

    Raises
    ------
    ValueError
        Unknown rung, too few rows to hold some out, or a naive rung without its column.
    """
    if rung not in RUNGS:
        raise ValueError(f"rung must be one of {RUNGS}, got {rung!r}")
    return Model(
        task=task,
        rung=rung,
        names=train.names,
        predictor=_fit_predictor(
            task, rung, train, embargo_ns=embargo_ns, config=config, seed=seed
        ),
        train_start_ns=int(train.t0_ns.min()),
        train_end_ns=int(train.t1_ns.max()),
        embargo_ns=embargo_ns,
        n_train=len(train),
        seed=seed,
    )


def _fit_predictor(
    task: Task, rung: str, train: Dataset, *, embargo_ns: int, config: LadderConfig, seed: int
) -> Predictor:
    if rung == "naive":
        return fit_naive_direction(train) if task.kind == "direction" else NaiveReturn()
    inner = inner_split(train, embargo_ns=embargo_ns)
    if task.kind == "direction":
        if rung == "linear":
            return direction.fit_logit(train, inner, config.logit)
        return direction.fit_trees(train, inner, config.trees, seed)
    if rung == "linear":
        return returns.fit_ridge(train, inner, config.ridge)
    return returns.fit_trees(train, inner, config.trees, seed)


def base_rate(task: Task, train_label: Float64, n_rows: int) -> Float64:
    """Return what the training rows' averages alone predict: class shares, or the mean return."""
    if task.kind == "direction":
        return np.tile(class_shares(train_label), (n_rows, 1))
    return np.full(n_rows, train_label.mean())
