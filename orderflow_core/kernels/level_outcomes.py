"""What price did after it was known that a row is a level: first touch, then turn or passage."""

from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _touch_nb(price: Int64, first: int, end: int, low: int, high: int) -> tuple[int, int]:
    # First trade in the row, or past it, that comes from outside, and the side that it comes from:
    # +1 above, -1 below. Position -1: none.
    side = 0
    for i in range(first, end):
        now = 1 if price[i] > high else (-1 if price[i] < low else 0)
        if side != 0 and now != side:
            return i, side
        side = now
    return -1, 0


@njit(cache=True, nogil=True)
def _outcome_nb(
    price: Int64, ts: Int64, touch: int, end: int, aims: tuple[int, int], end_ns: int
) -> tuple[int, int]:
    # Which aim price reaches first from the touch on, the turn (+1) or the passage (-1), and at
    # which trade; 0 at the first trade after the time is up, or at the end.
    turn, passage = aims
    is_up = turn > passage
    for i in range(touch, end):
        if ts[i] > end_ns:
            return 0, i
        if price[i] >= turn if is_up else price[i] <= turn:
            return 1, i
        if price[i] <= passage if is_up else price[i] >= passage:
            return -1, i
    return 0, end


@njit(cache=True, nogil=True)
def _level_outcomes_nb(
    price: Int64,
    ts: Int64,
    levels: tuple[Int64, Int64, Int64],
    settings: tuple[int, int, int, int],
    touches: Int64,
    known: Int64,
    outcome: Int8,
) -> None:
    # ``levels``: lowest tick, first trade after it was known, end of the session's trades.
    # ``settings``: row height, ticks of a turn, ticks of a passage, time.
    tick, first, end = levels
    height, turn, passage, horizon = settings
    for k in range(len(tick)):
        low, high = tick[k], tick[k] + height - 1
        touches[k], side = _touch_nb(price, first[k], end[k], low, high)
        known[k], outcome[k] = end[k], 0
        if touches[k] >= 0:
            aims = (high + turn, low - passage) if side > 0 else (low - turn, high + passage)
            outcome[k], known[k] = _outcome_nb(
                price, ts, touches[k], end[k], aims, ts[touches[k]] + horizon
            )
