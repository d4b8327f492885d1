"""Rows of the level task: a session's levels, their touches, and what was known at each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import footprint
from orderflow_core.level_features import level_features
from orderflow_core.level_touches import HoldRule, LevelTouches, level_touches
from orderflow_core.live_levels import LevelRules, LiveLevels, live_levels
from orderflow_core.sweeps import sweep_bounds
from orderflow_core.types import BarIndex, Float64, Int64, TradeArrays


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRows:
    """Touches of one session, one row each.

    Attributes
    ----------
    levels : LiveLevels
    touches : LevelTouches, n_touches elements
    end_idx : ndarray of int64, shape (n_touches,)
        End of the sweep that touched: the decision knows the trades before it.
    values : ndarray of float64, shape (n_touches, n_features)
        Columns as in `orderflow_core.level_features.LEVEL_FEATURES`.
    """

    levels: LiveLevels
    touches: LevelTouches
    end_idx: Int64
    values: Float64

    def __len__(self) -> int:
        return len(self.end_idx)


def level_rows(
    trades: TradeArrays,
    sweep: ArrayLike,
    index: BarIndex,
    *,
    start_idx: ArrayLike,
    naked_poc_tick: ArrayLike,
    rules: LevelRules,
    hold: HoldRule,
) -> LevelRows:
    """Return the touches of every level of a session with what was known at them.

    Parameters
    ----------
    trades : TradeArrays, n_trades elements
    sweep : ndarray of int64, shape (n_trades,), non-decreasing
        Ordinal of the sweep of each trade; the last one is over.
    index : BarIndex
        Bars that cover the trades.
    start_idx, naked_poc_tick, rules
        As in `live_levels`.
    hold : HoldRule
        As in `level_touches`.

    Returns
    -------
    LevelRows

    Raises
    ------
    TypeError, ValueError
        As the functions that it puts together.
    """
    height = rules.ticks_per_row
    cells = footprint(trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=height)
    levels = live_levels(
        trades, index, cells, start_idx=start_idx, naked_poc_tick=naked_poc_tick, rules=rules
    )
    return rows_of(trades, sweep, levels, start_idx=start_idx, ticks_per_row=height, hold=hold)


def rows_of(
    trades: TradeArrays,
    sweep: ArrayLike,
    levels: LiveLevels,
    *,
    start_idx: ArrayLike,
    ticks_per_row: int,
    hold: HoldRule,
) -> LevelRows:
    """Return the touches of given levels; see `level_rows`."""
    touches = level_touches(
        trades.price_ticks, trades.ts_event_ns, levels.low_tick, levels.high_tick,
        levels.first_idx, levels.end_idx, rule=hold,
    )  # fmt: skip
    ends = sweep_bounds(sweep)[1]
    end_idx = ends[np.searchsorted(ends, touches.touch_idx, side="right")]
    values = level_features(
        trades, levels, touches, end_idx, start_idx=start_idx, ticks_per_row=ticks_per_row
    )
    return LevelRows(levels=levels, touches=touches, end_idx=end_idx, values=values)
