"""Windowed columns of the feature matrix: a stream of trades that remembers what its windows reach.

A whole day runs as several such streams side by side, each begun with the trades that the window of
its first row holds: what a total came to before them cancels.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from orderflow_core.feature_blocks import Rows, moved, room_for
from orderflow_core.feature_input import Chunk
from orderflow_core.kernels.feature_windows import _windows_nb
from orderflow_core.price_impact import MAX_LOTS
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import INT64_MAX, read_only

WINDOW_NS = 60 * 1_000_000_000
_N_CORE, _N_WHOLE, _N_HELD, _N_MOVES = 9, 14, 17, 8
_POSITIONS = [0, 1, 2, 3, 4, 16]  # which of the held figures are positions in the table
_FLOOR = 2  # the row of the table that holds positions
_NONE, _NO_BOOL = read_only(np.empty(0, np.int64)), read_only(np.empty(0, np.bool_))
_Seen: TypeAlias = tuple[Int64, Int64, Bool, Int64, Bool]


@dataclass(slots=True, kw_only=True)
class WindowState:
    """Totals of the trades that a window may still look at. It belongs to its stream.

    Attributes
    ----------
    table : ndarray of int64, shape (9 or 14, room)
        As in the kernels; 9 rows where only the core columns are asked for.
    moves : ndarray of int64, shape (0 or room, 8)
        Observations of impact.
    held : ndarray of int64, shape (17,)
        Trades in the table, first trades of the windows, figures of the last trade.
    sizes : tuple of ndarray of float64
        Magnitudes that tell whether integer sums could overflow.
    """

    table: Int64
    moves: Int64
    held: Int64
    sizes: tuple[Float64, Float64, Float64]

    def make_room(self, n: int) -> None:
        """Drop what no window reaches, and move to a larger table if less than half becomes free."""
        used = int(self.held[0])
        # The trade before a window is looked at, and so are the last two.
        drop = max(0, min(int(self.held[[1, 2, 3, 16]].min()) - 1, used - 2))
        kept, room = slice(drop, used + 1), room_for(self.table.shape[1], used - drop, n)
        self.table = moved(self.table, kept, room, axis=1)
        self.table[_FLOOR, : used - drop] -= drop
        self.held[_POSITIONS] -= drop
        if len(self.moves):
            self.moves = moved(self.moves, kept, room, axis=0)
            of_prices, of_moves = (moved(size, kept, room, axis=0) for size in self.sizes[1:])
            self.sizes = (self.sizes[0], of_prices, of_moves)


def new_window_state(*, is_whole: bool) -> WindowState:
    """Return the state before the first trade of a stream."""
    return WindowState(
        table=np.zeros((_N_WHOLE if is_whole else _N_CORE, 1), np.int64),
        moves=np.zeros((1 if is_whole else 0, _N_MOVES), np.int64),
        held=np.zeros(_N_HELD, np.int64),
        sizes=(np.zeros(2), np.zeros(1), np.zeros(1)),
    )


def fill_windows(state: WindowState, chunk: Chunk, rows: Rows, values: Float64) -> None:
    """Take the next trades, and write the windowed columns of the rows due in them.

    Parameters
    ----------
    state : WindowState
        Goes on in place.
    chunk : Chunk
    rows : tuple of ndarray of int64, shape (n_rows,)
        A row knows the trades before a position in the chunk, and times up to another.
    values : ndarray of float64, shape (n_features, n_rows)

    Raises
    ------
    ValueError
        Beyond the core: a size beyond 2**40, sums that could leave int64.
    """
    if state.held.item(0) + len(chunk.ts) >= state.table.shape[1]:
        state.make_room(len(chunk.ts))
    trades = (chunk.ts, chunk.price, chunk.qty, chunk.sign, chunk.sweep)
    tables = (state.table, state.moves)
    reach = _windows_nb(
        trades, _seen(chunk), chunk.starts, rows, state.held, state.sizes, tables, values
    )
    require_reach_fits(reach, chunk.qty)


def require_reach_fits(reach: float, qty: Int64) -> None:
    """Demand that no sum of impact can have left int64; ``reach`` is what the kernel found."""
    if reach == math.inf:
        raise ValueError(f"trades.qty_lots must be at most {MAX_LOTS}, got {qty.max()}")
    if reach > INT64_MAX // 2:
        raise ValueError(
            "trades.price_ticks and trades.qty_lots overflow int64: products in a window sum to "
            f"{reach:.3g}"
        )


def _seen(chunk: Chunk) -> _Seen:
    book = chunk.book or (_NONE, _NO_BOOL)
    if chunk.quotes is None:
        return (_NONE, _NONE, _NO_BOOL, *book)
    bid, _, ask, _, is_known = chunk.quotes
    return (bid, ask, is_known, *book)


def begun_windows(
    chunk: Chunk, rows: Rows, values: Float64, *, is_whole: bool
) -> tuple[WindowState, int]:
    """Return a state that is as good as that of the whole stream for the given rows.

    Parameters
    ----------
    chunk : Chunk
        Of the whole stream; its first trade opens a session.
    rows, values
        As in `fill_windows`; at least one row.
    is_whole : bool
        Whether columns beyond the core are asked for.

    Returns
    -------
    state : WindowState
    first : int
        The trade from which on the state is to be fed.
    """
    (ends, known_ns), state = rows, new_window_state(is_whole=is_whole)
    end = int(ends[0])
    start = int(chunk.starts[np.searchsorted(chunk.starts, end - 1, side="right") - 1])
    # Impact counts from the last trade, all else from what the row knows.
    left_ns = min(int(known_ns[0]), int(chunk.ts[end - 1])) - WINDOW_NS
    first = start + int(np.searchsorted(chunk.ts[start:end], left_ns, side="right")) - 1
    if first < start:
        return state, start
    before = chunk.part(first, first + 1)
    before.starts = read_only(np.zeros(1, np.int64))
    fill_windows(state, before, (_NONE, _NONE), values[:, :0])
    # It opens the stream, but not the session: windows are warm.
    state.table[_FLOOR, 0] = state.held[4] = -1
    return state, first + 1
