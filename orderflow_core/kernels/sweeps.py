"""Fills of one marketable order put together again; results go into the caller's array."""

from numba import njit

from orderflow_core.types import Int8, Int64


@njit(cache=True, nogil=True)
def _assign_sweeps_nb(
    ts: Int64,
    trade_id: Int64,
    price: Int64,
    sign: Int8,
    max_id_step: int,
    first_ordinal: int,
    sweep: Int64,
) -> None:
    # Conditions without short cuts compile to no branch: fills of one time come in random runs.
    ordinal = first_ordinal
    if len(ts) > 0:
        sweep[0] = ordinal
    for i in range(1, len(ts)):
        falls, rises = price[i] < price[i - 1], price[i] > price[i - 1]
        is_new = (ts[i] != ts[i - 1]) | (sign[i] != sign[i - 1]) | (sign[i] == 0)
        # A buy eats up the book, a sell down: the price never turns back within an order.
        is_new |= (falls & (sign[i] > 0)) | (rises & (sign[i] < 0))
        id_step = trade_id[i] - trade_id[i - 1]
        is_new |= (max_id_step > 0) & ((id_step > max_id_step) | (id_step <= 0))
        ordinal += is_new
        sweep[i] = ordinal
