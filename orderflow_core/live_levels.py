"""Price levels of one session, each with the trade from which it is known and the end of its life."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.developing import developing_levels
from orderflow_core.footprint import FootprintCells, row_of
from orderflow_core.imbalance_presets import ImbalanceRule
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.significant_levels import significant_levels
from orderflow_core.stacks import stacked_imbalances
from orderflow_core.types import BarIndex, Int64, TradeArrays
from orderflow_core.validate import require_int64, require_session_starts


class LevelKind(IntEnum):
    """What makes a price a level."""

    ZONE = 1  # run of stacked imbalances of one bar
    POC = 2  # the session's point of control so far
    AREA_EDGE = 3  # an edge of the session's value area so far
    NAKED_POC = 4  # point of control of an earlier day to which no trade has come back
    ABSORPTION = 5  # price at which one side took unusually much
    RULE = 6  # row of the session so far that one side dominates on much volume


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRules:
    """How levels are found; as the stored events are.

    Attributes
    ----------
    ticks_per_row : int, > 0
        Row height of the footprint.
    imbalance : ImbalanceRule
    stacked_min_levels : int, > 0
    absorption : PriceAbsorptionRule
    """

    ticks_per_row: int
    imbalance: ImbalanceRule
    stacked_min_levels: int
    absorption: PriceAbsorptionRule


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLevels:
    """Levels in the order in which they became known; int64 of shape (n_levels,).

    Attributes
    ----------
    kind
        A `LevelKind`.
    low_tick, high_tick
        Edges, both inclusive, on the grid of rows.
    sign
        +1 where buyers made it, or absorbed; -1 where sellers did; 0 without a side.
    first_idx, end_idx
        First trade after it was known, and the end of its life, exclusive.
    """

    kind: Int64
    low_tick: Int64
    high_tick: Int64
    sign: Int64
    first_idx: Int64
    end_idx: Int64

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: ArrayLike) -> "LiveLevels":
        """Return the chosen levels."""
        return LiveLevels(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def live_levels(
    trades: TradeArrays,
    index: BarIndex,
    cells: FootprintCells,
    *,
    start_idx: ArrayLike,
    naked_poc_tick: ArrayLike,
    rules: LevelRules,
) -> LiveLevels:
    """Return the levels of every kind of one session.

    Parameters
    ----------
    trades : TradeArrays, n_trades elements
    index : BarIndex
        Bars that cover the trades.
    cells : FootprintCells
        Footprint of these bars with the rules' row height.
    start_idx : ndarray of int64, strictly increasing from 0
        The session's start and the first trades after recorded gaps: no level outlives a gap, but
        for the points of control of earlier days.
    naked_poc_tick : ndarray of int64, unit ticks
        Lowest ticks of the rows of earlier days' points of control that are naked at the start.
    rules : LevelRules

    Returns
    -------
    LiveLevels
        No trades: no levels.

    Raises
    ------
    TypeError, ValueError
        As the functions that find the levels.

    Notes
    -----
    Known: zones, rule levels and developing levels at their bar's close, absorption at its trade.
    A developing level lives until the close at which it has moved. The others live until the next
    gap or the session's end, or until the same kind finds the same row again, which is a new level;
    that a level is gone once price has passed it is the matter of `level_touches`. Causal: the
    levels of a prefix that ends with a bar are those of the whole that were known by then, with
    lives cut there. Source: docs/levels.md.
    """
    starts = require_session_starts("start_idx", start_idx, len(trades))
    if not len(trades):
        return LiveLevels(**{f.name: np.empty(0, np.int64) for f in fields(LiveLevels)})
    ends = np.append(starts[1:], len(trades))
    height = rules.ticks_per_row
    opening = np.unique(np.searchsorted(index.end_idx, starts, side="right"))
    parts = [
        *_zones(cells, index, rules),
        *_developing(cells, index, opening, height),
        *_absorption(trades, starts, rules),
        *_rule_levels(trades, cells, index, opening, height),
    ]
    columns = np.concatenate(parts, axis=1)
    # What was known at a trade dies at the next gap after it, even where that is the next trade.
    over = ends[np.searchsorted(starts, np.maximum(columns[4] - 1, 0), side="right") - 1]
    columns[5] = np.minimum(columns[5], over)
    naked = _naked(trades.price_ticks, require_int64("naked_poc_tick", naked_poc_tick), height,
                   (starts, ends))  # fmt: skip
    columns = np.concatenate([columns, naked], axis=1)
    columns = columns[:, np.lexsort((columns[3], columns[1], columns[0], columns[4]))]
    _end_where_found_again(columns)
    kind, low, high, sign, first, end = columns
    return LiveLevels(
        kind=kind, low_tick=low, high_tick=high, sign=sign,
        first_idx=first, end_idx=np.maximum(end, first),
    )  # fmt: skip


def _columns(
    kind: LevelKind, low: Int64, high: Int64, sign: ArrayLike, first: Int64, end: ArrayLike
) -> Int64:
    # Rows: kind, lowest tick, highest tick, sign, first trade after, end of life.
    made = np.empty((6, len(low)), np.int64)
    for row, values in zip(made, (int(kind), low, high, sign, first, end), strict=True):
        row[:] = values
    return made


def _zones(cells: FootprintCells, index: BarIndex, rules: LevelRules) -> list[Int64]:
    stacks = stacked_imbalances(
        cells,
        rules.imbalance,
        ticks_per_row=rules.ticks_per_row,
        min_levels=rules.stacked_min_levels,
    )
    first = index.end_idx[np.searchsorted(index.bar_id, stacks.bar_id)]
    end = index.end_idx[-1]
    return [_columns(LevelKind.ZONE, stacks.low_tick, stacks.high_tick, stacks.sign, first, end)]


def _developing(cells: FootprintCells, index: BarIndex, opening: Int64, height: int) -> list[Int64]:
    found = developing_levels(cells, opening, ticks_per_row=height)
    parts = []
    for kind, tick in (
        (LevelKind.POC, found.poc_tick),
        (LevelKind.AREA_EDGE, found.val_tick),
        (LevelKind.AREA_EDGE, found.vah_tick),
    ):
        is_new = np.diff(tick, prepend=tick[0] - 1) != 0
        is_new[opening] = True
        bar = np.flatnonzero(is_new)
        closes = index.end_idx[bar]
        parts.append(
            _columns(
                kind, tick[bar], tick[bar] + height - 1, 0, closes,
                np.append(closes[1:], index.end_idx[-1]),
            )
        )  # fmt: skip
    return parts


def _absorption(trades: TradeArrays, starts: Int64, rules: LevelRules) -> list[Int64]:
    found = price_absorption(
        trades.ts_event_ns, trades.price_ticks, trades.qty_lots, trades.sign, starts,
        rule=rules.absorption,
    )  # fmt: skip
    at = np.flatnonzero(found.is_onset)
    height = rules.ticks_per_row
    low = row_of(trades.price_ticks[at], height) * height
    return [
        _columns(
            LevelKind.ABSORPTION, low, low + height - 1, found.sign[at], at + 1, len(trades)
        )
    ]  # fmt: skip


def _rule_levels(
    trades: TradeArrays, cells: FootprintCells, index: BarIndex, opening: Int64, height: int
) -> list[Int64]:
    close = trades.price_ticks[index.end_idx - 1]
    births = significant_levels(cells, close, opening, ticks_per_row=height).births
    first = index.end_idx[np.searchsorted(index.bar_id, births.bar_id)]
    low, end = births.level_tick, index.end_idx[-1]
    return [_columns(LevelKind.RULE, low, low + height - 1, births.level_sign, first, end)]


def _naked(price: Int64, tick: Int64, height: int, spans: tuple[Int64, Int64]) -> Int64:
    # In each stretch between gaps up to the one in which a trade is in the row or jumps over it.
    parts = [np.empty((6, 0), np.int64)]
    for low in np.unique(tick):
        side = np.sign(price - low) * ((price < low) | (price >= low + height))
        covered = np.flatnonzero((side == 0) | (np.diff(side, prepend=side[0]) != 0))
        last = int(covered[0]) if len(covered) else len(price)
        first, end = (span[spans[0] <= last] for span in spans)
        lows = np.full(len(first), low)
        parts.append(_columns(LevelKind.NAKED_POC, lows, lows + height - 1, 0, first, end))
    return np.concatenate(parts, axis=1)


def _end_where_found_again(columns: Int64) -> None:
    # In the order of time: a level ends where the next of its kind and edges begins.
    order = np.lexsort((columns[4], columns[2], columns[1], columns[0]))
    kind, low, high, _, first, end = columns[:, order]
    is_same = (kind[1:] == kind[:-1]) & (low[1:] == low[:-1]) & (high[1:] == high[:-1])
    end[:-1] = np.where(is_same, np.minimum(end[:-1], first[1:]), end[:-1])
    columns[5, order] = end
