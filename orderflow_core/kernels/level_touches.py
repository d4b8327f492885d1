"""Every touch of a level in its life: a walk over the trades, level by level."""

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _resolved_nb(
    price: Int64, ts: Int64, touch: int, end: int, aims: tuple[int, int], end_ns: int
) -> tuple[int, int]:
    # Where a touch is over, and how: +1 turned, -1 passed, 0 the time is up, or the trades are.
    turn, passage = aims
    is_up = turn > passage
    for i in range(touch, end):
        if ts[i] > end_ns:
            return i, 0
        if price[i] >= turn if is_up else price[i] <= turn:
            return i, 1
        if price[i] <= passage if is_up else price[i] >= passage:
            return i, -1
    return end, 0


@njit(cache=True, nogil=True)
def _next_touch_nb(
    price: Int64, span: tuple[int, int], row: tuple[int, int], blocks: tuple[int, Int64, Int64]
) -> tuple[int, int, int]:
    # First trade in the row, or past it, that comes from outside; the side that it comes from, +1
    # above; the price farthest from the row on the way. Position -1: none. Blocks of trades that
    # stay outside are passed over at once.
    size, lowest, highest = blocks
    first, end = span
    low, high = row
    side, farthest, i = 0, 0, first
    while i < end:
        if side != 0 and i % size == 0 and i + size <= end:
            block = i // size
            if side > 0 and lowest[block] > high:
                farthest = max(farthest, highest[block])
                i += size
                continue
            if side < 0 and highest[block] < low:
                farthest = min(farthest, lowest[block])
                i += size
                continue
        now = 1 if price[i] > high else (-1 if price[i] < low else 0)
        if side != 0 and now != side:
            return i, side, farthest
        if now != 0:
            if side == 0:
                farthest = price[i]
            farthest = max(farthest, price[i]) if now > 0 else min(farthest, price[i])
        side = now
        i += 1
    return -1, 0, 0


@njit(cache=True, nogil=True)
def _level_touches_nb(
    price: Int64,
    ts: Int64,
    levels: tuple[Int64, Int64, Int64, Int64],
    settings: tuple[int, int, int],
    blocks: tuple[int, Int64, Int64],
    out: Int64,
) -> int:
    # ``levels``: lowest and highest tick, first trade after it was known, end of its life.
    # Rows of ``out``: level, touch, side, earlier touches, of these turned, farthest price; as many
    # as there is room for. How many there are is returned.
    low, high, first, end = levels
    turn, passage, horizon = settings
    n, room = 0, len(out)
    for k in range(len(low)):
        start, number, turned = first[k], 0, 0
        while True:
            i, side, farthest = _next_touch_nb(price, (start, end[k]), (low[k], high[k]), blocks)
            if i < 0:
                break
            if n < room:
                out[n, 0], out[n, 1], out[n, 2] = k, i, side
                out[n, 3], out[n, 4], out[n, 5] = number, turned, farthest
            n += 1
            aims = (high[k] + turn, low[k] - passage)
            if side < 0:
                aims = (low[k] - turn, high[k] + passage)
            start, outcome = _resolved_nb(price, ts, i, end[k], aims, ts[i] + horizon)
            if outcome < 0:
                break
            number += 1
            turned += outcome
    return n
