"""Price impact over a moving window: Kyle's lambda, Roll's spread, Amihud's ratio."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.price_impact import _impact_nb
from orderflow_core.spreads import require_price, twice_mid
from orderflow_core.types import Float64, Int64, QuoteAtTrade
from orderflow_core.validate import (
    INT64_MAX,
    require_differences_fit,
    require_int64,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
    require_sign,
    require_sorted,
)
from orderflow_core.window_rows import BLOCK_ROWS, WindowRows, no_rows, with_rows

_N_SUMS, _N_COLUMNS = 11, 7
MAX_LOTS, MAX_ROWS = 2**40, 2**22  # whose product stays within int64


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingImpact:
    """Impact over the window that ends at each trade; float64, shape (n_trades,), NaN for none.

    Attributes
    ----------
    kyle_lambda : unit ticks a lot
    roll_spread_ticks : unit ticks
    amihud : unit 1 a (tick times lot)
    """

    kyle_lambda: Float64
    roll_spread_ticks: Float64
    amihud: Float64


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingImpactState:
    """The window's trades and its sums.

    Attributes
    ----------
    window : WindowRows
    n_before_newest : int
        How many of its rows precede the trades of the newest time, whose move is not known yet.
    sums : ndarray of int64
    reach : ndarray of float64, shape (1,)
        Sum of the magnitudes: tells whether a sum of integers could have left int64.
    """

    window: WindowRows
    n_before_newest: int
    sums: Int64
    reach: Float64


def rolling_impact(
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    at_trade: QuoteAtTrade | None,
    session_start_idx: ArrayLike,
    *,
    window_ns: int,
) -> RollingImpact:
    """Return Kyle's lambda, Roll's spread and Amihud's ratio over a moving window of trades.

    Parameters
    ----------
    trade_ts_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing, within 2**62
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    qty_lots : ndarray of int64, shape (n_trades,), unit lots, > 0
    sign : ndarray of int8, shape (n_trades,), in {-1, 0, +1}
    at_trade : QuoteAtTrade, n_trades elements, or None
        The quote strictly before each trade. None leaves Kyle's lambda NaN.
    session_start_idx : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Sessions and ends of gaps: the window starts empty there.
    window_ns : int, unit ns, > 0

    Returns
    -------
    RollingImpact
        Element i: of the trades in ``(ts[i] - window, ts[i]]`` up to trade i.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, times that run back, a sign or quantity outside the domain, a
        price or quantity beyond 2**40, a window that is not positive or holds more than 2**22
        trades, or sums that could leave int64.

    Notes
    -----
    Causal. Sums are integers, so that a trade that leaves a window leaves nothing behind.

    - ``kyle_lambda``: least-squares slope, with intercept, of the mid's change on signed volume.
      The trades of one time are one observation: the quote strictly before them is the same, so the
      change shows at the first trade of the next time, and is known from there on. An observation
      whose two mids are not both known is left out; unsigned trades add 0. NaN with fewer than two
      observations or with equal volumes. Source: Kyle (1985), *Econometrica* 53, as estimated by
      Hasbrouck (2009).
    - ``roll_spread_ticks``: ``2 sqrt(max(0, -cov))`` with the mean product of neighbouring price
      changes about the mean change of the window; 0 where prices trend. NaN with fewer than three
      trades. Source: Roll (1984), *Journal of Finance* 39.
    - ``amihud``: ``|p_last / p_first - 1| / sum(|p| q)``. NaN where the first price is not
      positive. Source: Amihud (2002), *Journal of Financial Markets* 5, with the window in place of
      the day.

    No trades: empty.

    Examples
    --------
    Prices 10, 11, 10, 11: changes 1, -1, 1 of mean 1/3; products about it -8/9 and -8/9, so
    cov = -8/9 and Roll's spread 2 sqrt(8/9) = 1.89.
    """
    return continue_rolling_impact(
        None,
        trade_ts_ns,
        price_ticks,
        qty_lots,
        sign,
        at_trade,
        session_start_idx,
        window_ns=window_ns,
    )[0]


def continue_rolling_impact(
    state: RollingImpactState | None,
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    at_trade: QuoteAtTrade | None,
    session_start_idx: ArrayLike,
    *,
    window_ns: int,
) -> tuple[RollingImpact, RollingImpactState | None]:
    """Do as `rolling_impact` for the next chunk of trades, at a constant cost a trade.

    Parameters
    ----------
    state : RollingImpactState or None
        What the preceding chunk returned; None where the chunk's first trade opens a session.
    trade_ts_ns, price_ticks, qty_lots, sign, at_trade, session_start_idx, window_ns
        As in `rolling_impact`; position 0 is the chunk's first trade.

    Returns
    -------
    impact : RollingImpact
        Chunks together give the result of the whole, bit for bit.
    state : RollingImpactState or None
        For the next chunk; as it came where there are no trades.

    Raises
    ------
    TypeError, ValueError
        As `rolling_impact`, also between the state and the first trade.
    """
    window = require_positive_scalar("window_ns", window_ns)
    columns = _columns(trade_ts_ns, price_ticks, qty_lots, sign, at_trade)
    n = len(columns[0])
    starts = require_session_starts("session_start_idx", session_start_idx, n)
    is_start = np.zeros(n, np.int64)
    is_start[starts] = 1
    if state is not None:
        is_start[:1] = 0
        last_ts = state.window.rows[-1, :1]
        require_sorted("trade_ts_ns", np.concatenate((last_ts, columns[0][:1])))
    return _extended(state, (*columns, is_start), window)


def _extended(
    state: RollingImpactState | None, columns: tuple[Int64, ...], window_ns: int
) -> tuple[RollingImpact, RollingImpactState | None]:
    # Columns: time, price, lots, signed lots, twice the mid, 1 where that is known, 1 where a session
    # starts (the first element is 1 where there is no state). All but the sums is checked.
    n = len(columns[0])
    after = state or RollingImpactState(
        window=no_rows(_N_COLUMNS),
        n_before_newest=0,
        sums=np.zeros(_N_SUMS, np.int64),
        reach=np.zeros(1),
    )
    out = np.empty((3, n))
    for block in range(0, n, BLOCK_ROWS):
        part = slice(block, min(block + BLOCK_ROWS, n))
        after = _advanced(after, tuple(c[part] for c in columns), window_ns, out[:, part])
    impact = RollingImpact(kyle_lambda=out[0], roll_spread_ticks=out[1], amihud=out[2])
    return impact, after if n else state


def _columns(
    trade_ts_ns: ArrayLike,
    price_ticks: ArrayLike,
    qty_lots: ArrayLike,
    sign: ArrayLike,
    at_trade: QuoteAtTrade | None,
) -> tuple[Int64, ...]:
    ts, price = (
        require_int64("trade_ts_ns", trade_ts_ns),
        require_int64("price_ticks", price_ticks),
    )
    qty, signs = require_int64("qty_lots", qty_lots), require_sign("sign", sign)
    n = require_same_length(trade_ts_ns=ts, price_ticks=price, qty_lots=qty, sign=signs)
    require_sorted("trade_ts_ns", ts)
    require_differences_fit("trade_ts_ns", ts)
    require_price("price_ticks", price)
    require_positive("qty_lots", qty)
    if n and int(qty.max()) > MAX_LOTS:
        raise ValueError(f"qty_lots must be at most 2**40, got {qty.max()}")
    mid2, is_known = np.zeros(n, np.int64), np.zeros(n, np.int64)
    if at_trade is not None:
        mid2, is_mid = twice_mid(at_trade)
        require_same_length(trade_ts_ns=ts, at_trade=mid2)
        is_known = is_mid.astype(np.int64)
    return ts, price, qty, signs * qty, mid2, is_known


def _advanced(
    state: RollingImpactState, part: tuple[Int64, ...], window_ns: int, out: Float64
) -> RollingImpactState:
    window = with_rows(state.window, part)
    rows = window.rows
    if len(rows) > MAX_ROWS:
        raise ValueError(f"window_ns must hold at most 2**22 trades, got {len(rows)}")
    sums, reach = state.sums.copy(), state.reach.copy()
    held = np.array([len(state.window), 0, state.n_before_newest])
    every = np.arange(len(state.window) + 1, len(rows) + 1)
    largest = _impact_nb(rows, every, window_ns, held, sums, reach, out)
    _, first, newest = map(int, held)
    if largest > INT64_MAX // 2:
        raise ValueError(
            f"price_ticks and qty_lots overflow int64: products in a window sum to {largest:.3g}"
        )
    return RollingImpactState(
        window=window.without(first),
        n_before_newest=newest - first,
        sums=sums,
        reach=reach,
    )
