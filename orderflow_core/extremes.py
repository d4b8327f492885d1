"""What a bar's footprint shows at its high and low: zero prints, exhaustion, delta turnaround."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells
from orderflow_core.imbalance import diagonal_pairs
from orderflow_core.sessions import opens_session
from orderflow_core.types import Bool, Float64, Int8, Int64
from orderflow_core.validate import (
    require_choice,
    require_int64,
    require_positions,
    require_positive_scalar,
    require_same_length,
    require_sum_fits,
)

ExhaustionVolume: TypeAlias = Literal["side", "total"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhaustionRatio:
    """Volume of the second row from a bar's extreme over that at the extreme; shape (n_bars,).

    Attributes
    ----------
    ratio : ndarray of float64
        NaN where the bar closed where it opened.
    is_low, is_high : ndarray of bool
        At or below the low threshold; above the high one.
    """

    ratio: Float64
    is_low: Bool
    is_high: Bool

    def __len__(self) -> int:
        return len(self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnaroundState:
    """Up to two last bars of the running session: direction, high and low in rows of three."""

    tail: Int64


def bar_ranges(cells: FootprintCells, *, ticks_per_row: int) -> tuple[Int64, Int64]:
    """Return the cells at the low and at the high of each bar.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    ticks_per_row : int, > 0

    Returns
    -------
    low_cell, high_cell : ndarray of int64, shape (n_bars,)
        Positions in the cells; one element a bar that has a cell.

    Raises
    ------
    TypeError, ValueError
        The cells are not sorted or not on one grid of ``ticks_per_row``.

    Examples
    --------
    Cells of bars 7, 7, 8: low cells 0 and 2, high cells 1 and 2.
    """
    diagonal_pairs(cells, ticks_per_row=ticks_per_row, gap_policy="zero", quantity="lots")
    is_first = np.ones(len(cells), np.bool_)
    is_first[1:] = cells.bar_id[1:] != cells.bar_id[:-1]
    low = np.flatnonzero(is_first)
    return low, np.append(low[1:], [len(cells)] * min(len(low), 1)).astype(np.int64) - 1


def zero_prints(cells: FootprintCells, *, ticks_per_row: int) -> tuple[Bool, Bool]:
    """Return the rows inside a bar at which only one side traded.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    ticks_per_row : int, > 0

    Returns
    -------
    is_zero_bid, is_zero_ask : ndarray of bool, shape (n_cells,)
        Nobody sold into the bid (bought from the ask) at that row, and the other side traded.

    Raises
    ------
    TypeError, ValueError
        As `bar_ranges`.

    Notes
    -----
    Known at the bar's close. Interior rows only: at the high and the low a zero is what a finished
    auction leaves. A row that did not trade, or traded without a sign only, is no zero print.
    Source: docs/glossary.md.

    Examples
    --------
    Rows (bid, ask) from the low: (5, 0), (0, 4), (3, 3), (0, 2): the second is a zero bid.
    """
    low, high = bar_ranges(cells, ticks_per_row=ticks_per_row)
    is_inside = np.ones(len(cells), np.bool_)
    is_inside[low] = is_inside[high] = False
    has_bid, has_ask = cells.bid_lots > 0, cells.ask_lots > 0
    return is_inside & ~has_bid & has_ask, is_inside & has_bid & ~has_ask


def exhaustion_levels(
    cells: FootprintCells, *, ticks_per_row: int, n_levels: int, volume: ExhaustionVolume
) -> tuple[Bool, Bool]:
    """Return the bars whose volume dries up row by row towards the high or the low.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    ticks_per_row : int, > 0
    n_levels : int, > 1
        Rows from the extreme inwards over which the volume has to rise strictly; ATAS takes 5.
    volume : {"side", "total"}
        Ask lots from the high and bid lots from the low, or all lots of the row.

    Returns
    -------
    is_high, is_low : ndarray of bool, shape (n_bars,)

    Raises
    ------
    TypeError, ValueError
        As `bar_ranges`, or ``n_levels`` or ``volume`` is out of its range.

    Notes
    -----
    Known at the bar's close; a bar's flags depend on its own cells. Strict: equal volumes end it,
    an untraded row ends it, a bar of fewer rows has none. Zero at the extreme is allowed. No cells:
    empty. Source: ATAS "Exhaustion", source code.

    Examples
    --------
    Asks from the high down 1, 2, 4 and ``n_levels=3``: exhausted at the high; 1, 2, 2: not.
    """
    if require_positive_scalar("n_levels", n_levels) < 2:
        raise ValueError(f"n_levels must be at least 2, got {n_levels}")
    require_choice("volume", volume, ("side", "total"))
    low, high = bar_ranges(cells, ticks_per_row=ticks_per_row)
    by_side = volume == "side"
    asks, bids = (
        (cells.ask_lots, cells.bid_lots) if by_side else (cells.volume_lots, cells.volume_lots)
    )
    is_tall = high - low + 1 >= n_levels
    is_high, is_low = is_tall.copy(), is_tall.copy()
    for step in range(1, n_levels):
        for flag, start, inward, lots in ((is_high, high, -1, asks), (is_low, low, 1, bids)):
            inner = start[flag] + inward * step
            outer = inner - inward
            is_next = np.abs(cells.price_tick[inner] - cells.price_tick[outer]) == ticks_per_row
            flag[flag] = is_next & (lots[inner] > lots[outer])
    return is_high, is_low


def exhaustion_ratio(
    cells: FootprintCells,
    open_ticks: ArrayLike,
    close_ticks: ArrayLike,
    *,
    ticks_per_row: int,
    low_percent: int = 71,
    high_percent: int = 2900,
) -> ExhaustionRatio:
    """Return how fast the volume against a bar's move dried up at the extreme it came from.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    open_ticks, close_ticks : ndarray of int64, shape (n_bars,), unit ticks
        Of the bars that the cells belong to, in their order.
    ticks_per_row : int, > 0
    low_percent, high_percent : int, > 0
        Thresholds, compared in integers: low at or below the first, high above the second.

    Returns
    -------
    ExhaustionRatio
        Up bar: bid of the second row over bid at the low. Down bar: ask of the second row from the
        top over ask at the high. 0 where the extreme has none, or where the second row did not
        trade; both count as low. NaN, and no flag, where open and close are equal.

    Raises
    ------
    TypeError, ValueError
        As `bar_ranges`, or prices that are not one integer a bar.

    Notes
    -----
    Known at the bar's close. Source: ATAS "Ratio", source code (0.71 and 29).

    Examples
    --------
    Up bar with bids 10 at the low and 35 above it: 3.5, between the thresholds.
    """
    lower = require_positive_scalar("low_percent", low_percent)
    upper = require_positive_scalar("high_percent", high_percent)
    low, high = bar_ranges(cells, ticks_per_row=ticks_per_row)
    opened = require_int64("open_ticks", open_ticks)
    closed = require_int64("close_ticks", close_ticks)
    require_same_length(bars_of_cells=low, open_ticks=opened, close_ticks=closed)
    is_up, is_down = closed > opened, closed < opened
    extreme = np.where(is_up, low, high)
    second = np.where(is_up, low + 1, high - 1)
    is_there = (second >= low) & (second <= high)
    second = np.where(is_there, second, extreme)
    step = np.abs(cells.price_tick[second] - cells.price_tick[extreme])
    lots = [np.where(is_up, cells.bid_lots[i], cells.ask_lots[i]) for i in (extreme, second)]
    at_extreme, inside = lots[0], np.where(step == ticks_per_row, lots[1], 0)
    require_sum_fits("cells", int(np.maximum(at_extreme, inside).max(initial=0)), max(100, upper))
    is_defined = (is_up | is_down) & (at_extreme > 0)
    ratio = np.where(is_up | is_down, 0.0, np.nan)
    ratio[is_defined] = inside[is_defined] / at_extreme[is_defined]
    is_low = ~is_defined | (100 * inside <= lower * at_extreme)
    return ExhaustionRatio(
        ratio=ratio,
        is_low=is_low & (is_up | is_down),
        is_high=is_defined & (100 * inside > upper * at_extreme),
    )


def delta_turnaround(
    open_ticks: ArrayLike,
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    close_ticks: ArrayLike,
    delta_lots: ArrayLike,
    *,
    session_start_bar: ArrayLike,
) -> Int8:
    """Return the bars in which delta turns against a run of two.

    Parameters
    ----------
    open_ticks, high_ticks, low_ticks, close_ticks : ndarray of int64, shape (n_bars,), unit ticks
    delta_lots : ndarray of int64, shape (n_bars,), unit lots
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session: patterns never reach back over the start of one.

    Returns
    -------
    ndarray of int8, shape (n_bars,)
        -1: two bars up, then one down with a high at or above the previous one and delta below 0.
        +1: the mirror. 0: neither. A bar that closes where it opens is neither up nor down.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or starts are not positions of bars in order.

    Notes
    -----
    Known at the bar's close. No bars: an empty result. Source: ATAS "Delta Turnaround", source code.

    Examples
    --------
    >>> o, c = [10, 12, 15], [12, 14, 13]
    >>> delta_turnaround(o, [12, 15, 15], [10, 12, 12], c, [5, 4, -3], session_start_bar=[0])
    array([ 0,  0, -1], dtype=int8)
    """
    return continue_delta_turnaround(
        None,
        open_ticks,
        high_ticks,
        low_ticks,
        close_ticks,
        delta_lots,
        session_start_bar=session_start_bar,
    )[0]


def continue_delta_turnaround(
    state: TurnaroundState | None,
    open_ticks: ArrayLike,
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    close_ticks: ArrayLike,
    delta_lots: ArrayLike,
    *,
    session_start_bar: ArrayLike,
) -> tuple[Int8, TurnaroundState]:
    """Do as `delta_turnaround` for the next bars.

    Parameters
    ----------
    state : TurnaroundState or None
        What the preceding chunk returned; None before the first.
    open_ticks, high_ticks, low_ticks, close_ticks, delta_lots, session_start_bar
        As in `delta_turnaround`.

    Returns
    -------
    turnaround : ndarray of int8, shape (n_bars,)
        Chunks together give the result of the whole.
    state : TurnaroundState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `delta_turnaround`.
    """
    names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks", "delta_lots")
    values = (open_ticks, high_ticks, low_ticks, close_ticks, delta_lots)
    columns = {name: require_int64(name, v) for name, v in zip(names, values, strict=True)}
    n_bars = require_same_length(**columns)
    starts = require_positions("session_start_bar", session_start_bar, n_bars)
    opened, high, low, closed, delta = columns.values()
    direction = (closed > opened).astype(np.int64) - (closed < opened)
    tail = np.empty((0, 3), np.int64) if state is None else state.tail
    bars = np.concatenate([tail, np.stack([direction, high, low], axis=1)])
    session = np.cumsum(opens_session(starts + len(tail), len(bars)))
    sign = np.zeros(len(bars), np.int8)
    now, before, earlier = bars[2:], bars[1:-1], bars[:-2]
    is_one = session[2:] == session[:-2]
    late = np.concatenate([np.zeros(len(tail), np.int64), delta])[2:]
    follows_up = is_one & (earlier[:, 0] > 0) & (before[:, 0] > 0)
    follows_down = is_one & (earlier[:, 0] < 0) & (before[:, 0] < 0)
    sign[2:] += follows_down & (now[:, 0] > 0) & (now[:, 2] <= before[:, 2]) & (late > 0)
    sign[2:] -= follows_up & (now[:, 0] < 0) & (now[:, 1] >= before[:, 1]) & (late < 0)
    is_kept = session[-2:] == (session[-1] if len(session) else 0)
    return sign[len(tail) :], TurnaroundState(tail=bars[-2:][is_kept])
