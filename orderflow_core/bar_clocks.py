"""Where bars begin and end: by time, or by what the trades themselves add up to.

A bar that trades drive ends with the trade that fills it: no trade is split, nothing is carried
over into the next bar, and a session start ends the bar before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.bars import time_bar_index
from orderflow_core.kernels.bar_clocks import _range_ends_nb, _threshold_ends_nb
from orderflow_core.types import BarIndex, Int64, TradeArrays
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sign,
    require_sorted,
)

BAR_KINDS: tuple[str, ...] = ("time", "count", "volume", "notional", "delta", "range")


@dataclass(frozen=True, slots=True, kw_only=True)
class BarClock:
    """A rule for where bars end.

    Attributes
    ----------
    kind : str
        One of `BAR_KINDS`. With S the size, a bar ends

        - ``time``: at the next multiple of S ns since 1970-01-01 UTC;
        - ``count``: with its S-th trade;
        - ``volume``: with the trade that brings its volume to at least S lots;
        - ``notional``: with the trade that brings its sum of ``|price| x size`` to at least S
          ticks x lots;
        - ``delta``: with the trade that brings the magnitude of its delta to at least S lots;
        - ``range``: with the trade that brings its high less its low to at least S ticks.
    size : int, > 0
    """

    kind: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BarClockState:
    """What is known of the bar that is open after a chunk.

    Attributes
    ----------
    n_trades, n_bars : int
        Trades seen, and bars ended, since the stream began.
    first_idx : int
        Position of the open bar's first trade, counted like ``n_trades``; equal to it if no bar is
        open.
    t0_ns, last_ns : int
        Start of the open bar, and the time of the last trade.
    amount : int
        What the open bar's trades add up to, by the clock's kind.
    high_ticks, low_ticks : int
        Extremes of the open bar, of a range clock.
    """

    n_trades: int = 0
    n_bars: int = 0
    first_idx: int = 0
    t0_ns: int = 0
    last_ns: int = 0
    amount: int = 0
    high_ticks: int = 0
    low_ticks: int = 0

    @property
    def is_open(self) -> bool:
        """Whether a bar holds trades and hasn't ended."""
        return self.first_idx < self.n_trades


def bar_index(
    clock: BarClock, trades: TradeArrays, *, session_start_idx: ArrayLike = ()
) -> BarIndex:
    """Return the bars of a clock, the last of which may not have come to its end.

    Parameters
    ----------
    clock : BarClock
    trades : TradeArrays, n_trades elements, in time order
        Sizes positive. Only the columns that the clock's kind looks at matter, and the times.
    session_start_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1, optional
        Trades that begin a bar in any case. Bars of time lie on their grid and take no notice.

    Returns
    -------
    BarIndex
        All trades lie in a bar. Bars of time: as `orderflow_core.bars.time_bar_index`. Others:
        ``bar_id`` counts from 0, ``t0`` is the time of the first trade and ``t1`` the time of the
        last one plus 1 ns, so that bars that end within one time overlap there; positions don't.

    Raises
    ------
    TypeError, ValueError
        An unknown kind, a size that is not positive, arrays that don't hold integers, unequal
        lengths, times that run back, sizes that are not positive, or amounts beyond int64.

    Notes
    -----
    Each bar but the last is known at its last trade, or, if a session start or the time grid ends
    it, at the next one. The last may be incomplete: `continue_bar_index` leaves it out until
    it has ended. Ties: a trade that brings the amount to the size exactly ends the bar. No
    trades: no bars. Source: Lopez de Prado (2018), chapter 2 (tick, volume and dollar bars); range
    and delta bars as charting platforms have them, with the filling trade inside the bar.

    Examples
    --------
    >>> ts = np.arange(4)
    >>> trades = TradeArrays(ts_event_ns=ts, trade_id=ts, price_ticks=ts + 10,
    ...     qty_lots=np.array([2, 1, 5, 1]), sign=np.ones(4, np.int8))
    >>> index = bar_index(BarClock(kind="volume", size=3), trades)
    >>> index.first_idx, index.end_idx
    (array([0, 2, 3]), array([2, 3, 4]))
    """
    return continue_bar_index(None, clock, trades, session_start_idx=session_start_idx, ended=True)[
        0
    ]


def continue_bar_index(
    state: BarClockState | None,
    clock: BarClock,
    trades: TradeArrays,
    *,
    session_start_idx: ArrayLike = (),
    ended: bool = False,
) -> tuple[BarIndex, BarClockState]:
    """Do as `bar_index` for the next chunk of trades, and return the bars that ended.

    Parameters
    ----------
    state : BarClockState or None
        What the preceding chunk returned; None before the first.
    clock, trades
        As in `bar_index`, the trades of this chunk.
    session_start_idx : ndarray of int64, strictly increasing
        Positions in this chunk; empty where no session starts in it.
    ended : bool
        Whether the stream is over after this chunk, which ends the open bar.

    Returns
    -------
    index : BarIndex
        Bars that ended in this chunk. ``first_idx`` and ``end_idx`` count from the first trade of
        the stream: less ``state.n_trades`` they are positions in this chunk, negative before it.
        Chunks together give the bars of the whole.
    state : BarClockState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `bar_index`, also between the state and the chunk.
    """
    before = state or BarClockState()
    checked = _checked(clock, trades)
    n = len(checked)
    starts = require_positions("session_start_idx", session_start_idx, n)
    if before.n_trades and n and checked.ts_event_ns[0] < before.last_ns:
        raise ValueError(
            f"trades.ts_event_ns must be non-decreasing, got {checked.ts_event_ns[0]} "
            f"after {before.last_ns}"
        )
    if clock.kind == "time":
        ends, amounts = _time_ends(clock, checked.ts_event_ns, before), (0, 0, 0)
    else:
        ends, amounts = _driven_ends(clock, checked, starts, before)
    first = before.first_idx - before.n_trades  # of the bar that is open, negative if there is one
    if ended and n > (ends[-1] if len(ends) else first):
        ends = np.append(ends, n)
    index = _ended_bars(ends, clock, checked.ts_event_ns, before)
    return index, _state_after(index, clock, checked.ts_event_ns, before, amounts)


