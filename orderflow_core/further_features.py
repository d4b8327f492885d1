"""Features beyond the core: cut into sessions and parts between gaps, by trade and by closed bar."""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TypeVar

import numpy as np

from orderflow_core import bar_tier, trade_tier
from orderflow_core.bar_tier import BarTierState, continue_bar_tier
from orderflow_core.decision_clocks import Decisions
from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.ofi import OfiAtTrade
from orderflow_core.trade_tier import Segment, TradeTierState, continue_trade_tier, new_trade_tier
from orderflow_core.types import Float64, Int64, QuoteAtTrade, TradeArrays

NAMES = trade_tier.COLUMNS + bar_tier.COLUMNS
_N_BY_TRADE = len(trade_tier.COLUMNS)
_Columns = TypeVar("_Columns", QuoteAtTrade, OfiAtTrade)


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherState:
    """What a segment carries from chunk to chunk.

    Attributes
    ----------
    trades : TradeTierState
    bars : BarTierState or None
    pending : TradeArrays
        Trades whose bar no row has found closed yet.
    last_bar : ndarray of float64
        Columns of the last closed bar; NaN before one.
    last_price : int
        Of the last trade.
    """

    trades: TradeTierState
    bars: BarTierState | None
    pending: TradeArrays
    last_bar: Float64
    last_price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherInput:
    """Trades of a chunk and what belongs to them.

    Attributes
    ----------
    trades : TradeArrays
    sweep : ndarray of int64, shape (n_trades,)
    at_trade : QuoteAtTrade or None
    ofi : OfiAtTrade or None
    starts : ndarray of int64
        Positions of first trades of sessions and after gaps.
    session_ended : bool
    """

    trades: TradeArrays
    sweep: Int64
    at_trade: QuoteAtTrade | None
    ofi: OfiAtTrade | None
    starts: Int64
    session_ended: bool


def new_further_state() -> FurtherState:
    """Return the state before the first trade of a segment."""
    none = np.empty(0, np.int64)
    return FurtherState(
        trades=new_trade_tier(),
        bars=None,
        pending=TradeArrays(
            ts_event_ns=none, trade_id=none, price_ticks=none, qty_lots=none,
            sign=np.empty(0, np.int8),
        ),
        last_bar=np.full(len(bar_tier.COLUMNS), np.nan),
        last_price=0,
    )  # fmt: skip


def continue_further_features(
    state: FurtherState,
    chunk: FurtherInput,
    decisions: Decisions,
    core: dict[str, Float64],
    settings: FeatureSettings,
) -> tuple[Float64, FurtherState]:
    """Return the further columns of a chunk's decisions.

    Parameters
    ----------
    state : FurtherState
        Of `new_further_state`, or what the preceding chunk returned.
    chunk : FurtherInput
        Checked as the core features are.
    decisions : Decisions
    core : dict of str to ndarray of float64, shape (n_rows,)
        Core features of the decisions.
    settings : FeatureSettings

    Returns
    -------
    values : ndarray of float64, shape (n_columns, n_rows)
        `NAMES`.
    state : FurtherState

    Notes
    -----
    Causal. A base bar counts as closed for a decision at t exactly when its end is not after t: all
    clocks know every trade before t. Chunks together give the columns of the whole, bit for bit.
    """
    n = len(chunk.trades)
    values = np.empty((len(NAMES), len(decisions)))
    back = 0 if decisions.is_end_included else 1
    cuts = [0, *chunk.starts.tolist(), n]
    for k, (first, end) in enumerate(pairwise(cuts)):
        if k > 0:
            state = new_further_state()
        # A row that knows no trade of a segment yet belongs to the one before.
        least = -1 if k == 0 else first
        rows = slice(*np.searchsorted(decisions.end_idx, [least, end], side="right"))
        part = Segment(
            trades=chunk.trades.slice(first, end),
            sweep=chunk.sweep[first:end],
            at_trade=_part(chunk.at_trade, first, end),
            ofi=_part(chunk.ofi, first, end),
            end_idx=decisions.end_idx[rows] - first,
            known_ns=decisions.t0_ns[rows] - back,
            is_closed=chunk.session_ended or k < len(cuts) - 2,
            closes_sweep=decisions.closes_sweep,
        )
        known = {name: column[rows] for name, column in core.items()}
        state = _fill(state, part, decisions.t0_ns[rows], known, (settings, values[:, rows]))
    return values, state


def _part(columns: _Columns | None, first: int, end: int) -> _Columns | None:
    if columns is None:
        return None
    cut = {f.name: getattr(columns, f.name)[first:end] for f in fields(columns)}
    return type(columns)(**cut)


def _fill(
    state: FurtherState,
    part: Segment,
    t0_ns: Int64,
    core: dict[str, Float64],
    into: tuple[FeatureSettings, Float64],
) -> FurtherState:
    settings, values = into
    values[:_N_BY_TRADE], trades = continue_trade_tier(state.trades, part, core, settings)
    t1, columns, bars, pending = _next_bars(state, part.trades, t0_ns, settings)
    columns = np.column_stack([state.last_bar, columns])
    values[_N_BY_TRADE:] = columns[:, np.searchsorted(t1, t0_ns, side="right")]
    prices = np.append(state.last_price, part.trades.price_ticks)
    for level in bar_tier.LEVELS:
        row = _N_BY_TRADE + level
        values[row] = prices[part.end_idx] - values[row]
    return FurtherState(
        trades=trades,
        bars=bars,
        pending=pending,
        last_bar=columns[:, -1].copy(),
        last_price=int(prices[-1]),
    )


def _next_bars(
    state: FurtherState, trades: TradeArrays, t0_ns: Int64, settings: FeatureSettings
) -> tuple[Int64, Float64, BarTierState | None, TradeArrays]:
    # Bars that end at or before the last decision; the trades after them stay pending.
    pending = TradeArrays(
        **{
            f.name: np.concatenate((getattr(state.pending, f.name), getattr(trades, f.name)))
            for f in fields(TradeArrays)
        }
    )
    n_closed = 0
    if len(t0_ns):
        limit = int(t0_ns[-1]) // settings.bar_ns * settings.bar_ns
        n_closed = int(np.searchsorted(pending.ts_event_ns, limit))
    if n_closed == 0:
        empty = np.empty((len(bar_tier.COLUMNS), 0))
        return np.empty(0, np.int64), empty, state.bars, pending
    closed = pending.slice(0, n_closed)
    t1, columns, bars = continue_bar_tier(state.bars, closed, settings)
    kept = {f.name: getattr(pending, f.name)[n_closed:].copy() for f in fields(TradeArrays)}
    return t1, columns, bars, TradeArrays(**kept)
