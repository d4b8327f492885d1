"""The feature matrix: what is known at each decision, one row a closed sweep.

What is known is a position in the order of trades, not a time: most trades of a busy market share
their predecessor's time stamp. A row knows every trade up to and including the last fill of its
deciding sweep, and nothing later. It is emitted when the next trade of another sweep, a gap or the
session's end closes that sweep; an open sweep emits none. Truncating the future therefore leaves
the emitted rows as they are, bit for bit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.feature_registry import FEATURES as FEATURES
from orderflow_core.feature_registry import Feature as Feature
from orderflow_core.known import KnownTrades, known_trades, ratio
from orderflow_core.rolling import RollingFlow as RollingFlow
from orderflow_core.rolling import last_known_idx
from orderflow_core.rolling import rolling_flow as rolling_flow
from orderflow_core.types import Bool, Float64, Int64, QuoteAtTrade, TradeArrays
from orderflow_core.validate import (
    require_int64,
    require_session_starts,
    require_sorted,
    require_sum_fits,
)
from orderflow_core.vwap import VwapState

SECOND_NS = 1_000_000_000
WINDOW_NS = 60 * SECOND_NS  # the longest look back of any feature: what a state must carry
_N_LAGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMatrix:
    """Features by decision.

    Attributes
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
        Time of the deciding sweep's last fill.
    decision_id : ndarray of int64, shape (n_rows,)
        ``trade_id`` of that fill.
    last_idx : ndarray of int64, shape (n_rows,)
        Its position in the trades given; negative where an earlier chunk held it.
    values : ndarray of float64, shape (n_rows, n_features)
        NaN where a window is not warm or a feature has no value. Columns are contiguous.
    names : tuple of str, n_features elements
        Column names, as in `FEATURES`.
    """

    t0_ns: Int64
    decision_id: Int64
    last_idx: Int64
    values: Float64
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t0_ns)

    def column(self, name: str) -> Float64:
        """Return one feature, shape (n_rows,)."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureState:
    """What the next chunk of trades needs to know of the ones before it.

    Attributes
    ----------
    tail
        The trades that a later row may still look at: those of the last 60 s, of the open sweep
        and of the two before it, whichever is most, and no more.
    n_decided : int
        How many of them belong to sweeps whose rows are out.
    vwap : VwapState or None
        Sums of the session's average price.
    """

    tail: KnownTrades
    n_decided: int
    vwap: VwapState | None


def decision_features(
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    *,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
) -> FeatureMatrix:
    """Return the feature matrix on the sweep clock, one row a closed sweep.

    Parameters
    ----------
    trades : TradeArrays, n_trades elements, in time order
        With the signs of the classification. Sizes positive.
    sweep : ndarray of int64, shape (n_trades,), non-decreasing
        Ordinal of the sweep of each trade. The fills of a sweep share one time.
    at_trade : QuoteAtTrade or None, n_trades elements
        The quote strictly before each trade; None where the market has no quotes, which leaves
        the features of the touch NaN.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing, first element 0
        Positions of the trades that open a session.
    gap_idx : ndarray of int64, shape (n_gaps,), strictly increasing, in 0..n_trades - 1
        Positions of the first trades after recorded gaps.
    session_ended : bool
        Whether the session is over after the last trade, which closes the last sweep. A session
        start or a gap closes the sweep before it in any case.

    Returns
    -------
    FeatureMatrix
        Columns as in `FEATURES`. No trades, or one open sweep only: no rows.

    Raises
    ------
    TypeError
        An array does not hold integers.
    ValueError
        Lengths differ, an order or a domain is broken, a sweep holds two times, or sums could
        leave int64.

    Notes
    -----
    Causal: a row uses trades up to its deciding sweep's last fill and their quotes, so that the
    rows of a prefix of the trades equal the first rows of the whole, bit for bit. Running sums are
    exact in int64; the one float sum (of the VWAP's variance) runs in trade order.
    Every feature starts empty at a session start and after a gap. A window of h seconds is warm when h
    seconds have passed since the first trade after that, and covers what is known with time in ``(t - h, t]``.
    Source: each feature's own, in `FEATURES`.

    Examples
    --------
    >>> one = np.array([1, 2])
    >>> trades = TradeArrays(ts_event_ns=one, trade_id=one, price_ticks=one, qty_lots=one,
    ...     sign=np.array([1, -1], np.int8))
    >>> matrix = decision_features(trades, [0, 1], None, session_start_idx=[0], gap_idx=[])
    >>> matrix.decision_id, matrix.column("cvd_lots")
    (array([1]), array([1.]))
    """
    n = len(require_int64("trades.ts_event_ns", trades.ts_event_ns))
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    matrix, _ = continue_decision_features(
        None,
        trades,
        sweep,
        at_trade,
        session_start_idx=starts,
        gap_idx=gap_idx,
        session_ended=session_ended,
    )
    return matrix


