"""Naked points of control: those of finished sessions that price has not come back to since."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.sessions import opens_session
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    require_int64,
    require_positions,
    require_positive_scalar,
    require_same_length,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NakedPocs:
    """What is naked at each bar's close; arrays of shape (n_bars,).

    Attributes
    ----------
    above_tick, below_tick : ndarray of float64
        Lowest tick of the nearest naked row above and below the close; NaN where there is none.
    n_naked : ndarray of int64
        How many are naked.
    """

    above_tick: Float64
    below_tick: Float64
    n_naked: Int64

    def __len__(self) -> int:
        return len(self.n_naked)


@dataclass(frozen=True, slots=True, kw_only=True)
class NakedState:
    """Naked points of control in the order of their sessions, and that of the session so far."""

    naked: tuple[int, ...] = ()
    developing: int | None = None


def naked_pocs(
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    close_ticks: ArrayLike,
    poc_tick: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
) -> NakedPocs:
    """Return the nearest naked points of control of earlier sessions at each bar close.

    Parameters
    ----------
    high_ticks, low_ticks, close_ticks : ndarray of int64, shape (n_bars,), unit ticks
    poc_tick : ndarray of int64, shape (n_bars,), unit ticks
        Developing point of control at the bar's close; that of a session's last bar is final.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session; the very first one does in any case.
    ticks_per_row : int, > 0
        Row height of the profiles.

    Returns
    -------
    NakedPocs

    Raises
    ------
    TypeError, ValueError
        As `continue_naked_pocs`.

    Notes
    -----
    A point of control joins when the next session's first bar closes, and leaves with the first
    bar whose [low, high] meets its row, edges included; that bar may be the very first. Causal at
    each bar's end. Source: MyPivots, "Naked point of control".

    Examples
    --------
    Session 1 ends with its POC at 12. Session 2 trades 14-16, then 12-15: 12 is naked below after
    its first bar, and gone after its second.
    """
    return continue_naked_pocs(
        None, high_ticks, low_ticks, close_ticks, poc_tick, session_start_bar,
        ticks_per_row=ticks_per_row,
    )[0]  # fmt: skip


def continue_naked_pocs(
    state: NakedState | None,
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    close_ticks: ArrayLike,
    poc_tick: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
) -> tuple[NakedPocs, NakedState | None]:
    """Do as `naked_pocs` for the next chunk of closed bars.

    Parameters
    ----------
    state : NakedState or None
        What the preceding chunk returned; None at the start.
    high_ticks, low_ticks, close_ticks, poc_tick, session_start_bar, ticks_per_row
        As in `naked_pocs`.

    Returns
    -------
    pocs : NakedPocs
        Chunks together give the result of the whole, bit for bit.
    state : NakedState or None
        For the next chunk; as it came where there are no bars. It grows by at most one a session.

    Raises
    ------
    TypeError, ValueError
        Not integers, starts that are not positions of bars in order, lengths that differ, a close outside of [low, high].
    """
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    high, low = require_int64("high_ticks", high_ticks), require_int64("low_ticks", low_ticks)
    close, poc = require_int64("close_ticks", close_ticks), require_int64("poc_tick", poc_tick)
    n_bars = require_same_length(high_ticks=high, low_ticks=low, close_ticks=close, poc_tick=poc)
    starts = require_positions("session_start_bar", session_start_bar, n_bars)
    is_outside = (close > high) | (close < low)
    if is_outside.any():
        i = int(np.argmax(is_outside))
        raise ValueError(
            f"close_ticks must lie in [low, high], got {close[i]} in [{low[i]}, {high[i]}] at {i}"
        )
    above, below = np.full(n_bars, np.nan), np.full(n_bars, np.nan)
    n_naked = np.zeros(n_bars, np.int64)
    naked, developing = (state.naked, state.developing) if state else ((), None)
    columns = (
        high.tolist(),
        low.tolist(),
        close.tolist(),
        poc.tolist(),
        opens_session(starts, n_bars).tolist(),
    )
    for bar, (top, bottom, last, now, is_first) in enumerate(zip(*columns, strict=True)):
        if is_first and developing is not None:
            naked = (*naked, developing)
        naked = tuple(row for row in naked if row > top or row + height - 1 < bottom)
        above[bar] = min((row for row in naked if row > last), default=np.nan)
        below[bar] = max((row for row in naked if row < last), default=np.nan)
        n_naked[bar], developing = len(naked), now
    found = NakedPocs(above_tick=above, below_tick=below, n_naked=n_naked)
    return found, NakedState(naked=naked, developing=developing) if n_bars else state


def first_cover(
    row_tick: ArrayLike, high_ticks: ArrayLike, low_ticks: ArrayLike, *, ticks_per_row: int
) -> Int64:
    """Return the first bar whose range comes to each row.

    Parameters
    ----------
    row_tick : ndarray of int64, shape (n_rows,), unit ticks
        Lowest ticks of the rows.
    high_ticks, low_ticks : ndarray of int64, shape (n_bars,), unit ticks
        Ranges of bars, or of sessions, in order.
    ticks_per_row : int, > 0

    Returns
    -------
    ndarray of int64, shape (n_rows,)
        Position of the first bar whose [low, high] meets the row, edges included; -1 without one.

    Raises
    ------
    TypeError, ValueError
        Not integers, or lengths that differ.

    Notes
    -----
    Known at the close of the bar that is returned, not before. Source: MyPivots, "Naked point of
    control".

    Examples
    --------
    >>> first_cover([12, 20], [16, 15], [14, 12], ticks_per_row=1)
    array([ 1, -1])
    """
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    rows = require_int64("row_tick", row_tick)
    high, low = require_int64("high_ticks", high_ticks), require_int64("low_ticks", low_ticks)
    require_same_length(high_ticks=high, low_ticks=low)
    first = np.full(len(rows), -1, np.int64)
    for i, row in enumerate(rows.tolist()):
        meets = (low <= row + height - 1) & (high >= row)
        if meets.any():
            first[i] = int(np.argmax(meets))
    return first


def covering_session(
    poc_tick: ArrayLike, high_ticks: ArrayLike, low_ticks: ArrayLike, *, ticks_per_row: int
) -> Int64:
    """Return the session that first came back to each session's point of control.

    Parameters
    ----------
    poc_tick, high_ticks, low_ticks : ndarray of int64, shape (n_sessions,), unit ticks
        Final point of control and range of each session, in order.
    ticks_per_row : int, > 0

    Returns
    -------
    ndarray of int64, shape (n_sessions,)
        Position of the first later session whose [low, high] meets the row; -1 while naked.

    Raises
    ------
    TypeError, ValueError
        Not integers, or lengths that differ.

    Notes
    -----
    Known in the session that is returned, not before. Source: MyPivots, "Naked point of control".

    Examples
    --------
    >>> covering_session([12, 15, 12], [13, 16, 14], [10, 14, 11], ticks_per_row=1)
    array([ 2, -1, -1])
    """
    poc = require_int64("poc_tick", poc_tick)
    high, low = require_int64("high_ticks", high_ticks), require_int64("low_ticks", low_ticks)
    covering = np.full(require_same_length(poc_tick=poc, high_ticks=high, low_ticks=low), -1)
    for session in range(len(poc)):
        later = slice(session + 1, None)
        (first,) = first_cover(
            poc[session : session + 1], high[later], low[later], ticks_per_row=ticks_per_row
        )
        covering[session] = session + 1 + first if first >= 0 else -1
    return covering
