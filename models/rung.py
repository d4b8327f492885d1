"""What a rung is: how it is fitted, and how its numbers become a predictor again.

A module that adds a rung imports this one, defines a table ``RUNGS_OF_...`` of `Rung` and is named
in `models.predictors`; nothing here knows which rungs there are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from models.calibrate import InnerSplit, inner_split
from models.config import LadderConfig
from models.datasets import Dataset
from models.footprint_batch import Float32
from models.footprint_windows import FootprintWindows
from models.tasks import Task
from orderflow_core.types import Float64, Int64
from orderflow_core.uniqueness import average_uniqueness


class Predictor(Protocol):
    """What a fitted rung can do. Its state is plain numbers and text, never code."""

    n_configurations: int

    def predict(self, features: Float64) -> Float64:
        """Return calibrated predictions, of the shape that `Task.prediction_shape` says."""
        ...

    def settings(self) -> dict[str, float]:
        """Return what the training rows decided, as numbers worth a look."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the fitted numbers."""
        ...

    def texts(self) -> dict[str, str]:
        """Return further files: name to content; of ``X.base64`` the bytes are stored as ``X``."""
        ...


@runtime_checkable
class WindowPredictor(Protocol):
    """A fitted rung that reads footprint windows in place of features."""

    def predict_windows(self, windows: FootprintWindows) -> Float64:
        """Return calibrated predictions, of the shape that `Task.prediction_shape` says."""
        ...

    def predict_tensors(self, rows: Float32, beside: Float32) -> Float64:
        """Return the same of windows as `FootprintWindows.read` gives them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The rows that a rung is fitted on, and on what terms.

    Attributes
    ----------
    task : Task
    rows : Dataset
        All that the fit may see.
    embargo_ns : int
        Demanded between the last fitted outcome and the first held-out decision.
    config : LadderConfig
    seed : int
    """

    task: Task
    rows: Dataset
    embargo_ns: int
    config: LadderConfig
    seed: int

    @property
    def weight(self) -> Float64:
        """Weight of each row in a fit: average uniqueness of its label, scaled to a mean of one.

        A row whose outcome is shared with k others counts about 1/k, so that a busy minute of a
        hundred decisions with one outcome is not learnt a hundred times. Only fits are weighted:
        calibration, the number of trees and every score count each held-out row once. Fits that do not
        read it: the naive rungs (``move`` has its own).
        """
        return scaled_uniqueness(self.rows)

    def weight_of(self, idx: Int64) -> Float64:
        """Return the weights of a part of the rows as if there were no others."""
        return scaled_uniqueness(self.rows.take(idx))

    def inner(self) -> InnerSplit:
        """Return what a trial fit sees and what it is calibrated on.

        Raises
        ------
        TooFewRowsError
            There are too few rows to hold some out.
        """
        return inner_split(self.rows, embargo_ns=self.embargo_ns)

    def fit_rows(self) -> Dataset:
        """Return the rows of ``inner().fit_idx``; no outcome in them reaches into the held-out ones.

        Raises
        ------
        TooFewRowsError
            There are too few rows to hold some out.
        """
        inner = self.inner()
        border_ns = int(self.rows.t0_ns[inner.held_idx[0]]) - self.embargo_ns
        return self.rows.take(inner.fit_idx).heard_by(border_ns)


def scaled_uniqueness(rows: Dataset) -> Float64:
    """Return `average_uniqueness` of the rows' labels over its mean, shape (n,)."""
    weight = average_uniqueness(rows.t0_ns, rows.t1_ns)
    return np.asarray(weight / weight.mean()) if len(weight) else weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fitted predictor, and what a trial fit said of the rows held out from it.

    Attributes
    ----------
    predictor : Predictor
        Fitted on every row; a network, the rungs of ``sizing`` and the law under the trees of
        ``impact`` on the inner rows alone, since their calibration fits no other.
    held : ndarray of float64, of the shape that the task says, or None
        Calibrated predictions of ``Training.inner().held_idx`` by the trial fit. None: the ladder
        makes them, by fitting the rung once more on ``fit_idx`` alone.
    """

    predictor: Predictor
    held: Float64 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One way to learn a task.

    Attributes
    ----------
    fit : callable
        Fits the rung on a training's rows, and on nothing else.
    load : callable
        Makes the predictor from what its ``to_json`` and ``texts`` returned. It executes nothing.
    settings : callable
        Returns the settings that the rung takes from the ladder's configuration, as plain values.
    """

    fit: Callable[[Training], Fitted]
    load: Callable[[dict[str, Any], dict[str, str]], Predictor]
    settings: Callable[[LadderConfig], dict[str, Any]]


# By the task's subject, or by its family for every subject that has no entry of its own; and rung.
RungTable = Mapping[tuple[str, str], Rung]
