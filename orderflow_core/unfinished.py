"""Unfinished auctions: extremes at which both sides traded, open until price comes back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.extremes import bar_ranges
from orderflow_core.footprint import FootprintCells
from orderflow_core.kernels.unfinished import _unfinished_nb
from orderflow_core.sessions import opens_session
from orderflow_core.types import BarIndex, Bool, Float64, Int8, Int64
from orderflow_core.validate import (
    require_count,
    require_int64,
    require_positions,
    require_same_length,
    require_sorted,
)
from orderflow_core.zones import NEVER

_N_COLUMNS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedLevels:
    """Extremes left unfinished, in the order of their birth, a bar's high before its low.

    Attributes
    ----------
    level_id : ndarray of int64, shape (n_levels,)
        Counted from 0.
    sign : ndarray of int8
        +1 at a bar's high, -1 at a bar's low.
    price_tick : ndarray of int64
        Lowest tick of the row.
    birth_bar_id, birth_ns : ndarray of int64
        The bar, and its close, at which the level became known.
    covered_ns : ndarray of int64
        Close of the first later bar whose range covers the row; `NEVER` without one.
    expiry_ns : ndarray of int64
        Close of the bar that opened the next session; `NEVER` where it was covered before, or where
        no session has begun since.
    """

    level_id: Int64
    sign: Int8
    price_tick: Int64
    birth_bar_id: Int64
    birth_ns: Int64
    covered_ns: Int64
    expiry_ns: Int64

    def __len__(self) -> int:
        return len(self.level_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedColumns:
    """Unfinished auctions at each bar's close; shape (n_bars,).

    Attributes
    ----------
    is_high, is_low : ndarray of bool
        Whether this bar's own high (low) is unfinished.
    n_above, n_below : ndarray of int64
        Open levels at or above the bar's high (at or below its low), its own included.
    above_tick, below_tick : ndarray of float64, unit ticks
        The nearest of them; NaN without one.
    """

    is_high: Bool
    is_low: Bool
    n_above: Int64
    n_below: Int64
    above_tick: Float64
    below_tick: Float64

    def __len__(self) -> int:
        return len(self.is_high)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedState:
    """Open levels after a chunk of bars.

    Attributes
    ----------
    above, below : ndarray of int64, shape (n_open, 7)
        The farthest first. Never written to.
    n_levels : int
        Born so far.
    last_bar_id : int
    """

    above: Int64
    below: Int64
    n_levels: int
    last_bar_id: int

    @property
    def open_levels(self) -> UnfinishedLevels:
        """The levels that no bar has covered yet."""
        return _level_arrays(np.concatenate([self.above, self.below]))


def unfinished_auctions(
    cells: FootprintCells, *, ticks_per_row: int, filter_lots: int
) -> tuple[Bool, Bool]:
    """Return the bars whose high (low) is an unfinished auction.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
    ticks_per_row : int, > 0
    filter_lots : int, >= 0
        The side that drove price to the extreme has to have traded more than this there; ATAS
        takes 20.

    Returns
    -------
    is_high, is_low : ndarray of bool, shape (n_bars,)
        High: bid above 0 and ask above the filter. Low: ask above 0 and bid above the filter. A
        finished auction has 0 on the far side.

    Raises
    ------
    TypeError, ValueError
        As `bar_ranges`, or a filter that is no integer or negative.

    Notes
    -----
    Known at the bar's close. No cells: empty. Source: ATAS "Unfinished Auction", source code.

    Examples
    --------
    A high that traded 3 on the bid and 21 on the ask is unfinished with a filter of 20, not of 21.
    """
    least = require_count("filter_lots", filter_lots)
    low, high = bar_ranges(cells, ticks_per_row=ticks_per_row)
    is_high = (cells.bid_lots[high] > 0) & (cells.ask_lots[high] > least)
    is_low = (cells.ask_lots[low] > 0) & (cells.bid_lots[low] > least)
    return is_high, is_low


def unfinished_levels(
    cells: FootprintCells,
    index: BarIndex,
    *,
    ticks_per_row: int,
    filter_lots: int,
    session_start_bar: ArrayLike,
) -> tuple[UnfinishedColumns, UnfinishedLevels]:
    """Return the unfinished extremes and when later bars covered them.

    Parameters
    ----------
    cells : FootprintCells, n_cells elements, sorted by (bar_id, price_tick)
        Of the bars of ``index``, each with a cell.
    index : BarIndex
        Complete bars.
    ticks_per_row, filter_lots : int
        As in `unfinished_auctions`.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session: open levels expire there. ATAS keeps them: none.

    Returns
    -------
    columns : UnfinishedColumns
    levels : UnfinishedLevels
        All of them, covered or not.

    Raises
    ------
    TypeError, ValueError
        As `unfinished_auctions`, or cells and bars do not belong together.

    Notes
    -----
    Evaluated when a bar closes, in rows: a level is covered when the row lies within the rows of a
    later bar, whether that row traded or not; a bar's own range does not cover its own extremes.
    Price may jump over a level between two bars: it stays open, on the other side. Source: ATAS
    "Unfinished Auction", source code.

    Examples
    --------
    High 20 unfinished at bar 1, bars from 18 to 19 and from 19 to 21: covered at bar 3's close.
    """
    columns, covered, state = continue_unfinished_levels(
        None,
        cells,
        index,
        ticks_per_row=ticks_per_row,
        filter_lots=filter_lots,
        session_start_bar=session_start_bar,
    )
    still_open = [] if state is None else [np.concatenate([state.above, state.below])]
    table = np.concatenate([_table_of(covered), *still_open])
    return columns, _level_arrays(table)


def continue_unfinished_levels(
    state: UnfinishedState | None,
    cells: FootprintCells,
    index: BarIndex,
    *,
    ticks_per_row: int,
    filter_lots: int,
    session_start_bar: ArrayLike,
) -> tuple[UnfinishedColumns, UnfinishedLevels, UnfinishedState | None]:
    """Do as `unfinished_levels` for the next complete bars.

    Parameters
    ----------
    state : UnfinishedState or None
        What the preceding chunk returned; None before the first.
    cells, index, ticks_per_row, filter_lots, session_start_bar
        As in `unfinished_levels`.

    Returns
    -------
    columns : UnfinishedColumns
        Chunks together give the result of the whole.
    ended : UnfinishedLevels
        Covered or expired in this chunk, in order of birth.
    state : UnfinishedState or None
        For the next chunk; as it came without bars.

    Raises
    ------
    TypeError, ValueError
        As `unfinished_levels`, also between the state and the first bar.
    """
    born = unfinished_auctions(cells, ticks_per_row=ticks_per_row, filter_lots=filter_lots)
    bar_id, bars = _checked_bars_of_cells(cells, index, session_start_bar, ticks_per_row)
    n_bars = len(bar_id)
    empty = np.empty((0, _N_COLUMNS), np.int64)
    before = state or UnfinishedState(above=empty, below=empty, n_levels=0, last_bar_id=NEVER)
    if state is not None and n_bars and bar_id[0] <= before.last_bar_id:
        raise ValueError(f"index must follow bar {before.last_bar_id}, got bar_id {bar_id[0]}")
    new = _born(born, bar_id, bars, before.n_levels)
    levels = np.concatenate([before.above, before.below, new])
    n_on = np.array([len(before.above), len(before.below)])
    piles = np.empty((2, len(levels)), np.int64)
    piles[0, : n_on[0]] = np.arange(n_on[0])
    piles[1, : n_on[1]] = n_on[0] + np.arange(n_on[1])
    nearest, counts = np.full((n_bars, 2), np.nan), np.empty((n_bars, 2), np.int64)
    _unfinished_nb(bars, born, levels, piles, n_on, nearest, counts)
    columns = UnfinishedColumns(
        is_high=born[0],
        is_low=born[1],
        n_above=counts[:, 0],
        n_below=counts[:, 1],
        above_tick=nearest[:, 0],
        below_tick=nearest[:, 1],
    )
    if n_bars == 0:
        return columns, _level_arrays(empty), state
    above, below = (levels[piles[side, : n_on[side]]] for side in range(2))
    after = UnfinishedState(
        above=above,
        below=below,
        n_levels=before.n_levels + len(new),
        last_bar_id=int(bar_id[-1]),
    )
    has_ended = (levels[:, 5] != NEVER) | (levels[:, 6] != NEVER)
    return columns, _level_arrays(levels[has_ended]), after


def _checked_bars_of_cells(
    cells: FootprintCells, index: BarIndex, session_start_bar: ArrayLike, ticks_per_row: int
) -> tuple[Int64, tuple[Int64, Int64, Int64, Bool]]:
    # Ids of the bars, and their lowest row, highest row, close and whether they open a session.
    low, high = bar_ranges(cells, ticks_per_row=ticks_per_row)
    bar_id = require_int64("index.bar_id", index.bar_id)
    t1_ns = require_int64("index.t1_ns", index.t1_ns)
    n_bars = require_same_length(bars_of_cells=low, bar_id=bar_id, t1_ns=t1_ns)
    starts = require_positions("session_start_bar", session_start_bar, n_bars)
    require_sorted("index.bar_id", bar_id, strict=True)
    if (cells.bar_id[low] != bar_id).any():
        bar = int(np.argmax(cells.bar_id[low] != bar_id))
        raise ValueError(
            f"cells must be those of index, got bar_id {cells.bar_id[low][bar]} for {bar_id[bar]}"
        )
    return bar_id, (
        cells.price_tick[low],
        cells.price_tick[high],
        t1_ns,
        opens_session(starts, n_bars),
    )


def _born(
    born: tuple[Bool, Bool],
    bar_id: Int64,
    bars: tuple[Int64, Int64, Int64, Bool],
    n_before: int,
) -> Int64:
    # Rows of the table, a bar's high before its low.
    bar, side = np.nonzero(np.stack(born, axis=1))
    table = np.full((len(bar), _N_COLUMNS), NEVER)
    table[:, 0] = n_before + np.arange(len(bar))
    table[:, 1] = np.where(side == 0, 1, -1)
    table[:, 2] = np.where(side == 0, bars[1][bar], bars[0][bar])
    table[:, 3] = bar_id[bar]
    table[:, 4] = bars[2][bar]
    return table


def _level_arrays(table: Int64) -> UnfinishedLevels:
    by_birth = table[np.argsort(table[:, 0])]
    return UnfinishedLevels(
        level_id=by_birth[:, 0],
        sign=by_birth[:, 1].astype(np.int8),
        price_tick=by_birth[:, 2],
        birth_bar_id=by_birth[:, 3],
        birth_ns=by_birth[:, 4],
        covered_ns=by_birth[:, 5],
        expiry_ns=by_birth[:, 6],
    )


def _table_of(levels: UnfinishedLevels) -> Int64:
    columns = [getattr(levels, name) for name in UnfinishedLevels.__dataclass_fields__]
    return np.stack([column.astype(np.int64) for column in columns], axis=1)
