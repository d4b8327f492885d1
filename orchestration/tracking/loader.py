"""How MLflow loads our models: by this installed module, from files that hold data only.

Nothing in the artifact is executed, and nothing is unpickled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.artifact import load_model
from models.ladder import Model
from orchestration.tracking.integrity import require_seal

INTERVAL_COLUMNS = ("low", "high")
_MAX_NAMED = 5


class PyfuncModel:
    """A model behind MLflow's generic interface: frames in, frames out."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the columns that `output_columns` names, one row a row.

        Parameters
        ----------
        model_input : pandas.DataFrame
            Exactly the model's features by name, in any order; float64, NaN where not known.
        params : None
            There are none.

        Raises
        ------
        TypeError
            The input is not a frame, a column is not float64, or parameters were given.
        ValueError
            A feature is missing, a column is none or comes twice, or a value is infinite.
        """
        if params:
            raise TypeError(f"the model takes no parameters, got {sorted(params)}")
        features = checked_features(model_input, self.model.names)
        prediction = self.model.predict(features)
        columns = dict(
            zip(self.model.task.prediction_columns, np.atleast_2d(prediction.T), strict=True)
        )
        if self.model.interval is not None:
            columns |= dict(zip(INTERVAL_COLUMNS, self.model.bounds(prediction), strict=True))
        return pd.DataFrame(columns, index=model_input.index)


def output_columns(model: Model) -> tuple[str, ...]:
    """Return the columns of a prediction: the task's, and ``low``, ``high`` where it has an interval."""
    interval = () if model.interval is None else INTERVAL_COLUMNS
    return (*model.task.prediction_columns, *interval)


def checked_features(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
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
        raise ValueError(f"model_input lacks {_named(missing)}, which the model was trained on")
    extra = [name for name in given if name not in names]
    if extra:
        raise ValueError(f"model_input has {_named(extra)}, which the model does not know")
    if len(given) != len(names):
        raise ValueError(
            f"model_input has a column twice: {len(given)} columns, {len(names)} names"
        )
    wrong = [f"{name} ({frame[name].dtype})" for name in names if frame[name].dtype != np.float64]
    if wrong:
        raise TypeError(f"model_input must be float64, got {_named(wrong)}")
    features = frame[list(names)].to_numpy()
    infinite = np.isinf(features).any(axis=0)
    if infinite.any():
        found = [name for name, is_infinite in zip(names, infinite, strict=True) if is_infinite]
        raise ValueError(f"model_input must be finite or NaN, got an infinity in {_named(found)}")
    return features


def _named(names: Sequence[object]) -> str:
    told = ", ".join(str(name) for name in names[:_MAX_NAMED])
    return f"{told} and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else told


def _load_pyfunc(data_path: str) -> PyfuncModel:
    folder = Path(data_path)
    require_seal(folder)
    return PyfuncModel(load_model(folder))
