"""The rows that a registered version is asked about on one day, made as its training made them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.datasets import KEY_COLUMNS, Dataset
from models.footprint_windows import WindowTerms, windows_of
from models.order_rows import order_dataset
from models.tasks import Task
from orchestration.arrays import column
from orchestration.config import Settings
from orchestration.defs.features.level_tables import CLOCK as LEVEL_CLOCK
from orchestration.defs.features.level_tables import level_features, level_terms
from orchestration.defs.features.tables import CLOCK
from orchestration.defs.training.datasets import FEATURE_TABLE, LABEL_TABLE, arrays_of
from orchestration.defs.training.level_rows import LEVEL_TABLES
from orchestration.defs.training.order_datasets import label_task
from orchestration.footprint_batches import FOOTPRINT_TABLES, footprint_of_tables
from orderflow_core.features import ALL_FEATURES
from orderflow_core.instrument import Instrument
from orderflow_core.types import Int64

DECISION_SUBJECTS = ("direction", "barrier", "move", "return")  # judged at every decision
# What is read for some versions only, besides features and labels.
FURTHER_TABLES = tuple(dict.fromkeys((*LEVEL_TABLES[:-2], *FOOTPRINT_TABLES)))
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One symbol-day of the store.

    Attributes
    ----------
    instrument : Instrument
    day : date
    config : Settings
    read : callable
        Returns the day's published rows of a table.
    """

    instrument: Instrument
    day: date
    config: Settings
    read: Callable[[str], pa.Table]


def clock_of(task: Task) -> str:
    """Return the clock of a task's rows."""
    return LEVEL_CLOCK if task.subject == "level" else CLOCK


def rows_of_day(task: Task, day: Day) -> Dataset:
    """Return what a model of the task may be asked on this day, outcomes not looked at.

    Returns
    -------
    Dataset
        Decisions of ``research.features``; touches of levels that were open when the sweep that
        touched was over, made again from the stored day; or the orders with a side that the stored
        labels name, in place of which no others are known. Every label is zero; ``t1_ns`` is when the outcome is known, ``t0_ns`` where the day has no label for the row.
    """
    if task.subject in DECISION_SUBJECTS:
        return _decisions(task, day)
    return _touches(task, day) if task.subject == "level" else _orders(task, day)


def with_day_windows(rows: Dataset, terms: WindowTerms, day: Day) -> Dataset:
    """Return the rows that have a window of the wanted bars, with their windows.

    None has where the stored cells are higher than the wanted rows, or do not divide them.
    """
    footprint = footprint_of_tables(
        *(day.read(table) for table in FOOTPRINT_TABLES), day.instrument, day.day,
        bar_clock=terms.clock, ticks_per_row=terms.ticks_per_row,
    )  # fmt: skip
    if terms.ticks_per_row % footprint.cell_ticks:
        return rows.take(slice(0))
    which = np.zeros(len(rows), np.int64)
    position, windows = windows_of([footprint], which, rows.t0_ns, clock=terms.clock)
    return replace(rows.take(position), windows=windows)


def _decisions(task: Task, day: Day) -> Dataset:
    features = day.read(FEATURE_TABLE)
    names = tuple(name for name in features.column_names if name not in KEY_COLUMNS)
    columns = {name: column(features, name) for name in (*names, "t0_ns", "decision_id")}
    return _dataset(columns, names, _labels(task.name, day), day)


def _touches(task: Task, day: Day) -> Dataset:
    read = [day.read(name) for name in LEVEL_TABLES[:-1]]
    terms = level_terms(day.config, day.instrument)
    table = level_features(*read, task=task.name, terms=terms)
    names = tuple(name for name in table if name not in KEY_COLUMNS)
    labels = _labels(task.name, day)
    # Touches that their own sweep decided have no label, and nothing is left to ask about them.
    is_open = np.isin(table["decision_id"], column(labels, "decision_id"))
    open_table = {name: values[is_open] for name, values in table.items()}
    return _dataset(open_table, names, labels, day)


def _orders(task: Task, day: Day) -> Dataset:
    features, labels = day.read(FEATURE_TABLE), _labels(label_task(task), day)
    known = {feature.name for feature in ALL_FEATURES}
    names = [name for name in features.column_names if name in known]
    wanted = [name for name in features.column_names if name in KEY_COLUMNS or name in names]
    labels = labels.filter(pc.not_equal(labels["order_sign"], 0))  # an order without a side is none
    asked = arrays_of(labels) | {"label": np.zeros(labels.num_rows)}  # known or not
    return order_dataset(_of_day(arrays_of(features.select(wanted)), day), asked, names=names)


def _labels(task: str, day: Day) -> pa.Table:
    labels = day.read(LABEL_TABLE)
    return labels.filter(pc.equal(labels["task"].cast(pa.string()), task))


def _dataset(
    columns: dict[str, np.ndarray], names: tuple[str, ...], labels: pa.Table, day: Day
) -> Dataset:
    t0_ns, ids = columns["t0_ns"], columns["decision_id"]
    order = np.lexsort((ids, t0_ns))
    features = (
        np.column_stack([columns[name] for name in names]) if names else np.empty((len(ids), 0))
    )
    rows = Dataset(
        features=np.asarray(features, np.float64)[order],
        names=names,
        label=np.zeros(len(ids)),
        t0_ns=t0_ns[order],
        t1_ns=t0_ns[order],
        decision_id=ids[order],
        trading_day=np.full(len(ids), (day.day - _EPOCH).days),
    )
    return replace(rows, t1_ns=_outcome_known(rows, labels))


def _outcome_known(rows: Dataset, labels: pa.Table) -> Int64:
    keys = zip(
        column(labels, "t0_ns").tolist(), column(labels, "decision_id").tolist(), strict=True
    )
    known = dict(zip(keys, column(labels, "t1_ns").tolist(), strict=True))
    own = zip(rows.t0_ns.tolist(), rows.decision_id.tolist(), strict=True)
    return np.array([known.get(key, key[0]) for key in own], np.int64)


def _of_day(arrays: dict[str, object], day: Day) -> dict[str, object]:
    # The rows of one day are read without it.
    n = len(np.asarray(arrays["t0_ns"]))
    return arrays | {"trading_day": np.full(n, (day.day - _EPOCH).days)}
