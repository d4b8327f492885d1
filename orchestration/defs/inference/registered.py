"""What registered versions say of days after their training: predictions of champion and challenger."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.ladder import Model
from models.results import prediction_columns
from models.tasks import Task
from orchestration.arrays import column, constant
from orchestration.defs.features.tables import CLOCK
from orchestration.quality.outcome import CheckOutcome, rule
from orchestration.storage.tables import TABLES
from orchestration.tracking.tracking import Tracking

ROLES = ("champion", "challenger")  # a version that is both is the champion
NO_FOLD = -1
_SUBJECTS = (
    "direction",
    "barrier",
    "move",
    "return",
)  # judged at every decision of the sweep clock
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
        Why nothing was predicted, or nothing.
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
    described: Mapping[str, Any],
    role: str,
    load: Callable[[], Model],
    features: pa.Table,
    labels: pa.Table,
) -> Scored:
    """Return what a registered version says of the decisions of one day that it may judge.

    Parameters
    ----------
    described : mapping
        Of `Tracking.models`.
    role : str
    load : callable
        Loads the version. It is not called where no decision comes after its training.
    features : pyarrow.Table
        The day's ``research.features``.
    labels : pyarrow.Table
        The day's ``research.labels``, for the time at which an outcome is known.

    Returns
    -------
    Scored
        A row a decision with ``t0_ns > train_end_ns + embargo_ns``; ``t1_ns`` is ``t0_ns`` where the
        day has no label of the task for the decision. The rung is named ``champion:lightgbm`` and the
        like, beside the out-of-fold rows of the same rung.
    """
    terms = {
        "model_version": str(described["model_version"]),
        "role": role,
        "embargo_ns": int(described["embargo_ns"]),
    }
    if Task(described["task"]).subject not in _SUBJECTS:
        note = "its decisions are not those of research.features"
        return Scored(**terms, rows=_NOTHING, note=note)
    t0_ns = column(features, "t0_ns")
    end_ns = int(described["train_end_ns"])
    rows = features.filter(pa.array(t0_ns > end_ns + int(described["embargo_ns"])))
    if not rows.num_rows:
        note = "its training reaches beyond every decision of this day"
        return Scored(**terms, rows=_NOTHING, note=note)
    model = load()
    missing = [name for name in model.names if name not in rows.column_names]
    if missing:
        note = f"it reads {', '.join(missing[:3])}, which are no columns of research.features"
        return Scored(**terms, rows=_NOTHING, note=note)
    return Scored(**terms, rows=_predicted(described, role, model, rows, labels))


def _predicted(
    described: Mapping[str, Any], role: str, model: Model, rows: pa.Table, labels: pa.Table
) -> pa.Table:
    prediction = model.predict_table({name: column(rows, name) for name in model.names})
    n = rows.num_rows
    unknown = np.full(n, np.nan)
    bounds = (unknown, unknown) if model.interval is None else model.bounds(prediction)
    columns = prediction_columns(model.task, prediction, bounds)
    return pa.table(
        {
            "clock": constant(CLOCK, n),
            "task": constant(model.task.name, n),
            "model_version": pa.array([described["model_version"]] * n, pa.string()),
            "role": constant(role, n),
            "rung": constant(f"{role}:{model.rung}", n),
            "fold": np.full(n, NO_FOLD, np.int64),
            "train_end_ns": np.full(n, int(described["train_end_ns"]), np.int64),
            "t0_ns": rows["t0_ns"],
            "t1_ns": _outcome_known(model.task.name, rows, labels),
            "decision_id": rows["decision_id"],
        }
        | {name: columns[name] for name in _STORED}
    )


def _outcome_known(task: str, rows: pa.Table, labels: pa.Table) -> np.ndarray:
    own = labels.filter(pc.equal(labels["task"].cast(pa.string()), task))
    keys = zip(column(own, "t0_ns").tolist(), column(own, "decision_id").tolist(), strict=True)
    known = dict(zip(keys, column(own, "t1_ns").tolist(), strict=True))
    t0_ns, ids = column(rows, "t0_ns"), column(rows, "decision_id")
    return np.array(
        [known.get(key, key[0]) for key in zip(t0_ns.tolist(), ids.tolist(), strict=True)],
        np.int64,
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


def score_day(
    tracker: Tracking, symbol: str, day_end_ns: int, read: Callable[[str], pa.Table]
) -> list[Scored]:
    """Return what every registered version of a symbol with a role says of one day.

    Parameters
    ----------
    tracker : Tracking
    symbol : str
    day_end_ns : int, unit ns
        End of the trading day: a version whose training reaches beyond it is passed over, so that
        a day of the past costs no reading.
    read : callable
        Returns the day's rows of a table.
    """
    wanted = [
        (model, role)
        for model, role in registered_roles(tracker.models(), symbol)
        if model["train_end_ns"] + model["embargo_ns"] < day_end_ns
    ]
    if not wanted:
        return []
    features, labels = read("research.features"), read("research.labels")
    return [
        score_registered(model, role, partial(_load, tracker, model), features, labels)
        for model, role in wanted
    ]


def _load(tracker: Tracking, described: Mapping[str, Any]) -> Model:
    return tracker.load(described["name"], described["version"]).model


def notes(scored: Sequence[Scored]) -> dict[str, str]:
    """Return what became of each version, for the day's metadata."""
    return {
        f"{each.role} {each.model_version}": each.note or f"{each.rows.num_rows:,} rows"
        for each in scored
    }
