"""Where in the spread trades were made; results go into the caller's arrays."""

from numba import njit

from orderflow_core.types import Bool, Int8, Int64


@njit(cache=True, nogil=True)
def _place_nb(price: int, bid: int, ask: int) -> int:
    if bid > ask:
        return 8
    if price < bid:
        return 0
    if price > ask:
        return 6
    if bid == ask:
        return 7
    if price == bid:
        return 1
    if price == ask:
        return 5
    return 3 + int(2 * price > bid + ask) - int(2 * price < bid + ask)


@njit(cache=True, nogil=True)
def _position_nb(price: Int64, bid: Int64, ask: Int64, is_known: Bool, code: Int8) -> None:
    for i in range(len(price)):
        code[i] = _place_nb(price[i], bid[i], ask[i]) if is_known[i] else 9
