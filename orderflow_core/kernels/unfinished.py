"""Levels that stay open until the range of a later bar covers them."""

from numba import njit

from orderflow_core.types import Bool, Float64, Int64

# Columns of a table of levels: 0 id, 1 sign (+1 at a high), 2 row's tick, 3 bar of birth, then
# times: 4 birth, 5 covered, 6 expired. Open levels wait on two piles: those above the last bar,
# lowest on top, and those below it, highest on top, so that a bar only meets what it covers.


@njit(cache=True, nogil=True)
def _cover_nb(levels: Int64, piles: Int64, n_on: Int64, low: int, high: int, t1_ns: int) -> None:
    # Take what the bar covers off the piles; what it jumped over changes piles.
    while n_on[0] > 0 and levels[piles[0, n_on[0] - 1], 2] <= high:
        n_on[0] -= 1
        level = piles[0, n_on[0]]
        if levels[level, 2] >= low:
            levels[level, 5] = t1_ns
        else:
            piles[1, n_on[1]] = level
            n_on[1] += 1
    while n_on[1] > 0 and levels[piles[1, n_on[1] - 1], 2] >= low:
        n_on[1] -= 1
        level = piles[1, n_on[1]]
        if levels[level, 2] <= high:
            levels[level, 5] = t1_ns
        else:
            piles[0, n_on[0]] = level
            n_on[0] += 1


@njit(cache=True, nogil=True)
def _expire_nb(levels: Int64, piles: Int64, n_on: Int64, t1_ns: int) -> None:
    # A session begins: nothing stays open.
    for side in range(2):
        for i in range(n_on[side]):
            levels[piles[side, i], 6] = t1_ns
        n_on[side] = 0


@njit(cache=True, nogil=True)
def _unfinished_nb(
    bars: tuple[Int64, Int64, Int64, Bool],
    born: tuple[Bool, Bool],
    levels: Int64,
    piles: Int64,
    n_on: Int64,
    nearest: Float64,
    counts: Int64,
) -> None:
    # ``levels`` holds the open ones, then those born in the bars, the high of a bar before its low.
    low, high, t1_ns, opens_session = bars
    next_born = n_on[0] + n_on[1]
    for bar in range(len(low)):
        if opens_session[bar]:
            _expire_nb(levels, piles, n_on, t1_ns[bar])
        else:
            _cover_nb(levels, piles, n_on, low[bar], high[bar], t1_ns[bar])
        for side in range(2):
            if born[side][bar]:
                piles[side, n_on[side]] = next_born
                n_on[side] += 1
                next_born += 1
        for side in range(2):
            counts[bar, side] = n_on[side]
            if n_on[side] > 0:
                nearest[bar, side] = levels[piles[side, n_on[side] - 1], 2]
