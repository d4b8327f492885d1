"""Predictions of one symbol-day, from what a training left in the registry."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.arrays import column
from orchestration.defs.features.tables import CLOCK

OUT_OF_FOLD = "oof"
_EPOCH = date(1970, 1, 1)
_CARRIED = (
    "rung", "fold", "train_end_ns", "t0_ns", "t1_ns", "decision_id", "p_down", "p_flat", "p_up",
    "value",
)  # fmt: skip


def day_predictions(
    out_of_fold: pa.Table, *, task: str, candidate: str, model_version: str, day: date
) -> pa.Table:
    """Return the day's rows of a training's out-of-fold predictions, as ``research.predictions``.

    Parameters
    ----------
    out_of_fold : pyarrow.Table
        Every rung's predictions of rows that its model had not seen.
    task, candidate, model_version : str
        The candidate is the rung that was registered: its rows alone carry the model version.
    day : date
    """
    rows = out_of_fold.filter(pa.array(column(out_of_fold, "trading_day") == (day - _EPOCH).days))
    n = rows.num_rows
    is_candidate = pc.equal(rows["rung"].cast(pa.string()), candidate)
    return pa.table(
        {
            "clock": pa.array([CLOCK] * n, pa.string()),
            "task": pa.array([task] * n, pa.string()),
            "model_version": pc.if_else(is_candidate, model_version, ""),
            "role": pa.array([OUT_OF_FOLD] * n, pa.string()),
        }
        | {name: rows[name] for name in _CARRIED}
    )


def registered_out_of_fold(predictions: pa.Table, task: str) -> pa.Table:
    """Return the out-of-fold rows of a task's registered rung, in time order."""
    is_wanted = np.logical_and.reduce(
        [
            pc.equal(predictions["task"].cast(pa.string()), task).to_numpy(),
            pc.equal(predictions["role"].cast(pa.string()), OUT_OF_FOLD).to_numpy(),
            pc.not_equal(predictions["model_version"], "").to_numpy(),
        ]
    )
    return predictions.filter(pa.array(is_wanted)).sort_by(
        [("t0_ns", "ascending"), ("decision_id", "ascending")]
    )
