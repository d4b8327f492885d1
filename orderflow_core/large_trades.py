"""Large trades and their clusters in the time and sales, judged by earlier trades only.

Meant for sweeps (`orderflow_core.sweeps.sweep_table`): the size of an order is that of all its fills.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.large_trades import _clusters_nb, _trailing_quantile_nb
from orderflow_core.types import Bool, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_bool,
    require_count,
    require_int64,
    require_positions,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
)

N_RANKS = 3_712  # 64 * 56 + 128: see the kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeTrades:
    """Which trades are large; arrays of shape (n_trades,).

    Attributes
    ----------
    threshold_lots : ndarray of int64
        The quantile that the trade was compared with; 0 where too few trades came before it.
    is_large : ndarray of bool
        Whether there is a threshold and the size reaches it.
    """

    threshold_lots: Int64
    is_large: Bool

    def __len__(self) -> int:
        return len(self.is_large)


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeTradeState:
    """The sizes that the next trade is compared with.

    Attributes
    ----------
    count : ndarray of int64, shape (3712,)
        Sizes in the window by rank.
    ring : ndarray of int64, shape (n_trailing,)
        Their ranks in order of arrival, the oldest at ``n_seen % n_trailing`` once it is full.
    n_seen, rank, n_low : int
        Sizes since the session's start (once the ring is full, its length and the oldest's place),
        rank of the quantile, sizes at or below it.
    """

    count: Int64
    ring: Int64
    n_seen: int
    rank: int
    n_low: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeTradeClusters:
    """The run of large trades that each trade stands in; arrays of shape (n_trades,).

    Attributes
    ----------
    sign : ndarray of int8
        Side of the run if it is long enough to be a cluster, else 0.
    n_large, lots : ndarray of int64
        Large trades of the run so far and their lots, also before it is long enough.
    """

    sign: Int8
    n_large: Int64
    lots: Int64

    def __len__(self) -> int:
        return len(self.sign)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterState:
    """The run of large trades that the next trade may continue, and the time of its last one."""

    sign: int = 0
    n_large: int = 0
    lots: int = 0
    large_ns: int = 0
    last_ns: int = 0


def large_trades(
    qty_lots: ArrayLike,
    *,
    n_trailing: int = 1_000,
    n_least: int = 100,
    share_num: int = 95,
    share_den: int = 100,
    session_start_idx: ArrayLike = (),
) -> LargeTrades:
    """Return which trades are at least as large as a quantile of the trades before them.

    Parameters
    ----------
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
        Sizes of sweeps, in time order.
    n_trailing : int, > 0
        The quantile is that of the last so many trades before each.
    n_least : int, 1..n_trailing
        With fewer trades before it a trade is not large.
    share_num, share_den : int, 0 < share_num <= share_den
        Nearest rank: the smallest size with at least ``ceil(n * share_num / share_den)`` of the n
        sizes at or below it.
    session_start_idx : ndarray of int64, strictly increasing, optional
        Trades before which all is forgotten: sessions, gaps.

    Returns
    -------
    LargeTrades

    Raises
    ------
    TypeError, ValueError
        Not integers, a size that is not positive, or a setting outside its domain.

    Notes
    -----
    Causal: element i is judged by trades before i and its own size. Sizes are ranked by their seven leading
    binary digits (to within 1.6 %; exact below 128), and the threshold is the smallest size of its
    rank. A size at the threshold is large. No trades: empty arrays. O(1) a trade.
    Source: own definition (docs/glossary.md). ATAS takes its automatic filter from whole
    days, which looks ahead within the day.

    Examples
    --------
    >>> large_trades([5, 1, 2, 9, 4], n_trailing=3, n_least=2, share_num=1, share_den=2).is_large
    array([False, False,  True,  True,  True])
    """
    return continue_large_trades(
        None,
        qty_lots,
        n_trailing=n_trailing,
        n_least=n_least,
        share_num=share_num,
        share_den=share_den,
        session_start_idx=session_start_idx,
    )[0]


def continue_large_trades(
    state: LargeTradeState | None,
    qty_lots: ArrayLike,
    *,
    n_trailing: int = 1_000,
    n_least: int = 100,
    share_num: int = 95,
    share_den: int = 100,
    session_start_idx: ArrayLike = (),
) -> tuple[LargeTrades, LargeTradeState]:
    """Do as `large_trades` for the next chunk of trades.

    Parameters
    ----------
    state : LargeTradeState or None
        What the preceding chunk returned; None before the first.
    qty_lots, n_trailing, n_least, share_num, share_den, session_start_idx
        As in `large_trades`, the settings the same for all chunks.

    Returns
    -------
    large : LargeTrades
        Chunks together give the result of the whole.
    state : LargeTradeState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `large_trades`, or a state made with another ``n_trailing``.
    """
    qty = require_int64("qty_lots", qty_lots)
    require_positive("qty_lots", qty)
    starts = require_positions("session_start_idx", session_start_idx, len(qty))
    size = require_positive_scalar("n_trailing", n_trailing)
    rule = _checked_rule(size, n_least, share_num, share_den)
    if state is None:
        empty = np.zeros(size, np.int64)
        state = LargeTradeState(
            count=np.zeros(N_RANKS, np.int64), ring=empty, n_seen=0, rank=0, n_low=0
        )
    if len(state.ring) != size:
        raise ValueError(f"n_trailing must stay {len(state.ring)} in all chunks, got {size}")
    count, ring, threshold = state.count.copy(), state.ring.copy(), np.empty(len(qty), np.int64)
    held = np.array([state.n_seen, state.rank, state.n_low])
    _trailing_quantile_nb(qty, starts, rule, held, count, ring, threshold)
    n_seen, rank, n_low = map(int, held)
    large = LargeTrades(threshold_lots=threshold, is_large=(threshold > 0) & (qty >= threshold))
    after = LargeTradeState(count=count, ring=ring, n_seen=n_seen, rank=rank, n_low=n_low)
    return large, after


def large_trade_clusters(
    ts_ns: ArrayLike,
    sign: ArrayLike,
    qty_lots: ArrayLike,
    is_large: ArrayLike,
    *,
    max_gap_ns: int,
    n_least: int = 3,
    session_start_idx: ArrayLike = (),
) -> LargeTradeClusters:
    """Return the runs of large trades of one side that follow each other closely.

    Parameters
    ----------
    ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    is_large : ndarray of bool, shape (n_trades,)
        From `large_trades`.
    max_gap_ns : int, unit ns, >= 0
        A run is over when more than this has passed since its last large trade.
    n_least : int, >= 1
        A run of so many large trades is a cluster.
    session_start_idx : ndarray of int64, strictly increasing, optional
        Trades before which all is forgotten.

    Returns
    -------
    LargeTradeClusters

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times that run back, a sign or a size outside the domain.

    Notes
    -----
    Causal: element i tells of the run as it stands after trade i. A large trade of the other side
    ends the run and begins its own; trades that are not large, or have no sign, neither end nor
    lengthen it. No trades: empty arrays. Source: own definition (docs/glossary.md).

    Examples
    --------
    >>> large_trade_clusters([0, 1, 2, 9], [1, 1, -1, 1], [5, 6, 1, 1],
    ...     np.array([True, True, False, False]), max_gap_ns=5, n_least=2).sign
    array([0, 1, 1, 0], dtype=int8)
    """
    return continue_large_trade_clusters(
        None,
        ts_ns,
        sign,
        qty_lots,
        is_large,
        max_gap_ns=max_gap_ns,
        n_least=n_least,
        session_start_idx=session_start_idx,
    )[0]


def continue_large_trade_clusters(
    state: ClusterState | None,
    ts_ns: ArrayLike,
    sign: ArrayLike,
    qty_lots: ArrayLike,
    is_large: ArrayLike,
    *,
    max_gap_ns: int,
    n_least: int = 3,
    session_start_idx: ArrayLike = (),
) -> tuple[LargeTradeClusters, ClusterState | None]:
    """Do as `large_trade_clusters` for the next chunk of trades.

    Parameters
    ----------
    state : ClusterState or None
        What the preceding chunk returned; None before the first.
    ts_ns, sign, qty_lots, is_large, max_gap_ns, n_least, session_start_idx
        As in `large_trade_clusters`, the settings the same for all chunks.

    Returns
    -------
    clusters : LargeTradeClusters
        Chunks together give the result of the whole.
    state : ClusterState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `large_trade_clusters`, also between the state and the chunk.
    """
    ts, qty = require_int64("ts_ns", ts_ns), require_int64("qty_lots", qty_lots)
    signs, large = require_sign("sign", sign), require_bool("is_large", is_large)
    n = require_same_length(ts_ns=ts, sign=signs, qty_lots=qty, is_large=large)
    require_sorted("ts_ns", ts if state is None else np.append(state.last_ns, ts))
    require_positive("qty_lots", qty)
    starts = require_positions("session_start_idx", session_start_idx, n)
    before = state or ClusterState()
    gap = require_count("max_gap_ns", max_gap_ns)
    require_positive_scalar("n_least", n_least)
    if n == 0:
        columns = np.empty((3, 0), np.int64)
        return _clusters(columns, n_least), state
    _require_clusters_fit(ts, qty, before)
    columns = np.empty((3, n), np.int64)
    memory = (before.sign, before.n_large, before.lots, before.large_ns)
    memory = _clusters_nb(ts, signs, qty, large, starts, gap, memory, columns)
    side, n_large, lots, large_ns = map(int, memory)
    after = ClusterState(
        sign=side, n_large=n_large, lots=lots, large_ns=large_ns, last_ns=int(ts[-1])
    )
    return _clusters(columns, n_least), after


def _clusters(columns: Int64, n_least: int) -> LargeTradeClusters:
    side, n_large, lots = columns
    return LargeTradeClusters(
        sign=np.where(n_large >= n_least, side, 0).astype(np.int8), n_large=n_large, lots=lots
    )


def _require_clusters_fit(ts: Int64, qty: Int64, before: ClusterState) -> None:
    if before.lots + int(qty.max()) * len(qty) > INT64_MAX:
        raise ValueError(
            f"qty_lots may overflow int64: {before.lots} carried and {len(qty)} terms of up to "
            f"{qty.max()}"
        )
    earliest = before.large_ns if before.sign else int(ts[0])
    if int(ts[-1]) - earliest > INT64_MAX:
        raise ValueError(f"ts_ns must span less than 2**63 ns, got {earliest} to {ts[-1]}")


def _checked_rule(
    n_trailing: int, n_least: int, share_num: int, share_den: int
) -> tuple[int, int, int]:
    least = require_positive_scalar("n_least", n_least)
    if least > n_trailing:
        raise ValueError(f"n_least must be at most n_trailing, got {least} and {n_trailing}")
    num = require_positive_scalar("share_num", share_num)
    den = require_positive_scalar("share_den", share_den)
    if num > den or den * n_trailing > INT64_MAX:
        raise ValueError(f"share_num / share_den must be at most 1, got {num} / {den}")
    return least, num, den
