"""Sides that a quote gives: each kernel writes over the signs that it is handed where it decides.

What a kernel leaves alone keeps the sign it came with: 0, or the tick rule's. All arithmetic is in
integers, against twice the mid or tenths of the spread, so that no tolerance is needed.
"""

from numba import njit, uintp

from orderflow_core.types import Bool, Int8, Int64


@njit(cache=True, nogil=True)
def _magnitude_nb(ticks: Int64) -> int:
    # A number with the highest bit of any |tick|: one vectorised pass, unlike a maximum.
    reach = 0
    for i in range(len(ticks)):
        reach |= ticks[i] ^ (ticks[i] >> 63)
    return reach


@njit(cache=True, nogil=True)
def _side_of_mid_nb(price: int, bid: int, ask: int, otherwise: int) -> int:
    # Against twice the mid: a half tick is exact. A crossed quote has no mid.
    side = int(2 * price > bid + ask) - int(2 * price < bid + ask)
    side = side if bid <= ask else 0
    return side if side != 0 else otherwise


@njit(cache=True, nogil=True)
def _mid_rule_nb(price: Int64, bid: Int64, ask: Int64, is_known: Bool, sign: Int8) -> None:
    for i in range(len(price)):
        if is_known[i]:
            sign[i] = _side_of_mid_nb(price[i], bid[i], ask[i], sign[i])


@njit(cache=True, nogil=True)
def _touch_rule_nb(price: Int64, bid: Int64, ask: Int64, is_known: Bool, sign: Int8) -> None:
    for i in range(len(price)):
        if is_known[i] and bid[i] < ask[i]:
            if price[i] == ask[i]:
                sign[i] = 1
            elif price[i] == bid[i]:
                sign[i] = -1


@njit(cache=True, nogil=True)
def _band_rule_nb(price: Int64, bid: Int64, ask: Int64, is_known: Bool, sign: Int8) -> None:
    for i in range(len(price)):
        if is_known[i] and bid[i] < ask[i] and bid[i] <= price[i] <= ask[i]:
            tenths, spread = 10 * (price[i] - bid[i]), ask[i] - bid[i]
            if tenths >= 7 * spread:
                sign[i] = 1
            elif tenths <= 3 * spread:
                sign[i] = -1


@njit(cache=True, nogil=True)
def _depth_rule_nb(
    price: Int64, prices: tuple[Int64, Int64], sizes: tuple[Int64, Int64], known: Bool, sign: Int8
) -> None:
    bid, ask = prices
    bid_size, ask_size = sizes
    for i in range(len(price)):
        if known[i] and bid[i] <= ask[i] and 2 * price[i] == bid[i] + ask[i]:
            sign[i] = int(ask_size[i] > bid_size[i]) - int(ask_size[i] < bid_size[i])


@njit(cache=True, nogil=True)
def _size_rule_nb(qty: Int64, bid_size: Int64, ask_size: Int64, is_known: Bool, sign: Int8) -> None:
    for i in range(len(qty)):
        if is_known[i]:
            sign[i] = int(qty[i] == bid_size[i]) - int(qty[i] == ask_size[i])


@njit(cache=True, nogil=True)
def _is_disordered_nb(ts: Int64) -> bool:
    is_back = False
    before, now = ts[:-1], ts[1:]
    for i in range(len(now)):
        is_back |= now[i] < before[i]
    return is_back


@njit(cache=True, nogil=True)
def _n_before_nb(quote_ts: Int64, bound: int) -> int:
    low, high = 0, len(quote_ts)
    while low < high:
        middle = (low + high) // 2
        if quote_ts[middle] < bound:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _advance_nb(quote_ts: Int64, n: int, bound: int) -> int:
    # ``n`` quotes lie before an earlier bound; return how many lie before this one. Four are looked
    # at together: how many of them count is a sum and no jump that a processor has to guess.
    # An unsigned position spares the test for counting from the end.
    while n + 4 <= len(quote_ts):
        step = int(quote_ts[uintp(n)] < bound) + int(quote_ts[uintp(n + 1)] < bound)
        step += int(quote_ts[uintp(n + 2)] < bound) + int(quote_ts[uintp(n + 3)] < bound)
        n += step
        if step < 4:
            return n
    while n < len(quote_ts) and quote_ts[n] < bound:
        n += 1
    return n


