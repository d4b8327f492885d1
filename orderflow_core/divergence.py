"""Divergence: price and running delta disagree, at turning points or over a window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.kernels.divergence import _pivot_divergence_nb
from orderflow_core.sessions import first_of_session
from orderflow_core.types import Bool, Int8, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_positive_scalar,
    require_same_length,
    require_session_starts,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PivotDivergence:
    """What each closed bar makes known of turning points; bool arrays of shape (n_bars,).

    Attributes
    ----------
    is_high_pivot, is_low_pivot
        The bar ``width`` bars earlier is confirmed as a turning point by this one.
    is_bearish
        That high is above the session's high pivot before it, and the running delta below.
    is_bullish
        That low is below the session's low pivot before it, and the running delta above.
    """

    is_high_pivot: Bool
    is_low_pivot: Bool
    is_bearish: Bool
    is_bullish: Bool

    def __len__(self) -> int:
        return len(self.is_bearish)

    @property
    def sign(self) -> Int8:
        """-1 bearish, +1 bullish, 0 neither or both; int8, shape (n_bars,)."""
        return self.is_bullish.astype(np.int8) - self.is_bearish.astype(np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class PivotState:
    """What the next bars need: the last bars of the open session and its last turning points.

    Attributes
    ----------
    high_ticks, low_ticks, cvd_lots : ndarray of int64
        At most ``2 * width`` bars.
    last_high, last_low : ndarray of int64, shape (3,)
        Whether there is one, its price, its running delta; of a low both negated.
    """

    high_ticks: Int64
    low_ticks: Int64
    cvd_lots: Int64
    last_high: Int64
    last_low: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDivergence:
    """Change of price against change of the running delta; int8 arrays of shape (n,).

    Attributes
    ----------
    divergence
        Sign of the delta's change where price went the other way: -1 price up and delta down,
        +1 price down and delta up.
    confirmation
        Their common sign where both went one way.
    """

    divergence: Int8
    confirmation: Int8

    def __len__(self) -> int:
        return len(self.divergence)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDivergenceState:
    """The last bars of the open session, at most ``n_bars``: int64 close and running delta."""

    close_ticks: Int64
    cvd_lots: Int64


def pivot_divergence(
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    cvd_lots: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    width: int,
) -> PivotDivergence:
    """Return at which bars a divergence between two turning points becomes known.

    Parameters
    ----------
    high_ticks, low_ticks : ndarray of int64, shape (n_bars,), unit ticks, above -2**63
    cvd_lots : ndarray of int64, shape (n_bars,), unit lots, above -2**63
        Running delta at each bar's close, restarted with the session.
    session_start_bar : ndarray of int64, shape (n_sessions,), strictly increasing from 0
        Bars that open a session or follow a recorded gap: no turning point looks across.
    width : int, > 0
        Bars on each side that make a turning point.

    Returns
    -------
    PivotDivergence

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, a high below its low, or -2**63.

    Notes
    -----
    Bar p is a high pivot when its high is above the highs of the ``width`` bars before and not
    below those of the ``width`` bars after: of equal highs the first. It is known at the close of
    bar ``p + width``, where it is reported, and never changes after. Bearish: price higher and
    running delta lower than at the high pivot before, both strictly; bullish is the mirror at
    lows. Causal: element i uses bars 0..i. No bars: empty arrays. Source: own definition
    (docs/glossary.md).

    Examples
    --------
    Highs 1, 3, 1, 5, 1 with a running delta of 0, 9, 8, 7, 6: the high of 5 is higher and its
    delta of 7 lower than 9, known one bar later.

    >>> high = np.array([1, 3, 1, 5, 1])
    >>> pivot_divergence(high, high - 1, [0, 9, 8, 7, 6], [0], width=1).sign
    array([ 0,  0,  0,  0, -1], dtype=int8)
    """
    high = require_int64("high_ticks", high_ticks)
    starts = require_session_starts("session_start_bar", session_start_bar, len(high))
    return continue_pivot_divergence(None, high, low_ticks, cvd_lots, starts, width=width)[0]


def continue_pivot_divergence(
    state: PivotState | None,
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    cvd_lots: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    width: int,
) -> tuple[PivotDivergence, PivotState]:
    """Do as `pivot_divergence` for the next closed bars.

    Parameters
    ----------
    state : PivotState or None
        What the preceding chunk returned; None where the first bar opens a session.
    high_ticks, low_ticks, cvd_lots, width
        As in `pivot_divergence`.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Positions in this chunk; empty where no session opens in it.

    Returns
    -------
    columns : PivotDivergence
        Of the bars given. Chunks together give the columns of the whole, bit for bit.
    state : PivotState
        For the next chunk.

    Raises
    ------
    TypeError, ValueError
        As `pivot_divergence`.
    """
    columns = {"high_ticks": high_ticks, "low_ticks": low_ticks, "cvd_lots": cvd_lots}
    fresh = {name: _negatable(name, values) for name, values in columns.items()}
    n = require_same_length(**fresh)
    _require_high_above_low(fresh["high_ticks"], fresh["low_ticks"])
    starts = require_positions("session_start_bar", session_start_bar, n)
    none = np.zeros(3, np.int64)
    last_high = none.copy() if state is None else state.last_high.copy()
    last_low = none.copy() if state is None else state.last_low.copy()
    bars = _behind_the_tail(state, fresh)
    high, low, cvd = bars["high_ticks"], bars["low_ticks"], bars["cvd_lots"]
    n_tail = len(high) - n
    w = min(require_positive_scalar("width", width), len(high))
    since = first_of_session(starts + n_tail, len(high))
    highs, bearish = np.empty(n, np.bool_), np.empty(n, np.bool_)
    lows, bullish = np.empty(n, np.bool_), np.empty(n, np.bool_)
    _pivot_divergence_nb(high, cvd, since, n_tail, w, last_high, highs, bearish)
    _pivot_divergence_nb(-low, -cvd, since, n_tail, w, last_low, lows, bullish)
    found = PivotDivergence(
        is_high_pivot=highs, is_low_pivot=lows, is_bearish=bearish, is_bullish=bullish
    )
    kept = _tail(bars, since, 2 * width)
    return found, PivotState(**kept, last_high=last_high, last_low=last_low)


def flow_against_price(price_change: ArrayLike, cvd_change: ArrayLike) -> WindowDivergence:
    """Return whether the running delta went with the price or against it.

    Parameters
    ----------
    price_change, cvd_change : ndarray of int64, shape (n,)
        Changes over one window each; only their signs are looked at.

    Returns
    -------
    WindowDivergence
        0 and 0 where either did not change.

    Raises
    ------
    TypeError, ValueError
        Not integers, or lengths differ.

    Notes
    -----
    As causal as the changes given. Source: own definition (docs/glossary.md).

    Examples
    --------
    >>> flow_against_price([2, 2, -1, 0], [-5, 5, 3, 3]).divergence
    array([-1,  0,  1,  0], dtype=int8)
    """
    price = np.sign(require_int64("price_change", price_change))
    flow = np.sign(require_int64("cvd_change", cvd_change))
    require_same_length(price_change=price, cvd_change=flow)
    return WindowDivergence(
        divergence=np.where(price * flow < 0, flow, 0).astype(np.int8),
        confirmation=np.where(price * flow > 0, flow, 0).astype(np.int8),
    )


def window_divergence(
    close_ticks: ArrayLike, cvd_lots: ArrayLike, session_start_bar: ArrayLike, *, n_bars: int
) -> WindowDivergence:
    """Return `flow_against_price` of each bar's change over the last ``n_bars`` bars.

    Parameters
    ----------
    close_ticks, cvd_lots : ndarray of int64, shape (n,), units ticks and lots
        At each bar's close; the running delta restarts with the session.
    session_start_bar : ndarray of int64, shape (n_sessions,), strictly increasing from 0
    n_bars : int, > 0

    Returns
    -------
    WindowDivergence
        0 and 0 too where the bar ``n_bars`` earlier belongs to another session or is not there.

    Raises
    ------
    TypeError, ValueError
        Not integers, or lengths differ.

    Notes
    -----
    Causal: element i uses bars i and ``i - n_bars``. No bars: empty arrays. Source: own definition
    (docs/glossary.md).

    Examples
    --------
    >>> window_divergence([10, 11, 12], [5, 3, 4], [0], n_bars=1).divergence
    array([ 0, -1,  0], dtype=int8)
    """
    close = require_int64("close_ticks", close_ticks)
    starts = require_session_starts("session_start_bar", session_start_bar, len(close))
    return continue_window_divergence(None, close, cvd_lots, starts, n_bars=n_bars)[0]


def continue_window_divergence(
    state: WindowDivergenceState | None,
    close_ticks: ArrayLike,
    cvd_lots: ArrayLike,
    session_start_bar: ArrayLike,
    *,
    n_bars: int,
) -> tuple[WindowDivergence, WindowDivergenceState]:
    """Do as `window_divergence` for the next closed bars.

    Parameters
    ----------
    state : WindowDivergenceState or None
        What the preceding chunk returned; None where the first bar opens a session.
    close_ticks, cvd_lots, n_bars
        As in `window_divergence`.
    session_start_bar : ndarray of int64, strictly increasing, in 0..n - 1
        Positions in this chunk; empty where no session opens in it.

    Returns
    -------
    columns : WindowDivergence
    state : WindowDivergenceState
        For the next chunk. Chunks together give the columns of the whole, bit for bit.

    Raises
    ------
    TypeError, ValueError
        As `window_divergence`.
    """
    fresh = {
        "close_ticks": require_int64("close_ticks", close_ticks),
        "cvd_lots": require_int64("cvd_lots", cvd_lots),
    }
    n = require_same_length(**fresh)
    starts = require_positions("session_start_bar", session_start_bar, n)
    back = require_positive_scalar("n_bars", n_bars)
    bars = _behind_the_tail(state, fresh)
    n_all = len(bars["close_ticks"])
    since = first_of_session(starts + n_all - n, n_all)
    now = np.arange(n_all - n, n_all)
    then = now - min(back, n_all)
    then = np.where(then >= since[now], then, now)  # against itself nothing changes
    # Compared, not subtracted: no difference to overflow.
    price, flow = (
        (values[now] > values[then]).astype(np.int64) - (values[now] < values[then])
        for values in bars.values()
    )
    return flow_against_price(price, flow), WindowDivergenceState(**_tail(bars, since, back))


def _behind_the_tail(state: object | None, fresh: dict[str, Int64]) -> dict[str, Int64]:
    if state is None:
        return fresh
    return {name: np.concatenate((getattr(state, name), values)) for name, values in fresh.items()}


def _tail(bars: dict[str, Int64], since: Int64, n_bars: int) -> dict[str, Any]:
    # Of the open session only: nothing looks back past its start.
    first = max(len(since) - n_bars, int(since[-1]) if len(since) else 0)
    return {name: values[first:].copy() for name, values in bars.items()}


def _negatable(name: str, values: ArrayLike) -> Int64:
    array = require_int64(name, values)
    if len(array) and int(array.min()) < -INT64_MAX:
        raise ValueError(f"{name} must be above {-INT64_MAX - 1}, got it at {array.argmin()}")
    return array


def _require_high_above_low(high: Int64, low: Int64) -> None:
    below = high < low
    if below.any():
        i = int(np.argmax(below))
        raise ValueError(
            f"high_ticks must not be below low_ticks, got {high[i]} and {low[i]} at position {i}"
        )
