"""Session volume-weighted average price and its spread; results go into the caller's arrays."""

import math

from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _session_vwap_nb(
    price: Int64,
    qty_lots: Int64,
    start_idx: Int64,
    anchor: int,
    sums: tuple[int, int, float, float],
    vwap: Float64,
    sd: Float64,
) -> tuple[int, tuple[int, int, float, float], float]:
    # ``sums``: q, q d, q d^2 and |q d| with d = price - anchor, the session's first price. The last
    # is a float that only tells whether the integer sum of q d could have left int64.
    volume, first_moment, second_moment, reach = sums
    largest_reach = reach
    for session in range(len(start_idx)):
        first = start_idx[session]
        end = start_idx[session + 1] if session + 1 < len(start_idx) else len(price)
        if session > 0:
            anchor, volume, first_moment, second_moment, reach = price[first], 0, 0, 0.0, 0.0
        for i in range(first, end):
            weighted = qty_lots[i] * (price[i] - anchor)
            volume += qty_lots[i]
            first_moment += weighted
            second_moment += float(weighted) * float(price[i] - anchor)
            reach += float(qty_lots[i]) * abs(float(price[i]) - float(anchor))
            mean = first_moment / volume
            vwap[i] = anchor + mean
            # Rounding may leave a negative variance where the sums cancel: there is none.
            sd[i] = math.sqrt(max(0.0, second_moment / volume - mean * mean))
        largest_reach = max(largest_reach, reach)
    return anchor, (volume, first_moment, second_moment, reach), largest_reach
