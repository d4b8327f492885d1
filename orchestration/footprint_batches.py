"""Footprint tensors from the store: the windows of a data set, and days as training batches.

Of `footprint_days` a stored day is read, made into tensors piece by piece, and dropped before the next
one is read. The rows of `with_windows`, which the ladder is trained on, hold the cells of all their days:
less than the features beside them. `benchmarks/footprint_memory.py` measures both.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.datasets import Dataset
from models.footprint_batch import FootprintBatch, joined_targets
from models.footprint_dataset import FootprintDays, ReadDay
from models.footprint_windows import PIECE, DayFootprint, days_of_windows, windows_of
from orchestration.arrays import column, without_depth
from orchestration.defs.flow.tables import footprint_bundle
from orchestration.storage.ranges import read_batches
from orchestration.storage.store import Store
from orderflow_core.footprint import FootprintCells
from orderflow_core.footprint_tensor import WindowBars, bar_runs
from orderflow_core.instrument import Instrument
from orderflow_core.types import Float64, Int64

FOOTPRINT_TABLES = ("flow.footprint", "flow.bars", "raw.gaps")  # what windows are made of
BARS = ["bar_id", "t0_ns", "t1_ns", "close_ticks"]
CELLS = [*FootprintCells.__dataclass_fields__, "ticks_per_row"]


def read_footprint(
    store: Store,
    instrument: Instrument,
    day: date,
    *,
    bar_clock: str,
    snapshot: int,
    ticks_per_row: int | None = None,
) -> DayFootprint:
    """Return a published day's footprint with what parts its bars.

    Parameters
    ----------
    bar_clock : str
        Which stored bars, as ``time:60s``.
    ticks_per_row : int, optional
        Height of a tensor's row, a multiple of that of the stored cells, which it is when left out.

    Raises
    ------
    ValueError
        The stored cells have more than one height, or the wanted one is no multiple of it.
    """

    def rows(table: str, columns: list[str]) -> pa.Table:
        return read_batches(
            store, table, instrument, days=[day], columns=columns, where={"clock": bar_clock},
            snapshot=snapshot,
        ).read_all()  # fmt: skip

    return footprint_of_tables(
        rows("flow.footprint", [*CELLS, "clock"]),
        rows("flow.bars", [*BARS, "clock"]),
        store.read("raw.gaps", instrument.symbol, day, snapshot=snapshot),
        instrument,
        day,
        bar_clock=bar_clock,
        ticks_per_row=ticks_per_row,
    )


def footprint_of_tables(
    cells: pa.Table,
    bars: pa.Table,
    gaps: pa.Table,
    instrument: Instrument,
    day: date,
    *,
    bar_clock: str,
    ticks_per_row: int | None = None,
) -> DayFootprint:
    """Return what `read_footprint` does, of a day's rows of `FOOTPRINT_TABLES` of any clocks."""
    cells, bars = (
        rows.filter(pc.equal(rows["clock"].cast(pa.string()), bar_clock)) for rows in (cells, bars)
    )
    heights = np.unique(column(cells, "ticks_per_row")).tolist() or [1]
    if len(heights) > 1:
        raise ValueError(f"{instrument.symbol} {day}: cells must have one height, got {heights}")
    return day_footprint(
        footprint_bundle(cells),
        bars,
        without_depth(gaps),
        session_start_ns=np.array([instrument.trading_day_window(day)[0]], np.int64),
        cell_ticks=heights[0],
        ticks_per_row=ticks_per_row or heights[0],
    )


def day_footprint(
    cells: FootprintCells,
    bars: pa.Table,
    gaps: pa.Table,
    *,
    session_start_ns: Int64,
    cell_ticks: int,
    ticks_per_row: int,
) -> DayFootprint:
    """Return a day's footprint from its cells, rows of ``flow.bars`` and gaps between trades."""
    parted = {
        "gap_start_ns": column(gaps, "start_ns"),
        "gap_end_ns": column(gaps, "end_ns"),
        "session_start_ns": session_start_ns,
    }
    t1_ns = column(bars, "t1_ns")
    return DayFootprint(
        cells=cells,
        bars=WindowBars(
            bar_id=column(bars, "bar_id"),
            close_ticks=column(bars, "close_ticks"),
            run=bar_runs(column(bars, "t0_ns"), t1_ns, **parted),
        ),
        t1_ns=t1_ns,
        cell_ticks=cell_ticks,
        ticks_per_row=ticks_per_row,
        **parted,
    )


def footprint_days(
    store: Store,
    instrument: Instrument,
    days: Sequence[date],
    *,
    tasks: Mapping[str, str],
    bar_clock: str,
    snapshot: int,
    ticks_per_row: int | None = None,
    piece: int = PIECE,
) -> FootprintDays:
    """Return published days as a source of training batches, one day in memory at a time.

    Parameters
    ----------
    tasks : mapping of head to task
        Whose labels are the targets of each of `models.footprint_batch.HEADS` that is to learn, all of
        one clock. They are joined by decision; decisions without a label of any are left out. An outcome
        counts by its uniqueness among those of its task and day.
    piece : int
        Decisions that are made into tensors at once.
    """

    def outcomes(day: date, task: str) -> tuple[Int64, Int64, Int64, Float64]:
        names = ["t0_ns", "t1_ns", "decision_id", "label"]
        labels = store.read(
            "research.labels", instrument.symbol, day, snapshot=snapshot, columns=names,
            where={"task": task},
        )  # fmt: skip
        t0, t1, ids, label = (column(labels, name) for name in names)
        return t0, t1, ids, label

    def reader(day: date) -> ReadDay:
        def read() -> Iterator[FootprintBatch]:
            footprint = read_footprint(
                store, instrument, day, bar_clock=bar_clock, snapshot=snapshot,
                ticks_per_row=ticks_per_row,
            )  # fmt: skip
            t0, t1, target, weight = joined_targets(
                {head: outcomes(day, task) for head, task in tasks.items()}
            )
            position, windows = windows_of([footprint], np.zeros(len(t0), np.int64), t0)
            yield from days_of_windows(
                windows,
                target[position],
                t0[position],
                t1[position],
                weight=weight[position],
                piece=piece,
            ).pieces()

        return read

    return FootprintDays(days=[reader(day) for day in days])


def with_windows(
    dataset: Dataset,
    store: Store,
    instrument: Instrument,
    *,
    bar_clock: str,
    snapshot: int,
    ticks_per_row: int | None = None,
) -> Dataset:
    """Return the rows that have a footprint window, with their windows; the others are counted.

    All rungs are judged on these rows, whether they read windows or not.

    Raises
    ------
    ValueError
        As `read_footprint`, or the days' cells are not of one height.
    """
    numbers = np.unique(dataset.trading_day)
    footprints = [
        read_footprint(
            store, instrument, day, bar_clock=bar_clock, snapshot=snapshot,
            ticks_per_row=ticks_per_row,
        )
        for day in numbers.astype("datetime64[D]").tolist()
    ]  # fmt: skip
    heights = sorted({footprint.ticks_per_row for footprint in footprints})
    if len(heights) > 1:
        raise ValueError(
            f"{instrument.symbol}: the days' footprints must have rows of one height, got {heights} "
            "ticks: materialize flow.footprint again"
        )
    of_day = np.searchsorted(numbers, dataset.trading_day).astype(np.int64)
    position, windows = windows_of(footprints, of_day, dataset.t0_ns, clock=bar_clock)
    return replace(
        dataset.take(position),
        windows=windows,
        n_without_window=len(dataset) - len(position),
    )
