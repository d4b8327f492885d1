"""Predictions of one symbol-day, from what a training left in the registry."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.tasks import ALL_RUNGS, Task
from orchestration.arrays import column, constant
from orchestration.defs.features.level_tables import CLOCK as LEVEL_CLOCK
from orchestration.defs.features.tables import CLOCK
from orchestration.storage.tables import TABLES

OUT_OF_FOLD, CHAMPION = "oof", "champion"
_EPOCH = date(1970, 1, 1)
_CARRIED = (
    "rung", "fold", "train_end_ns", "t0_ns", "t1_ns", "decision_id", "p_down", "p_flat", "p_up",
    "value",
)  # fmt: skip


def day_predictions(
    out_of_fold: pa.Table, *, task: str, versions: dict[str, str], day: date
) -> pa.Table:
    """Return the day's rows of a training's out-of-fold predictions, as ``research.predictions``.

    Parameters
    ----------
    out_of_fold : pyarrow.Table
        Every rung's predictions of rows that its model had not seen.
    task : str
    versions : dict of str
        Model version of each rung; see `model_versions`.
    day : date
    """
    rows = out_of_fold.filter(pa.array(column(out_of_fold, "trading_day") == (day - _EPOCH).days))
    n = rows.num_rows
    rung = pc.dictionary_encode(rows["rung"].cast(pa.string())).combine_chunks()
    version = pa.array([versions[name] for name in rung.dictionary.to_pylist()], pa.string())
    return pa.table(
        {
            "clock": constant(LEVEL_CLOCK if Task(task).subject == "level" else CLOCK, n),
            "task": constant(task, n),
            "model_version": version.take(rung.indices),
            "role": constant(OUT_OF_FOLD, n),
        }
        | {name: rows[name] for name in _CARRIED}
        | {name: _interval_end(rows, name) for name in ("low", "high")}
    )


def _interval_end(rows: pa.Table, name: str) -> pa.ChunkedArray | np.ndarray:
    # A training that gave no intervals left no such column.
    return rows[name] if name in rows.column_names else np.full(rows.num_rows, np.nan)


def no_predictions() -> pa.Table:
    """Return ``research.predictions`` without a row."""
    return TABLES["research.predictions"].arrow_schema().empty_table()


def model_versions(model: Mapping[str, Any]) -> dict[str, str]:
    """Return what each rung of a training is called: the registered one by name and version."""
    names = {rung: f"{model['run_id']}:{rung}" for rung in ALL_RUNGS}
    return names | {model["rung"]: model["model_version"]}


def rung_unseen(predictions: pa.Table, task: str, rung: str) -> pa.Table:
    """Return what one rung of a task said of rows that it had not seen, in time order.

    Its out-of-fold rows; of a day without any, which comes after the training, those of the champion where
    that is the rung.
    """
    found = _said(predictions, task, OUT_OF_FOLD, rung)
    if not found.num_rows:
        found = _said(predictions, task, CHAMPION, f"{CHAMPION}:{rung}")
    return found.sort_by([("t0_ns", "ascending"), ("decision_id", "ascending")])


def _said(predictions: pa.Table, task: str, role: str, rung: str) -> pa.Table:
    wanted = {"task": task, "role": role, "rung": rung}
    is_wanted = np.logical_and.reduce(
        [
            pc.equal(predictions[name].cast(pa.string()), value).to_numpy()
            for name, value in wanted.items()
        ]
    )
    return predictions.filter(pa.array(is_wanted))
