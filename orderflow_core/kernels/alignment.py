"""Linear merges of trades with quotes."""

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Int64


@njit(cache=True, nogil=True)
def _advance_nb(quote_ts: Int64, position: int, bound: int) -> int:
    # ``position`` quotes are known to lie before an earlier bound; return how many lie before this one.
    while position < len(quote_ts) and quote_ts[position] < bound:
        position += 1
    return position


@njit(cache=True, nogil=True)
def _prevailing_quote_idx_nb(trade_ts: Int64, quote_ts: Int64, shift: int) -> Int64:
    idx = np.empty(len(trade_ts), np.int64)
    position = 0
    for i in range(len(trade_ts)):
        position = _advance_nb(quote_ts, position, trade_ts[i] - shift)
        idx[i] = position - 1
    return idx


@njit(cache=True, nogil=True)
def _quote_at_trade_nb(
    trade_ts: Int64,
    shift: int,
    quote_ts: Int64,
    bid_ticks: Int64,
    bid_lots: Int64,
    ask_ticks: Int64,
    ask_lots: Int64,
) -> tuple[Int64, Int64, Int64, Int64, Bool]:
    n = len(trade_ts)
    bid, bid_size = np.zeros(n, np.int64), np.zeros(n, np.int64)
    ask, ask_size = np.zeros(n, np.int64), np.zeros(n, np.int64)
    is_known = np.zeros(n, np.bool_)
    position = 0
    for i in range(n):
        position = _advance_nb(quote_ts, position, trade_ts[i] - shift)
        if position > 0:
            bid[i], bid_size[i] = bid_ticks[position - 1], bid_lots[position - 1]
            ask[i], ask_size[i] = ask_ticks[position - 1], ask_lots[position - 1]
            is_known[i] = True
    return bid, bid_size, ask, ask_size, is_known
