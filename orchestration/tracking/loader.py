"""How MLflow loads our models: by this installed module, from files that hold data only.

Nothing in the artifact is executed, and nothing is unpickled.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.artifact import load_model
from models.ladder import Model
from orchestration.tracking.integrity import require_seal


class PyfuncModel:
    """A model behind MLflow's generic interface: frames in, frames out."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the columns that `models.tasks.Task.prediction_columns` names, one row a row.

        Parameters
        ----------
        model_input : pandas.DataFrame
            The model's features by name, float64, NaN where not known. Other columns are ignored.
        params : None
            There are none.

        Raises
        ------
        TypeError
            The input is not a frame, or parameters were given.
        KeyError
            A feature is missing.
        """
        if not isinstance(model_input, pd.DataFrame):
            raise TypeError(
                f"model_input must be a DataFrame with named columns, got {type(model_input)}"
            )
        if params:
            raise TypeError(f"the model takes no parameters, got {sorted(params)}")
        table = {str(name): model_input[name].to_numpy() for name in model_input.columns}
        prediction = np.atleast_2d(self.model.predict_table(table).T).T
        return pd.DataFrame(
            prediction, columns=list(self.model.task.prediction_columns), index=model_input.index
        )


def _load_pyfunc(data_path: str) -> PyfuncModel:
    folder = Path(data_path)
    require_seal(folder)
    return PyfuncModel(load_model(folder))
