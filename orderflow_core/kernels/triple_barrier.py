"""The first event of a path that touches one of two prices, for many stretches of it."""

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _first_touch_nb(
    price: Int64,
    extremes: tuple[Int64, Int64],
    n_block: int,
    stretch: tuple[Int64, Int64],
    aims: tuple[Int64, Int64],
    touch: Int64,
) -> None:
    # Fills touch with the first i in first[k] <= i < end[k] where price[i] <= low[k] or
    # price[i] >= high[k], -1 where there is none. Whole blocks whose extremes stay between are passed.
    block_low, block_high = extremes
    first, end = stretch
    low, high = aims
    for k in range(len(touch)):
        i, touch[k] = first[k], -1
        while i < end[k]:
            block = i // n_block
            is_whole = i == block * n_block and i + n_block <= end[k]
            if is_whole and block_low[block] > low[k] and block_high[block] < high[k]:
                i += n_block
                continue
            if price[i] <= low[k] or price[i] >= high[k]:
                touch[k] = i
                break
            i += 1
