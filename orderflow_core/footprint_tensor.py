"""Footprint tensors: the ladders of the bars before a decision, about the last bar's close.

A tensor says who bought and sold where, bar by bar, in rows that are counted from one price: the close
of the last bar. What traded outside of the rows is kept beside them, so that no lot is lost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orderflow_core.footprint import MAX_ABS_TICKS, FootprintCells
from orderflow_core.kernels.footprint_tensor import _windows_nb
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_not_negative,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)

N_BARS, N_ROWS = 100, 20
# What `normalised_tensors` gives of each bar beside its rows.
SIDE_COLUMNS = ("buy_below", "sell_below", "buy_above", "sell_above", "unsigned")
BROKEN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBars:
    """The bars that windows are cut from; int64 arrays of shape (n_bars,), in time order.

    Attributes
    ----------
    bar_id
        Strictly increasing.
    close_ticks
        Price of the bar's last trade.
    run
        Ordinal of the stretch without a gap or session start that the bar lies in, never
        decreasing but for `BROKEN` = -1, a bar that a gap reaches into. `bar_runs` makes it.
    """

    bar_id: Int64
    close_ticks: Int64
    run: Int64

    def __len__(self) -> int:
        return len(self.bar_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintTensors:
    """Lots in the windows of the decisions that have one; the last axis of two is buy, sell.

    Attributes
    ----------
    position : ndarray of int64, shape (n,)
        Which of the decisions asked for these are.
    lots : ndarray of int64, shape (n, n_bars, n_rows, 2)
        Bars from old to new, rows from low to high.
    overflow_lots : ndarray of int64, shape (n, n_bars, 2, 2)
        What traded below and above the rows.
    unsigned_lots : ndarray of int64, shape (n, n_bars)
        What no rule signed, wherever it traded.
    level_lots : ndarray of float64, shape (n,), > 0
        Median volume of the window's traded cells.
    """

    position: Int64
    lots: Int64
    overflow_lots: Int64
    unsigned_lots: Int64
    level_lots: Float64

    def __len__(self) -> int:
        return len(self.position)


def bar_runs(
    t0_ns: ArrayLike,
    t1_ns: ArrayLike,
    *,
    gap_start_ns: ArrayLike = (),
    gap_end_ns: ArrayLike = (),
    session_start_ns: ArrayLike = (),
) -> Int64:
    """Return which stretch without a gap or session start each bar lies in.

    Parameters
    ----------
    t0_ns, t1_ns : ndarray of int64, shape (n_bars,), unit ns, non-decreasing
        Half-open range of each bar. ``t1 = t0`` is a moment: it lies in the stretch that holds what
        was traded before it.
    gap_start_ns, gap_end_ns : ndarray of int64, shape (n_gaps,), unit ns
        Times of the last trade before each gap and of the first one after it, in any order.
    session_start_ns : ndarray of int64, shape (n_sessions,), unit ns
        In any order. No bar reaches over one.

    Returns
    -------
    ndarray of int64, shape (n_bars,)
        Equal within a stretch, larger in later ones; `BROKEN` where a gap reaches into the bar.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times that run back, or a gap that ends before it starts.

    Notes
    -----
    A gap reaches into a bar where ``start < t1`` and ``end >= t0``: the bar that holds the first
    trade after the gap lacks what came before it. Causal at the bar's end, if gaps are recorded when
    the next trade comes. No bars: none. Source: docs/networks.md.

    Examples
    --------
    >>> bar_runs([0, 10, 20, 30], [10, 20, 30, 40], gap_start_ns=[12], gap_end_ns=[25])
    array([ 0, -1, -1,  1])
    """
    t0, t1 = require_int64("t0_ns", t0_ns), require_int64("t1_ns", t1_ns)
    starts, ends = (
        require_int64("gap_start_ns", gap_start_ns),
        require_int64("gap_end_ns", gap_end_ns),
    )
    sessions = require_int64("session_start_ns", session_start_ns)
    require_same_length(t0_ns=t0, t1_ns=t1)
    require_same_length(gap_start_ns=starts, gap_end_ns=ends)
    require_sorted("t0_ns", t0)
    require_sorted("t1_ns", t1)
    for name, early, late in (("t1_ns", t0, t1), ("gap_end_ns", starts, ends)):
        if (late < early).any():
            i = int(np.argmax(late < early))
            raise ValueError(f"{name} must not precede its start, got {late[i]} < {early[i]}")
    n_begun = np.searchsorted(np.sort(starts), t1, side="left")
    n_over = np.searchsorted(np.sort(ends), t0, side="left")
    # A gap that is over by t0 has begun by t1: where more have begun, one reaches in.
    n_sessions = np.searchsorted(np.sort(sessions), t0, side="right")
    return np.where(n_begun > n_over, BROKEN, n_over + n_sessions).astype(np.int64)


def last_ended_bar(
    t1_ns: ArrayLike, run: ArrayLike, decision_ns: ArrayLike, decision_run: ArrayLike
) -> Int64:
    """Return the last bar that had ended at each decision, if nothing broke off since.

    Parameters
    ----------
    t1_ns, run : ndarray of int64, shape (n_bars,)
        End of each bar, non-decreasing, and its stretch.
    decision_ns, decision_run : ndarray of int64, shape (n_decisions,)
        Time of each decision and the stretch that it lies in: ``bar_runs(t, t, ...)``.

    Returns
    -------
    ndarray of int64, shape (n_decisions,)
        Position of the bar; -1 where none had ended, or it lies in another stretch.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or ends that run back.

    Notes
    -----
    Causal: ``t1 <= t``, and a bar holds trades before its end only. Source: docs/networks.md.

    Examples
    --------
    >>> last_ended_bar([10, 20], [0, 0], [9, 10, 25], [0, 0, 1])
    array([-1,  0, -1])
    """
    end, runs = require_int64("t1_ns", t1_ns), require_int64("run", run)
    times, own = (
        require_int64("decision_ns", decision_ns),
        require_int64("decision_run", decision_run),
    )
    require_same_length(t1_ns=end, run=runs)
    require_same_length(decision_ns=times, decision_run=own)
    require_sorted("t1_ns", end)
    found = np.searchsorted(end, times, side="right") - 1
    if len(end) == 0:
        return np.full(len(times), -1, np.int64)
    is_same = (found >= 0) & (runs[found] == own) & (own != BROKEN)
    return np.where(is_same, found, -1).astype(np.int64)


def footprint_tensors(
    cells: FootprintCells,
    bars: WindowBars,
    decision_bar: ArrayLike,
    *,
    ticks_per_row: int,
    cell_ticks: int = 1,
    n_bars: int = N_BARS,
    n_rows: int = N_ROWS,
) -> FootprintTensors:
    """Return the ladders of the last ``n_bars`` bars before each decision, about the last close.

    Parameters
    ----------
    cells : FootprintCells
        Of these bars, sorted by ``(bar_id, price_tick)``; each bar has a cell.
    bars : WindowBars
        A bar without a trade is not among them and takes no place in a window.
    decision_bar : ndarray of int64, shape (n_decisions,)
        Position of the last bar of each window; -1 where there is none.
    ticks_per_row : int, > 0, a multiple of ``cell_ticks``
    cell_ticks : int, > 0
        Height of the cells, whose rows are counted from tick 0.
    n_bars, n_rows : int, > 0
        ``n_rows`` is even.

    Returns
    -------
    FootprintTensors
        Only of decisions whose last ``n_bars`` bars exist and lie in one stretch.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, cells out of order, of no bar or negative, a bar without a
        cell, a position outside of the bars, heights that do not fit, or sums beyond int64.

    Notes
    -----
    ``row = floor((k - k_c) / ticks_per_row) + n_rows / 2``, with k_c the lowest tick of the cell
    that the last bar's close lies in, for all bars of a window. Causal: a tensor depends on the
    window's bars only. Rows, overflow and unsigned lots add up to each bar's volume exactly. No
    decision: no tensor. Source: docs/networks.md.

    Examples
    --------
    >>> one = lambda *x: np.array(x, np.int64)
    >>> cells = FootprintCells(
    ...     bar_id=one(7, 7), price_tick=one(99, 100), bid_lots=one(3, 0), ask_lots=one(0, 5),
    ...     unsigned_lots=one(0, 0), n_bid=one(1, 0), n_ask=one(0, 1), n_unsigned=one(0, 0))
    >>> bars = WindowBars(bar_id=one(7), close_ticks=one(100), run=one(0))
    >>> footprint_tensors(cells, bars, [0], ticks_per_row=1, n_bars=1, n_rows=2).lots[0, 0]
    array([[0, 3],
           [5, 0]])
    """
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    cell_height = require_positive_scalar("cell_ticks", cell_ticks)
    n_bars, n_rows = (
        require_positive_scalar("n_bars", n_bars),
        require_positive_scalar("n_rows", n_rows),
    )
    if height % cell_height or n_rows % 2:
        raise ValueError(
            f"ticks_per_row must be a multiple of cell_ticks and n_rows even, got {height}, "
            f"{cell_height} and {n_rows}"
        )
    bar_id, close, run = _checked_bars(bars)
    columns, cell_first = _checked_cells(cells, bar_id)
    _require_near(columns[0], close, height * n_rows)
    asked = require_int64("decision_bar", decision_bar)
    position = whole_windows(asked, run, n_bars)
    last = asked[position]
    centre = close[last] - close[last] % cell_height
    n = len(position)
    lots = np.zeros((n, n_bars, n_rows, 2), np.int64)
    overflow = np.zeros((n, n_bars, 2, 2), np.int64)
    unsigned, level = np.zeros((n, n_bars), np.int64), np.zeros(n)
    low_tick = centre - n_rows // 2 * height
    _windows_nb(columns, cell_first, last, low_tick, height, (lots, overflow, unsigned, level))
    return FootprintTensors(
        position=position,
        lots=lots,
        overflow_lots=overflow,
        unsigned_lots=unsigned,
        level_lots=level,
    )


def normalised_tensors(
    tensors: FootprintTensors,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what networks take: ``log(1 + lots / level_lots)`` of the rows and of what lies beside them.

    Parameters
    ----------
    tensors : FootprintTensors

    Returns
    -------
    rows : ndarray of float32, shape (n, n_bars, n_rows, 2)
    beside : ndarray of float32, shape (n, n_bars, 5)
        `SIDE_COLUMNS`.

    Notes
    -----
    Causal: the scale is the median volume of the window's own cells. Exact for any chunks of
    decisions. Source: docs/networks.md.

    Examples
    --------
    A level of 4 lots and a cell of 4: log(2).
    """
    scale = tensors.level_lots
    rows = np.log1p(tensors.lots / scale[:, None, None, None])
    flat = tensors.overflow_lots.reshape(*tensors.overflow_lots.shape[:2], 4)
    beside = np.concatenate([flat, tensors.unsigned_lots[:, :, None]], axis=2)
    return (
        rows.astype(np.float32),
        np.log1p(beside / scale[:, None, None]).astype(np.float32),
    )


