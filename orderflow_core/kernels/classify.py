"""Trade signs from prices and quotes: one pass each, the tick memory carried in two integers.

Results go into the caller's arrays.
"""

from numba import njit

from orderflow_core.types import Bool, Int8, Int64


@njit(cache=True, nogil=True)
def _extremes_nb(ticks: Int64) -> tuple[int, int]:
    # In one pass over what is too long for the cache; 0 is always among the values looked at.
    low = high = 0
    for i in range(len(ticks)):
        low, high = min(low, ticks[i]), max(high, ticks[i])
    return low, high


@njit(cache=True, nogil=True)
def _direction_nb(value: int, reference: int) -> int:
    return int(value > reference) - int(value < reference)


@njit(cache=True, nogil=True)
def _side_of_mid_nb(price: int, bid: int, ask: int) -> int:
    # Against twice the mid, in integers: a half tick is exact. A crossed quote has no mid.
    return _direction_nb(2 * price, bid + ask) if bid <= ask else 0


@njit(cache=True, nogil=True)
def _after_step_nb(price: int, last_price: int, last_sign: int) -> int:
    # The tick memory follows trade prices only. Two tests without else compile to no branch.
    if price > last_price:
        last_sign = 1
    if price < last_price:
        last_sign = -1
    return last_sign


@njit(cache=True, nogil=True)
def _tick_rule_nb(
    price: Int64, start_idx: Int64, last_price: int, last_sign: int, sign: Int8
) -> None:
    for session in range(len(start_idx)):
        first = start_idx[session]
        end = start_idx[session + 1] if session + 1 < len(start_idx) else len(price)
        if session > 0:
            last_price, last_sign = price[first], 0
        for i in range(first, end):
            last_sign = _after_step_nb(price[i], last_price, last_sign)
            last_price = price[i]
            sign[i] = last_sign


@njit(cache=True, nogil=True)
def _quote_rule_nb(price: Int64, bid: Int64, ask: Int64, is_known: Bool, sign: Int8) -> None:
    for i in range(len(price)):
        sign[i] = _side_of_mid_nb(price[i], bid[i], ask[i]) if is_known[i] else 0


@njit(cache=True, nogil=True)
def _lee_ready_nb(
    price: Int64,
    bid: Int64,
    ask: Int64,
    is_known: Bool,
    start_idx: Int64,
    last_price: int,
    last_sign: int,
    sign: Int8,
) -> None:
    for session in range(len(start_idx)):
        first = start_idx[session]
        end = start_idx[session + 1] if session + 1 < len(start_idx) else len(price)
        if session > 0:
            last_price, last_sign = price[first], 0
        for i in range(first, end):
            last_sign = _after_step_nb(price[i], last_price, last_sign)
            last_price = price[i]
            side = _side_of_mid_nb(price[i], bid[i], ask[i]) if is_known[i] else 0
            sign[i] = side if side != 0 else last_sign


@njit(cache=True, nogil=True)
def _last_change_nb(price: Int64, first: int, last_price: int, last_sign: int) -> int:
    # Sign of the last price change among price[first:], or of the step from the memory before it.
    newest = price[-1]
    for i in range(len(price) - 2, first - 1, -1):
        if price[i] != newest:
            return _direction_nb(newest, price[i])
    change = _direction_nb(newest, last_price)
    return change if change != 0 else last_sign


@njit(cache=True, nogil=True)
def _layer_nb(sign: Int8, rule: Int8, candidate: Int8, code: int) -> int:
    # Let a rule sign what no earlier rule has signed; return how many trades stay without.
    n_left = 0
    for i in range(len(sign)):
        if sign[i] == 0:
            if candidate[i] != 0:
                sign[i] = candidate[i]
                rule[i] = code
            else:
                n_left += 1
    return n_left
