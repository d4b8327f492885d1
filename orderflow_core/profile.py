"""Volume profile: volume per price row and side, of one stretch of trades or of several."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import MAX_ABS_TICKS, checked_grid, footprint
from orderflow_core.kernels.profile import _range_lots_nb
from orderflow_core.row_ranges import side_by_side
from orderflow_core.types import BarIndex, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    narrow_sign,
    require_int64,
    require_same_length,
)
from orderflow_core.value_area import rows_from_lowest

# Ranges of trades that are added up side by side: long enough to pay for a ladder and a thread, two a
# core to share evenly, no more, as each has a ladder to clear and to add.
_TRADES_PER_RANGE = 2**18
_RANGES_A_CORE = 2
# Ticks of a ladder: clearing and adding up ladders must cost less than the trades.
_LADDER_TICKS_FREE = 2**14
_LADDER_TICKS_IN_ALL = 2**22  # 256 MB
_SAMPLE = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRows:
    """Traded price rows in rising order; int64 arrays of shape (n_rows,).

    Attributes
    ----------
    price_tick
        Lowest tick of the row.
    bid_lots, ask_lots, unsigned_lots
        Lots by aggressor: sellers, buyers, not known.
    """

    price_tick: Int64
    bid_lots: Int64
    ask_lots: Int64
    unsigned_lots: Int64

    def __len__(self) -> int:
        return len(self.price_tick)

    @property
    def volume_lots(self) -> Int64:
        """Lots traded in each row, signed or not."""
        return self.bid_lots + self.ask_lots + self.unsigned_lots


def volume_profile(
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    *,
    ticks_per_row: int,
    anchor_tick: int = 0,
) -> ProfileRows:
    """Return the lots per price row and aggressor side over all trades given.

    Parameters
    ----------
    price_ticks, qty_lots, sign : ndarray, shape (n_trades,)
        As in `orderflow_core.footprint.footprint`, in any order.
    ticks_per_row : int, > 0, at most 2**61
    anchor_tick : int, within 2**61
        Lowest tick of row 0.

    Returns
    -------
    ProfileRows
        Rows with a trade only; none without trades.

    Raises
    ------
    TypeError, ValueError
        As in `orderflow_core.footprint.footprint`.

    Notes
    -----
    Equal to the footprint of one bar that holds every trade. Independent of the order of trades.
    Causal as far as its input is: the profile of a session so far takes the trades so far.
    Source: Steidlmayer's Market Profile with volume in place of time (CBOT, 1996).

    Examples
    --------
    >>> rows = volume_profile([11, 10, 11], [2, 3, 4], [1, -1, 0], ticks_per_row=1)
    >>> rows.price_tick, rows.volume_lots
    (array([10, 11]), array([3, 6]))
    """
    grid = checked_grid(ticks_per_row, anchor_tick)
    price, qty = require_int64("price_ticks", price_ticks), require_int64("qty_lots", qty_lots)
    signs = narrow_sign("sign", sign)
    require_same_length(price_ticks=price, qty_lots=qty, sign=signs)
    rows = _rows_by_ladder(price, qty, signs, grid) if len(price) else None
    return rows or _rows_by_footprint(price, qty, signs, grid)


def composite_profile(profiles: Sequence[ProfileRows], *, ticks_per_row: int) -> ProfileRows:
    """Return the profile of several stretches of trades: of days, or of a day so far and a chunk.

    Parameters
    ----------
    profiles : sequence of ProfileRows
        Made with one row height and one anchor.
    ticks_per_row : int, > 0

    Returns
    -------
    ProfileRows
        Rows with a trade in any of them; none without profiles.

    Raises
    ------
    TypeError, ValueError
        Rows that are not on one grid, that span more than 2**61 ticks, or sums beyond int64.

    Notes
    -----
    Equal to the profile of all the trades, in any order and grouping: the incremental form of
    `volume_profile`, and of composites over the last days. Causal as its inputs.

    Examples
    --------
    >>> days = [volume_profile([p], [q], [1], ticks_per_row=1) for p, q in ((10, 2), (11, 3))]
    >>> composite_profile(days, ticks_per_row=1).ask_lots
    array([2, 3])
    """
    every = np.concatenate([np.empty(0, np.int64), *(rows.price_tick for rows in profiles)])
    price, position = np.unique(every, return_inverse=True)
    rows_from_lowest("price_tick of the profiles", price, ticks_per_row)
    if sum(int(rows.volume_lots.sum()) for rows in profiles) > INT64_MAX:
        raise ValueError("profiles may overflow int64: their lots together")
    sides = []
    for name in ("bid_lots", "ask_lots", "unsigned_lots"):
        lots = np.zeros(len(price), np.int64)
        added = [np.empty(0, np.int64), *(getattr(rows, name) for rows in profiles)]
        np.add.at(lots, position, np.concatenate(added))
        sides.append(lots)
    return ProfileRows(
        price_tick=price, bid_lots=sides[0], ask_lots=sides[1], unsigned_lots=sides[2]
    )


def _rows_by_footprint(price: Int64, qty: Int64, sign: Int8, grid: tuple[int, int]) -> ProfileRows:
    # For any prices; it also says what is wrong with the trades.
    one = np.zeros(1 if len(price) else 0, np.int64)
    everything = BarIndex(bar_id=one, t0_ns=one, t1_ns=one, first_idx=one, end_idx=one + len(price))
    cells = footprint(price, qty, sign, everything, ticks_per_row=grid[0], anchor_tick=grid[1])
    return ProfileRows(
        price_tick=cells.price_tick,
        bid_lots=cells.bid_lots,
        ask_lots=cells.ask_lots,
        unsigned_lots=cells.unsigned_lots,
    )


def _rows_by_ladder(
    price: Int64, qty: Int64, sign: Int8, grid: tuple[int, int]
) -> ProfileRows | None:
    # None where the prices lie too far apart, or a trade breaks a rule.
    n_worth = max(len(price) // _TRADES_PER_RANGE, 1)
    n_ranges = 1 if n_worth == 1 else min(n_worth, _RANGES_A_CORE * (os.cpu_count() or 1))
    most_ticks = max(_LADDER_TICKS_FREE, len(price) // (2 * n_ranges))
    sample = price[:: len(price) // _SAMPLE + 1]
    low, high = int(sample.min()), int(sample.max())
    margin = (high - low) // 2 + 64
    lots = _tick_lots(price, qty, sign, (low - margin, high + margin + 1), most_ticks, n_ranges)
    if lots is None:  # the sample missed an extreme, or a trade breaks a rule
        low, high, margin = int(price.min()), int(price.max()), 0
        lots = _tick_lots(price, qty, sign, (low, high + 1), most_ticks, n_ranges)
    farthest = max(abs(low - margin - grid[1]), abs(high + margin - grid[1]))
    if lots is None or farthest > MAX_ABS_TICKS:
        return None
    traded = np.flatnonzero(lots.any(axis=1))
    return _rows_of_ticks(traded + (low - margin), lots[traded], grid)


def _tick_lots(
    price: Int64,
    qty: Int64,
    sign: Int8,
    window: tuple[int, int],
    most_ticks: int,
    n_ranges: int,
) -> Int64 | None:
    # Lots by tick of the window and side (sell, unsigned, buy, none).
    first_tick, end_tick = window
    n_ticks = end_tick - first_tick
    if n_ticks > min(most_ticks, _LADDER_TICKS_IN_ALL) or max(-first_tick, end_tick) > INT64_MAX:
        return None
    while n_ranges * n_ticks > _LADDER_TICKS_IN_ALL:  # ends at one range
        n_ranges //= 2
    ladders = np.zeros((n_ranges, 2, 4 * n_ticks), np.int64)
    found = np.empty((n_ranges, 2), np.int64)  # largest size, whether all is valid
    edges = np.linspace(0, len(price), n_ranges + 1).astype(np.int64).tolist()

    def add(k: int) -> None:  # each range has a ladder of its own
        of_range = slice(edges[k], edges[k + 1])
        trades = (price[of_range], qty[of_range], sign[of_range])
        found[k] = _range_lots_nb(*trades, window, ladders[k])

    side_by_side([partial(add, k) for k in range(n_ranges)])
    if not found[:, 1].all() or int(found[:, 0].max()) * len(price) > INT64_MAX:
        return None
    lots: Int64 = ladders.sum(axis=(0, 1)).reshape(-1, 4)
    return lots


def _rows_of_ticks(tick: Int64, lots: Int64, grid: tuple[int, int]) -> ProfileRows:
    height, anchor = grid
    row = (tick - anchor) // height
    first = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    by_side = np.add.reduceat(lots, first, axis=0)
    return ProfileRows(
        price_tick=anchor + row[first] * height,
        bid_lots=by_side[:, 0].copy(),
        ask_lots=by_side[:, 2].copy(),
        unsigned_lots=by_side[:, 1].copy(),
    )
