"""Speed of the tape: how much has traded in the last seconds, and whether that is unusual."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.tape import _pace_nb
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)

WINDOW_NS = 15_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSpeed:
    """Pace of the tape at each trade; arrays of shape (n_trades,).

    Attributes
    ----------
    pace : ndarray of float64, unit of the amounts per window
        NaN while all trades of the session share one time.
    threshold : ndarray of float64
        What the magnitude of the pace is compared with; NaN until enough paces were averaged.
    is_fast : ndarray of bool
        Whether there is a threshold and the magnitude of the pace exceeds it.
    """

    pace: Float64
    threshold: Float64
    is_fast: Bool

    def __len__(self) -> int:
        return len(self.pace)


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeState:
    """The window and the average that go on in the next chunk.

    Attributes
    ----------
    ts_ns, amount : ndarray of int64, shape (n_window,)
        Trades that were in the window of the last one.
    ring : ndarray of int64, shape (n_average,)
        Magnitudes of the last paces, the oldest at ``n_paces % n_average`` once it is full.
    start_ns, n_paces, pace_sum : int
        Time of the session's first trade; paces averaged since then; the sum of those in the ring.
    """

    ts_ns: Int64
    amount: Int64
    ring: Int64
    start_ns: int
    n_paces: int
    pace_sum: int


def tape_speed(
    ts_ns: ArrayLike,
    amount: ArrayLike,
    *,
    n_average: int,
    window_ns: int = WINDOW_NS,
    threshold_percent: int = 150,
    session_start_idx: ArrayLike = (),
) -> TapeSpeed:
    """Return the sum over the last seconds at each trade, and where it is above its own average.

    Parameters
    ----------
    ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    amount : ndarray of int64, shape (n_trades,)
        What is summed: lots for the volume's pace, ones for trades, signed lots for the delta's.
    n_average : int, > 0
        Number of trades whose paces are averaged, the trade itself included.
    window_ns : int, unit ns, > 0
        The pace at t sums ``(t - window, t]``.
    threshold_percent : int, > 0
        The threshold as a percentage of the average.
    session_start_idx : ndarray of int64, strictly increasing, optional
        Trades before which all is forgotten: sessions, gaps.

    Returns
    -------
    TapeSpeed

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times that run back, a setting that is not positive, sums that
        could leave int64.

    Notes
    -----
    Causal: element i uses trades 0..i; a later trade of the same time is not known yet. While less
    than a window has passed since the session's start, the sum is scaled by window / time passed,
    and takes no part in the average. The average is one of magnitudes, over whole windows only, in integers.
    A pace at the threshold exactly is not fast. No trades: empty arrays.
    Source: ATAS, Speed of Tape: pace over 15 s scaled to the span seen, flagged above the moving
    average of 1.5 times the pace; ATAS works on candles, this on trades.

    Examples
    --------
    >>> tape_speed([0, 5, 10, 20], [2, 1, 1, 4], n_average=2, window_ns=10).pace
    array([nan,  6.,  2.,  4.])
    """
    return continue_tape_speed(
        None,
        ts_ns,
        amount,
        n_average=n_average,
        window_ns=window_ns,
        threshold_percent=threshold_percent,
        session_start_idx=session_start_idx,
    )[0]


def continue_tape_speed(
    state: TapeState | None,
    ts_ns: ArrayLike,
    amount: ArrayLike,
    *,
    n_average: int,
    window_ns: int = WINDOW_NS,
    threshold_percent: int = 150,
    session_start_idx: ArrayLike = (),
) -> tuple[TapeSpeed, TapeState | None]:
    """Do as `tape_speed` for the next chunk of trades.

    Parameters
    ----------
    state : TapeState or None
        What the preceding chunk returned; None before the first.
    ts_ns, amount, n_average, window_ns, threshold_percent, session_start_idx
        As in `tape_speed`, the settings the same for all chunks.

    Returns
    -------
    speed : TapeSpeed
        Chunks together give the result of the whole, bit for bit.
    state : TapeState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `tape_speed`, also between the state and the chunk, or a state made with another
        ``n_average``.

    Notes
    -----
    The state holds the trades of one window, however long the session is.
    """
    ts, amounts = require_int64("ts_ns", ts_ns), require_int64("amount", amount)
    n = require_same_length(ts_ns=ts, amount=amounts)
    starts = require_positions("session_start_idx", session_start_idx, n)
    rule = (
        require_positive_scalar("window_ns", window_ns),
        require_positive_scalar("threshold_percent", threshold_percent),
    )
    size = require_positive_scalar("n_average", n_average)
    if state is not None and len(state.ring) != size:
        raise ValueError(f"n_average must stay {len(state.ring)} in all chunks, got {size}")
    if n == 0:
        return TapeSpeed(pace=np.empty(0), threshold=np.empty(0), is_fast=np.empty(0, bool)), state
    before = state or _start(ts, size)
    n_tail = len(before.ts_ns)
    all_ts, all_amounts = ts, amounts
    if n_tail:
        all_ts, all_amounts = np.append(before.ts_ns, ts), np.append(before.amount, amounts)
    _require_fits(all_ts, all_amounts, before.start_ns, size)
    columns, ring = np.empty((3, n)), before.ring.copy()
    is_start = np.zeros(n_tail + n, np.int64)
    is_start[starts + n_tail] = 1
    n_carried = int(before.amount.sum())
    held = np.array([n_tail, 0, before.start_ns, n_carried, before.n_paces, before.pace_sum])
    every = np.arange(n_tail + 1, n_tail + n + 1)
    _pace_nb((all_ts, all_amounts, is_start), every, held, rule, ring, columns)
    _, first, start_ns, _, n_paces, pace_sum = map(int, held)
    after = TapeState(
        ts_ns=all_ts[first:].copy(),
        amount=all_amounts[first:].copy(),
        ring=ring,
        start_ns=start_ns,
        n_paces=n_paces,
        pace_sum=pace_sum,
    )
    threshold, pace, is_fast = columns
    return TapeSpeed(pace=pace, threshold=threshold, is_fast=is_fast > 0), after


def _start(ts: Int64, n_average: int) -> TapeState:
    nothing = np.empty(0, np.int64)
    return TapeState(
        ts_ns=nothing,
        amount=nothing,
        ring=np.zeros(n_average, np.int64),
        start_ns=int(ts[0]),
        n_paces=0,
        pace_sum=0,
    )


def _require_fits(ts: Int64, amount: Int64, start_ns: int, n_average: int) -> None:
    require_sorted("ts_ns", ts)
    if int(ts[-1]) - start_ns > INT64_MAX:
        raise ValueError(f"ts_ns must span less than 2**63 ns, got {start_ns} to {ts[-1]}")
    largest = max(-int(amount.min()), int(amount.max()))
    if largest * len(amount) * n_average > INT64_MAX:  # a bound; the sum itself takes a pass more
        total = float(np.abs(amount, dtype=np.float64).sum())
        if total * n_average > INT64_MAX // 2:  # half of the range leaves room for rounding
            raise ValueError(
                f"amount may overflow int64: {n_average} sums of up to {total:.3g} are added"
            )
