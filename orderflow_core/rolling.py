"""Order flow in a moving time window: sums by side and a causal quantile of trade sizes."""

from dataclasses import dataclass, fields
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.rolling import _last_at_nb, _sums_at_ends_nb
from orderflow_core.kernels.rolling_checks import _faults_nb, _runs_back_nb
from orderflow_core.kernels.rolling_quantile import _quantile_at_ends_nb
from orderflow_core.row_ranges import ranges_of, side_by_side
from orderflow_core.types import Bool, Float64, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    narrow_sign,
    require_apart,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_room,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sorted,
    require_sum_fits,
)

# Buckets of sizes: one a size below 65,536 lots, then 512 to each doubling up to 2**63.
_DIRECT_SIZES, _N_WIDE = 65_536, (63 - 16) * 512
# Of results that are no int64.
_DTYPES: dict[str, type] = {
    "imbalance": np.float64,
    "avg_buy_lots": np.float64,
    "avg_sell_lots": np.float64,
    "is_warm": np.bool_,
    "large_buy_ratio": np.float64,
    "large_sell_ratio": np.float64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingSums:
    """Order flow in the window of each row; arrays of shape (n_rows,).

    Attributes
    ----------
    buy_lots, sell_lots : ndarray of int64, unit lots
    n_buy, n_sell : ndarray of int64, unit trades
    imbalance : ndarray of float64
        ``(buy - sell) / (buy + sell)`` lots; NaN if both are 0.
    avg_buy_lots, avg_sell_lots : ndarray of float64, unit lots
        Lots a trade; NaN without one.
    is_warm : ndarray of bool
        Whether the first trade since the session's start has left the window.
    """

    buy_lots: Int64
    sell_lots: Int64
    n_buy: Int64
    n_sell: Int64
    imbalance: Float64
    avg_buy_lots: Float64
    avg_sell_lots: Float64
    is_warm: Bool

    def __len__(self) -> int:
        return len(self.buy_lots)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingQuantile:
    """Large trades in the window of each row; arrays of shape (n_rows,).

    Attributes
    ----------
    quantile_lots : ndarray of int64, unit lots
        The causal quantile of the sizes in the window, whatever their side.
    large_buy_ratio, large_sell_ratio : ndarray of float64
        Lots of the buy (sell) trades larger than `quantile_lots`, over the lots of all trades.
    """

    quantile_lots: Int64
    large_buy_ratio: Float64
    large_sell_ratio: Float64

    def __len__(self) -> int:
        return len(self.quantile_lots)


def rolling_sums(
    ts_ns: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    end_idx: ArrayLike,
    *,
    window_ns: int,
    session_start_idx: ArrayLike,
    out: RollingSums | None = None,
) -> RollingSums:
    """Return lots, trades, imbalance and means by side of the last `window_ns` at given positions.

    Parameters
    ----------
    ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sign : ndarray of int8, shape (n_trades,)
        Aggressor sign in {-1, 0, +1}; trades of sign 0 count on neither side.
    end_idx : ndarray of int64, shape (n_rows,), non-decreasing, in 1..n_trades
        Row k knows the trades before position ``end_idx[k]`` and no other, also of those that
        share its time. Its own time t is that of trade ``end_idx[k] - 1``.
    window_ns : int, unit ns, > 0
        The window of row k holds what it knows with time in ``(t - window_ns, t]``.
    session_start_idx : ndarray of int64, strictly increasing, first element 0
        Where the window starts empty again: session starts, and the first trades after gaps.
    out : RollingSums, n_rows elements, optional
        An earlier result that is no longer needed. Its arrays are written over and returned: memory
        that has been written to before costs half of what new memory does (docs/performance.md).

    Returns
    -------
    RollingSums
        Figures of a window that is not warm yet are those of the trades so far; `is_warm` tells.

    Raises
    ------
    TypeError, ValueError
        Lengths differ, an order or a domain is broken, or sums or times could leave int64.

    Notes
    -----
    Causal: row k uses trades ``0 .. end_idx[k] - 1`` only. Exact in integers, O(1) amortised per
    trade. Source: 60 s rolling order-flow features (docs/glossary.md).

    Examples
    --------
    >>> flow = rolling_sums([0, 5, 10], [3, 1, 2], [1, -1, 1], [3], window_ns=10,
    ...     session_start_idx=[0])
    >>> flow.buy_lots, flow.sell_lots, flow.avg_buy_lots, flow.is_warm
    (array([2]), array([1]), array([2.]), array([ True]))
    """
    trades, ends, starts, window = _checked(
        ts_ns, qty_lots, sign, end_idx, window_ns, session_start_idx
    )
    flow = _room(RollingSums, out, (*trades, ends, starts))
    columns: tuple[Int64 | Float64, ...] = (
        flow.buy_lots, flow.sell_lots, flow.n_buy, flow.n_sell,
        flow.imbalance, flow.avg_buy_lots, flow.avg_sell_lots,
    )  # fmt: skip

    def work(part: slice) -> None:
        held, later = _begin(trades[0], ends[part], starts, window, 7)
        cut = tuple(column[part] for column in columns)
        _sums_at_ends_nb(trades, ends[part], window, later, held, cut, flow.is_warm[part])

    side_by_side([partial(work, part) for part in ranges_of(len(ends))])
    return flow


def rolling_quantile(
    ts_ns: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    end_idx: ArrayLike,
    *,
    window_ns: int,
    session_start_idx: ArrayLike,
    share_num: int = 95,
    share_den: int = 100,
    out: RollingQuantile | None = None,
) -> RollingQuantile:
    """Return an exact quantile of the sizes of the last `window_ns`, and what lies above it.

    Parameters
    ----------
    ts_ns, qty_lots, sign, end_idx, window_ns, session_start_idx
        As in `rolling_sums`. Trades of sign 0 count for the quantile and for all lots.
    share_num, share_den : int, 0 < share_num <= share_den
        The quantile is the nearest rank: the smallest size with at least
        ``ceil(n * share_num / share_den)`` of the window's n sizes at or below it.
    out : RollingQuantile, n_rows elements, optional
        As in `rolling_sums`.

    Returns
    -------
    RollingQuantile

    Raises
    ------
    TypeError, ValueError
        As `rolling_sums`, or a share outside (0, 1].

    Notes
    -----
    Causal: row k uses trades ``0 .. end_idx[k] - 1`` only, also of a window that is not warm.
    Exact in integers. O(1) amortised per trade, plus a search over at most 64 + 1,400
    counters when the quantile moves; above 65,536 lots, sizes within 0.2 % of the quantile are sorted.
    Source: nearest-rank percentile (NIST/SEMATECH e-Handbook 7.2.6.2 discusses the variants).

    Examples
    --------
    >>> flow = rolling_quantile([0, 5, 10], [3, 1, 2], [1, -1, 1], [2, 3], window_ns=10,
    ...     session_start_idx=[0], share_num=1, share_den=2)
    >>> flow.quantile_lots, flow.large_buy_ratio
    (array([1, 1]), array([0.75      , 0.66666667]))
    """
    share = _checked_share(share_num, share_den)
    trades, ends, starts, window = _checked(
        ts_ns, qty_lots, sign, end_idx, window_ns, session_start_idx
    )
    flow = _room(RollingQuantile, out, (*trades, ends, starts))
    columns: tuple[Int64 | Float64, ...] = (
        flow.quantile_lots, flow.large_buy_ratio, flow.large_sell_ratio,
    )  # fmt: skip

    def work(part: slice) -> None:
        held, later = _begin(trades[0], ends[part], starts, window, 8)
        cut = tuple(column[part] for column in columns)
        counters = size_counters(len(trades[0]))
        _quantile_at_ends_nb(trades, ends[part], window, later, share, counters, held, cut)

    side_by_side([partial(work, part) for part in ranges_of(len(ends))])
    return flow


def window_start(
    ts: Int64, rows: tuple[Int64, Int64], starts: Int64, n_held: int
) -> tuple[Int64, Int64]:
    """Return what a rolling kernel holds before the first of some rows, and the starts after that.

    It begins empty at the first trade of that row's window, and so needs nothing of earlier rows.
    """
    held = np.zeros(n_held, np.int64)
    end_idx, left_ns = rows
    if len(end_idx) == 0 or end_idx[0] == 0:
        return held, starts
    floor = int(starts[np.searchsorted(starts, end_idx[0] - 1, side="right") - 1])
    begin = max(floor, int(np.searchsorted(ts[: end_idx[0]], left_ns[0], side="right")))
    held[:3] = begin, begin, floor
    return held, starts[np.searchsorted(starts, begin) :]


def size_counters(n_trades: int) -> tuple[Int64, Int64, Int64, Int64]:
    """Return empty counters of the kernel of `rolling_quantile` for trades at 0..n_trades - 1.

    Untouched pages of zeros cost nothing.
    """
    n_buckets = _DIRECT_SIZES + _N_WIDE
    return (
        np.zeros((n_buckets + _N_WIDE, 3), np.int64),
        np.zeros(n_buckets // 64 + 64, np.int64),
        np.zeros((_N_WIDE, 2), np.int64),
        np.zeros(n_trades, np.int64),
    )


def last_known_idx(ts_ns: ArrayLike, at_ns: ArrayLike) -> Int64:
    """Return the position of the last element at or before each of the given times.

    Parameters
    ----------
    ts_ns : ndarray of int64, shape (n,), unit ns, non-decreasing
    at_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing

    Returns
    -------
    ndarray of int64, shape (n_rows,)
        -1 where nothing lies at or before the time. Of equal times the last one counts.

    Raises
    ------
    TypeError, ValueError
        Times are no integers or run back.

    Notes
    -----
    Causal in time, not in position: elements that share the time all count as known. One merge.
    Equal to ``np.searchsorted(ts_ns, at_ns, side="right") - 1`` in linear time.

    Examples
    --------
    >>> last_known_idx([1, 4, 4, 9], [0, 4, 8])
    array([-1,  2,  2])
    """
    ts, at = require_int64("ts_ns", ts_ns), require_int64("at_ns", at_ns)
    require_sorted("ts_ns", ts)
    require_sorted("at_ns", at)
    idx: Int64 = _last_at_nb(ts, at)
    return idx


def _checked(
    ts_ns: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    end_idx: ArrayLike,
    window_ns: int,
    session_start_idx: ArrayLike,
) -> tuple[tuple[Int64, Int64, Int8], Int64, Int64, int]:
    ts, qty = require_int64("ts_ns", ts_ns), require_int64("qty_lots", qty_lots)
    signs, ends = narrow_sign("sign", sign), require_int64("end_idx", end_idx)
    n_trades = require_same_length(ts_ns=ts, qty_lots=qty, sign=signs)
    starts = require_session_starts("session_start_idx", session_start_idx, n_trades)
    window = require_positive_scalar("window_ns", window_ns)
    _require_trades(ts, qty, signs, ends)
    if len(ends) and not (ends[0] >= 1 and ends[-1] <= n_trades):
        raise ValueError(f"end_idx must lie in 1..{n_trades}, got {ends[0]} to {ends[-1]}")
    if n_trades and (int(ts[0]) - window < -INT64_MAX or int(ts[-1]) - int(ts[0]) > INT64_MAX):
        raise ValueError(
            f"ts_ns must span less than 2**63 ns, a window of {window} included, "
            f"got {ts[0]} to {ts[-1]}"
        )
    return (ts, qty, signs), ends, starts, window


def _require_trades(ts: Int64, qty: Int64, sign: Int8, ends: Int64) -> None:
    # Orders, domains and the sum of sizes: kernels look, and slower contracts tell what is wrong.
    sizes, faults = [], []

    def trades(part: slice) -> None:
        part = slice(max(part.start - 1, 0), part.stop)  # the step into it too
        is_bad, bits = _faults_nb(ts[part], qty[part], sign[part])
        faults.append(is_bad)
        sizes.append(int(bits))

    def rows(part: slice) -> None:
        faults.append(_runs_back_nb(ends[max(part.start - 1, 0) : part.stop]))

    side_by_side(
        [partial(trades, part) for part in ranges_of(len(ts))]
        + [partial(rows, part) for part in ranges_of(len(ends))]
    )
    if any(faults):
        require_sign("sign", sign)
        require_sorted("ts_ns", ts)
        require_positive("qty_lots", qty)
    if max(sizes) * len(qty) > INT64_MAX:  # the bits of all sizes together: at least the largest
        require_sum_fits("qty_lots", int(qty.max()), len(qty))
    if any(faults):
        require_sorted("end_idx", ends)


_Result = TypeVar("_Result", RollingSums, RollingQuantile)


def _room(kind: type[_Result], out: _Result | None, inputs: tuple[Int64 | Int8, ...]) -> _Result:
    # The caller's arrays, or new ones.
    n_rows = len(inputs[3])
    dtypes = {f.name: _DTYPES.get(str(f.name), np.int64) for f in fields(kind)}
    if out is None:
        return kind(**{name: np.empty(n_rows, dtype) for name, dtype in dtypes.items()})
    columns = {f"out.{name}": getattr(out, name) for name in dtypes}
    for (name, column), dtype in zip(columns.items(), dtypes.values(), strict=True):
        require_room(name, column, n_rows, dtype)
    names = ("ts_ns", "qty_lots", "sign", "end_idx", "session_start_idx")
    require_apart(columns, dict(zip(names, inputs, strict=True)))
    return out


def _begin(ts: Int64, ends: Int64, starts: Int64, window: int, n_held: int) -> tuple[Int64, Int64]:
    # As `window_start`, for rows whose own time is that of their last trade.
    first = ends[:1]
    return window_start(ts, (first, ts[first - 1] - window), starts, n_held)


def _checked_share(share_num: int, share_den: int) -> tuple[int, int]:
    num = require_positive_scalar("share_num", share_num)
    den = require_positive_scalar("share_den", share_den)
    if num > den:
        raise ValueError(f"share_num / share_den must be at most 1, got {num} / {den}")
    return num, den
