"""Volume profile: volume per price row, its point of control and its value area."""

from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import footprint
from orderflow_core.types import BarIndex, Int64
from orderflow_core.validate import (
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
    require_sum_fits,
)

ValueAreaAlgorithm: TypeAlias = Literal["two_row_A"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueArea:
    """Point of control and the rows round it that hold the wanted share of the volume.

    Attributes
    ----------
    poc_tick, val_tick, vah_tick : int, unit ticks
        Lowest tick of the row of most volume, of the area's lowest and of its highest row. The
        area's edge may be a row that did not trade.
    volume_lots, total_lots : int, unit lots
        Volume inside the area, and of the whole profile.
    """

    poc_tick: int
    val_tick: int
    vah_tick: int
    volume_lots: int
    total_lots: int


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
    ticks_per_row : int, > 0
    anchor_tick : int
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
    n_trades = len(np.asarray(price_ticks))
    one = np.zeros(1 if n_trades else 0, np.int64)
    everything = BarIndex(bar_id=one, t0_ns=one, t1_ns=one, first_idx=one, end_idx=one + n_trades)
    cells = footprint(
        price_ticks,
        qty_lots,
        sign,
        everything,
        ticks_per_row=ticks_per_row,
        anchor_tick=anchor_tick,
    )
    return ProfileRows(
        price_tick=cells.price_tick,
        bid_lots=cells.bid_lots,
        ask_lots=cells.ask_lots,
        unsigned_lots=cells.unsigned_lots,
    )


def point_of_control(price_tick: ArrayLike, volume_lots: ArrayLike, *, ticks_per_row: int) -> int:
    """Return the position of the row with most volume.

    Parameters
    ----------
    price_tick : ndarray of int64, shape (n_rows,), unit ticks
        Lowest ticks of the rows, strictly increasing by multiples of `ticks_per_row`. Rows left
        out count as 0 lots.
    volume_lots : ndarray of int64, shape (n_rows,), unit lots, >= 0
    ticks_per_row : int, > 0

    Returns
    -------
    int
        Position in `price_tick`. Of rows with equal volume the one closest to the middle of the
        traded range; of two that are equally close the one on the side of the middle that holds
        more volume; with equal sides the lower one.

    Raises
    ------
    TypeError, ValueError
        The rows break the rules above, or no row holds volume.

    Notes
    -----
    Rows without volume, given or left out, never change the result. Source: MyPivots, "Point of
    Control", for the order of the tie rules.

    Examples
    --------
    >>> point_of_control([10, 11, 12, 13], [5, 1, 1, 5], ticks_per_row=1)
    0
    """
    price, volume = _checked_rows(price_tick, volume_lots, ticks_per_row)
    traded = np.flatnonzero(volume)
    return int(traded[_point_of_control(price[traded].tolist(), volume[traded].tolist())])


def value_area(
    price_tick: ArrayLike,
    volume_lots: ArrayLike,
    *,
    ticks_per_row: int,
    share_num: int = 7,
    share_den: int = 10,
    algorithm: ValueAreaAlgorithm = "two_row_A",
) -> ValueArea:
    """Return the value area: rows grown from the point of control to a share of the volume.

    Parameters
    ----------
    price_tick, volume_lots, ticks_per_row
        As in `point_of_control`.
    share_num, share_den : int, 0 < share_num <= share_den
        Share of the volume as a fraction, compared in integers; met exactly is enough.
    algorithm : {"two_row_A"}
        Compare the volume of the next two rows above with that of the next two below; add the two
        below only if they hold strictly more, else the two above; repeat until the share is
        reached. Untraded rows inside the range count as 0. Past the edge a pair is what exists;
        where one side has no row left, the other one grows.

    Returns
    -------
    ValueArea
        ``val_tick <= poc_tick <= vah_tick``, and the area holds at least the share.

    Raises
    ------
    TypeError, ValueError
        As in `point_of_control`, or the share or the algorithm is not one of the above.

    Notes
    -----
    Linear in the rows that traded, however wide the range. Source: Investor/RT, "Value area",
    method A; POC ties as in `point_of_control`.

    Examples
    --------
    >>> value_area([10, 11, 12, 13], [1, 8, 2, 1], ticks_per_row=1)
    ValueArea(poc_tick=11, val_tick=11, vah_tick=13, volume_lots=11, total_lots=12)
    """
    price, volume = _checked_rows(price_tick, volume_lots, ticks_per_row)
    if algorithm != "two_row_A":
        raise ValueError(f"algorithm must be 'two_row_A', got {algorithm!r}")
    num = require_positive_scalar("share_num", share_num)
    den = require_positive_scalar("share_den", share_den)
    if num > den:
        raise ValueError(f"share_num / share_den must be at most 1, got {num} / {den}")
    is_traded = volume > 0
    prices, volumes = price[is_traded].tolist(), volume[is_traded].tolist()
    poc = _point_of_control(prices, volumes)
    total = sum(volumes)
    n_below, n_above, inside = _two_row_a(prices, volumes, poc, ticks_per_row, (num * total, den))
    return ValueArea(
        poc_tick=prices[poc],
        val_tick=prices[poc] - n_below * ticks_per_row,
        vah_tick=prices[poc] + n_above * ticks_per_row,
        volume_lots=inside,
        total_lots=total,
    )


def _checked_rows(
    price_tick: ArrayLike, volume_lots: ArrayLike, ticks_per_row: int
) -> tuple[Int64, Int64]:
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    price = require_int64("price_tick", price_tick)
    volume = require_int64("volume_lots", volume_lots)
    require_same_length(price_tick=price, volume_lots=volume)
    require_sorted("price_tick", price, strict=True)
    if len(price) and ((price - price[0]) % height).any():
        i = int(np.argmax((price - price[0]) % height != 0))
        raise ValueError(
            f"price_tick must rise by multiples of ticks_per_row {height}, "
            f"got {price[i]} beside {price[0]}"
        )
    if (volume < 0).any():
        raise ValueError(f"volume_lots must not be negative, got {volume.min()}")
    if not volume.any():
        raise ValueError(
            f"volume_lots must hold volume in at least one row, got {len(volume)} rows"
        )
    require_sum_fits("volume_lots", int(volume.max()), len(volume))
    return price, volume


def _point_of_control(prices: list[int], volumes: list[int]) -> int:
    # Twice the middle, so that a middle between two ticks stays an integer.
    middle = prices[0] + prices[-1]
    most = max(volumes)
    tied = [i for i, volume in enumerate(volumes) if volume == most]
    distance = min(abs(2 * prices[i] - middle) for i in tied)
    closest = [i for i in tied if abs(2 * prices[i] - middle) == distance]
    below = sum(v for p, v in zip(prices, volumes, strict=True) if 2 * p < middle)
    above = sum(v for p, v in zip(prices, volumes, strict=True) if 2 * p > middle)
    return closest[-1] if above > below else closest[0]


def _two_row_a(
    prices: list[int], volumes: list[int], poc: int, height: int, target: tuple[int, int]
) -> tuple[int, int, int]:
    # Rows added below and above the point of control, and the volume inside. Pairs start at the
    # point of control and never shift, so that only pairs with volume need a step: while both next
    # pairs are empty the rule climbs, and once a side is used up the other one grows.
    distance = [(price - prices[poc]) // height for price in prices]
    above = _pairs(distance[poc + 1 :], volumes[poc + 1 :])
    below = _pairs([-d for d in distance[:poc][::-1]], volumes[:poc][::-1])
    inside, n_above, n_below = volumes[poc], 0, 0
    wanted, scale = target
    while inside * scale < wanted:
        next_above = above[0] if above else None
        next_below = below[0] if below else None
        below_lots = next_below[1] if next_below and next_below[0] == n_below // 2 else 0
        above_lots = next_above[1] if next_above and next_above[0] == n_above // 2 else 0
        if next_below and (next_above is None or below_lots > above_lots):
            pair, lots = below.popleft()
            n_below = min(2 * pair + 2, -distance[0])
        else:
            pair, lots = above.popleft()
            n_above = min(2 * pair + 2, distance[-1])
        inside += lots
    return n_below, n_above, inside


def _pairs(distance: list[int], volumes: list[int]) -> deque[tuple[int, int]]:
    # (pair number, lots): pair j holds the rows 2j + 1 and 2j + 2 away from the point of control.
    lots: dict[int, int] = {}
    for d, volume in zip(distance, volumes, strict=True):
        lots[(d - 1) // 2] = lots.get((d - 1) // 2, 0) + volume
    return deque(lots.items())
