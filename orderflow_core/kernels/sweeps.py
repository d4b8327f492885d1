"""Fills of one marketable order put together again."""

import numpy as np
from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _assign_sweeps_nb(
    ts: Int64, trade_id: Int64, price: Int64, sign: Int8, max_id_step: int, first_ordinal: int
) -> Int64:
    sweep = np.empty(len(ts), np.int64)
    ordinal = first_ordinal
    for i in range(len(ts)):
        if i > 0:
            is_same_order = ts[i] == ts[i - 1] and sign[i] == sign[i - 1]
            # A buy eats up the book, a sell down: the price never turns back within an order.
            if sign[i] > 0:
                is_same_order &= price[i] >= price[i - 1]
            else:
                is_same_order &= sign[i] < 0 and price[i] <= price[i - 1]
            if max_id_step > 0:
                is_same_order &= 0 < trade_id[i] - trade_id[i - 1] <= max_id_step
            ordinal += not is_same_order
        sweep[i] = ordinal
    return sweep