def _checked_bars(bars: WindowBars) -> tuple[Int64, Int64, Int64]:
    bar_id = require_int64("bars.bar_id", bars.bar_id)
    close = require_int64("bars.close_ticks", bars.close_ticks)
    run = require_int64("bars.run", bars.run)
    require_same_length(bar_id=bar_id, close_ticks=close, run=run)
    require_sorted("bars.bar_id", bar_id, strict=True)
    require_sorted("bars.run", run[run != BROKEN])
    if (run < BROKEN).any():
        raise ValueError(f"bars.run must be {BROKEN} or not negative, got {run.min()}")
    return bar_id, close, run


def _checked_cells(
    cells: FootprintCells, bar_id: Int64
) -> tuple[tuple[Int64, Int64, Int64, Int64], Int64]:
    owner, price = (
        require_int64("cells.bar_id", cells.bar_id),
        require_int64("cells.price_tick", cells.price_tick),
    )
    lots = tuple(
        require_int64(f"cells.{name}", getattr(cells, name))
        for name in ("ask_lots", "bid_lots", "unsigned_lots")
    )
    buy, sell, unsigned = lots
    require_same_length(
        bar_id=owner, price_tick=price, ask_lots=buy, bid_lots=sell, unsigned_lots=unsigned
    )
    require_sorted("cells.bar_id", owner)
    is_same = owner[1:] == owner[:-1]
    if (price[1:] <= price[:-1])[is_same].any():
        raise ValueError("cells.price_tick must strictly increase within a bar")
    for name, values in zip(("ask_lots", "bid_lots", "unsigned_lots"), lots, strict=True):
        require_not_negative(f"cells.{name}", values)
    total = sum(float(values.sum(dtype=np.float64)) for values in lots)
    if total > INT64_MAX // 2:
        raise ValueError(f"cells may overflow int64: their lots add up to {total:.3g}")
    require_positive("the volume of cells", buy + sell + unsigned)
    if not np.array_equal(owner[np.append(True, ~is_same)] if len(owner) else owner, bar_id):
        raise ValueError("cells must belong to the bars, and each bar must have a cell")
    first = np.searchsorted(owner, bar_id, side="left").astype(np.int64)
    return (price, buy, sell, unsigned), np.append(first, len(owner))


