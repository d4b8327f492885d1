"""A time axis without holes: positions count bars, sessions stand side by side, labels are times.

An axis of real time leaves a gap for every closed hour and cannot show tick bars at all.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

TICK_STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 7 * 1440, 28 * 1440)
MAX_TICKS_PER_LEVEL = 3000
MAX_TICKS_IN_VIEW = 12


@dataclass(frozen=True)
class TickLevel:
    """Labels of one spacing, sparse enough to be drawn at some zoom."""

    step_min: int
    x: list[float]
    text: list[str]


@dataclass(frozen=True)
class SessionAxis:
    """Positions of the rows, session bounds, and time labels at several spacings.

    ``x`` has one position a row, 1 apart within a session. ``starts`` and ``ends`` are the
    half-open row ranges of the sessions.
    """

    x: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    tick_levels: list[TickLevel]

    @property
    def x_range(self) -> tuple[float, float]:
        """Return the range that shows every row, with a margin."""
        margin = max(1.0, 0.01 * len(self.x))
        return float(self.x[0] - margin), float(self.x[-1] + margin)

    def ticks(self, max_ticks: int = MAX_TICKS_IN_VIEW) -> TickLevel:
        """Return the finest level that puts at most ``max_ticks`` labels on the whole axis."""
        for level in self.tick_levels:
            if len(level.x) <= max_ticks:
                return level
        return self.tick_levels[-1]


def session_axis(times: pd.Series, session: np.ndarray, *, block: int = 1) -> SessionAxis:
    """Lay rows side by side.

    Parameters
    ----------
    times : Series of timezone-aware times, shape (n,), n > 0, non-decreasing
    session : ndarray, shape (n,)
        Any label; a new session starts where it changes.
    block : int
        A session starts at a multiple of ``block``, so that bars joined by up to ``block`` stay
        evenly spaced over sessions.
    """
    n = len(times)
    starts = np.concatenate([[0], np.flatnonzero(session[1:] != session[:-1]) + 1])
    ends = np.concatenate([starts[1:], [n]])
    gap = max(1, n // 100)
    x = np.empty(n, dtype=np.float64)
    first = 0
    for start, end in zip(starts, ends, strict=True):
        x[start:end] = first + np.arange(end - start)
        first = -(-(first + end - start + gap) // block) * block
    return SessionAxis(x=x, starts=starts, ends=ends, tick_levels=_tick_levels(times, x, starts))


def gap_sessions(times: pd.Series) -> np.ndarray:
    """Return a session ordinal that grows where the time between rows is ten times the usual."""
    steps = np.diff(times.to_numpy(dtype="datetime64[ns]").astype(np.int64))
    if not len(steps):
        return np.zeros(len(times), dtype=np.int64)
    limit = max(30 * 60 * 10**9, 10 * int(np.median(steps)))
    return np.concatenate([[0], np.cumsum(steps > limit)])


def _tick_levels(times: pd.Series, x: np.ndarray, starts: np.ndarray) -> list[TickLevel]:
    local = pd.DatetimeIndex(times).tz_localize(None)
    minute = local.to_numpy().astype("datetime64[m]").astype(np.int64)
    clock = np.asarray(local.strftime("%H:%M"), dtype=object)
    date = np.asarray(local.strftime("%d %b").str.lstrip("0"), dtype=object)
    is_start = np.zeros(len(x), dtype=bool)
    is_start[starts] = True
    levels = []
    for step in TICK_STEPS_MIN:
        # From a day on, sessions need no label of their own: there may be hundreds.
        rows = _tick_rows(minute // step, x, is_start & (step < 1440))
        if len(rows) <= MAX_TICKS_PER_LEVEL:
            levels.append(_tick_level(step, rows, x, minute // 1440, clock, date))
    return levels


# A label where the bucket changes or a session starts; of two labels closer than half the usual
# distance the session start stays, else the earlier one.
def _tick_rows(bucket: np.ndarray, x: np.ndarray, is_start: np.ndarray) -> np.ndarray:
    is_new = is_start.copy()
    is_new[0] = True
    is_new[1:] |= bucket[1:] != bucket[:-1]
    rows = np.flatnonzero(is_new)
    if len(rows) < 3:
        return rows
    near = 0.5 * float(np.median(np.diff(x[rows])))
    kept: list[int] = []
    for row in rows:
        if kept and x[row] - x[kept[-1]] < near:
            if not is_start[row]:
                continue
            kept.pop()
        kept.append(int(row))
    return np.asarray(kept, dtype=np.int64)


def _tick_level(
    step: int, rows: np.ndarray, x: np.ndarray, day: np.ndarray, clock: np.ndarray, date: np.ndarray
) -> TickLevel:
    text = []
    shown_day = None
    for row in rows:
        label = clock[row] if step < 1440 else ""
        if day[row] != shown_day:
            label = f"{label}<br>{date[row]}" if label else date[row]
            shown_day = day[row]
        text.append(label)
    return TickLevel(step_min=step, x=[float(value) for value in x[rows]], text=text)
