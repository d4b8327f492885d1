"""Compiled loop of resting orders; every contract is checked by orderflow_core.backtest.resting."""

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _resting_fills_nb(trades: Int64, quotes: Int64, orders: Int64, fill_ns: Int64) -> None:
    # trades: ts, price, lots, sign. quotes: ts, bid, bid lots, ask, ask lots. orders: deadline, side,
    # price, lots ahead, first trade and first quote that it meets. A seller's prices are looked at
    # with their sign turned, so that lower is always through.
    for i in range(len(orders)):
        deadline, side, price, ahead = orders[i, 0], orders[i, 1], orders[i, 2], orders[i, 3]
        t, q = orders[i, 4], orders[i, 5]
        own = 1 if side > 0 else 3
        fill_ns[i] = -1
        while True:
            has_trade = t < len(trades) and trades[t, 0] <= deadline
            has_quote = q < len(quotes) and quotes[q, 0] <= deadline
            if not (has_trade or has_quote):
                break
            if has_trade and not (has_quote and quotes[q, 0] < trades[t, 0]):
                ts = trades[t, 0]
                beyond = side * (trades[t, 1] - price)
                if beyond == 0 and trades[t, 3] != side and ahead >= 0:
                    ahead -= trades[t, 2]
                    is_filled = ahead < 0
                else:
                    is_filled = beyond < 0
                t += 1
            else:
                ts = quotes[q, 0]
                behind = side * (price - quotes[q, own])
                is_filled = side * (quotes[q, 4 - own] - price) <= 0
                if behind == 0 and ahead >= 0:
                    ahead = min(ahead, quotes[q, own + 1])
                elif behind > 0 and ahead >= 0:
                    ahead = 0
                q += 1
            if is_filled:
                fill_ns[i] = ts
                break
