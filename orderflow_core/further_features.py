"""Features beyond the core: by trade, and by closed bar of a session or a part between gaps."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from orderflow_core import bar_tier, trade_tier
from orderflow_core.bar_tier import BarTierState, continue_bar_tier
from orderflow_core.decision_clocks import Decisions
from orderflow_core.feature_blocks import blocks_of, known_rows
from orderflow_core.feature_input import Chunk
from orderflow_core.feature_registry import FEATURES
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.kernels.trade_tier import _carry_bars_nb
from orderflow_core.trade_tier import TradeTierState, fill_signals, fill_trade_tier, new_trade_tier
from orderflow_core.types import Float64, Int8, Int64, TradeArrays

NAMES = trade_tier.COLUMNS + bar_tier.COLUMNS
_FIRST_BAR_ROW = len(FEATURES) + len(trade_tier.COLUMNS)
IS_LEVEL = np.isin(np.arange(len(bar_tier.COLUMNS)), bar_tier.LEVELS)
_NOTHING = np.empty(0, np.int64)
_EARLIEST = int(np.iinfo(np.int64).min)
_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int8]
_Bars: TypeAlias = tuple[Float64, tuple[Int64, Int64]]


@dataclass(slots=True, kw_only=True)
class FurtherState:
    """What a stream carries from chunk to chunk. Consumed by the next call.

    Attributes
    ----------
    trades : TradeTierState
    bars : BarTierState or None
    first : int
        Position in the history of the first trade whose bar no row has found closed yet.
    due_ns : int
        End of that bar; before all times where there is no such trade.
    last_bar : ndarray of float64, shape (n_columns, 1)
        Columns of the last closed bar; NaN before one.
    """

    trades: TradeTierState
    bars: BarTierState | None
    first: int
    due_ns: int
    last_bar: Float64


def new_further_state(settings: FeatureSettings) -> FurtherState:
    """Return the state before the first trade of a stream."""
    return FurtherState(
        trades=new_trade_tier(settings), bars=None, first=0, due_ns=_EARLIEST, last_bar=_no_bar()
    )


def fill_further(
    state: FurtherState,
    chunk: Chunk,
    decisions: Decisions,
    values: Float64,
    settings: FeatureSettings,
    history: tuple[_Trades, Int64, int],
) -> None:
    """Write the columns of trades, sweeps and bars of a chunk's decisions.

    Parameters
    ----------
    state : FurtherState
        Goes on in place.
    chunk : Chunk
    decisions : Decisions
        Of the chunk.
    values : ndarray of float64, shape (n_features, n_rows)
        Of the whole matrix; its core rows are filled.
    settings : FeatureSettings
    history : tuple
        Time, price, lots and sign of all trades that a row may still look at; the positions in them
        of sessions and gaps that these rows pass; how many precede the chunk.

    Notes
    -----
    Causal. A base bar counts as closed for a decision at t exactly when its end is not after t: all
    clocks know every trade before t. Chunks together give the columns of the whole, bit for bit.
    """
    rows, closes_sweep = known_rows(decisions), decisions.closes_sweep
    fill_trade_tier(state.trades, chunk, rows, values, settings, closes_sweep=closes_sweep)
    if len(decisions):
        fill_signals(values, settings)
        _fill_by_bar(state, decisions, values, settings, history)


def further_tasks(
    chunk: Chunk, decisions: Decisions, values: Float64, settings: FeatureSettings
) -> list[Callable[[], None]]:
    """Return work that does as `fill_further` for a whole stream, but for what core columns make.

    Bars, and trades with sweeps, do not depend on each other.
    """
    state, rows = new_further_state(settings), known_rows(decisions)

    def by_trade() -> None:
        closes_sweep = decisions.closes_sweep
        for block, due, cut in blocks_of(chunk, rows, 0, len(chunk.ts)):
            into = values[:, cut]
            fill_trade_tier(state.trades, block, due, into, settings, closes_sweep=closes_sweep)

    history = ((chunk.ts, chunk.price, chunk.qty, chunk.sign), chunk.starts, 0)
    return [partial(_fill_by_bar, state, decisions, values, settings, history), by_trade]


def _fill_by_bar(
    state: FurtherState,
    decisions: Decisions,
    values: Float64,
    settings: FeatureSettings,
    history: tuple[_Trades, Int64, int],
) -> None:
    trades, starts, n_before = history
    known = (decisions.end_idx + n_before, decisions.t0_ns)
    bars, since = _closed_bars(state, trades, known, starts, settings)
    _carry_bars_nb(known, trades[1], bars, since, IS_LEVEL, values[_FIRST_BAR_ROW:])
    state.last_bar = np.ascontiguousarray(bars[:, -1:])


def _closed_bars(
    state: FurtherState,
    trades: _Trades,
    known: tuple[Int64, Int64],
    starts: Int64,
    settings: FeatureSettings,
) -> _Bars:
    # The last bar that earlier rows knew, then those that these rows find closed, each with the
    # first trade of its session or part and its end. A start forgets: a column of NaN.
    end_idx, t0_ns = known
    if len(starts) == 0 and t0_ns[-1] < state.due_ns:
        return state.last_bar, (_NOTHING, _NOTHING)
    columns, first_idx, t1_ns = [state.last_bar], [_NOTHING], [_NOTHING]
    n_known = int(end_idx[-1])
    cuts = [state.first, *starts.tolist(), n_known]
    for k, (first, end) in enumerate(pairwise(cuts)):
        if k > 0:
            state.bars, state.first = None, first
            columns.append(_no_bar())
            first_idx.append(np.array([first]))
            t1_ns.append(np.array([_EARLIEST]))
        # A row that knows no trade of a part yet belongs to the one before.
        n_rows = int(np.searchsorted(end_idx, end, side="right"))
        if n_rows and end_idx[n_rows - 1] > first:
            found, t1 = _next_bars(state, trades, end, int(t0_ns[n_rows - 1]), settings)
            columns.append(found)
            first_idx.append(np.full(len(t1), first))
            t1_ns.append(t1)
    state.due_ns = _EARLIEST
    if state.first < n_known:
        state.due_ns = (int(trades[0][state.first]) // settings.bar_ns + 1) * settings.bar_ns
    since = (np.concatenate(first_idx), np.concatenate(t1_ns))
    return np.concatenate(columns, axis=1), since


def _next_bars(
    state: FurtherState, trades: _Trades, end: int, t0_ns: int, settings: FeatureSettings
) -> tuple[Float64, Int64]:
    # Bars that end at or before the last decision; the trades after them stay for later.
    limit = t0_ns - t0_ns % settings.bar_ns
    stop = state.first + int(np.searchsorted(trades[0][state.first : end], limit))
    if stop == state.first:
        return np.empty((len(bar_tier.COLUMNS), 0)), _NOTHING
    (ts, price, qty, sign), within = trades, slice(state.first, stop)
    closed = TradeArrays(
        ts_event_ns=ts[within],
        trade_id=np.arange(state.first, stop),
        price_ticks=price[within],
        qty_lots=qty[within],
        sign=sign[within],
    )
    t1, columns, state.bars = continue_bar_tier(state.bars, closed, settings)
    state.first = stop
    return columns, t1


def _no_bar() -> Float64:
    return np.full((len(bar_tier.COLUMNS), 1), np.nan)
