"""Volume profile: volume per price row, its point of control and its value area."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import footprint
from orderflow_core.types import BarIndex, Int64
from orderflow_core.value_area import point_of_control as point_of_control
from orderflow_core.value_area import value_area as value_area


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
