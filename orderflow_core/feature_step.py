"""The usual call of a live stream: the next trades of a session, while no bar closes, in one kernel."""

from typing import Any

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

_INT64, _INT8, _BOOL = np.dtype(np.int64), np.dtype(np.int8), np.dtype(np.bool_)
_TIGHT, _TIGHT_BYTES = (8,), (1,)
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
    wide = (
        trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.qty_lots, sweep,
    )  # fmt: skip
    quotes: tuple[Any, ...]
    quotes, book, narrow = _NO_QUOTES, _NO_BOOK, trades.sign
    if at_trade is not None:
        quotes = (
            at_trade.bid_ticks, at_trade.bid_lots, at_trade.ask_ticks, at_trade.ask_lots,
            at_trade.is_known,
        )  # fmt: skip
        if not _are_flags(quotes[4], n) or not _are_tight(quotes[:4]):
            return None
    if ofi is not None:
        book = (ofi.ofi_lots, ofi.is_known)
        if not _are_flags(book[1], n) or not _are_tight(book[:1]):
            return None
    is_sign = type(narrow) is np.ndarray and narrow.dtype is _INT8 and narrow.flags.writeable
    if not is_sign or narrow.strides != _TIGHT_BYTES or not _are_tight(wide):
        return None
    return _stepped(state, further, (*wide, narrow), (quotes, book), settings)


def _are_tight(columns: tuple[Any, ...]) -> bool:
    # Read-only arrays are another type to the compiler: each mixture would be compiled anew.
    for values in columns:
        if not (type(values) is np.ndarray and values.dtype is _INT64 and values.strides == _TIGHT):
            return False
        if not values.flags.writeable:
            return False
    return True


def _are_flags(values: Any, n: int) -> bool:
    is_bool = type(values) is np.ndarray and values.dtype is _BOOL and values.flags.writeable
    return is_bool and values.strides == _TIGHT_BYTES and len(values) == n


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
