"""Signs from trade prices alone: one pass each, the tick memory carried in two integers.

Results go into the caller's arrays.
"""

from numba import njit

from orderflow_core.types import Bool, Int8, Int64


@njit(cache=True, nogil=True)
def _direction_nb(value: int, reference: int) -> int:
    return int(value > reference) - int(value < reference)


@njit(cache=True, nogil=True)
def _tick_rule_nb(price: Int64, last_price: int, last_sign: int, sign: Int8) -> None:
    for i in range(len(price)):
        # The memory follows trade prices only. Two tests without else compile to no branch.
        if price[i] > last_price:
            last_sign = 1
        if price[i] < last_price:
            last_sign = -1
        last_price = price[i]
        sign[i] = last_sign


@njit(cache=True, nogil=True)
def _tick_sessions_nb(
    price: Int64, edges: Int64, memory_price: Int64, memory_sign: Int8, sign: Int8
) -> None:
    for k in range(len(edges) - 1):
        first, end = edges[k], edges[k + 1]
        _tick_rule_nb(price[first:end], memory_price[k], memory_sign[k], sign[first:end])


@njit(cache=True, nogil=True)
def _last_change_nb(price: Int64, last_price: int, last_sign: int) -> int:
    # Sign of the last price change within ``price``, of the step into it, or the one before it.
    newest = price[-1]
    for i in range(len(price) - 2, -1, -1):
        if price[i] != newest:
            return _direction_nb(newest, price[i])
    change = _direction_nb(newest, last_price)
    return change if change != 0 else last_sign


@njit(cache=True, nogil=True)
def _tick_memories_nb(
    price: Int64, edges: Int64, is_start: Bool, memory_price: Int64, memory_sign: Int8
) -> None:
    # The memory that each segment begins with and, in the last element, what the last one leaves;
    # element 0 is given. A segment is read backwards and only up to its last price change.
    for k in range(1, len(edges)):
        part = price[edges[k - 1] : edges[k]]
        change = _last_change_nb(part, memory_price[k - 1], memory_sign[k - 1])
        memory_price[k], memory_sign[k] = part[-1], change
        if k < len(edges) - 1 and is_start[k]:
            # An empty memory equals one that has just seen the first price: no change yet.
            memory_price[k], memory_sign[k] = price[edges[k]], 0


@njit(cache=True, nogil=True)
def _reverse_tick_nb(price: Int64, start_idx: Int64, sign: Int8, known_idx: Int64) -> None:
    for session in range(len(start_idx)):
        first = start_idx[session]
        end = start_idx[session + 1] if session + 1 < len(start_idx) else len(price)
        known, next_sign = -1, 0
        for i in range(end - 1, first - 1, -1):
            if i + 1 < end and price[i] != price[i + 1]:
                known, next_sign = i + 1, _direction_nb(price[i], price[i + 1])
            sign[i], known_idx[i] = next_sign, known