def _checked(clock: BarClock, trades: TradeArrays) -> TradeArrays:
    if clock.kind not in BAR_KINDS:
        raise ValueError(f"clock.kind must be one of {', '.join(BAR_KINDS)}, got {clock.kind!r}")
    require_positive_scalar("clock.size", clock.size)
    checked = TradeArrays(
        ts_event_ns=require_int64("trades.ts_event_ns", trades.ts_event_ns),
        trade_id=require_int64("trades.trade_id", trades.trade_id),
        price_ticks=require_int64("trades.price_ticks", trades.price_ticks),
        qty_lots=require_int64("trades.qty_lots", trades.qty_lots),
        sign=require_sign("trades.sign", trades.sign),
    )
    ts, qty = checked.ts_event_ns, checked.qty_lots
    require_same_length(
        ts_event_ns=ts, price_ticks=checked.price_ticks, qty_lots=qty, sign=checked.sign
    )
    require_sorted("trades.ts_event_ns", ts)
    require_positive("trades.qty_lots", qty)
    if len(ts) and ts[-1] == INT64_MAX:
        raise ValueError(f"trades.ts_event_ns must lie below {INT64_MAX}")
    return checked


def _time_ends(clock: BarClock, ts: Int64, before: BarClockState) -> Int64:
    # A bar that is open ends at the chunk's first trade, unless that lies in the same bar.
    found = time_bar_index(ts, clock.size)
    ends_first = before.is_open and len(found) > 0 and found.t0_ns[0] != before.t0_ns
    return found.first_idx if ends_first else found.first_idx[1:]


def _driven_ends(
    clock: BarClock, trades: TradeArrays, starts: Int64, before: BarClockState
) -> tuple[Int64, tuple[int, int, int]]:
    ends = np.empty(len(trades) + 1, np.int64)
    if clock.kind == "range":
        price = trades.price_ticks
        extremes = (before.high_ticks, before.low_ticks)
        _require_range_fits(price, *(extremes if before.is_open else ()))
        n_bars, extremes, _ = _range_ends_nb(
            price, starts, clock.size, extremes, before.is_open, ends
        )
        return ends[:n_bars], (0, *extremes)
    amount = _amount(clock, trades)
    n_bars, running, _ = _threshold_ends_nb(
        amount, starts, clock.size, before.amount, before.is_open, ends
    )
    return ends[:n_bars], (running, 0, 0)


def _amount(clock: BarClock, trades: TradeArrays) -> Int64:
    # What each trade adds. A bar that is open holds less than the size, so one term more must fit.
    largest = int(trades.qty_lots.max(initial=0))
    if clock.kind == "notional":
        price = trades.price_ticks
        largest *= max(-int(price.min(initial=0)), int(price.max(initial=0)))
    if largest + clock.size > INT64_MAX:
        raise ValueError(
            f"clock.size of {clock.size} and amounts of up to {largest} may overflow int64"
        )
    if clock.kind == "count":
        return np.ones(len(trades), np.int64)
    if clock.kind == "delta":
        return trades.qty_lots * trades.sign
    return (
        trades.qty_lots * np.abs(trades.price_ticks)
        if clock.kind == "notional"
        else trades.qty_lots
    )


def _require_range_fits(price: Int64, *known: int) -> None:
    reached = [int(price.min()), int(price.max())] if len(price) else []
    if reached and max(*reached, *known) - min(*reached, *known) > INT64_MAX:
        raise ValueError(f"trades.price_ticks must span less than 2**63 ticks, got {reached}")


def _ended_bars(ends: Int64, clock: BarClock, ts: Int64, before: BarClockState) -> BarIndex:
    first = np.append(before.first_idx - before.n_trades, ends)[:-1]
    t0, last = np.full(len(ends), before.t0_ns), np.full(len(ends), before.last_ns)
    is_here = first >= 0
    t0[is_here] = _start_ns(clock, ts[first[is_here]])
    last[ends > 0] = ts[ends[ends > 0] - 1]
    is_time = clock.kind == "time"
    return BarIndex(
        bar_id=t0 // clock.size if is_time else before.n_bars + np.arange(len(ends)),
        t0_ns=t0,
        t1_ns=t0 + clock.size if is_time else last + 1,
        first_idx=first + before.n_trades,
        end_idx=ends + before.n_trades,
    )


def _start_ns(clock: BarClock, ts: Int64) -> Int64:
    return ts // clock.size * clock.size if clock.kind == "time" else ts


def _state_after(
    index: BarIndex,
    clock: BarClock,
    ts: Int64,
    before: BarClockState,
    amounts: tuple[int, int, int],
) -> BarClockState:
    n_trades = before.n_trades + len(ts)
    first = int(index.end_idx[-1]) if len(index) else before.first_idx
    begins_here = before.n_trades <= first < n_trades
    amount, high, low = amounts if first < n_trades else (0, 0, 0)
    position = first - before.n_trades
    return BarClockState(
        n_trades=n_trades,
        n_bars=before.n_bars + len(index),
        first_idx=first,
        t0_ns=int(_start_ns(clock, ts[position])) if begins_here else before.t0_ns,
        last_ns=int(ts[-1]) if len(ts) else before.last_ns,
        amount=int(amount),
        high_ticks=int(high),
        low_ticks=int(low),
    )
