"""Levels of the session so far at each bar close: point of control, value area, naked POCs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import FootprintCells
from orderflow_core.kernels.value_area import _developing_levels_nb
from orderflow_core.profile import ProfileRows
from orderflow_core.session_profile import session_ladders
from orderflow_core.types import Int64
from orderflow_core.value_area import ValueAreaAlgorithm, ValueAreaTie, value_area_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopingLevels:
    """Levels of the session's profile up to and with each bar; int64 of shape (n_bars,).

    Attributes
    ----------
    bar_id
        As in the footprint.
    poc_tick, val_tick, vah_tick
        Lowest tick of the row of most volume, of the value area's lowest and of its highest row.
    area_lots, total_lots
        Volume inside the area, and of the session so far.
    """

    bar_id: Int64
    poc_tick: Int64
    val_tick: Int64
    vah_tick: Int64
    area_lots: Int64
    total_lots: Int64

    def __len__(self) -> int:
        return len(self.bar_id)


def developing_levels(
    cells: FootprintCells,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
    share_num: int = 7,
    share_den: int = 10,
    algorithm: ValueAreaAlgorithm = "two_row_A",
    tie: ValueAreaTie | None = None,
) -> DevelopingLevels:
    """Return point of control and value area of the session so far, at each bar close.

    Parameters
    ----------
    cells : FootprintCells
        Footprint of the bars in time order.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session; the very first one does in any case.
    ticks_per_row : int, > 0
        Row height that `cells` was made with.
    share_num, share_den, algorithm, tie
        As in `orderflow_core.value_area.value_area`.

    Returns
    -------
    DevelopingLevels
        Empty without bars.

    Raises
    ------
    TypeError, ValueError
        As `continue_developing_levels`.

    Notes
    -----
    Causal at each bar's end: element i equals `value_area` of the profile of the session's bars up
    to and with i. The point of control may jump, and the levels of the finished session are those
    of its last bar. Source: Steidlmayer's Market Profile; TradingView, "Developing POC".

    Examples
    --------
    >>> def column(*values): return np.array(values)
    >>> none = column(0, 0, 0)
    >>> cells = FootprintCells(
    ...     bar_id=column(1, 1, 2), price_tick=column(10, 11, 11), bid_lots=column(3, 2, 4),
    ...     ask_lots=none, unsigned_lots=none, n_bid=column(1, 1, 1), n_ask=none, n_unsigned=none)
    >>> developing_levels(cells, [0], ticks_per_row=1).poc_tick
    array([10, 11])
    """
    return continue_developing_levels(
        None,
        cells,
        session_start_bar,
        ticks_per_row=ticks_per_row,
        share_num=share_num,
        share_den=share_den,
        algorithm=algorithm,
        tie=tie,
    )[0]


def continue_developing_levels(
    state: ProfileRows | None,
    cells: FootprintCells,
    session_start_bar: ArrayLike,
    *,
    ticks_per_row: int,
    share_num: int = 7,
    share_den: int = 10,
    algorithm: ValueAreaAlgorithm = "two_row_A",
    tie: ValueAreaTie | None = None,
) -> tuple[DevelopingLevels, ProfileRows | None]:
    """Do as `developing_levels` for the next chunk of closed bars.

    Parameters
    ----------
    state : ProfileRows or None
        What the preceding chunk returned: the profile of the session so far. None at the start.
    cells, session_start_bar, ticks_per_row, share_num, share_den, algorithm, tie
        As in `developing_levels`. A bar never spreads over two chunks. The first bar goes on with
        the state's session unless 0 is among the starts.

    Returns
    -------
    levels : DevelopingLevels
        Chunks together give the result of the whole, bit for bit.
    state : ProfileRows or None
        For the next chunk; as it came where there are no bars.

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.value_area.value_area` and
        `orderflow_core.session_profile.session_ladders`.
    """
    chosen = value_area_rule(share_num, share_den, algorithm, tie)
    bar_id, ladders = session_ladders(state, cells, session_start_bar, ticks_per_row=ticks_per_row)
    levels = np.empty((5, len(bar_id)), np.int64)
    for ladder in ladders:
        part = levels[:, ladder.first_bar : ladder.end_bar]
        lots = ladder.lots[0] + ladder.lots[1] + ladder.lots[2]
        _developing_levels_nb(
            ladder.row,
            ladder.before.volume_lots,
            (ladder.position, lots),
            ladder.end_cell,
            chosen.share,
            chosen.rule,
            part,
        )
        part[:3] = ladder.price_tick[0] + part[:3] * ticks_per_row
    found = DevelopingLevels(
        bar_id=bar_id,
        poc_tick=levels[0],
        val_tick=levels[1],
        vah_tick=levels[2],
        area_lots=levels[3],
        total_lots=levels[4],
    )
    return found, ladders[-1].after() if ladders else state
