"""The profile of a session as its bars close: what levels that develop are computed on."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells
from orderflow_core.profile import ProfileRows
from orderflow_core.types import Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_not_negative,
    require_positions,
    require_positive,
    require_same_length,
    require_sorted,
    require_sum_fits,
)
from orderflow_core.value_area import rows_from_lowest


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLadder:
    """The bars of one session within a chunk, on the rows that the session trades up to its end.

    Attributes
    ----------
    first_bar, end_bar : int
        Half-open range of bars of the chunk.
    is_continued : bool
        Whether the session began in an earlier chunk.
    price_tick, row : ndarray of int64, shape (n_rows,)
        Lowest ticks of the rows, and rows counted from the lowest one.
    before : ProfileRows
        Lots in those rows before the first of the bars; 0 where only later bars trade.
    position : ndarray of int64, shape (n_cells,)
        Row of each cell.
    lots : tuple of three ndarray of int64, shape (n_cells,)
        Lots of each cell at the bid, at the ask, and not signed.
    end_cell : ndarray of int64, shape (end_bar - first_bar,)
        Where each bar's cells end.
    """

    first_bar: int
    end_bar: int
    is_continued: bool
    price_tick: Int64
    row: Int64
    before: ProfileRows
    position: Int64
    lots: tuple[Int64, Int64, Int64]
    end_cell: Int64

    def after(self) -> ProfileRows:
        """Return the profile after the last of the bars."""
        sides = (self.before.bid_lots, self.before.ask_lots, self.before.unsigned_lots)
        bid, ask, unsigned = (side.copy() for side in sides)
        for side, lots in zip((bid, ask, unsigned), self.lots, strict=True):
            np.add.at(side, self.position, lots)
        return ProfileRows(
            price_tick=self.price_tick, bid_lots=bid, ask_lots=ask, unsigned_lots=unsigned
        )


def session_ladders(
    state: ProfileRows | None,
    cells: FootprintCells,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
) -> tuple[Int64, list[SessionLadder]]:
    """Return the bars of a chunk and their sessions' ladders, checked.

    Parameters
    ----------
    state : ProfileRows or None
        Profile of the session that the chunk's first bar goes on with.
    cells : FootprintCells
        Cells of the bars in time order; every bar has at least one.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session. The first bar after no state does in any case.
    ticks_per_row : int, > 0
        Row height that `cells` was made with.

    Returns
    -------
    bar_id : ndarray of int64, shape (n_bars,)
    ladders : list of SessionLadder
        One a session, in time order; none without bars.

    Raises
    ------
    TypeError, ValueError
        Cells that are not sorted, not on one grid, without lots or with fewer than none; starts that
        are not positions of bars in order; lots that could leave int64 in a session.
    """
    bar_id, end_cell = _bars_of(cells)
    starts = require_positions("session_start_bar", session_start_bar, len(bar_id)).tolist()
    goes_on = bool(len(bar_id)) and starts[:1] != [0]
    ladders = []
    for first_bar, end_bar in pairwise([*[0] * goes_on, *starts, len(bar_id)]):
        continued = state if first_bar == 0 and goes_on else None
        ladders.append(_ladder(continued, cells, end_cell, (first_bar, end_bar), ticks_per_row))
    return bar_id, ladders


def _ladder(
    state: ProfileRows | None,
    cells: FootprintCells,
    end_cell: Int64,
    bars: tuple[int, int],
    ticks_per_row: int,
) -> SessionLadder:
    first_bar, end_bar = bars
    first_cell = int(end_cell[first_bar - 1]) if first_bar else 0
    inside = slice(first_cell, int(end_cell[end_bar - 1]))
    price = np.unique(cells.price_tick[inside])
    if state is not None:
        price = np.union1d(state.price_tick, price)
    price, row = rows_from_lowest("cells.price_tick", price, ticks_per_row)
    before = _spread(state, price)
    lots = (cells.bid_lots[inside], cells.ask_lots[inside], cells.unsigned_lots[inside])
    added = cells.volume_lots[inside]
    carried = int(before.volume_lots.sum())
    if carried + int(added.max()) * len(added) > INT64_MAX:
        raise ValueError(
            f"cells may overflow int64: {carried} lots carried and {len(added)} terms of up to "
            f"{added.max()}"
        )
    return SessionLadder(
        first_bar=first_bar,
        end_bar=end_bar,
        is_continued=state is not None,
        price_tick=price,
        row=row,
        before=before,
        position=np.searchsorted(price, cells.price_tick[inside]),
        lots=lots,
        end_cell=end_cell[first_bar:end_bar] - first_cell,
    )


def _spread(state: ProfileRows | None, price: Int64) -> ProfileRows:
    # The profile on more rows than it traded.
    sides = [np.zeros(len(price), np.int64) for _ in range(3)]
    if state is not None:
        position = np.searchsorted(price, state.price_tick)
        lots = (state.bid_lots, state.ask_lots, state.unsigned_lots)
        for side, known in zip(sides, lots, strict=True):
            side[position] = known
    return ProfileRows(
        price_tick=price, bid_lots=sides[0], ask_lots=sides[1], unsigned_lots=sides[2]
    )


def _bars_of(cells: FootprintCells) -> tuple[Int64, Int64]:
    # The bars, and where the cells of each end.
    bar_id = require_int64("cells.bar_id", cells.bar_id)
    price = require_int64("cells.price_tick", cells.price_tick)
    sides = {
        name: require_int64(f"cells.{name}", getattr(cells, name))
        for name in ("bid_lots", "ask_lots", "unsigned_lots")
    }
    require_same_length(bar_id=bar_id, price_tick=price, **sides)
    require_sorted("cells.bar_id", bar_id)
    for name, lots in sides.items():
        require_not_negative(f"cells.{name}", lots)
        require_sum_fits(f"cells.{name}", int(lots.max(initial=0)), len(sides))
    require_positive("cells.volume_lots", cells.volume_lots)
    is_same_bar = bar_id[1:] == bar_id[:-1]
    is_back = is_same_bar & (price[1:] <= price[:-1])
    if is_back.any():
        i = int(np.argmax(is_back)) + 1
        raise ValueError(
            f"cells.price_tick must rise within a bar, got {price[i]} after {price[i - 1]} "
            f"at position {i}"
        )
    last = np.flatnonzero(np.append(~is_same_bar, True)[: len(bar_id)])
    return bar_id[last], last + 1
