"""Blocks of trades, small enough that what is kept of them stays in the cache, and the rows due in each."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from orderflow_core.decision_clocks import Decisions
from orderflow_core.feature_input import Chunk
from orderflow_core.types import Int64
from orderflow_core.validate import read_only

BLOCK_TRADES = 8_192
_LEAST_ROOM = 4_096
Rows: TypeAlias = tuple[Int64, Int64]


def known_rows(decisions: Decisions) -> Rows:
    """Return how many trades each decision knows, and up to which time."""
    known_ns = decisions.t0_ns if decisions.is_end_included else decisions.t0_ns - 1
    return read_only(decisions.end_idx), read_only(known_ns)


def blocks_of(
    chunk: Chunk, rows: Rows, first: int, end: int
) -> Iterator[tuple[Chunk, Rows, slice]]:
    """Yield trades in blocks, with the rows due in each and which they are.

    Parameters
    ----------
    chunk : Chunk
    rows : tuple of ndarray of int64
        How many of the chunk's trades each row knows, and up to which time.
    first, end : int
        The trades ``first <= i < end``; a row that knows no trade of theirs is due with the first.
    """
    n_done = 0
    for start in range(first, end, BLOCK_TRADES):
        stop = min(start + BLOCK_TRADES, end)
        due = slice(n_done, int(np.searchsorted(rows[0], stop, side="right")))
        yield chunk.part(start, stop), (rows[0][due] - start, rows[1][due]), due
        n_done = due.stop


def room_for(room: int, size: int, n: int) -> int:
    """Return how many columns a table needs that holds some and takes more: as many as it has, if they do.

    Half stays free, so that moving costs little a trade. An odd number of cache lines: else all rows
    of the table would compete for the same places.
    """
    needed = 2 * (size + n) + 1
    return room if needed <= room else (-(-max(needed, _LEAST_ROOM) // 8) | 1) * 8


def moved(table: np.ndarray, kept: slice, room: int, *, axis: int) -> np.ndarray:
    """Return a table that begins with what is kept of the given one; the same one if it has the room.

    Parameters
    ----------
    table : ndarray
    kept : slice
        Along the axis. What comes after it is undefined.
    room : int
        Length of the axis.
    axis : int
        The last, or the first.
    """
    old = table[..., kept] if axis else table[kept]
    if table.shape[axis] != room:
        table = np.empty((*table.shape[:axis], room, *table.shape[axis + 1 :]), table.dtype)
    into = slice(0, kept.stop - kept.start)
    table[(..., into) if axis else into] = old  # numpy sees where the two overlap
    return table
