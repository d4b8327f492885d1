"""Any rung of any task, fitted by one call: naive, linear, lightgbm, and a network where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.calibrate import class_shares, event_share
from models.config import LadderConfig
from models.datasets import Dataset
from models.footprint_batch import Float32
from models.footprint_windows import FootprintWindows, WindowTerms
from models.interval import COVERAGE, Interval, fit_interval
from models.predictors import find_rung
from models.rung import Fitted, Predictor, Rung, Training, WindowPredictor
from models.tasks import LEVELS, Task
from models.tuning import tune
from orderflow_core.types import Float64


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
    interval : Interval or None
        None: the model was stored before intervals were.
    train_start_ns, train_end_ns : int
        First decision, and latest outcome (max ``t1_ns``), of the rows that it was fitted on. It
        may judge only decisions after ``train_end_ns + embargo_ns``.
    embargo_ns, n_train, seed : int
    n_configurations : int
        Configurations that were tried to get it.
    tuned : dict of str to float
        Settings that were chosen inside the training rows; empty where none were sought.
    windows : WindowTerms or None
        What the windows are made of that it reads in place of features; ``names`` is empty then.
    """

    task: Task
    rung: str
    names: tuple[str, ...]
    predictor: Predictor
    interval: Interval | None
    train_start_ns: int
    train_end_ns: int
    embargo_ns: int
    n_train: int
    seed: int
    n_configurations: int
    tuned: dict[str, float]
    windows: WindowTerms | None = None

    @property
    def reads_windows(self) -> bool:
        """Whether it reads footprint windows, and no features."""
        return isinstance(self.predictor, WindowPredictor)

    def predict(self, features: Float64) -> Float64:
        """Return predictions, of the shape and columns that the task says.

        Raises
        ------
        ValueError
            The matrix does not have one column a name, or the rung reads windows.
        """
        return self.predictor.predict(self._checked(features))

    def predict_interval(
        self, features: Float64, coverage: float = COVERAGE
    ) -> tuple[Float64, Float64]:
        """Return the bounds (n,), (n,) of each prediction's interval; see `models.interval`.

        For values and quantiles of the outcome; for events of their frequency; for three classes
        of the expected sign (the probability of up less that of down).

        Raises
        ------
        ValueError
            The matrix does not have one column a name, the coverage does not lie in (0, 1), or the
            model has no interval.
        """
        return self.bounds(self.predict(features), coverage)

    def bounds(self, prediction: Float64, coverage: float = COVERAGE) -> tuple[Float64, Float64]:
        """Return the interval of predictions that this model made; as `predict_interval`."""
        if self.interval is None:
            raise ValueError(f"this {self.task.name} model was stored without an interval")
        return self.interval.bounds(prediction, coverage)

    def _checked(self, features: Float64) -> Float64:
        if self.reads_windows:
            raise ValueError(f"{self.rung} reads footprint windows, got a matrix {features.shape}")
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise ValueError(
                f"features must have the {len(self.names)} columns {self.names}, got shape {features.shape}"
            )
        return np.ascontiguousarray(features, dtype=np.float64)

    def predict_rows(self, rows: Dataset) -> Float64:
        """Return predictions of a data set's rows, from its features by name or from its windows.

        Raises
        ------
        ValueError
            A feature is missing, or windows as the model learnt from.
        """
        if isinstance(self.predictor, WindowPredictor):
            if rows.windows is None:
                raise ValueError(f"rows must carry windows, which {self.rung} reads, got none")
            return self.predict_windows(rows.windows)
        missing = [name for name in self.names if name not in rows.names]
        if missing:
            raise ValueError(
                f"rows must have the columns that the model reads, {missing} are missing"
            )
        return self.predict(rows.features[:, [rows.names.index(name) for name in self.names]])

    def can_predict(self, rows: Dataset) -> bool:
        """Return whether the rows have the features, or the windows, that the model reads."""
        if self.reads_windows:
            return rows.windows is not None and rows.windows.terms == self.windows
        return set(self.names) <= set(rows.names)

    def predict_windows(self, windows: FootprintWindows) -> Float64:
        """Return predictions of windows.

        Raises
        ------
        ValueError
            The model reads features, or windows of other bars or rows.
        """
        if windows.terms != self.windows:
            raise ValueError(f"the model reads windows of {self.windows}, got {windows.terms}")
        return self._reader().predict_windows(windows)

    def predict_tensors(self, rows: Float32, beside: Float32) -> Float64:
        """Return predictions of windows that `FootprintWindows.read` made tensors of.

        Raises
        ------
        ValueError
            The model reads features.
        """
        return self._reader().predict_tensors(rows, beside)

    def _reader(self) -> WindowPredictor:
        if not isinstance(self.predictor, WindowPredictor):
            raise ValueError(f"{self.rung} reads features, not windows")
        return self.predictor

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
    calibration, interval) comes from ``train``. Calibration, the number of trees and the interval
    are decided on its last fifth, which the trial fit did not see (purged by label end); then every
    row is fitted again, but for the parts that `models.rung.Fitted` names. Auxiliary outcomes that
    were known after the last label of the rows are forgotten: ``train_end_ns`` holds for them too.

    Raises
    ------
    ValueError
        Unknown rung, too few rows to hold some out, or a naive rung without its column.
    """
    train = train.heard_by(int(train.t1_ns.max()))
    training = Training(task=task, rows=train, embargo_ns=embargo_ns, config=config, seed=seed)
    found, tuned = find_rung(task, rung), tune(training, rung)
    training = replace(training, config=tuned.config)
    fitted = found.fit(training)
    reads_windows = isinstance(fitted.predictor, WindowPredictor)
    return Model(
        task=task,
        rung=rung,
        names=() if reads_windows else train.names,
        predictor=fitted.predictor,
        interval=_interval(found, training, fitted),
        train_start_ns=int(train.t0_ns.min()),
        train_end_ns=int(train.t1_ns.max()),
        embargo_ns=embargo_ns,
        n_train=len(train),
        seed=seed,
        n_configurations=fitted.predictor.n_configurations * tuned.n_tried,
        tuned=tuned.values,
        windows=train.windows.terms if reads_windows and train.windows is not None else None,
    )


def _interval(rung: Rung, training: Training, fitted: Fitted) -> Interval:
    inner = training.inner()
    held, prediction = training.rows.take(inner.held_idx), fitted.held
    if prediction is None:
        trial = replace(training, rows=training.fit_rows())
        prediction = rung.fit(trial).predictor.predict(held.features)
    return fit_interval(training.task, held, prediction)


def base_rate(task: Task, train_label: Float64, n_rows: int) -> Float64:
    """Return what the training rows' averages alone predict.

    Class shares, the event's share (one row added to each side), the mean, or the quantiles.
    """
    if task.family == "classes":
        return np.tile(class_shares(train_label), (n_rows, 1))
    if task.family == "binary":
        return np.full(n_rows, event_share(train_label))
    if task.family == "value":
        return np.full(n_rows, train_label.mean())
    return np.tile(np.quantile(train_label, LEVELS), (n_rows, 1))


def rung_settings(task: Task, rung: str, config: LadderConfig) -> dict[str, Any]:
    """Return the settings of a rung as plain values."""
    return find_rung(task, rung).settings(config)