def continue_decision_features(
    state: FeatureState | None,
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    *,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
) -> tuple[FeatureMatrix, FeatureState | None]:
    """Do as `decision_features` for the next chunk of trades.

    Parameters
    ----------
    state : FeatureState or None
        What the preceding chunk returned; None where the chunk's first trade opens a session.
    trades, sweep, at_trade
        As in `decision_features`, of this chunk only. A sweep may go on from the chunk before.
    session_start_idx, gap_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1
        Positions in this chunk; empty where none lies in it.
    session_ended : bool
        As in `decision_features`.

    Returns
    -------
    matrix : FeatureMatrix
        Rows of the sweeps that this chunk closed. Chunks together give the rows of the whole, bit
        for bit.
    state : FeatureState or None
        For the next chunk; None after the session's end.

    Raises
    ------
    TypeError, ValueError
        As `decision_features`, also between the chunk before and this one.

    Notes
    -----
    The cost of a chunk grows with its trades and those of the last 60 s, not with the session.
    """
    fresh, vwap = known_trades(
        state.tail if state else None,
        state.vwap if state else None,
        trades,
        sweep,
        at_trade,
        session_start_idx,
        gap_idx,
    )
    known = state.tail.followed_by(fresh) if state else fresh
    require_sorted("trades.ts_event_ns", known.ts_ns)
    require_sorted("sweep", known.sweep)
    sweeps = _sweeps(known)
    n_out = int(np.searchsorted(sweeps.first_idx, state.n_decided)) if state else 0
    n_closed = len(sweeps) if session_ended else max(len(sweeps) - 1, 0)
    matrix = _matrix(known, sweeps, n_out, n_closed, n_before=len(known) - len(fresh))
    if session_ended or len(known) == 0:
        return matrix, None
    start = _tail_start(known, sweeps)
    n_decided = int(sweeps.first_idx[-1]) - start
    return matrix, FeatureState(tail=known.since(start), n_decided=n_decided, vwap=vwap)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sweeps:
    # One element a sweep, the open one last.
    first_idx: Int64  # of its fills
    last_idx: Int64
    floor_idx: Int64  # first trade known of its session
    ts_ns: Int64

    def __len__(self) -> int:
        return len(self.first_idx)


def _sweeps(known: KnownTrades) -> _Sweeps:
    sweep, ts, is_start = known.sweep, known.ts_ns, known.is_start
    is_first = np.ones(len(known), np.bool_)
    is_first[1:] = (sweep[1:] != sweep[:-1]) | is_start[1:]
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(known))[: len(first)] - 1
    if (ts[last] != ts[first]).any():
        k = int(np.argmax(ts[last] != ts[first]))
        raise ValueError(
            f"sweep must hold fills of one time, got {ts[first[k]]} and {ts[last[k]]} "
            f"in sweep {sweep[first[k]]}"
        )
    floor = np.maximum.accumulate(np.where(is_start, np.arange(len(known)), 0))
    return _Sweeps(first_idx=first, last_idx=last, floor_idx=floor[last], ts_ns=ts[last])


def _tail_start(known: KnownTrades, sweeps: _Sweeps) -> int:
    # Later rows look at trades with ts > t - 60 s, at the last one before those (returns; the
    # first change of the volatility's window) and at two sweeps before their own: t is at least the
    # time of the last trade here, and the next sweep to be decided the open one.
    floor = int(sweeps.floor_idx[-1])
    before_window = int(np.searchsorted(sweeps.ts_ns, known.ts_ns[-1] - WINDOW_NS, "right")) - 1
    earliest = min(before_window, len(sweeps) - 1 - _N_LAGS)
    if earliest < 0:
        return floor
    return max(int(sweeps.first_idx[earliest]), floor)


def _matrix(
    known: KnownTrades, sweeps: _Sweeps, n_out: int, n_closed: int, n_before: int
) -> FeatureMatrix:
    # Rows of the sweeps n_out..n_closed - 1; ``n_before`` trades precede the chunk.
    rows = slice(n_out, n_closed)
    last = sweeps.last_idx[rows]
    columns = (
        _flow_columns(known, last)
        | _trade_columns(known, last)
        | _return_columns(known, sweeps, rows)
        | _sweep_columns(known, sweeps, rows)
    )
    values = np.empty((len(FEATURES), len(last)))
    for i, feature in enumerate(FEATURES):
        values[i] = columns[feature.name]
    return FeatureMatrix(
        t0_ns=known.ts_ns[last],
        decision_id=known.trade_id[last],
        last_idx=last - n_before,
        values=values.T,
        names=tuple(feature.name for feature in FEATURES),
    )


