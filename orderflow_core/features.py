"""The feature matrix: what is known at each decision, one row a decision of a clock.

A row knows the trades before a position in their order, and nothing later (decision_clocks). Every
column comes from a kernel that runs through the trades once and carries a few figures, so that a
whole day and one trade at a time give the same bits.
"""

from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.core_features import fill, fill_running, require_sums_fit, window_tasks
from orderflow_core.decision_clocks import Decisions, next_sweep_decisions, next_time_decisions
from orderflow_core.feature_input import Chunk, checked_chunk
from orderflow_core.feature_registry import FEATURES as FEATURES
from orderflow_core.feature_registry import Feature as Feature
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.feature_state import FeatureState, count_lots, new_state
from orderflow_core.feature_step import usual_step
from orderflow_core.further_features import fill_further, further_tasks, new_further_state
from orderflow_core.further_registry import ALL_FEATURES as ALL_FEATURES
from orderflow_core.ofi import OfiAtTrade
from orderflow_core.row_ranges import ranges_of, side_by_side
from orderflow_core.trade_tier import fill_signals
from orderflow_core.types import Float64, Int64, QuoteAtTrade, TradeArrays
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_same_length,
    require_session_starts,
    require_sorted,
)

SECOND_NS = 1_000_000_000
NAMES = tuple(feature.name for feature in FEATURES)
ALL_NAMES = tuple(feature.name for feature in ALL_FEATURES)
Clock: TypeAlias = str | Decisions
_INT64 = np.dtype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureMatrix:
    """Features by decision.

    Attributes
    ----------
    t0_ns : ndarray of int64, shape (n_rows,), unit ns, non-decreasing
        Time of the decision: on the sweep clock that of the deciding sweep's last fill.
    decision_id : ndarray of int64, shape (n_rows,)
        ``trade_id`` of the last trade that the row knows.
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


def decision_features(
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    *,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
    clock: Clock = "sweep",
    settings: FeatureSettings | None = None,
    ofi: OfiAtTrade | None = None,
    out: Float64 | None = None,
) -> FeatureMatrix:
    """Return the feature matrix, one row a decision of the clock.

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
    clock : str or Decisions
        ``"sweep"``: at each closed sweep. ``"time:5s"``: every 5 seconds, or any other number.
        Or decisions of one's own, such as those of `decision_clocks.bar_decisions`.
    settings : FeatureSettings or None
        Adds the features that depend on them. None: the core ones only.
    ofi : OfiAtTrade or None, n_trades elements
        From `orderflow_core.ofi.ofi_at_trade`, restarted where the trades are; None leaves the
        features of the order-flow imbalance NaN. Read only with `settings`.
    out : ndarray of float64, shape (n_features, at least n_rows), or None
        Where the values are written; the matrix is a view of it. Pages that were written before
        cost nothing, fresh ones about as much as filling them.

    Returns
    -------
    FeatureMatrix
        Columns as in `FEATURES`, with settings as in `ALL_FEATURES`. No decisions: no rows.

    Raises
    ------
    TypeError
        An array does not hold integers.
    ValueError
        Lengths differ, an order or a domain is broken, a price is beyond 2**40, a sweep holds two
        times, a clock is not known, ``out`` is too small, or sums could leave int64.

    Notes
    -----
    Causal: a row uses trades before its ``end_idx`` and their quotes, so that the rows of a prefix
    of the trades equal the first rows of the whole, bit for bit. Running sums are
    exact in int64; the one float sum (of the VWAP's variance) runs in trade order.
    Every feature starts empty at a session start and after a gap. A window of h seconds is warm
    once the first trade after that has left it, and covers what is known with time in
    ``(t - h, t]``, on clocks that do not know trades at t itself in ``[t - h, t)``.
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
    state = new_state(is_whole=settings is not None)
    chunk = checked_chunk(
        trades, sweep, at_trade, session_start_idx, gap_idx, ofi, state.clock.last
    )
    _require_session_first(chunk, session_start_idx)
    count_lots(state, chunk.total_lots)
    decisions = _due(clock, state, chunk, session_ended)
    names = ALL_NAMES if settings else NAMES
    values = _room(out, len(names), len(decisions))
    if len(decisions):
        _fill_side_by_side(state, chunk, decisions, values, settings)
        require_sums_fit(state)
    return _matrix(decisions, names, values)


def _fill_side_by_side(
    state: FeatureState,
    chunk: Chunk,
    decisions: Decisions,
    values: Float64,
    settings: FeatureSettings | None,
) -> None:
    # What must go through the trades from first to last is begun first; windows fill the rest of the
    # cores' time.
    tasks = further_tasks(chunk, decisions, values, settings) if settings else []
    tasks.append(partial(fill_running, state, chunk, decisions.end_idx, values))
    side_by_side(tasks + window_tasks(state, chunk, decisions, values))
    if settings:
        parts = ranges_of(len(decisions))
        side_by_side([partial(fill_signals, values[:, part], settings) for part in parts])


def continue_decision_features(
    state: FeatureState | None,
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    *,
    session_start_idx: ArrayLike,
    gap_idx: ArrayLike,
    session_ended: bool = False,
    clock: Clock = "sweep",
    settings: FeatureSettings | None = None,
    ofi: OfiAtTrade | None = None,
    out: Float64 | None = None,
) -> tuple[FeatureMatrix, FeatureState | None]:
    """Do as `decision_features` for the next chunk of trades.

    Parameters
    ----------
    state : FeatureState or None
        What the preceding chunk returned; None where the chunk's first trade opens a session. It
        is used up: only the state returned can be continued.
    trades, sweep, at_trade
        As in `decision_features`, of this chunk only. A sweep may go on from the chunk before.
    session_start_idx, gap_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1
        Positions in this chunk; empty where none lies in it.
    session_ended, clock, settings, ofi, out
        As in `decision_features`; the same clock and settings for all chunks. Decisions of one's own
        count in the trades of the chunk.

    Returns
    -------
    matrix : FeatureMatrix
        Rows of the decisions that this chunk closed. Chunks together give the rows of the whole,
        bit for bit.
    state : FeatureState or None
        For the next chunk; None after the session's end.

    Raises
    ------
    TypeError, ValueError
        As `decision_features`, also between the chunk before and this one.

    Notes
    -----
    The cost of a chunk grows with its trades, not with those before it.
    """
    state = state or new_state(is_whole=settings is not None)
    is_plain = clock == "sweep" and out is None and not session_ended
    if settings and is_plain and _is_none(session_start_idx) and _is_none(gap_idx):
        step = usual_step(state, trades, sweep, at_trade, ofi, settings)
        if step is not None:
            return _matrix_of_step(*step), state
    chunk = checked_chunk(
        trades, sweep, at_trade, session_start_idx, gap_idx, ofi, state.clock.last
    )
    count_lots(state, chunk.total_lots)
    decisions = _due(clock, state, chunk, session_ended)
    state.take(chunk.ts, chunk.price, chunk.qty, chunk.sign)
    names = ALL_NAMES if settings else NAMES
    values = _room(out, len(names), len(decisions))
    passed = fill(state, chunk, decisions, values)
    if len(decisions):
        require_sums_fit(state)
    if settings:
        state.further = state.further or new_further_state(settings)
        history = (state.history.columns(), passed, state.n_known() - len(chunk.ts))
        fill_further(state.further, chunk, decisions, values, settings, history)
    is_over = session_ended or state.n_known() == 0
    return _matrix(decisions, names, values), None if is_over else state


def _room(out: Float64 | None, n_features: int, n_rows: int) -> Float64:
    if out is None:
        return np.empty((n_features, n_rows))
    if out.dtype != np.float64 or out.ndim != 2 or len(out) != n_features or out.shape[1] < n_rows:
        raise ValueError(
            f"out must hold float64 of shape ({n_features}, {n_rows} or more), got {out.dtype} of "
            f"{out.shape}"
        )
    return out[:, :n_rows]


def _due(clock: Clock, state: FeatureState, chunk: Chunk, session_ended: bool) -> Decisions:
    arrays = (chunk.ts, chunk.trade_id, chunk.sweep)
    if isinstance(clock, Decisions):
        found = _checked_decisions(clock, chunk.ts, state.clock.last)
    elif clock == "sweep":
        return next_sweep_decisions(state.clock, arrays, chunk.starts, session_ended)
    else:
        starts = (chunk.sessions, chunk.gaps)
        interval = _interval_ns(clock)
        found = next_time_decisions(state.clock, arrays, starts, interval, session_ended)
    if len(chunk.ts):
        last = state.clock.last
        last[0], last[1], last[2], last[3] = chunk.ts[-1], chunk.trade_id[-1], chunk.sweep[-1], 1
    return found


def _interval_ns(clock: str) -> int:
    kind, _, length = clock.partition(":")
    if (
        kind != "time"
        or not length.endswith("s")
        or not length[:-1].isdecimal()
        or clock == "time:0s"
    ):
        raise ValueError(f"clock must be 'sweep', 'time:<n>s' or Decisions, got {clock!r}")
    return int(length[:-1]) * SECOND_NS


def _checked_decisions(decisions: Decisions, ts: Int64, last: Int64) -> Decisions:
    ends = require_int64("clock.end_idx", decisions.end_idx)
    t0 = require_int64("clock.t0_ns", decisions.t0_ns)
    require_same_length(end_idx=ends, t0_ns=t0, decision_id=decisions.decision_id)
    require_sorted("clock.end_idx", ends)
    require_sorted("clock.t0_ns", t0)
    n_trades, least = len(ts), 0 if last[3] else 1
    if len(ends) and not (ends[0] >= least and ends[-1] <= n_trades):
        raise ValueError(
            f"clock.end_idx must lie in {least}..{n_trades}, got {ends[0]} to {ends[-1]}"
        )
    # Bars close by the clock: a decision must know every trade before its time, and none after it.
    times = np.append(last[0], ts)
    is_early = times[ends] > t0 - (0 if decisions.is_end_included else 1)
    is_late = np.append(times[1:], INT64_MAX)[ends] < t0
    if (is_early | is_late).any():
        k = int(np.argmax(is_early | is_late))
        raise ValueError(
            f"clock.end_idx must part the trades at clock.t0_ns, got {ends[k]} for {t0[k]}"
        )
    return decisions


def _require_session_first(chunk: Chunk, session_start_idx: ArrayLike) -> None:
    require_session_starts("session_start_idx", session_start_idx, len(chunk.ts))


def _is_none(idx: ArrayLike) -> bool:
    return type(idx) is np.ndarray and idx.dtype is _INT64 and idx.size == 0


def _nothing(names: tuple[str, ...]) -> FeatureMatrix:
    none = np.empty(0, np.int64)
    return FeatureMatrix(
        t0_ns=none,
        decision_id=none,
        last_idx=none,
        values=np.empty((0, len(names))),
        names=names,
    )


_NO_ROWS = {names: _nothing(names) for names in (NAMES, ALL_NAMES)}


def _matrix(decisions: Decisions, names: tuple[str, ...], values: Float64) -> FeatureMatrix:
    if values.size == 0:
        return _NO_ROWS[names]
    return FeatureMatrix(
        t0_ns=decisions.t0_ns,
        decision_id=decisions.decision_id,
        last_idx=decisions.end_idx - 1,
        values=values.T,
        names=names,
    )


def _matrix_of_step(rows: Int64, values: Float64) -> FeatureMatrix:
    if values.size == 0:
        return _NO_ROWS[ALL_NAMES]
    last_idx, t0_ns, decision_id = rows
    return FeatureMatrix(
        t0_ns=t0_ns,
        decision_id=decision_id,
        last_idx=last_idx,
        values=values.T,
        names=ALL_NAMES,
    )
