"""Time profile: one letter for each half hour at every price that it reached (TPO)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.footprint import MAX_ABS_TICKS, checked_grid
from orderflow_core.types import Bool, Int64
from orderflow_core.validate import (
    INT64_MAX,
    require_count,
    require_int64,
    require_positive_scalar,
    require_same_length,
    require_sorted,
)

HALF_HOUR_NS = 1_800_000_000_000
MAX_ROWS = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class TpoLetters:
    """Range of each period of one session; int64 arrays of shape (n_letters,).

    Attributes
    ----------
    letter
        Number of the period since the session's opening: 0 is A. Strictly increasing; periods
        without a trade have none.
    low_ticks, high_ticks
        Lowest and highest traded price.
    """

    letter: Int64
    low_ticks: Int64
    high_ticks: Int64

    def __len__(self) -> int:
        return len(self.letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class TpoRows:
    """Rows that a letter reached, in rising order; int64 arrays of shape (n_rows,).

    Attributes
    ----------
    price_tick
        Lowest tick of the row.
    n_letters
        Letters in the row, at least 1.
    """

    price_tick: Int64
    n_letters: Int64

    def __len__(self) -> int:
        return len(self.price_tick)


def tpo_letters(
    ts_event_ns: ArrayLike,
    price_ticks: ArrayLike,
    *,
    session_open_ns: int,
    letter_ns: int = HALF_HOUR_NS,
) -> TpoLetters:
    """Return the range of each half hour of one session.

    Parameters
    ----------
    ts_event_ns : ndarray of int64, shape (n_trades,), unit ns, non-decreasing
        None before `session_open_ns`.
    price_ticks : ndarray of int64, shape (n_trades,), unit ticks
    session_open_ns : int, unit ns
        Where letter A begins.
    letter_ns : int, unit ns, > 0

    Returns
    -------
    TpoLetters

    Raises
    ------
    TypeError, ValueError
        As `continue_tpo_letters`.

    Notes
    -----
    Half-open: a trade at a full half hour belongs to the next letter. The last letter may still
    grow. Causal: trades 0..i give the letters as known at i. Source: Steidlmayer's Market Profile
    (CBOT).

    Examples
    --------
    >>> letters = tpo_letters([0, 5, 10, 31], [7, 9, 8, 4], session_open_ns=0, letter_ns=10)
    >>> letters.letter, letters.low_ticks, letters.high_ticks
    (array([0, 1, 3]), array([7, 8, 4]), array([9, 8, 4]))
    """
    return continue_tpo_letters(
        None, ts_event_ns, price_ticks, session_open_ns=session_open_ns, letter_ns=letter_ns
    )


def continue_tpo_letters(
    state: TpoLetters | None,
    ts_event_ns: ArrayLike,
    price_ticks: ArrayLike,
    *,
    session_open_ns: int,
    letter_ns: int = HALF_HOUR_NS,
) -> TpoLetters:
    """Return the letters of a session after one more chunk of trades.

    Parameters
    ----------
    state : TpoLetters or None
        The letters so far, which are all the state there is; None at a session's start.
    ts_event_ns, price_ticks, session_open_ns, letter_ns
        As in `tpo_letters`.

    Returns
    -------
    TpoLetters
        Equal to `tpo_letters` of all the session's trades so far.

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths that differ, times that run back or lie before the opening or before
        the last letter or int64 away from it, a period that is not positive.
    """
    ts, price = require_int64("ts_event_ns", ts_event_ns), require_int64("price_ticks", price_ticks)
    require_same_length(ts_event_ns=ts, price_ticks=price)
    require_sorted("ts_event_ns", ts)
    period = require_positive_scalar("letter_ns", letter_ns)
    opening = require_count("session_open_ns", session_open_ns, least=-INT64_MAX)
    before = state or TpoLetters(letter=price[:0], low_ticks=price[:0], high_ticks=price[:0])
    if len(ts) == 0:
        return before
    earliest = opening + period * (int(before.letter[-1]) if len(before) else 0)
    if ts[0] < earliest:
        raise ValueError(f"ts_event_ns must not lie before {earliest}, got {ts[0]}")
    if int(ts[-1]) - opening > INT64_MAX:
        raise ValueError(f"ts_event_ns must lie within int64 of the opening, got {ts[-1]}")
    letter = (ts - opening) // period
    first = np.flatnonzero(np.append(True, letter[1:] != letter[:-1]))
    low, high = np.minimum.reduceat(price, first), np.maximum.reduceat(price, first)
    n_kept = len(before)
    if n_kept and before.letter[-1] == letter[0]:
        n_kept -= 1
        low[0], high[0] = min(low[0], before.low_ticks[-1]), max(high[0], before.high_ticks[-1])
    return TpoLetters(
        letter=np.append(before.letter[:n_kept], letter[first]),
        low_ticks=np.append(before.low_ticks[:n_kept], low),
        high_ticks=np.append(before.high_ticks[:n_kept], high),
    )


def tpo_profile(letters: TpoLetters, *, ticks_per_row: int, anchor_tick: int = 0) -> TpoRows:
    """Return how many letters each price row has.

    Parameters
    ----------
    letters : TpoLetters
        Of one session, or of several put together (a composite).
    ticks_per_row : int, > 0, at most 2**61
    anchor_tick : int, within 2**61
        Lowest tick of row 0, as in `orderflow_core.footprint.footprint`.

    Returns
    -------
    TpoRows
        Each row between a letter's low and high has that letter, traded or not: `n_letters` takes
        the place of lots in `orderflow_core.value_area.value_area`.

    Raises
    ------
    TypeError, ValueError
        A row height that is not positive, letters that span 2**22 rows or more, or prices, row
        height or anchor beyond 2**61.

    Notes
    -----
    The whole range of a period counts, not its closes. Causal as the letters are. Source:
    Steidlmayer's Market Profile (CBOT).

    Examples
    --------
    >>> column = np.array
    >>> letters = TpoLetters(
    ...     letter=column([0, 1]), low_ticks=column([7, 8]), high_ticks=column([9, 8]))
    >>> tpo_profile(letters, ticks_per_row=1).n_letters
    array([1, 2, 1])
    """
    height, anchor = checked_grid(ticks_per_row, anchor_tick)
    if len(letters) == 0:
        return TpoRows(price_tick=np.empty(0, np.int64), n_letters=np.empty(0, np.int64))
    low, high = (
        require_int64("low_ticks", letters.low_ticks),
        require_int64("high_ticks", letters.high_ticks),
    )
    lowest, highest = int(low.min()), int(high.max())
    if max(abs(lowest), abs(highest)) > MAX_ABS_TICKS:
        raise ValueError(f"letters must lie within 2**61, got {lowest} to {highest}")
    lowest_row = (lowest - anchor) // height
    n_rows = (highest - anchor) // height - lowest_row + 1
    if n_rows >= MAX_ROWS:
        raise ValueError(f"letters must span fewer than {MAX_ROWS} rows, got {n_rows}")
    base = anchor + lowest_row * height
    steps = np.zeros(n_rows + 1, np.int64)
    np.add.at(steps, (low - base) // height, 1)
    np.add.at(steps, (high - base) // height + 1, -1)
    n_letters = np.cumsum(steps[:-1])
    reached = np.flatnonzero(n_letters)
    return TpoRows(price_tick=base + reached * height, n_letters=n_letters[reached])


def single_prints(rows: TpoRows, *, ticks_per_row: int) -> tuple[Bool, Bool]:
    """Return the rows with one letter, and those of them that make a tail.

    Parameters
    ----------
    rows : TpoRows
        As `tpo_profile` gives them.
    ticks_per_row : int, > 0
        Row height that `rows` was made with.

    Returns
    -------
    is_single, is_tail : ndarray of bool, shape (n_rows,)
        A tail is a run of adjacent single prints that ends at the profile's lowest or highest row.

    Raises
    ------
    TypeError, ValueError
        A row height that is not positive.

    Notes
    -----
    Rows that no letter reached end a run. Final at the session's end only: a later letter may fill
    a single print. Source: Steidlmayer's Market Profile (CBOT), single prints and tails.

    Examples
    --------
    Letters by row 1, 2, 1, 2, 1, 1: single are rows 0, 2, 4 and 5, tails 0, 4 and 5.
    """
    height = require_positive_scalar("ticks_per_row", ticks_per_row)
    is_single = rows.n_letters == 1
    is_tail = np.zeros(len(rows), np.bool_)
    is_adjacent = rows.price_tick[1:] - rows.price_tick[:-1] == height
    goes_on = is_single[1:] & is_adjacent & is_single[:-1]
    if len(rows):
        up = np.logical_and.accumulate(np.append(is_single[0], goes_on))
        down = np.logical_and.accumulate(np.append(is_single[-1], goes_on[::-1]))[::-1]
        is_tail = up | down
    return is_single, is_tail