def _flow_columns(known: KnownTrades, last: Int64) -> dict[str, Float64]:
    starts = np.union1d(np.zeros(1, np.int64), np.flatnonzero(known.is_start))
    flow = rolling_flow(
        known.ts_ns,
        known.qty_lots,
        known.sign,
        last + 1,
        window_ns=WINDOW_NS,
        session_start_idx=starts,
    )
    signed = flow.buy_lots + flow.sell_lots
    total = signed + flow.unsigned_lots
    columns = {
        "buy_lots_60s": flow.buy_lots.astype(np.float64),
        "sell_lots_60s": flow.sell_lots.astype(np.float64),
        "n_buy_60s": flow.n_buy.astype(np.float64),
        "n_sell_60s": flow.n_sell.astype(np.float64),
        "imbalance_60s": ratio(flow.buy_lots - flow.sell_lots, signed),
        "avg_buy_lots_60s": ratio(flow.buy_lots, flow.n_buy),
        "avg_sell_lots_60s": ratio(flow.sell_lots, flow.n_sell),
        "large_buy_ratio_60s": ratio(flow.large_buy_lots, total),
        "large_sell_ratio_60s": ratio(flow.large_sell_lots, total),
    }
    is_cold = known.ts_ns[last] - known.start_ns[last] < WINDOW_NS
    for column in columns.values():
        column[is_cold] = np.nan
    return columns


def _trade_columns(known: KnownTrades, last: Int64) -> dict[str, Float64]:
    return {
        "cvd_lots": known.cvd_lots[last].astype(np.float64),
        "vwap_dev_sd": known.vwap_dev_sd[last],
        "last_tick_sign": known.tick_sign[last],
        "spread_ticks": known.spread_ticks[last],
        "queue_imbalance": known.queue_imbalance[last],
        "microprice_dev_ticks": known.microprice_dev_ticks[last],
        "mid_dev_ticks": known.mid_dev_ticks[last],
    }


def _return_columns(known: KnownTrades, sweeps: _Sweeps, rows: slice) -> dict[str, Float64]:
    columns = {}
    price, now = known.price_ticks, sweeps.last_idx[rows]
    for seconds in (1, 10, 60):
        then = last_known_idx(known.ts_ns, sweeps.ts_ns[rows] - seconds * SECOND_NS)
        change = (price[now] - price[then]).astype(np.float64)
        change[then < sweeps.floor_idx[rows]] = np.nan
        columns[f"return_{seconds}s_ticks"] = change
    return columns


def _sweep_columns(known: KnownTrades, sweeps: _Sweeps, rows: slice) -> dict[str, Float64]:
    first, last, ts = sweeps.first_idx[rows], sweeps.last_idx[rows], sweeps.ts_ns
    lots = np.add.reduceat(known.qty_lots, sweeps.first_idx)[rows] if len(sweeps) else first
    elapsed = ts[rows] - known.start_ns[last]
    # Squared price changes up to each sweep; a window is a difference of two. The change into the
    # first sweep of a session lies in no warm window: both ends of the difference hold it.
    close = known.price_ticks[sweeps.last_idx]
    change = np.diff(close, prepend=close[:1])
    require_sum_fits("squared price changes", int(np.abs(change).max(initial=0)) ** 2, len(change))
    squares = np.cumsum(change * change)
    position = np.arange(len(sweeps))[rows]
    past_10s = last_known_idx(ts, ts[rows] - 10 * SECOND_NS)
    is_warm = elapsed >= WINDOW_NS
    past_60s = np.where(is_warm, last_known_idx(ts, ts[rows] - WINDOW_NS), position)
    volatility = np.sqrt(squares[rows] - squares[past_60s])
    sweeps_10s = (position - past_10s).astype(np.float64)
    volatility[~is_warm] = np.nan
    sweeps_10s[elapsed < 10 * SECOND_NS] = np.nan
    sign = known.sign[sweeps.first_idx].astype(np.float64)
    lag1 = _lagged(sign, known.is_start[sweeps.first_idx])
    lag2 = _lagged(lag1, known.is_start[sweeps.first_idx])
    return {
        "volatility_60s_ticks": volatility,
        "sweep_sign": sign[rows],
        "sweep_lots": lots.astype(np.float64),
        "sweep_n_fills": (last - first + 1).astype(np.float64),
        "sweep_sign_lag1": lag1[rows],
        "sweep_sign_lag2": lag2[rows],
        "sweeps_10s": sweeps_10s,
    }


def _lagged(values: Float64, is_start: Bool) -> Float64:
    # The value one sweep earlier; NaN where a session starts.
    out = np.full(len(values), np.nan)
    out[1:] = values[:-1]
    out[is_start] = np.nan
    return out