@njit(cache=True, nogil=True)
def _side_of_last_nb(price: int, bid: Int64, ask: Int64, n_before: int, otherwise: int) -> int:
    if n_before == 0:
        return otherwise
    j = uintp(n_before - 1)
    return _side_of_mid_nb(price, bid[j], ask[j], otherwise)


@njit(cache=True, nogil=True)
def _join_block_nb(
    trade_ts: Int64,
    price: Int64,
    quotes: tuple[Int64, Int64, Int64],
    n_before: int,
    shift: int,
    sign: Int8,
) -> int:
    # Two halves side by side: each step waits for the one before it, and the other half goes on.
    quote_ts, bid, ask = quotes
    half = len(trade_ts) // 2
    n_later = n_before + _n_before_nb(quote_ts[n_before:], trade_ts[half] - shift)
    for i in range(half):
        n_before = _advance_nb(quote_ts, n_before, trade_ts[i] - shift)
        sign[i] = _side_of_last_nb(price[i], bid, ask, n_before, sign[i])
        k = half + i
        n_later = _advance_nb(quote_ts, n_later, trade_ts[k] - shift)
        sign[k] = _side_of_last_nb(price[k], bid, ask, n_later, sign[k])
    if len(trade_ts) % 2 == 1:
        n_later = _advance_nb(quote_ts, n_later, trade_ts[-1] - shift)
        sign[-1] = _side_of_last_nb(price[-1], bid, ask, n_later, sign[-1])
    return n_later


@njit(cache=True, nogil=True)
def _join_range_nb(
    trade_ts: Int64,
    price: Int64,
    quotes: tuple[Int64, Int64, Int64],
    trade_range: tuple[int, int],
    quote_range: tuple[int, int],
    shift: int,
    sign: Int8,
) -> int:
    # Sign the trades of the range; return 0, or bits that say what is wrong with the trades and
    # quotes of the ranges: 1 times run back, 2 prices of 2**62 and more. Checks follow in blocks
    # upon the work, while the rows lie in the cache.
    (first, end), (n_before, quote_end) = trade_range, quote_range
    is_back, reach = quote_end < n_before, 0
    for begin in range(first, end, 8192):
        stop = min(begin + 8192, end)
        is_back |= _is_disordered_nb(trade_ts[max(begin - 1, 0) : stop])
        reach |= _magnitude_nb(price[begin:stop])
        checked = n_before
        n_before = _join_block_nb(
            trade_ts[begin:stop], price[begin:stop], quotes, n_before, shift, sign[begin:stop]
        )
        checked_end = max(n_before, quote_end) if stop == end else n_before
        is_back |= _is_disordered_nb(quotes[0][max(checked - 1, 0) : checked_end])
        reach |= _magnitude_nb(quotes[1][checked:checked_end])
        reach |= _magnitude_nb(quotes[2][checked:checked_end])
    return int(is_back) + 2 * int((reach >> 62) > 0)


@njit(cache=True, nogil=True)
def _join_ranges_nb(
    trade_ts: Int64,
    price: Int64,
    quotes: tuple[Int64, Int64, Int64],
    edges: Int64,
    part: tuple[int, int],
    shift: int,
    sign: Int8,
) -> int:
    # A part of the ranges that lie between the edges; returns the bits of all.
    faults = 0
    for k in range(part[0], part[1]):
        first, end = edges[k], edges[k + 1]
        # The first range looks at all quotes before its trades, the last one at all after them.
        begin = 0 if k == 0 else _n_before_nb(quotes[0], trade_ts[first] - shift)
        stop = len(quotes[0])
        if k < len(edges) - 2:
            stop = _n_before_nb(quotes[0], trade_ts[end] - shift)
        faults |= _join_range_nb(trade_ts, price, quotes, (first, end), (begin, stop), shift, sign)
    return faults
