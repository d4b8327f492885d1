"""Windows of decisions on the footprints of some days: kept as cells, made into tensors when read.

A tensor holds 4,000 numbers; the cells that thousands of windows share are few. So a training set of any
size is held as the cells of its days and one bar position a decision.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from models.footprint_batch import Float32, FootprintBatch
from models.footprint_dataset import FootprintDays, ReadDay
from orderflow_core.footprint import FootprintCells
from orderflow_core.footprint_tensor import (
    N_BARS,
    FootprintTensors,
    WindowBars,
    bar_runs,
    footprint_tensors,
    last_ended_bar,
    normalised_tensors,
    whole_windows,
)
from orderflow_core.types import Bool, Int64
from orderflow_core.validate import require_same_length

PIECE = 512  # decisions that are read at once: 9 MB of tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFootprint:
    """The footprint of a day's bars, and what parts them.

    Attributes
    ----------
    cells : FootprintCells
    bars : WindowBars
    t1_ns : ndarray of int64, shape (n_bars,)
        When each bar ended.
    gap_start_ns, gap_end_ns, session_start_ns : ndarray of int64
        As in `orderflow_core.footprint_tensor.bar_runs`, which made ``bars.run`` of them.
    cell_ticks, ticks_per_row : int
        Height of the cells and of the tensor's rows.
    """

    cells: FootprintCells
    bars: WindowBars
    t1_ns: Int64
    gap_start_ns: Int64
    gap_end_ns: Int64
    session_start_ns: Int64
    cell_ticks: int
    ticks_per_row: int

    def window_bar(self, decision_ns: Int64) -> Int64:
        """Return the last bar of each decision's window, -1 where it has none."""
        own = bar_runs(
            decision_ns,
            decision_ns,
            gap_start_ns=self.gap_start_ns,
            gap_end_ns=self.gap_end_ns,
            session_start_ns=self.session_start_ns,
        )
        last = last_ended_bar(self.t1_ns, self.bars.run, decision_ns, own)
        found = np.full(len(last), -1, np.int64)
        position = whole_windows(last, self.bars.run)
        found[position] = last[position]
        return found

    def tensors(self, window_bar: Int64) -> FootprintTensors:
        """Return the lots of windows; only the bars that they reach are looked at."""
        first = max(0, int(window_bar.min(initial=N_BARS)) - N_BARS + 1)
        end = int(window_bar.max(initial=-1)) + 1
        bars = WindowBars(
            bar_id=self.bars.bar_id[first:end],
            close_ticks=self.bars.close_ticks[first:end],
            run=self.bars.run[first:end],
        )
        own = slice(
            int(np.searchsorted(self.cells.bar_id, bars.bar_id[:1]).max(initial=0)),
            int(np.searchsorted(self.cells.bar_id, bars.bar_id[-1:], side="right").max(initial=0)),
        )
        cells = FootprintCells(
            **{f.name: getattr(self.cells, f.name)[own] for f in fields(self.cells)}
        )
        found = footprint_tensors(
            cells,
            bars,
            window_bar - first,
            ticks_per_row=self.ticks_per_row,
            cell_ticks=self.cell_ticks,
        )
        if len(found) != len(window_bar):
            raise ValueError(
                f"window_bar must hold windows that exist, got {len(window_bar)} of which "
                f"{len(found)} do"
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTerms:
    """What a window is made of: a network that learnt from one kind knows nothing of another.

    Attributes
    ----------
    clock : str
        Name of the bars, as ``time:60s``; empty where nobody named them.
    ticks_per_row : int
        Height of a row, in price ticks.
    """

    clock: str
    ticks_per_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintWindows:
    """One window a decision, in time order, on the footprints of some days.

    Attributes
    ----------
    footprints : tuple of DayFootprint
    day, bar : ndarray of int64, shape (n,)
        Which footprint, and the last bar of the window in it.
    clock : str
        Name of the bars.
    """

    footprints: tuple[DayFootprint, ...]
    day: Int64
    bar: Int64
    clock: str = ""

    def __post_init__(self) -> None:
        require_same_length(day=self.day, bar=self.bar)

    def __len__(self) -> int:
        return len(self.bar)

    @property
    def terms(self) -> WindowTerms:
        """What all windows are made of.

        Raises
        ------
        ValueError
            There is no footprint, or rows have more than one height.
        """
        heights = sorted({footprint.ticks_per_row for footprint in self.footprints})
        if len(heights) != 1:
            raise ValueError(f"rows of windows must have one height, got {heights}")
        return WindowTerms(clock=self.clock, ticks_per_row=heights[0])

    def take(self, rows: Int64 | Bool | slice) -> "FootprintWindows":
        """Return the chosen windows."""
        return replace(self, day=self.day[rows], bar=self.bar[rows])

    def read(self) -> tuple[Float32, Float32]:
        """Return the tensors of all windows: rows (n, 100, 20, 2) and beside (n, 100, 5)."""
        parts = [
            normalised_tensors(self.footprints[day].tensors(self.bar[first:end]))
            for day, first, end in _stretches(self.day)
        ]
        if not parts:
            return np.empty((0, N_BARS, 20, 2), np.float32), np.empty((0, N_BARS, 5), np.float32)
        rows, beside = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return rows, beside


def windows_of(
    footprints: Sequence[DayFootprint], day: Int64, decision_ns: Int64, *, clock: str = ""
) -> tuple[Int64, FootprintWindows]:
    """Return which decisions have a window, and their windows.

    Parameters
    ----------
    footprints : sequence of DayFootprint
    day, decision_ns : ndarray of int64, shape (n,)
        Which footprint each decision belongs to, non-decreasing, and its time.
    clock : str
        Name of the footprints' bars.

    Returns
    -------
    position : ndarray of int64
    windows : FootprintWindows
    """
    bar = np.full(len(decision_ns), -1, np.int64)
    for which, first, end in _stretches(day):
        bar[first:end] = footprints[which].window_bar(decision_ns[first:end])
    position = np.flatnonzero(bar >= 0).astype(np.int64)
    found = FootprintWindows(
        footprints=tuple(footprints), day=day[position], bar=bar[position], clock=clock
    )
    return position, found


def days_of_windows(
    windows: FootprintWindows,
    target: Float32,
    t0_ns: Int64,
    t1_ns: Int64,
    *,
    weight: Float32 | None = None,
    piece: int = PIECE,
) -> FootprintDays:
    """Return windows with their outcomes as a source of training batches, read piece by piece.

    Without weights every outcome counts alike.
    """
    counted = np.ones_like(target) if weight is None else weight

    def reader(rows: slice) -> ReadDay:
        def read() -> Iterator[FootprintBatch]:
            found, beside = windows.take(rows).read()
            yield FootprintBatch(
                rows=found,
                beside=beside,
                target=target[rows],
                weight=counted[rows],
                t0_ns=t0_ns[rows],
                t1_ns=t1_ns[rows],
            )

        return read

    starts = range(0, len(windows), piece)
    return FootprintDays(days=[reader(slice(start, start + piece)) for start in starts])


def _stretches(day: Int64) -> list[tuple[int, int, int]]:
    # (day, first, end) of each run of equal days.
    if len(day) == 0:
        return []
    edges = np.flatnonzero(np.diff(day)) + 1
    starts, ends = [0, *edges.tolist()], [*edges.tolist(), len(day)]
    return [(int(day[a]), a, b) for a, b in zip(starts, ends, strict=True)]
