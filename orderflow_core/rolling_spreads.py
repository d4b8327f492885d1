"""Mean costs of the trades of a moving window: effective and realised half-spread, price impact."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.rolling_spreads import _spreads_nb
from orderflow_core.spreads import require_signed_prices
from orderflow_core.types import Float64, Int64, QuoteAtTrade
from orderflow_core.validate import (
    require_differences_fit,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sorted,
)
from orderflow_core.window_rows import BLOCK_ROWS, WindowRows, no_rows, with_rows

_N_SUMS, _N_COLUMNS = 5, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingSpreads:
    """Mean costs of the trades of a window; float64, shape (n_trades,), unit ticks, NaN for none.

    Attributes
    ----------
    effective_half_spread_ticks
        Of the trades in the window.
    realised_half_spread_ticks, price_impact_ticks
        Of the trades whose outcome became known in the window.
    """

    effective_half_spread_ticks: Float64
    realised_half_spread_ticks: Float64
    price_impact_ticks: Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingSpreadsState:
    """The trades that a later window may still look at, and its sums.

    Attributes
    ----------
    window : WindowRows
    n_before_window, n_settled : int
        How many of its rows have left the window and wait only for their outcome to leave it, and
        how many have their outcome.
    sums : ndarray of int64
    """

    window: WindowRows
    n_before_window: int
    n_settled: int
    sums: Int64


def rolling_spreads(
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    sign: ArrayLike,
    at_trade: QuoteAtTrade,
    session_start_idx: ArrayLike,
    *,
    window_ns: int,
    horizon_ns: int,
) -> RollingSpreads:
    """Return mean effective and realised half-spread and price impact over a moving window.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing, within 2**62
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    at_trade : QuoteAtTrade, n_trades elements
        The quote strictly before each trade.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Sessions and ends of gaps: the window starts empty there.
    window_ns, horizon_ns : int, unit ns, > 0

    Returns
    -------
    RollingSpreads
        Element i: of the window ``(ts[i] - window, ts[i]]`` up to trade i.

    Raises
    ------
    TypeError, ValueError
        As `orderflow_core.spreads.effective_half_spread`; times that run back, a window or horizon
        that is not positive.

    Notes
    -----
    Causal. The outcome of a trade is known at the first later trade that is a horizon away and met
    a quote: that quote's mid is m', and the outcome belongs to the windows that hold that later
    trade. `orderflow_core.spreads.spread_outcomes` takes the mid at the horizon itself, for which
    it needs the quotes. Trades count alike, whatever their size. Sums are exact. Source: Huang,
    Stoll (1996).

    Examples
    --------
    Horizon and window of 10. A buy at 12 and time 0 met the mid 11, a sell at 12 and time 10 the
    mid 13: at time 10 effective 1 (only the sell is younger than 10), realised 12 - 13 = -1, impact
    2.
    """
    return continue_rolling_spreads(
        None,
        trade_ts_ns,
        price_ticks,
        sign,
        at_trade,
        session_start_idx,
        window_ns=window_ns,
        horizon_ns=horizon_ns,
    )[0]


def continue_rolling_spreads(
    state: RollingSpreadsState | None,
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    sign: ArrayLike,
    at_trade: QuoteAtTrade,
    session_start_idx: ArrayLike,
    *,
    window_ns: int,
    horizon_ns: int,
) -> tuple[RollingSpreads, RollingSpreadsState | None]:
    """Do as `rolling_spreads` for the next chunk of trades, at a constant cost a trade.

    Parameters
    ----------
    state : RollingSpreadsState or None
        What the preceding chunk returned; None where the chunk's first trade opens a session.
    trade_ts_ns, price_ticks, sign, at_trade, session_start_idx, window_ns, horizon_ns
        As in `rolling_spreads`; position 0 is the chunk's first trade.

    Returns
    -------
    spreads : RollingSpreads
        Chunks together give the result of the whole, bit for bit.
    state : RollingSpreadsState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `rolling_spreads`, also between the state and the first trade.
    """
    ts = require_int64("trade_ts_ns", trade_ts_ns)
    price, signs, mid2, is_known = require_signed_prices(price_ticks, sign, at_trade)
    n = require_same_length(trade_ts_ns=ts, price_ticks=price)
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    window_ns = require_positive_scalar("window_ns", window_ns)
    horizon_ns = require_positive_scalar("horizon_ns", horizon_ns)
    is_start = np.zeros(n, np.int64)
    is_start[starts] = 1
    require_sorted("trade_ts_ns", ts)
    require_differences_fit("trade_ts_ns", ts)
    if state is not None:
        is_start[:1] = 0
        require_sorted("trade_ts_ns", np.concatenate((state.window.rows[-1, :1], ts[:1])))
    columns = (ts, price, signs.astype(np.int64), mid2, is_known.astype(np.int64), is_start)
    return _extended(state, columns, window_ns, horizon_ns)


def _extended(
    state: RollingSpreadsState | None, columns: tuple[Int64, ...], window_ns: int, horizon_ns: int
) -> tuple[RollingSpreads, RollingSpreadsState | None]:
    # Columns: time, price, sign, twice the mid, 1 where that is known, 1 where a session starts (the
    # first element is 1 where there is no state). They are checked.
    n = len(columns[0])
    after = state or RollingSpreadsState(
        window=no_rows(_N_COLUMNS),
        n_before_window=0,
        n_settled=0,
        sums=np.zeros(_N_SUMS, np.int64),
    )
    out = np.empty((3, n))
    for block in range(0, n, BLOCK_ROWS):
        part = slice(block, min(block + BLOCK_ROWS, n))
        spans = (window_ns, horizon_ns)
        after = _advanced(after, tuple(c[part] for c in columns), spans, out[:, part])
    spreads = RollingSpreads(
        effective_half_spread_ticks=out[0],
        realised_half_spread_ticks=out[1],
        price_impact_ticks=out[2],
    )
    return spreads, after if n else state


def _advanced(
    state: RollingSpreadsState, part: tuple[Int64, ...], spans: tuple[int, int], out: Float64
) -> RollingSpreadsState:
    ts, price, sign, mid2, is_known, is_start = part
    window = with_rows(state.window, (ts, price, sign, sign, mid2, is_known, is_start))
    sums, n_done = state.sums.copy(), len(state.window)
    held = np.array([n_done, state.n_before_window, state.n_settled, 0])
    every = np.arange(n_done + 1, len(window) + 1)
    _spreads_nb(window.rows, every, *spans, held, sums, out)
    _, first, due, gone = map(int, held)
    return RollingSpreadsState(
        window=window.without(gone),
        n_before_window=first - gone,
        n_settled=due - gone,
        sums=sums,
    )
