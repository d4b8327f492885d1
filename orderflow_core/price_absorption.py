"""Absorption by price: unusually much traded by one side at one price within seconds.

Trades that keep hitting one price are volume without displacement: somebody rests there and takes
them all. `absorption` asks the same of whole bars.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.price_absorption import _price_absorption_nb
from orderflow_core.types import Bool, Float64, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_amount,
    require_count,
    require_differences_fit,
    require_int64,
    require_positions,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sorted,
    require_window_fits,
)

# Up to so many prices between the lowest and the highest a cell is found by its price; a print far
# from the market makes room for each price that occurs instead.
_LADDER_MAX_PRICES = 2**20
_TAIL = ("ts_event_ns", "price_ticks", "qty_lots", "sign", "is_above")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAbsorptionRule:
    """When the trades at a price count as absorption.

    Attributes
    ----------
    window_ns : int, unit ns, > 0
        T: the lots of one side at one price are summed over ``(t - T, t]``.
    lookback_ns : int, unit ns, a positive multiple of ``window_ns``
        How far back "usual" looks.
    multiplier : float, > 0
        m: deviations above the mean from which on lots are unusual.
    least_cells : int, >= 2
        Cells in the look back below which there is no size.
    """

    window_ns: int
    lookback_ns: int
    multiplier: float
    least_cells: int = 30

    def __post_init__(self) -> None:
        window = require_positive_scalar("window_ns", self.window_ns)
        lookback = require_positive_scalar("lookback_ns", self.lookback_ns)
        if lookback % window:
            raise ValueError(f"lookback_ns must be a multiple of {window}, got {lookback}")
        require_amount("multiplier", self.multiplier, is_zero_allowed=False)
        require_count("least_cells", self.least_cells, least=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAbsorption:
    """Absorption as each trade shows it; arrays of shape (n_trades,).

    Attributes
    ----------
    lots : ndarray of int64, unit lots
        Traded by the trade's side at its price within the window, itself included; 0 where the
        trade has no sign.
    size_lots : ndarray of float64, unit lots
        What ``lots`` must exceed; NaN until the look back has passed or holds too few cells.
    sign : ndarray of int8
        Side that absorbs: the opposite of the trade's where ``lots > size_lots``, else 0.
    is_onset : ndarray of bool
        Absorbing, and no trade of that side at that price was so in the window before.
    """

    lots: Int64
    size_lots: Float64
    sign: Int8
    is_onset: Bool

    def __len__(self) -> int:
        return len(self.lots)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAbsorptionState:
    """What the next chunk needs: the trades of the last window, and the buckets of the look back.

    Attributes
    ----------
    ts_event_ns, price_ticks, qty_lots, sign, is_above
        Trades of the open session within ``window_ns`` of the last one.
    n_cells, lots, squares : ndarray, shape (lookback_ns / window_ns,)
        Ring of the closed buckets: their cells, the sum of their lots and of the squares about
        the bucket's mean.
    bucket : ndarray of int64, shape (2,)
        The open bucket, and the session's first one.
    """

    ts_event_ns: Int64
    price_ticks: Int64
    qty_lots: Int64
    sign: Int8
    is_above: Bool
    n_cells: Int64
    lots: Int64
    squares: Float64
    bucket: Int64


def price_absorption(
    ts_event_ns: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    session_start_idx: ArrayLike,
    *,
    rule: PriceAbsorptionRule,
) -> PriceAbsorption:
    """Return where one side traded unusually much at one price.

    Parameters
    ----------
    ts_event_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing, within 2**62
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
        Trades without a sign move the time on and belong to no side.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Session starts and first trades after recorded gaps: nothing looks back past them.
    rule : PriceAbsorptionRule

    Returns
    -------
    PriceAbsorption

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times run back, a domain is broken, or sums beyond int64.

    Notes
    -----
    ``size = mu + m * SD`` over cells: the lots of one side at one price within one bucket
    ``[k T, (k + 1) T)`` of the clock, at least one trade each. It looks at the buckets of the look
    back that closed before the trade's own, and holds throughout a bucket. The first bucket of a
    session may be cut short by its start. SD is the sample deviation (n - 1). Causal: element i
    uses trades 0..i, in their order. Ties: lots equal to the size are no absorption. No trades:
    empty arrays. O(1) amortised per trade. Source: Bookmap, Absorption indicator (time, size, and
    a size from the standard deviation over the last x minutes); its population is not published,
    the cells are ours.

    Examples
    --------
    Buckets of 1 and 3 lots have mean 2 and deviation 1.41: 9 lots exceed 3.41, taken by the ask.

    >>> rule = PriceAbsorptionRule(window_ns=10, lookback_ns=20, multiplier=1.0, least_cells=2)
    >>> price_absorption([0, 10, 20], [5] * 3, [1, 3, 9], [1] * 3, [0], rule=rule).sign
    array([ 0,  0, -1], dtype=int8)
    """
    ts = require_int64("ts_event_ns", ts_event_ns)
    starts = require_session_starts("session_start_idx", session_start_idx, len(ts))
    return continue_price_absorption(None, ts, price_ticks, qty_lots, sign, starts, rule=rule)[0]


def continue_price_absorption(
    state: PriceAbsorptionState | None,
    ts_event_ns: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    session_start_idx: ArrayLike,
    *,
    rule: PriceAbsorptionRule,
) -> tuple[PriceAbsorption, PriceAbsorptionState | None]:
    """Do as `price_absorption` for the next trades.

    Parameters
    ----------
    state : PriceAbsorptionState or None
        What the preceding chunk returned; None where the first trade opens a session.
    ts_event_ns, price_ticks, qty_lots, sign, rule
        As in `price_absorption`.
    session_start_idx : ndarray of int64, strictly increasing, in 0..n_trades - 1
        Positions in this chunk; empty where no session opens in it.

    Returns
    -------
    found : PriceAbsorption
        Of the trades given. Chunks together give the whole, bit for bit.
    state : PriceAbsorptionState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `price_absorption`, also between the state and the first trade.

    Notes
    -----
    The cost of a chunk grows with its trades, those of the last window and their range of prices.
    """
    fresh = _checked_trades(ts_event_ns, price_ticks, qty_lots, sign)
    n = len(fresh[0])
    starts = require_positions("session_start_idx", session_start_idx, n)
    memory = _memory(state, rule)
    if n == 0:
        return _result(fresh[3], _room(0)), state
    ts, price, qty, signs, is_above = columns = _behind_the_tail(state, fresh)
    n_tail = len(ts) - n
    require_sorted("ts_event_ns", ts[max(n_tail - 1, 0) :])
    _require_room(ts, qty, memory[1], rule.window_ns)
    opens = np.zeros(len(ts), np.bool_)
    opens[starts + n_tail] = True
    opens[0] |= state is None
    out, (cell, ladder) = _room(n), _ladder(price, signs)
    settings = (rule.window_ns, float(rule.multiplier), rule.least_cells)
    _price_absorption_nb((ts, cell, qty), opens, n_tail, ladder, memory, settings, is_above, out)
    keep = max(
        int(np.searchsorted(ts, ts[-1] - rule.window_ns, side="right")),
        int(np.flatnonzero(opens).max(initial=0)),
    )
    tail: dict[str, Any] = {
        name: column[keep:].copy() for name, column in zip(_TAIL, list[Any](columns), strict=True)
    }
    n_cells, lots, squares, bucket = memory
    after = PriceAbsorptionState(**tail, n_cells=n_cells, lots=lots, squares=squares, bucket=bucket)
    return _result(signs[n_tail:], out), after


def _checked_trades(
    ts_event_ns: ArrayLike, price_ticks: ArrayLike, qty_lots: ArrayLike, sign: ArrayLike
) -> tuple[Int64, Int64, Int64, Int8]:
    ts, price = require_int64("ts_event_ns", ts_event_ns), require_int64("price_ticks", price_ticks)
    qty, signs = require_int64("qty_lots", qty_lots), require_sign("sign", sign)
    require_same_length(ts_event_ns=ts, price_ticks=price, qty_lots=qty, sign=signs)
    require_sorted("ts_event_ns", ts)
    require_positive("qty_lots", qty)
    return ts, price, qty, signs


def _behind_the_tail(
    state: PriceAbsorptionState | None, fresh: tuple[Int64, Int64, Int64, Int8]
) -> tuple[Int64, Int64, Int64, Int8, Bool]:
    # Trades of the last window in front of the new ones, of which the kernel tells who is above.
    columns = (*fresh, np.zeros(len(fresh[0]), np.bool_))
    if state is None:
        return columns
    together: list[Any] = [
        np.concatenate((getattr(state, name), column))
        for name, column in zip(_TAIL, list[Any](columns), strict=True)
    ]
    ts, price, qty, sign, is_above = together
    return ts, price, qty, sign, is_above


def _memory(
    state: PriceAbsorptionState | None, rule: PriceAbsorptionRule
) -> tuple[Int64, Int64, Float64, Int64]:
    # A copy: the kernel writes into it, and a state that was handed over stays as it is.
    n_slots = rule.lookback_ns // rule.window_ns
    if state is None:
        zeros = np.zeros(n_slots, np.int64)
        return zeros, zeros.copy(), np.zeros(n_slots), np.zeros(2, np.int64)
    if len(state.n_cells) != n_slots:
        raise ValueError(f"state must hold {n_slots} buckets, got {len(state.n_cells)}")
    return state.n_cells.copy(), state.lots.copy(), state.squares.copy(), state.bucket.copy()


def _require_room(ts: Int64, qty: Int64, ring_lots: Int64, window_ns: int) -> None:
    require_differences_fit("ts_event_ns", ts)
    require_window_fits("ts_event_ns", ts, window_ns)
    known, largest = int(ring_lots.max(initial=0)) * len(ring_lots), int(qty.max())
    if known + largest * len(qty) > INT64_MAX:
        raise ValueError(
            f"qty_lots may overflow int64: {known} known and {len(qty)} terms of up to {largest}"
        )


def _ladder(price: Int64, sign: Int8) -> tuple[Int64, tuple[Int64, Int64, Int64]]:
    # Cell of each trade, -1 without a sign, and the room of the cells.
    lowest = int(price.min())
    n_prices = int(price.max()) - lowest + 1
    if n_prices > _LADDER_MAX_PRICES:
        prices, row = np.unique(price, return_inverse=True)
        n_prices = len(prices)
    else:
        row = price - lowest
    cell = np.where(sign == 0, -1, 2 * row + (sign > 0))
    zeros = np.zeros(2 * n_prices, np.int64)
    return cell, (zeros, zeros.copy(), np.full(2 * n_prices, -1, np.int64))


def _room(n: int) -> tuple[Int64, Float64, Bool]:
    return np.empty(n, np.int64), np.empty(n, np.float64), np.empty(n, np.bool_)


def _result(sign: Int8, out: tuple[Int64, Float64, Bool]) -> PriceAbsorption:
    lots, size, is_onset = out
    absorber = np.where(lots > size, -sign, 0).astype(np.int8)  # nothing exceeds NaN
    return PriceAbsorption(lots=lots, size_lots=size, sign=absorber, is_onset=is_onset)
