"""What registered versions say of decisions after their training: predictions of champion and challenger."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa

from models.datasets import Dataset
from models.ladder import Model
from models.results import prediction_columns
from models.tasks import Task
from orchestration.arrays import column, constant
from orchestration.defs.inference.day_rows import Day, clock_of, rows_of_day, with_day_windows
from orchestration.quality.outcome import CheckOutcome, rule
from orchestration.storage.tables import TABLES
from orchestration.tracking.tracking import Tracking

ROLES = ("champion", "challenger")  # a version that is both is the champion
NO_FOLD = -1
_NOTHING = TABLES["research.predictions"].arrow_schema().empty_table()
_STORED = ("p_down", "p_flat", "p_up", "value", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Predictions of one registered version on one day, or why there are none.

    Attributes
    ----------
    model_version, role : str
    rows : pyarrow.Table
        As ``research.predictions``.
    embargo_ns : int
        What had to pass between the version's training end and the decisions.
    note : str
        Why nothing, or not all, was predicted; or nothing.
    """

    model_version: str
    role: str
    rows: pa.Table
    embargo_ns: int
    note: str = ""


def registered_roles(
    models: Iterable[Mapping[str, Any]], symbol: str
) -> list[tuple[Mapping[str, Any], str]]:
    """Return a symbol's versions that have a role, from `Tracking.models`, each with its role."""
    found = []
    for model in models:
        role = next((role for role in ROLES if role in model["aliases"]), "")
        if model["symbol"] == symbol and role:
            found.append((model, role))
    return found


def score_registered(
    described: Mapping[str, Any], role: str, load: Callable[[], Model], day: Day
) -> Scored:
    """Return what a registered version says of the rows of one day that it may judge.

    Parameters
    ----------
    described : mapping
        Of `Tracking.models`.
    role : str
    load : callable
        Loads the version. It is not called where no row comes after its training.
    day : Day

    Returns
    -------
    Scored
        A row each of `rows_of_day` with ``t0_ns > train_end_ns + embargo_ns``, of a network those
        that have a window. The rung is named ``champion:lightgbm`` and the like, beside the
        out-of-fold rows of the same rung.
    """
    terms = {
        "model_version": str(described["model_version"]),
        "role": role,
        "embargo_ns": int(described["embargo_ns"]),
    }
    task = Task(described["task"])
    rows = rows_of_day(task, day)
    if not len(rows):
        return Scored(**terms, rows=_NOTHING, note=f"this day has no row of {task.name}")
    end_ns = int(described["train_end_ns"])
    rows = rows.take(rows.t0_ns > end_ns + int(described["embargo_ns"]))
    if not len(rows):
        note = "its training reaches beyond every decision of this day"
        return Scored(**terms, rows=_NOTHING, note=note)
    model, note = load(), ""
    if model.windows is not None:
        n_asked = len(rows)
        rows = with_day_windows(rows, model.windows, day)
        note = f"{len(rows):,} of {n_asked:,} decisions have a window of {model.windows.clock}"
        if not len(rows):
            return Scored(**terms, rows=_NOTHING, note=note)
    elif not model.can_predict(rows):
        missing = [name for name in model.names if name not in rows.names]
        note = f"it reads {', '.join(missing[:3])}, which the rows of this day do not have"
        return Scored(**terms, rows=_NOTHING, note=note)
    return Scored(**terms, rows=_predicted(described, role, model, rows), note=note)


def _predicted(described: Mapping[str, Any], role: str, model: Model, rows: Dataset) -> pa.Table:
    prediction = model.predict_rows(rows)
    n = len(rows)
    unknown = np.full(n, np.nan)
    bounds = (unknown, unknown) if model.interval is None else model.bounds(prediction)
    columns = prediction_columns(model.task, prediction, bounds)
    return pa.table(
        {
            "clock": constant(clock_of(model.task), n),
            "task": constant(model.task.name, n),
            "model_version": pa.array([described["model_version"]] * n, pa.string()),
            "role": constant(role, n),
            "rung": constant(f"{role}:{model.rung}", n),
            "fold": np.full(n, NO_FOLD, np.int64),
            "train_end_ns": np.full(n, int(described["train_end_ns"]), np.int64),
            "t0_ns": rows.t0_ns,
            "t1_ns": rows.t1_ns,
            "decision_id": rows.decision_id,
        }
        | {name: columns[name] for name in _STORED}
    )


def check_after_training(scored: Sequence[Scored]) -> CheckOutcome:
    """A registered version judges only decisions later than its training end and embargo."""
    rows = []
    for each in scored:
        if not each.rows.num_rows:
            continue
        end_ns = column(each.rows, "train_end_ns") + each.embargo_ns
        early = int(np.count_nonzero(end_ns >= column(each.rows, "t0_ns")))
        rows.append(
            rule(f"{each.model_version}: train_end_ns + embargo < t0_ns", early == 0, early)
        )
    return CheckOutcome(
        name="after_training", passed=all(bool(row["passed"]) for row in rows), rows=tuple(rows)
    )


def score_day(tracker: Tracking, day: Day) -> list[Scored]:
    """Return what every registered version of a symbol with a role says of one day.

    A version whose training reaches beyond the day is passed over, so that a day of the past costs no
    reading.
    """
    symbol = day.instrument.symbol
    day_end_ns = day.instrument.trading_day_window(day.day)[1]
    cached = replace(day, read=cache(day.read))
    return [
        score_registered(model, role, partial(_load, tracker, model), cached)
        for model, role in registered_roles(tracker.models(), symbol)
        if model["train_end_ns"] + model["embargo_ns"] < day_end_ns
    ]


def _load(tracker: Tracking, described: Mapping[str, Any]) -> Model:
    return tracker.load(described["name"], described["version"]).model


def notes(scored: Sequence[Scored]) -> dict[str, str]:
    """Return what became of each version, for the day's metadata."""
    return {
        f"{each.role} {each.model_version}": each.note or f"{each.rows.num_rows:,} rows"
        for each in scored
    }