def _require_near(price: Int64, close: Int64, height: int) -> None:
    for name, ticks in (("cells.price_tick", price), ("bars.close_ticks", close)):
        farthest = max(-int(ticks.min(initial=0)), int(ticks.max(initial=0)), height)
        if farthest > MAX_ABS_TICKS:
            raise ValueError(f"{name} and the ladder must lie within 2**61, got {farthest}")


def whole_windows(decision_bar: ArrayLike, run: ArrayLike, n_bars: int = N_BARS) -> Int64:
    """Return the positions of the decisions whose last ``n_bars`` bars exist and lie in one stretch.

    Parameters
    ----------
    decision_bar : ndarray of int64, shape (n_decisions,)
        Position of each one's last bar; -1 where there is none.
    run : ndarray of int64, shape (n_bars_in_all,)
        As `bar_runs` gives it: a window that holds a `BROKEN` bar is none.
    n_bars : int, > 0

    Raises
    ------
    TypeError, ValueError
        Not integers, or a position outside of the bars.

    Examples
    --------
    >>> whole_windows([-1, 0, 1, 2, 3], [0, 0, 1, 1], n_bars=2)
    array([2, 4])
    """
    asked, runs = require_int64("decision_bar", decision_bar), require_int64("run", run)
    if len(asked) and (asked.min() < -1 or asked.max() >= len(runs)):
        outside = asked.min() if asked.min() < -1 else asked.max()
        raise ValueError(f"decision_bar must lie in -1..{len(runs) - 1}, got {outside}")
    has_room = np.flatnonzero(asked >= require_positive_scalar("n_bars", n_bars) - 1)
    last = asked[has_room]
    first = last - n_bars + 1
    n_broken = np.append(0, np.cumsum(runs == BROKEN))
    is_whole = (n_broken[last + 1] == n_broken[first]) & (runs[first] == runs[last])
    found: Int64 = has_room[is_whole].astype(np.int64)
    return found
