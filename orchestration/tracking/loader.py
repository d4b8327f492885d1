"""How MLflow loads our models: by this installed module, from files that hold data only.

Nothing in the artifact is executed, and nothing is unpickled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.artifact import load_model
from models.impact import SIGN
from models.ladder import Model
from models.order_rows import ORDER_COLUMNS, require_orders
from models.sizing import order_sizes
from orchestration.tracking.integrity import require_seal
from orchestration.tracking.naming import named
from orchestration.tracking.window_input import checked_tensors

INTERVAL_COLUMNS = ("low", "high")


class PyfuncModel:
    """A model behind MLflow's generic interface: a frame, or windows by name, in; a frame out."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(
        self, model_input: pd.DataFrame | dict[str, Any], params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the columns that `output_columns` names, one row a row.

        Parameters
        ----------
        model_input : pandas.DataFrame, or dict of str to ndarray
            Exactly the model's features by name, in any order; float64, NaN where not known. Of a
            network: windows as `orchestration.tracking.window_input.checked_tensors` takes them.
        params : None
            There are none.

        Raises
        ------
        TypeError
            The input is not a frame, a column is not float64, or parameters were given; or, of a
            network, as `checked_tensors`.
        ValueError
            A feature is missing, a column is none or comes twice, or a value is infinite; the side or
            size of an order is not known; or, of a network, as `checked_tensors`.
        """
        if params:
            raise TypeError(f"the model takes no parameters, got {sorted(params)}")
        prediction = self._predicted(model_input)
        columns = dict(
            zip(self.model.task.prediction_columns, np.atleast_2d(prediction.T), strict=True)
        )
        if self.model.interval is not None:
            columns |= dict(zip(INTERVAL_COLUMNS, self.model.bounds(prediction), strict=True))
        index = model_input.index if isinstance(model_input, pd.DataFrame) else None
        return pd.DataFrame(columns, index=index)

    def order_sizes(
        self,
        model_input: pd.DataFrame,
        *,
        budget: float,
        probability: float,
        size_lots: np.ndarray,
    ) -> np.ndarray:
        """Return the largest order of each row's state; see `models.sizing.order_sizes`.

        ``model_input`` is as in `predict`; its ``order_log_lots`` is not looked at. From MLflow:
        ``mlflow.pyfunc.load_model(uri).get_raw_model().order_sizes(...)``.

        Raises
        ------
        TypeError, ValueError
            As `predict` and `models.sizing.order_sizes`.
        """
        features = checked_features(model_input, self.model.names)
        require_orders(features, self.model.names, (SIGN,))
        return order_sizes(
            self.model, features, budget=budget, probability=probability, size_lots=size_lots
        )

    def get_raw_model(self) -> "PyfuncModel":
        """Return itself: what MLflow gives for its ``get_raw_model``."""
        return self

    def _predicted(self, model_input: object) -> np.ndarray:
        if self.model.reads_windows:
            return self.model.predict_tensors(*checked_tensors(model_input))
        features = checked_features(model_input, self.model.names)
        require_orders(features, self.model.names, ORDER_COLUMNS)
        return self.model.predict(features)


def output_columns(model: Model) -> tuple[str, ...]:
    """Return the columns of a prediction: the task's, and ``low``, ``high`` where it has an interval."""
    interval = () if model.interval is None else INTERVAL_COLUMNS
    return (*model.task.prediction_columns, *interval)


def checked_features(frame: object, names: Sequence[str]) -> np.ndarray:
    """Return a frame's columns as the matrix that a model takes.

    Returns
    -------
    ndarray of float64, shape (n, len(names))
        In the order of ``names``.

    Raises
    ------
    TypeError, ValueError
        See `PyfuncModel.predict`.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"model_input must be a DataFrame with named columns, got {type(frame)}")
    given = list(frame.columns)
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(f"model_input lacks {named(missing)}, which the model was trained on")
    extra = [name for name in given if name not in names]
    if extra:
        raise ValueError(f"model_input has {named(extra)}, which the model does not know")
    if len(given) != len(names):
        raise ValueError(
            f"model_input has a column twice: {len(given)} columns, {len(names)} names"
        )
    wrong = [f"{name} ({frame[name].dtype})" for name in names if frame[name].dtype != np.float64]
    if wrong:
        raise TypeError(f"model_input must be float64, got {named(wrong)}")
    features = frame[list(names)].to_numpy()
    infinite = np.isinf(features).any(axis=0)
    if infinite.any():
        found = [name for name, is_infinite in zip(names, infinite, strict=True) if is_infinite]
        raise ValueError(f"model_input must be finite or NaN, got an infinity in {named(found)}")
    return features


def _load_pyfunc(data_path: str) -> PyfuncModel:
    folder = Path(data_path)
    require_seal(folder)
    return PyfuncModel(load_model(folder))
