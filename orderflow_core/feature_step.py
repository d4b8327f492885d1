"""The usual call of a live stream: the next trades of a session, while no bar closes, in one kernel."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.bar_tier import COLUMNS as BAR_COLUMNS
from orderflow_core.core_features import require_sums_fit
from orderflow_core.feature_registry import FEATURES
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.feature_state import FeatureState, count_lots
from orderflow_core.further_features import IS_LEVEL, FurtherState
from orderflow_core.further_registry import ALL_FEATURES
from orderflow_core.kernels.feature_step import _step_nb
from orderflow_core.ofi import OfiAtTrade
from orderflow_core.trade_tier import OF_CORE
from orderflow_core.types import Float64, Int64, QuoteAtTrade, TradeArrays
from orderflow_core.validate import INT64_MAX
from orderflow_core.window_tier import require_reach_fits

# Type of an element, and the stride without gaps, which tells one dimension.
_Kind: TypeAlias = tuple[np.dtype[Any], tuple[int]]
_LONG: _Kind = (np.dtype(np.int64), (8,))
_SHORT: _Kind = (np.dtype(np.int8), (1,))
_FLAG: _Kind = (np.dtype(np.bool_), (1,))
_NONE, _NO_BOOL = np.empty(0, np.int64), np.empty(0, np.bool_)
_NO_QUOTES, _NO_BOOK = (_NONE, _NONE, _NONE, _NONE, _NO_BOOL), (_NONE, _NO_BOOL)
_LIMIT = INT64_MAX // 2
# First column beyond the core, first of closed bars, how many.
_COLUMNS = (
    len(FEATURES),
    len(ALL_FEATURES) - len(BAR_COLUMNS),
    len(ALL_FEATURES),
)


def usual_step(
    state: FeatureState,
    trades: TradeArrays,
    sweep: ArrayLike,
    at_trade: QuoteAtTrade | None,
    ofi: OfiAtTrade | None,
    settings: FeatureSettings,
) -> tuple[Int64, Float64] | None:
    """Take trades that open no session and follow no gap, on the sweep clock, all columns asked for.

    Parameters
    ----------
    state : FeatureState
        Goes on in place.
    trades, sweep, at_trade, ofi, settings
        As in `orderflow_core.features.continue_decision_features`.

    Returns
    -------
    rows : ndarray of int64, shape (3, n_rows)
        Position of the last trade that each row knows, its time and its id.
    values : ndarray of float64, shape (n_features, n_rows)
        None instead of both, and nothing done, where anything is out of order or there is more to do
        than in a usual call: arrays of another kind, too little room, a bar that may close.

    Raises
    ------
    ValueError
        Sums could leave int64.
    """
    further, n = state.further, len(trades.ts_event_ns)
    if further is None or len(state.starts):
        return None
    quotes: tuple[Any, ...] | None
    book: tuple[Any, ...] | None
    quotes, book = _NO_QUOTES, _NO_BOOK
    wide = _owned(
        (trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.qty_lots, sweep), _LONG
    )
    narrow = _owned((trades.sign,), _SHORT)
    if at_trade is not None:
        columns = (at_trade.bid_ticks, at_trade.bid_lots, at_trade.ask_ticks, at_trade.ask_lots)
        quotes = _with_flags(columns, at_trade.is_known, n)
    if ofi is not None:
        book = _with_flags((ofi.ofi_lots,), ofi.is_known, n)
    if wide is None or narrow is None or quotes is None or book is None:
        return None
    return _stepped(state, further, (*wide, *narrow), (quotes, book), settings)


def _owned(columns: tuple[Any, ...], kind: _Kind) -> tuple[Any, ...] | None:
    # Columns without gaps of one type; else nothing. Read-only ones, as those of Arrow are, would be
    # another type to the compiler: the chunk is small, so they are copied.
    dtype, strides = kind
    is_read_only = False
    for values in columns:
        if not (type(values) is np.ndarray and values.dtype is dtype and values.strides == strides):
            return None
        is_read_only |= not values.flags.writeable
    if is_read_only:
        return tuple(values.copy() for values in columns)
    return columns


def _with_flags(columns: tuple[Any, ...], is_known: Any, n: int) -> tuple[Any, ...] | None:
    owned, flags = _owned(columns, _LONG), _owned((is_known,), _FLAG)
    if owned is None or flags is None or len(flags[0]) != n:
        return None
    return (*owned, *flags)


def _stepped(
    state: FeatureState,
    further: FurtherState,
    trades: tuple[Any, ...],
    seen: tuple[Any, ...],
    settings: FeatureSettings,
) -> tuple[Int64, Float64] | None:
    windows, history, tier = state.windows, state.history, further.trades
    n_rows, rows, values, total, reach, sums = _step_nb(
        trades,
        seen,
        (history.size, further.due_ns),
        state.clock.last,
        (history.columns(), state.quantile, state.counters),
        (
            (windows.table, windows.moves, windows.held, *windows.sizes),
            (state.running, state.moments, state.quote),
            (
                tier.table, tier.figures, tier.sweeps, tier.tape_ring, tier.size_count,
                tier.size_ring,
            ),
        ),
        (further.last_bar, IS_LEVEL, OF_CORE),
        (tier.step_rule, settings.min_imbalance, _COLUMNS),
    )  # fmt: skip
    if n_rows < 0:
        return None
    n = len(trades[0])
    history.size += n
    count_lots(state, total)
    if reach > _LIMIT or sums > _LIMIT:
        require_reach_fits(reach, trades[3])
        require_sums_fit(state)
    return rows if n_rows == n else rows[:, :n_rows], values
