"""Footprint: traded size per bar, price row and aggressor side."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.footprint import _block_nb
from orderflow_core.row_ranges import side_by_side
from orderflow_core.types import BarIndex, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    narrow_sign,
    require_count,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
    require_sum_fits,
)

# Prices this far from the anchor, the anchor and the row height: rows and their edges fit int64.
MAX_ABS_TICKS = 2**61
# A ladder that holds more rows than this per trade is mostly empty (a print far from the market):
# then sorting the trades is faster than clearing the ladder.
_LADDER_LIMITS = (8, 65_536, 2**21)  # rows a trade, rows free, rows of one bar (128 MB)
# Fewer than two blocks are summed by one thread: another would begin as it ends.
_MAX_BLOCKS, _TRADES_PER_BLOCK = 8, 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintCells:
    """Traded rows of the bars, sorted by ``(bar_id, price_tick)``; int64 of shape (n_cells,).

    Attributes
    ----------
    bar_id
        Bar of the cell, as in the `BarIndex` that made it.
    price_tick
        Lowest tick of the price row.
    bid_lots, ask_lots, unsigned_lots
        Lots that sellers hit into the bid, that buyers lifted off the ask, and that no rule signed.
    n_bid, n_ask, n_unsigned
        Trades behind those lots.
    """

    bar_id: Int64
    price_tick: Int64
    bid_lots: Int64
    ask_lots: Int64
    unsigned_lots: Int64
    n_bid: Int64
    n_ask: Int64
    n_unsigned: Int64

    def __len__(self) -> int:
        return len(self.bar_id)

    @property
    def volume_lots(self) -> Int64:
        """Lots traded in each cell, signed or not."""
        return self.bid_lots + self.ask_lots + self.unsigned_lots


def footprint(
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    index: BarIndex,
    *,
    ticks_per_row: int,
    anchor_tick: int = 0,
) -> FootprintCells:
    """Return the lots and trades per bar, price row and aggressor side.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
        At most 2**61 away from ``anchor_tick``.
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sign : ndarray of int8, shape (n_trades,)
        Aggressor sign in {-1, 0, +1}: -1 counts at the bid, +1 at the ask, 0 in a third column that
        belongs to the volume and not to the delta.
    index : BarIndex
        Half-open trade ranges in trade order that hold a trade each and do not overlap. Trades
        outside every range are left out.
    ticks_per_row : int, > 0, at most 2**61
        Height of a price row. It decides much of what imbalances look like: no default.
    anchor_tick : int, within 2**61
        Lowest tick of row 0. Row of a price: ``floor((price - anchor) / ticks_per_row)``, floored
        towards minus infinity, so that rows have one height on both sides of the anchor.

    Returns
    -------
    FootprintCells
        Rows with a trade only; no cell where there is no bar.

    Raises
    ------
    TypeError
        An array, the row height or the anchor is not of integers.
    ValueError
        Lengths differ, a sign is outside the domain, a size or ``ticks_per_row`` is not positive,
        a price, the height or the anchor is too large, the bars overlap, are empty or run past the
        trades, or sums could leave int64.

    Notes
    -----
    Causal in bars: a cell depends on its own bar's trades only. Independent of the order of trades
    within a bar. Conserves volume exactly: the sum over a bar's cells is the bar's volume, and ask
    minus bid its delta. Source: definitions of the bid x ask footprint as charted by Sierra Chart
    (Numbers Bars) and ATAS (Cluster); row edges as TradingView (multiples of the row height).

    Examples
    --------
    >>> one_bar = BarIndex(
    ...     bar_id=np.array([7]), t0_ns=np.array([0]), t1_ns=np.array([60]),
    ...     first_idx=np.array([0]), end_idx=np.array([3]))
    >>> cells = footprint([10, 11, 10], [2, 3, 4], [1, -1, -1], one_bar, ticks_per_row=1)
    >>> cells.price_tick, cells.bid_lots, cells.ask_lots
    (array([10, 11]), array([4, 3]), array([2, 0]))
    """
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    signs = narrow_sign("sign", sign)  # the kernel looks at the values
    n = require_same_length(price_ticks=price, qty_lots=qty, sign=signs)
    height, anchor = checked_grid(ticks_per_row, anchor_tick)
    bar_id, first_idx, end_idx = checked_bars(index, n)
    # Rows of one tick are the prices themselves, whatever the anchor.
    row, origin = (price, 0) if height == 1 else (row_of(price, height, anchor), anchor)
    cells = _cells_on_ladders((row, qty, signs), first_idx, end_idx, anchor - origin)
    if cells is None or int((end_idx - first_idx).sum()) < n:
        _require_trades(price, qty, signs, anchor)
    if cells is None:
        cells = _cells_by_sorting(row, qty, signs, first_idx, end_idx)
    columns = np.ascontiguousarray(cells.T)
    return FootprintCells(
        bar_id=bar_id[columns[0]],
        price_tick=origin + columns[1] * height,
        bid_lots=columns[2],
        ask_lots=columns[3],
        unsigned_lots=columns[4],
        n_bid=columns[5],
        n_ask=columns[6],
        n_unsigned=columns[7],
    )


def _require_trades(price: Int64, qty: Int64, signs: Int8, anchor_tick: int) -> None:
    # Names the first fault among all trades, those outside of the bars too.
    require_sign("sign", signs)
    require_positive("qty_lots", qty)
    require_sum_fits("qty_lots", int(qty.max(initial=0)), len(qty))
    row_of(price, 1, anchor_tick)


def checked_grid(ticks_per_row: int, anchor_tick: int) -> tuple[int, int]:
    """Return height and anchor of a grid of price rows, once they are found in range.

    Parameters
    ----------
    ticks_per_row : int, > 0, at most 2**61
    anchor_tick : int, within 2**61

    Returns
    -------
    ticks_per_row, anchor_tick : int

    Raises
    ------
    TypeError, ValueError
        Not an integer, or out of range.

    Examples
    --------
    >>> checked_grid(5, -2)
    (5, -2)
    """
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    anchor = require_count("anchor_tick", anchor_tick, least=-MAX_ABS_TICKS)
    if max(height, anchor) > MAX_ABS_TICKS:
        raise ValueError(
            f"ticks_per_row and anchor_tick must lie within 2**61, got {height} and {anchor}"
        )
    return height, anchor


def checked_bars(index: BarIndex, n_trades: int) -> tuple[Int64, Int64, Int64]:
    """Return the ids and trade ranges of bars, once they are found in order.

    Parameters
    ----------
    index : BarIndex
    n_trades : int

    Returns
    -------
    bar_id, first_idx, end_idx : ndarray of int64, shape (n_bars,)

    Raises
    ------
    TypeError, ValueError
        Not integers, ids that do not increase, ranges that are empty, overlap or leave the trades.
    """
    bar_id = require_int64("index.bar_id", index.bar_id)
    first_idx = require_int64("index.first_idx", index.first_idx)
    end_idx = require_int64("index.end_idx", index.end_idx)
    require_same_length(bar_id=bar_id, first_idx=first_idx, end_idx=end_idx)
    require_sorted("index.bar_id", bar_id, strict=True)
    if len(bar_id) == 0:
        return bar_id, first_idx, end_idx
    require_positive("index.end_idx - index.first_idx", end_idx - first_idx)
    if first_idx[0] < 0 or end_idx[-1] > n_trades:
        raise ValueError(
            f"index must lie within the {n_trades} trades, got {first_idx[0]} to {end_idx[-1]}"
        )
    if (first_idx[1:] < end_idx[:-1]).any():
        bar = int(np.argmax(first_idx[1:] < end_idx[:-1])) + 1
        raise ValueError(
            f"index must not overlap, got first_idx {first_idx[bar]} before end_idx "
            f"{end_idx[bar - 1]} at bar {bar}"
        )
    return bar_id, first_idx, end_idx


def row_of(price_ticks: ArrayLike, ticks_per_row: int, anchor_tick: int = 0) -> Int64:
    """Return the ordinal of the price row of each price.

    Parameters
    ----------
    price_ticks : ndarray of int64, shape (n,), unit ticks
        At most 2**61 away from ``anchor_tick``.
    ticks_per_row : int, > 0, at most 2**61
    anchor_tick : int, within 2**61
        Lowest tick of row 0.

    Returns
    -------
    ndarray of int64, shape (n,)
        ``floor((price - anchor) / ticks_per_row)``; may be the prices themselves, not to be written.

    Raises
    ------
    TypeError, ValueError
        Not integers, or a number out of range.

    Examples
    --------
    >>> row_of([-1, 0, 4, 5], 5)
    array([-1,  0,  0,  1])
    """
    price = require_int64("price_ticks", price_ticks)
    height, anchor = checked_grid(ticks_per_row, anchor_tick)
    if len(price) == 0:
        return price
    farthest = max(abs(int(price.min()) - anchor), abs(int(price.max()) - anchor))
    if farthest > MAX_ABS_TICKS:
        raise ValueError(
            f"price_ticks must lie within 2**61 of anchor_tick {anchor}, got {farthest}"
        )
    above_anchor = price - anchor if anchor else price
    return above_anchor // height if height > 1 else above_anchor


def _cells_on_ladders(
    trades: tuple[Int64, Int64, Int8], first_idx: Int64, end_idx: Int64, anchor_row: int
) -> Int64 | None:
    # Bar position, row, three sums of lots and three counts, one line a traded row; None where a
    # trade breaks the contract or the rows of the bars are mostly empty.
    n_trades, n_bars = len(trades[0]), len(first_idx)
    if n_bars == 0:
        return np.empty((0, 8), np.int64)
    n_blocks = max(1, min(_MAX_BLOCKS, n_trades // _TRADES_PER_BLOCK))
    edges = np.searchsorted(first_idx, np.arange(n_blocks + 1) * n_trades // n_blocks)
    edges[0], edges[-1] = 0, n_bars
    room = np.empty((n_trades, 8), np.int64)  # pages that nobody writes to cost nothing
    found = np.zeros((n_blocks, 5), np.int64)
    found[:, 1], found[:, 2] = INT64_MAX, -INT64_MAX
    limits = (*_LADDER_LIMITS, INT64_MAX // n_trades)

    def fill(block: int, first: int, end: int) -> None:
        # Each block of bars has a ladder of its own and writes where its own trades begin.
        if first < end:
            own = room[first_idx[first] : end_idx[end - 1]]
            _block_nb(trades, first_idx, end_idx, (first, end), limits, own, found[block])

    side_by_side([partial(fill, k, *part) for k, part in enumerate(pairwise(edges.tolist()))])
    farthest = max(anchor_row - int(found[:, 1].min()), int(found[:, 2].max()) - anchor_row)
    if found[:, 3:].any() or farthest > MAX_ABS_TICKS:
        return None
    used = found[:, 0].nonzero()[0]
    starts = first_idx[edges[used]]
    return np.concatenate([room[at : at + n] for at, n in zip(starts, found[used, 0], strict=True)])


def _cells_by_sorting(
    row: Int64, qty: Int64, sign: Int8, first_idx: Int64, end_idx: Int64
) -> Int64:
    n_in_bar = end_idx - first_idx
    bar = np.repeat(np.arange(len(first_idx)), n_in_bar)
    trade = np.arange(len(bar)) + np.repeat(end_idx - np.cumsum(n_in_bar), n_in_bar)
    order = np.lexsort((row[trade], bar))
    trade, bar = trade[order], bar[order]
    row, qty, sign = row[trade], qty[trade], sign[trade]
    is_new = np.ones(len(bar), np.bool_)
    is_new[1:] = (bar[1:] != bar[:-1]) | (row[1:] != row[:-1])
    start = np.flatnonzero(is_new)
    masks = (sign < 0, sign > 0, sign == 0)
    lots = [np.add.reduceat(np.where(mask, qty, 0), start) for mask in masks]
    counts = [np.add.reduceat(mask.astype(np.int64), start) for mask in masks]
    return np.stack([bar[start], row[start], *lots, *counts], axis=1)
