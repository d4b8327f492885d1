"""Order flow deeper in the book: imbalance level by level, and over intervals of time."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.ofi import _ofi_nb
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_not_negative,
    require_positive_scalar,
    require_session_starts,
    require_sorted,
    require_sum_fits,
)

_N_SIZES = 4  # that meet in one event
_LEVELS = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthArrays:
    """The best levels of the book after each change, in time order.

    Attributes
    ----------
    ts_event_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
    bid_ticks, bid_lots, ask_ticks, ask_lots : ndarray of int64, shape (n_rows, n_levels)
        Column 0 is the best. A level that does not exist has size 0 and a price beyond the others.
    """

    ts_event_ns: Int64
    bid_ticks: Int64
    bid_lots: Int64
    ask_ticks: Int64
    ask_lots: Int64

    def __len__(self) -> int:
        return len(self.ts_event_ns)

    def slice(self, start: int, stop: int) -> "DepthArrays":
        """Return the rows ``start <= i < stop`` as views."""
        return DepthArrays(
            ts_event_ns=self.ts_event_ns[start:stop],
            bid_ticks=self.bid_ticks[start:stop],
            bid_lots=self.bid_lots[start:stop],
            ask_ticks=self.ask_ticks[start:stop],
            ask_lots=self.ask_lots[start:stop],
        )

    def copy(self) -> "DepthArrays":
        """Return the rows in memory of their own: a view would keep a whole chunk alive."""
        return DepthArrays(**{f.name: getattr(self, f.name).copy() for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class OfiIntervals:
    """What happened to the book in intervals of equal length, only those in which it changed.

    Attributes
    ----------
    t0_ns : ndarray of int64, shape (n_intervals,), unit ns
    ofi_lots : ndarray of int64, shape (n_intervals, n_levels)
    mean_lots : ndarray of float64, shape (n_intervals,)
        Mean size of a level over rows, levels and both sides.
    mid_change_ticks : ndarray of float64, shape (n_intervals,)
        From the last row before the interval to its last row; NaN where one of the two has no mid:
        without a size at its best bid or ask, or crossed.
    n_rows : ndarray of int64, shape (n_intervals,)
    """

    t0_ns: Int64
    ofi_lots: Int64
    mean_lots: Float64
    mid_change_ticks: Float64
    n_rows: Int64

    def __len__(self) -> int:
        return len(self.t0_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfiIntervalState:
    """The rows of the open interval.

    Attributes
    ----------
    rows : DepthArrays
        With the last row before the interval in front, if there is one.
    is_row_before : bool
        Whether there is one: not in the session's first interval.
    """

    rows: DepthArrays
    is_row_before: bool


def multi_level_ofi(depth: DepthArrays, session_start_idx: ArrayLike) -> Int64:
    """Return the order-flow imbalance of each change of the book, level by level.

    Parameters
    ----------
    depth : DepthArrays, n_rows rows of n_levels levels
        Sizes not negative.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Positions of the rows that open a session or follow a gap.

    Returns
    -------
    ndarray of int64, shape (n_rows, n_levels), unit lots
        0 at a session start.

    Raises
    ------
    TypeError, ValueError
        Not integers, shapes differ, times that run back, a negative size, or sums beyond int64.

    Notes
    -----
    The rule of `orderflow_core.ofi.ofi_events`, with the prices and sizes of level m in place of
    the best ones: levels are compared by their number, not their price. Causal. No rows: empty.
    Source: Xu, Gould, Howison (2018), *Market Microstructure and Liquidity* 4.

    Examples
    --------
    The second bid stays at 9 and grows from 3 to 5, nothing else changes: 0 and +2.
    """
    return continue_multi_level_ofi(None, depth, session_start_idx)[0]


def continue_multi_level_ofi(
    state: DepthArrays | None, depth: DepthArrays, session_start_idx: ArrayLike
) -> tuple[Int64, DepthArrays | None]:
    """Do as `multi_level_ofi` for the next chunk of rows.

    Parameters
    ----------
    state : DepthArrays or None
        The last row, as the preceding chunk returned it; None where the chunk's first row opens a
        session.
    depth, session_start_idx
        As in `multi_level_ofi`; position 0 is the chunk's first row.

    Returns
    -------
    ofi : ndarray of int64, shape (n_rows, n_levels), unit lots
        Chunks together give the result of the whole.
    state : DepthArrays or None
        For the next chunk; as it came where there are no rows.

    Raises
    ------
    TypeError, ValueError
        As `multi_level_ofi`, also between the state and the first row.
    """
    checked = _checked(depth)
    starts = require_session_starts("session_start_idx", session_start_idx, len(checked))
    is_start = np.zeros(len(checked), np.bool_)
    is_start[starts] = True
    if len(checked) == 0:
        return np.empty(checked.bid_ticks.shape, np.int64), state
    if state is not None:
        is_start[:1] = False
        is_start = np.concatenate((np.ones(1, np.bool_), is_start))
        checked = _joined(state, checked)
    ofi = np.empty(checked.bid_ticks.shape, np.int64)
    _ofi_nb(checked.bid_ticks, checked.bid_lots, checked.ask_ticks, checked.ask_lots, is_start, ofi)
    after = checked.slice(len(checked) - 1, len(checked)).copy()
    return ofi[0 if state is None else 1 :], after


def ofi_by_interval(
    depth: DepthArrays, *, interval_ns: int, origin_ns: int, is_ended: bool
) -> OfiIntervals:
    """Return the order-flow imbalance of each interval, with the change of the mid.

    Parameters
    ----------
    depth : DepthArrays
        Of one session without gaps.
    interval_ns : int, unit ns, > 0
    origin_ns : int, unit ns
        Where an interval begins: interval k starts at ``origin + k interval`` and ends before the
        start of the next.
    is_ended : bool
        Whether nothing follows, which closes the last interval. Otherwise it is left out until a
        row at or after its end shows that it is over.

    Returns
    -------
    OfiIntervals
        The first interval's change of the mid counts from the session's first row.

    Raises
    ------
    TypeError, ValueError
        As `multi_level_ofi`, or an interval that is not positive.

    Notes
    -----
    Causal at the interval's end. Regressing ``mid_change_ticks`` on ``ofi_lots`` of the same
    interval has a slope of about ``1 / (2 mean_lots)`` where every price holds orders; recorded
    crypto books, with their empty prices, have 5 to 150 times that. Source: Cont, Kukanov, Stoikov
    (2014); depth scaling as in Cont, Cucuringu, Zhang (2023), *Quantitative Finance* 23.
    """
    return continue_ofi_by_interval(
        None, depth, interval_ns=interval_ns, origin_ns=origin_ns, is_ended=is_ended
    )[0]


def continue_ofi_by_interval(
    state: OfiIntervalState | None,
    depth: DepthArrays,
    *,
    interval_ns: int,
    origin_ns: int,
    is_ended: bool = False,
) -> tuple[OfiIntervals, OfiIntervalState | None]:
    """Do as `ofi_by_interval` for the next chunk of rows.

    Parameters
    ----------
    state : OfiIntervalState or None
        What the preceding chunk returned; None before the session's first.
    depth, interval_ns, origin_ns, is_ended
        As in `ofi_by_interval`.

    Returns
    -------
    intervals : OfiIntervals
        Those that this chunk closed. Chunks together give the intervals of the whole, bit for bit.
    state : OfiIntervalState or None
        For the next chunk; None after the session's end and before its first row.

    Raises
    ------
    TypeError, ValueError
        As `ofi_by_interval`, also between the state and the first row.

    Notes
    -----
    The cost of a chunk grows with its rows and those of the open interval.
    """
    interval = require_positive_scalar("interval_ns", interval_ns)
    known = _checked(depth)
    if state is not None:
        known = _joined(state.rows, known)
    _require_time_since(origin_ns, known.ts_event_ns)
    number = (known.ts_event_ns - origin_ns) // interval
    first = np.flatnonzero(np.diff(number, prepend=number[:1] - 1))
    if state is not None and state.is_row_before:
        first = first[1:]  # the interval of the row before is out
    n_closed = len(first) if is_ended else max(len(first) - 1, 0)
    intervals = _intervals(known, first, n_closed, number, (interval, origin_ns))
    if is_ended or len(first) == 0:
        return intervals, None
    open_from = int(first[-1])
    rows = known.slice(max(open_from - 1, 0), len(known)).copy()
    return intervals, OfiIntervalState(rows=rows, is_row_before=open_from > 0)


def _intervals(
    known: DepthArrays, first: Int64, n_closed: int, number: Int64, clock: tuple[int, int]
) -> OfiIntervals:
    interval, origin = clock
    end = np.append(first[1:], len(known))[: len(first)]
    first, end = first[:n_closed], end[:n_closed]
    n_levels = known.bid_ticks.shape[1]
    if n_closed == 0:
        nothing = np.empty(0)
        return OfiIntervals(
            t0_ns=np.empty(0, np.int64),
            ofi_lots=np.empty((0, n_levels), np.int64),
            mean_lots=nothing,
            mid_change_ticks=nothing,
            n_rows=np.empty(0, np.int64),
        )
    part = known.slice(0, int(end[-1]))
    ofi = multi_level_ofi(part, np.zeros(1, np.int64))
    reach = float(np.abs(ofi.astype(np.float64)).sum())
    if reach > INT64_MAX // 2:
        raise ValueError(f"depth overflows int64: sizes of events sum to {reach:.3g}")
    mid = _mid(part)
    lots = part.bid_lots.sum(axis=1, dtype=np.float64) + part.ask_lots.sum(axis=1, dtype=np.float64)
    return OfiIntervals(
        t0_ns=number[first] * interval + origin,
        ofi_lots=np.add.reduceat(ofi, first, axis=0),
        mean_lots=np.add.reduceat(lots, first) / (end - first) / (2 * n_levels),
        mid_change_ticks=mid[end - 1] - mid[np.maximum(first - 1, 0)],
        n_rows=end - first,
    )


def _require_time_since(origin_ns: int, ts: Int64) -> None:
    if isinstance(origin_ns, bool) or not isinstance(origin_ns, int | np.integer):
        raise TypeError(f"origin_ns must be an integer, got {origin_ns!r}")
    if not -INT64_MAX <= origin_ns <= INT64_MAX or (
        len(ts)
        and max(abs(int(ts[0]) - int(origin_ns)), abs(int(ts[-1]) - int(origin_ns))) > INT64_MAX
    ):
        raise ValueError(f"origin_ns of {origin_ns} is further from the rows than int64 reaches")


def _mid(depth: DepthArrays) -> Float64:
    # A side without orders has a price that means nothing. Halves of such sums are exact floats.
    bid, ask = depth.bid_ticks[:, 0], depth.ask_ticks[:, 0]
    is_known = (depth.bid_lots[:, 0] > 0) & (depth.ask_lots[:, 0] > 0) & (bid <= ask)
    mid: Float64 = np.where(is_known, (bid + ask) / 2, np.nan)
    return mid


def _checked(depth: DepthArrays) -> DepthArrays:
    ts = require_int64("depth.ts_event_ns", depth.ts_event_ns)
    require_sorted("depth.ts_event_ns", ts)
    shape = np.shape(depth.bid_ticks)
    if len(shape) != 2 or shape[0] != len(ts) or shape[1] == 0:
        raise ValueError(f"depth must have a row a time and at least one level, got {shape}")
    columns = {}
    for name in _LEVELS:
        values = np.asarray(getattr(depth, name))
        if values.shape != shape:
            raise ValueError(f"depth.{name} must have the shape {shape}, got {values.shape}")
        flat = require_int64(f"depth.{name}", values.reshape(-1))
        if name.endswith("lots"):
            require_not_negative(f"depth.{name}", flat)
        largest = max(-int(flat.min(initial=0)), int(flat.max(initial=0)))
        require_sum_fits(f"depth.{name}", largest, _N_SIZES)
        columns[name] = flat.reshape(shape)
    return DepthArrays(ts_event_ns=ts, **columns)


def _joined(before: DepthArrays, after: DepthArrays) -> DepthArrays:
    if before.bid_ticks.shape[1] != after.bid_ticks.shape[1]:
        raise ValueError(
            f"depth must keep its {before.bid_ticks.shape[1]} levels, "
            f"got {after.bid_ticks.shape[1]}"
        )
    joined = DepthArrays(
        **{
            name: np.concatenate((getattr(before, name), getattr(after, name)))
            for name in ("ts_event_ns", *_LEVELS)
        }
    )
    require_sorted("depth.ts_event_ns", joined.ts_event_ns)
    return joined
