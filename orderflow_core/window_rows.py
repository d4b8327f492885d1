"""Rows of a moving window that states share: appended in place, never changed, so copies are rare.

A stream that is fed one trade at a time cannot afford to copy a minute of trades at each. The rows
lie in one table with room behind them; the next chunk is written into the room, and rows that left
the window are dropped by moving a position. A state that was kept and is continued a second time
finds the room taken and copies its own rows first: what it holds never changes.
"""

from dataclasses import dataclass

import numpy as np

from orderflow_core.types import Int64

BLOCK_ROWS = 65_536  # what a batch feeds at a time: its window stays in the cache
_LEAST_ROOM = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRows:
    """The rows ``first <= i < end`` of a table.

    Attributes
    ----------
    table : ndarray of int64, shape (capacity, n_columns)
    first, end : int
    n_written : ndarray of int64, shape (1,)
        How many rows of the table are taken, by whichever state continued it.
    """

    table: Int64
    first: int
    end: int
    n_written: Int64

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def rows(self) -> Int64:
        """The rows, shape (n_rows, n_columns), as a view."""
        return self.table[self.first : self.end]

    def without(self, n_rows: int) -> "WindowRows":
        """Return the window without its first ``n_rows`` rows."""
        return WindowRows(
            table=self.table,
            first=self.first + n_rows,
            end=self.end,
            n_written=self.n_written,
        )


def no_rows(n_columns: int) -> WindowRows:
    """Return a window without rows.

    Parameters
    ----------
    n_columns : int, > 0

    Returns
    -------
    WindowRows
    """
    return WindowRows(
        table=np.empty((0, n_columns), np.int64), first=0, end=0, n_written=np.zeros(1, np.int64)
    )


def with_rows(window: WindowRows, columns: tuple[Int64, ...]) -> WindowRows:
    """Return the window followed by new rows.

    Parameters
    ----------
    window : WindowRows
    columns : tuple of ndarray of int64, shape (n_new,), one a column of the table

    Returns
    -------
    WindowRows
        ``first`` moves to 0 where the rows had to be copied: positions that count from it hold.

    Notes
    -----
    Amortised constant cost a row: a full table is replaced by one twice as large as its rows.
    """
    n_new = len(columns[0])
    end, needed = window.end, len(window) + n_new
    table, first, n_written = window.table, window.first, window.n_written
    if n_written[0] != end or end + n_new > len(table):
        table = np.empty((max(2 * needed, _LEAST_ROOM), table.shape[1]), np.int64)
        table[: len(window)] = window.table[first:end]
        first, end, n_written = 0, len(window), np.empty(1, np.int64)
    for k, column in enumerate(columns):
        table[end : end + n_new, k] = column
    n_written[0] = end + n_new
    return WindowRows(table=table, first=first, end=end + n_new, n_written=n_written)
