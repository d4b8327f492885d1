"""Decision clocks: at which moments a row of the feature matrix is due, and what it may know.

What is known is a position in the order of trades, not a time: most trades of a busy market share
their predecessor's time stamp. A decision is emitted once it is certain that nothing can come that
it should have known. Truncating the future therefore leaves the decisions emitted as they are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.decision_clocks import _sweep_rows_nb, _time_rows_nb
from orderflow_core.types import BarIndex, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)

_NO_POSITIONS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """Moments of decision of a chunk of trades; int64 arrays of shape (n_rows,).

    Attributes
    ----------
    t0_ns : unit ns, non-decreasing
        Time of the decision.
    end_idx : non-decreasing, in 0..n_trades
        A decision knows the chunk's trades before this position and all earlier chunks.
    decision_id
        ``trade_id`` of the last trade that it knows.
    is_end_included : bool
        Whether trades at t0 itself are known: the window of h seconds is ``(t0 - h, t0]`` if they
        are and ``[t0 - h, t0)`` if not.
    closes_sweep : bool
        Whether the sweep of the last trade that a decision knows is over: no later trade is of its
        time. Figures by sweep leave out a last sweep that may go on.
    """

    t0_ns: Int64
    end_idx: Int64
    decision_id: Int64
    is_end_included: bool
    closes_sweep: bool = False

    def __len__(self) -> int:
        return len(self.t0_ns)


_NO_SWEEPS = Decisions(
    t0_ns=_NO_POSITIONS,
    end_idx=_NO_POSITIONS,
    decision_id=_NO_POSITIONS,
    is_end_included=True,
    closes_sweep=True,
)


@dataclass(slots=True, kw_only=True)
class ClockState:
    """The last trade of a chunk: what the next chunk may close. Consumed by the next call.

    Attributes
    ----------
    last : ndarray of int64, shape (4,)
        Time, id and sweep of the last trade, and whether there was one.
    """

    last: Int64


def new_clock_state() -> ClockState:
    """Return the state before the first trade of a session."""
    return ClockState(last=np.zeros(4, np.int64))


def sweep_decisions(
    ts_ns: ArrayLike,
    trade_id: ArrayLike,
    sweep: ArrayLike,
    *,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
) -> Decisions:
    """Return one decision a closed sweep: all is known up to its last fill, at that fill's time.

    Parameters
    ----------
    ts_ns, trade_id : ndarray of int64, shape (n_trades,)
        Times do not decrease.
    sweep : ndarray of int64, shape (n_trades,), non-decreasing
        Ordinal of the sweep of each trade.
    session_start_idx, gap_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1
        First trades of sessions and after recorded gaps. Each closes the sweep before it.
    session_ended : bool
        Whether nothing follows the last trade, which closes the last sweep.

    Returns
    -------
    Decisions
        An open sweep has none. No trades: none.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, an order is broken or a position lies outside.

    Notes
    -----
    Causal: emitted at the first trade of the next sweep, a start or the session's end.

    Examples
    --------
    >>> found = sweep_decisions([5, 5, 7], [1, 2, 3], [0, 0, 1], session_start_idx=[0], gap_idx=[])
    >>> found.t0_ns, found.end_idx, found.decision_id
    (array([5]), array([2]), array([2]))
    """
    trades = _checked_trades(ts_ns, trade_id, sweep)
    starts = _checked_starts(len(trades[0]), session_start_idx, gap_idx)
    return next_sweep_decisions(new_clock_state(), trades, starts, session_ended)


def time_decisions(
    ts_ns: ArrayLike,
    trade_id: ArrayLike,
    *,
    interval_ns: int,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
) -> Decisions:
    """Return one decision every `interval_ns`, also through quiet time: trades before it are known.

    Parameters
    ----------
    ts_ns, trade_id, session_start_idx, gap_idx, session_ended
        As in `sweep_decisions`.
    interval_ns : int, unit ns, > 0
        Decisions fall on its multiples, counted from 1970-01-01 UTC, from the first one after the
        session's first trade on.

    Returns
    -------
    Decisions
        ``is_end_included`` is false: a trade stamped with the boundary's own time comes after it.

    Raises
    ------
    TypeError, ValueError
        As `sweep_decisions`, or an interval that is not positive.

    Notes
    -----
    Causal: a boundary t is emitted by the first trade with time >= t, or by the session's end,
    which proves the one boundary that comes next. Between the last trade of one session and the
    first of the next at most that one is emitted, too, and only if it is not after that trade. No
    boundary within a recorded gap is: nobody knows what was missed.

    Examples
    --------
    >>> found = time_decisions([5, 20, 31], [1, 2, 3], interval_ns=10, session_start_idx=[0],
    ...     gap_idx=[])
    >>> found.t0_ns, found.end_idx
    (array([10, 20, 30]), array([1, 1, 2]))
    """
    interval = require_positive_scalar("interval_ns", interval_ns)
    ts = require_int64("ts_ns", ts_ns)
    trades = _checked_trades(ts, trade_id, np.zeros(len(ts), np.int64))
    sessions = _checked_starts(len(ts), session_start_idx, _NO_POSITIONS)
    gaps = _checked_starts(len(ts), _NO_POSITIONS, gap_idx)
    return next_time_decisions(new_clock_state(), trades, (sessions, gaps), interval, session_ended)


def bar_decisions(
    bars: BarIndex, ts_ns: ArrayLike, trade_id: ArrayLike, *, is_time: bool
) -> Decisions:
    """Return one decision at the close of each of the given bars.

    Parameters
    ----------
    bars : BarIndex
        Closed bars only: the caller's bars of a stream whose last one is open come without it.
    ts_ns, trade_id : ndarray of int64, shape (n_trades,)
        The trades that the bars count in.
    is_time : bool
        Time bars decide at ``t1_ns`` and know what is before it; the others at the time of the
        closing trade, which they know.

    Returns
    -------
    Decisions

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, or a bar without trades or outside of them.

    Notes
    -----
    As causal as the bars: whoever leaves out the open one emits nothing early.

    Examples
    --------
    >>> one = lambda *values: np.array(values)
    >>> bars = BarIndex(bar_id=one(0), t0_ns=one(0), t1_ns=one(10), first_idx=one(0), end_idx=one(2))
    >>> bar_decisions(bars, [1, 4, 11], [7, 8, 9], is_time=True).decision_id
    array([8])
    """
    ts, ids = require_int64("ts_ns", ts_ns), require_int64("trade_id", trade_id)
    n = require_same_length(ts_ns=ts, trade_id=ids)
    ends, t1 = require_int64("bars.end_idx", bars.end_idx), require_int64("bars.t1_ns", bars.t1_ns)
    require_same_length(end_idx=ends, t1_ns=t1)
    require_sorted("bars.end_idx", ends, strict=True)
    if len(ends) and not (ends[0] >= 1 and ends[-1] <= n):
        raise ValueError(f"bars.end_idx must lie in 1..{n}, got {ends[0]} to {ends[-1]}")
    return Decisions(
        t0_ns=t1 if is_time else ts[ends - 1],
        end_idx=ends,
        decision_id=ids[ends - 1],
        is_end_included=not is_time,
        closes_sweep=is_time,
    )


def next_sweep_decisions(
    state: ClockState, trades: tuple[Int64, Int64, Int64], starts: Int64, session_ended: bool
) -> Decisions:
    """Do as `sweep_decisions` for the next chunk of trades, whose arrays are already checked.

    Parameters
    ----------
    state : ClockState
        Of `new_clock_state`, or as the preceding chunk left it; changed in place.
    trades : tuple of ndarray of int64
        Times, ids and sweeps.
    starts : ndarray of int64
        Positions in the chunk of the starts of either kind.
    session_ended : bool

    Returns
    -------
    Decisions
        Chunks together give those of the whole.
    """
    rows = _room(len(trades[0]) + 1)
    n_rows = _sweep_rows_nb(trades, starts, session_ended, state.last, rows)
    if n_rows == 0:
        return _NO_SWEEPS
    return _decisions(rows, n_rows, is_end_included=True)


def next_time_decisions(
    state: ClockState,
    trades: tuple[Int64, Int64, Int64],
    starts: tuple[Int64, Int64],
    interval_ns: int,
    session_ended: bool,
) -> Decisions:
    """Do as `time_decisions` for the next chunk; parameters as in `next_sweep_decisions`.

    ``starts`` are those of sessions and those after gaps.
    """
    ts = trades[0]
    if len(ts) == 0 and not session_ended:
        return _decisions(_room(0), 0, is_end_included=False)
    earliest = int(state.last[0]) if state.last[3] else int(ts[0]) if len(ts) else 0
    latest = int(ts[-1]) if len(ts) else earliest
    if latest + interval_ns > INT64_MAX:
        raise ValueError(f"interval_ns must not lead out of int64, got {latest} + {interval_ns}")
    rows = _room(latest // interval_ns - earliest // interval_ns + 2)
    n_rows = _time_rows_nb(trades, starts, (interval_ns, session_ended), state.last, rows)
    return _decisions(rows, n_rows, is_end_included=False)


def _room(n: int) -> tuple[Int64, Int64, Int64]:
    return np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)


def _decisions(rows: tuple[Int64, Int64, Int64], n_rows: int, is_end_included: bool) -> Decisions:
    end_idx, t0_ns, decision_id = rows
    return Decisions(
        t0_ns=t0_ns[:n_rows],
        end_idx=end_idx[:n_rows],
        decision_id=decision_id[:n_rows],
        is_end_included=is_end_included,
        closes_sweep=True,
    )


def _checked_trades(
    ts_ns: ArrayLike, trade_id: ArrayLike, sweep: ArrayLike
) -> tuple[Int64, Int64, Int64]:
    ts, ids = require_int64("ts_ns", ts_ns), require_int64("trade_id", trade_id)
    ordinal = require_int64("sweep", sweep)
    require_same_length(ts_ns=ts, trade_id=ids, sweep=ordinal)
    require_sorted("ts_ns", ts)
    require_sorted("sweep", ordinal)
    return ts, ids, ordinal


def _checked_starts(n: int, session_start_idx: ArrayLike, gap_idx: ArrayLike) -> Int64:
    found = []
    for name, values in (("session_start_idx", session_start_idx), ("gap_idx", gap_idx)):
        idx = require_int64(name, values)
        require_sorted(name, idx, strict=True)
        if len(idx) and not (idx[0] >= 0 and idx[-1] < n):
            raise ValueError(f"{name} must lie in 0..{n - 1}, got {idx[0]} to {idx[-1]}")
        found.append(idx)
    return np.union1d(*found)
