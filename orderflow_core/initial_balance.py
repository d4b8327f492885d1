"""Initial balance: the range of a session's first hour, as its bars close, and its extensions."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.sessions import opens_session
from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_int64,
    require_positions,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)

HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialBalance:
    """The balance as known at each bar's close; arrays of shape (n_bars,).

    Attributes
    ----------
    high_ticks, low_ticks : ndarray of int64
        Range of the session's bars inside the first hour so far; 0 where not `is_known`.
    is_known : ndarray of bool
        Whether such a bar has closed.
    is_complete : ndarray of bool
        Whether the first hour is over, so that the range is final.
    """

    high_ticks: Int64
    low_ticks: Int64
    is_known: Bool
    is_complete: Bool

    def __len__(self) -> int:
        return len(self.high_ticks)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceState:
    """The range of the session's first hour so far.

    Attributes
    ----------
    high_ticks, low_ticks : int
        0 where not `is_known`.
    is_known : bool
        Whether a bar inside has closed.
    """

    high_ticks: int = 0
    low_ticks: int = 0
    is_known: bool = False

    def with_bar(self, high_ticks: int, low_ticks: int) -> "BalanceState":
        """Return the range with one more bar."""
        return BalanceState(
            high_ticks=max(self.high_ticks, high_ticks) if self.is_known else high_ticks,
            low_ticks=min(self.low_ticks, low_ticks) if self.is_known else low_ticks,
            is_known=True,
        )


def initial_balance(
    t0_ns: ArrayLike,
    t1_ns: ArrayLike,
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    session_start_bar: ArrayLike,
    open_ns: ArrayLike,
    *,
    length_ns: int = HOUR_NS,
) -> InitialBalance:
    """Return the initial balance as known at each bar close.

    Parameters
    ----------
    t0_ns, t1_ns : ndarray of int64, shape (n_bars,), unit ns
        Half-open time ranges of the bars, in order.
    high_ticks, low_ticks : ndarray of int64, shape (n_bars,), unit ticks
    session_start_bar : ndarray of int64, strictly increasing, in 0..n_bars - 1
        Bars that open a session; the very first one does in any case.
    open_ns : ndarray of int64, shape (n_bars,), unit ns
        When the balance of the bar's session begins: the opening of the day's main hours.
    length_ns : int, unit ns, > 0

    Returns
    -------
    InitialBalance

    Raises
    ------
    TypeError, ValueError
        As `continue_initial_balance`.

    Notes
    -----
    A bar counts when it lies inside ``[open, open + length)`` as a whole, ``t0 >= open`` and
    ``t1 <= open + length``: with bars that divide the hour the balance is that of the trades.
    Causal at each bar's end; complete at the first bar with ``t1 >= open + length``. Source:
    Steidlmayer's Market Profile (CBOT): the range of the first hour.

    Examples
    --------
    Half hours with ranges 10-14, 12-17 and 9-20: known 14/10, 17/10, 17/10; complete from the 2nd.
    """
    return continue_initial_balance(
        None, t0_ns, t1_ns, high_ticks, low_ticks, session_start_bar, open_ns, length_ns=length_ns
    )[0]


def continue_initial_balance(
    state: BalanceState | None,
    t0_ns: ArrayLike,
    t1_ns: ArrayLike,
    high_ticks: ArrayLike,
    low_ticks: ArrayLike,
    session_start_bar: ArrayLike,
    open_ns: ArrayLike,
    *,
    length_ns: int = HOUR_NS,
) -> tuple[InitialBalance, BalanceState | None]:
    """Do as `initial_balance` for the next chunk of closed bars.

    Parameters
    ----------
    state : BalanceState or None
        What the preceding chunk returned; None at the start.
    t0_ns, t1_ns, high_ticks, low_ticks, session_start_bar, open_ns, length_ns
        As in `initial_balance`.

    Returns
    -------
    balance : InitialBalance
        Chunks together give the result of the whole, bit for bit.
    state : BalanceState or None
        For the next chunk; as it came where there are no bars.

    Raises
    ------
    TypeError, ValueError
        Not integers, starts that are not positions of bars in order, lengths that differ, times that run back, a bar that ends before
        it begins, a high below the low, or a length that is not positive.
    """
    opens, is_inside, is_over, high, low = _checked_bars(
        (t0_ns, t1_ns, open_ns), (high_ticks, low_ticks), session_start_bar, length_ns
    )
    balance = state or BalanceState()
    rows = []
    for bar in range(len(high)):
        if opens[bar]:
            balance = BalanceState()
        if is_inside[bar]:
            balance = balance.with_bar(int(high[bar]), int(low[bar]))
        rows.append((balance.high_ticks, balance.low_ticks, balance.is_known))
    columns = np.array(rows, np.int64).reshape(-1, 3).T
    found = InitialBalance(
        high_ticks=columns[0],
        low_ticks=columns[1],
        is_known=columns[2].astype(np.bool_),
        is_complete=is_over,
    )
    return found, balance if rows else state


def balance_extensions(
    high_ticks: ArrayLike, low_ticks: ArrayLike, multiple: float
) -> tuple[Float64, Float64]:
    """Return the balance's low less, and its high plus, a multiple of its range.

    Parameters
    ----------
    high_ticks, low_ticks : ndarray of int64, shape (n,), unit ticks, high >= low
    multiple : float, finite, >= 0
        Usual are 0.5, 1 and 2; 0 gives the balance itself.

    Returns
    -------
    lower, upper : ndarray of float64, shape (n,), unit ticks

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths that differ, a high below the low, a multiple out of its domain.

    Notes
    -----
    As causal as its inputs. Source: Steidlmayer's Market Profile, range extension.

    Examples
    --------
    >>> balance_extensions([14], [10], 0.5)
    (array([8.]), array([16.]))
    """
    high, low = _checked_ranges(high_ticks, low_ticks)
    if not math.isfinite(multiple) or multiple < 0:
        raise ValueError(f"multiple must be finite and not negative, got {multiple}")
    extension = multiple * (high.astype(np.float64) - low)
    return low - extension, high + extension


def _checked_bars(
    times: tuple[ArrayLike, ArrayLike, ArrayLike],
    prices: tuple[ArrayLike, ArrayLike],
    session_start_bar: ArrayLike,
    length_ns: int,
) -> tuple[Bool, Bool, Bool, Int64, Int64]:
    # Whether each bar opens a session, lies inside the first hour, ends after it; high and low.
    length = require_positive_scalar("length_ns", length_ns)
    t0, t1, opening = (
        require_int64(name, values)
        for name, values in zip(("t0_ns", "t1_ns", "open_ns"), times, strict=True)
    )
    high, low = _checked_ranges(*prices)
    n_bars = require_same_length(t0_ns=t0, t1_ns=t1, open_ns=opening, high_ticks=high)
    require_sorted("t1_ns", t1)
    require_positive("t1_ns - t0_ns", t1 - t0)
    starts = require_positions("session_start_bar", session_start_bar, n_bars)
    if n_bars and int(opening.max()) + length > INT64_MAX:
        raise ValueError(f"length_ns of {length} puts the end of the balance beyond int64")
    is_over = t1 >= opening + length
    is_inside = (t0 >= opening) & (t1 <= opening + length)
    return opens_session(starts, n_bars), is_inside, is_over, high, low


def _checked_ranges(high_ticks: ArrayLike, low_ticks: ArrayLike) -> tuple[Int64, Int64]:
    high, low = require_int64("high_ticks", high_ticks), require_int64("low_ticks", low_ticks)
    require_same_length(high_ticks=high, low_ticks=low)
    is_crossed = high < low
    if is_crossed.any():
        i = int(np.argmax(is_crossed))
        raise ValueError(
            f"high_ticks must not lie below low_ticks, got {high[i]} and {low[i]} at position {i}"
        )
    return high, low
