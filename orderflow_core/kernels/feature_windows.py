"""Windows of the feature matrix: totals that run on by trade, and rows that are differences of two.

A table has a column a trade and one more. Its rows: 0 time, 1 price, 2 position of the first trade
since the last start; then totals of the trades before: 3 lots bought, 4 lots sold, 5 buys, 6 sells,
7 squared price changes from sweep to sweep, 8 sweeps begun; beyond the core 9 and 10 turnover, 11 products of
neighbouring price changes; and by trade 12 running imbalance of the book, 13 whether it is known. Totals never start anew: a window holds one session,
and what came before it cancels, so that a total may begin anywhere and may wrap past int64.

Lots enter products in two parts, of 16 low bits and the rest: their squares leave int64.
"""

import math
from typing import TypeAlias

import numpy as np
from numba import njit, uintp

from orderflow_core.types import Bool, Float64, Int8, Int64

_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int8, Int64]
# Bid, ask, whether they are known; running imbalance of the book, whether it is known. May be empty.
_Seen: TypeAlias = tuple[Int64, Int64, Bool, Int64, Bool]
# Magnitudes that tell whether sums of integers could have left int64: of the path; of prices before
# each trade; of moves when it arrived.
_Sizes: TypeAlias = tuple[Float64, Float64, Float64]
# Totals of flow and prices; of moves, a row a trade, empty where only the core columns are asked for.
_Tables: TypeAlias = tuple[Int64, Int64]


@njit(cache=True, nogil=True)
def _take_flow_nb(trades: _Trades, start_idx: Int64, first: int, held: Int64, table: Int64) -> None:
    ts, price, qty, sign, _ = trades
    floor, start = held[4], 0
    bought, sold, buys, sells = table[3, first], table[4, first], table[5, first], table[6, first]
    for i in range(len(ts)):
        if start < len(start_idx) and start_idx[start] == i:
            floor, start = first + i, start + 1
        is_buy, is_sell = sign[i] > 0, sign[i] < 0
        bought += is_buy * qty[i]
        sold += is_sell * qty[i]
        buys += is_buy
        sells += is_sell
        j = first + i
        table[0, j], table[1, j], table[2, j] = ts[i], price[i], floor
        table[3, j + 1], table[4, j + 1], table[5, j + 1] = bought, sold, buys
        table[6, j + 1] = sells
    held[4] = floor


@njit(cache=True, nogil=True)
def _take_path_nb(
    trades: _Trades, start_idx: Int64, first: int, held: Int64, reach: Float64, table: Int64
) -> None:
    # ``held[5:10]``: price and sweep of the last trade, last price of the sweep before, squares up to
    # there, sweeps begun. ``reach``: magnitudes for the caller to see whether squares could overflow.
    _, price, _, _, sweep = trades
    last_price, last_sweep, close, squares, n_sweeps = held[5], held[6], held[7], held[8], held[9]
    farthest, sum_of_squares, start = reach[1], reach[0], 0
    for i in range(len(price)):
        is_new = sweep[i] != last_sweep
        change = last_price - close if is_new else 0
        close = last_price if is_new else close
        if start < len(start_idx) and start_idx[start] == i:
            change, close, is_new, start = 0, price[i], True, start + 1
        sum_of_squares += float(change) * float(change)
        squares += change * change if sum_of_squares < 2.0**62 else 0
        n_sweeps += is_new
        last_price, last_sweep = price[i], sweep[i]
        farthest = max(farthest, abs(float(last_price) - float(close)))
        move = (
            last_price - close if farthest < 2.0**31 else 0
        )  # what is too far, the caller refuses
        table[7, first + i + 1] = squares + move * move
        table[8, first + i + 1] = n_sweeps
    held[5], held[6], held[7], held[8], held[9] = last_price, last_sweep, close, squares, n_sweeps
    reach[0], reach[1] = sum_of_squares, farthest


@njit(cache=True, nogil=True)
def _take_prices_nb(
    trades: _Trades, start_idx: Int64, first: int, held: Int64, magnitude: Float64, table: Int64
) -> None:
    # ``held[10:12]``: last price, last change of it. ``magnitude``: before each trade, of what rows 9 to
    # 11 sum up.
    _, price, qty, _, _ = trades
    last_price, last_change, start = held[10], held[11], 0
    high, low, products = table[9, first], table[10, first], table[11, first]
    total = magnitude[first]
    for i in range(len(price)):
        change = price[i] - last_price
        if start < len(start_idx) and start_idx[start] == i:
            change, start = 0, start + 1
        notional = abs(price[i])
        high += notional * (qty[i] >> 16)
        low += notional * (qty[i] & 65535)
        products += change * last_change
        total += float(notional) * (float(qty[i]) / 65536.0 + 65536.0)
        total += abs(float(change) * float(last_change))
        last_price, last_change = price[i], change
        j = first + i + 1
        table[9, j], table[10, j], table[11, j], magnitude[j] = high, low, products, total
    held[10], held[11] = last_price, last_change


@njit(cache=True, nogil=True)
def _take_moves_nb(
    trades: _Trades,
    quotes: tuple[Int64, Int64, Bool],
    start_idx: Int64,
    first: int,
    held: Int64,
    magnitude: Float64,
    moves: Int64,
) -> None:
    # Trades of one time are one observation: their signed volume and the mid's move up to the next
    # time, whose first trade shows it. A row of ``moves`` holds totals when a trade arrived: observations,
    # their lots, moves and products. ``held[12:16]``: time, signed lots, twice the mid of the newest
    # time, whether that is known. ``magnitude`` when each trade arrived.
    (ts, _, qty, sign, _), (bid, ask, is_known) = trades, quotes
    newest, lots, mid2, has_mid, start = held[12], held[13], held[14], held[15] > 0, 0
    total = magnitude[first]
    for i in range(len(ts)):
        is_start = start < len(start_idx) and start_idx[start] == i
        start += is_start
        sums = moves[first + i]
        if is_start or ts[i] != newest:
            knows = len(bid) > 0 and is_known[i] and ask[i] >= bid[i]
            next_mid2 = bid[i] + ask[i] if knows else 0
            if knows and has_mid and not is_start:
                total += _observe_nb(sums, lots, next_mid2 - mid2)
            newest, lots, mid2, has_mid = ts[i], 0, next_mid2, knows
        lots += sign[i] * qty[i]
        magnitude[first + i] = total
        for row in range(8):
            moves[first + i + 1, row] = sums[row]
    magnitude[first + len(ts)] = total
    held[12], held[13], held[14], held[15] = newest, lots, mid2, has_mid


@njit(cache=True, nogil=True)
def _observe_nb(sums: Int64, lots: int, move: int) -> float:
    high, low = lots >> 16, lots & 65535
    sums[0] += 1
    sums[1] += lots
    sums[2] += move
    sums[3] += high * move
    sums[4] += low * move
    sums[5] += high * high
    sums[6] += high * low
    sums[7] += low * low
    size = abs(float(high)) + 65536.0 + abs(float(move))
    return size * size


@njit(cache=True, nogil=True)
def _take_book_nb(book: tuple[Int64, Bool], n: int, first: int, table: Int64) -> None:
    lots, is_known = book
    for i in range(n):
        table[12, first + i] = lots[i] if len(lots) > 0 else 0
        table[13, first + i] = is_known[i] if len(lots) > 0 else 0


@njit(cache=True, nogil=True)
def _advanced_nb(ts: Int64, first: int, end: int, n: int, left_ns: int) -> int:
    # The first trade from ``first`` on that has not left, ``end`` if all of those before it have. Four of
    # the ``n`` trades are looked at together: how many have left is a sum and no jump that a processor
    # has to guess. Trades from ``end`` on are later, and have not left either.
    while first + 4 <= n:
        step = int(ts[uintp(first)] <= left_ns) + int(ts[uintp(first + 1)] <= left_ns)
        step += int(ts[uintp(first + 2)] <= left_ns) + int(ts[uintp(first + 3)] <= left_ns)
        first += step
        if step < 4:
            return min(first, end)
    while first < end and ts[uintp(first)] <= left_ns:
        first += 1
    return first


@njit(cache=True, nogil=True)
def _first_inside_nb(
    table: Int64, end_idx: Int64, known_ns: Int64, held: Int64, inside: Int64
) -> None:
    # The first trade of each row's windows of 60, 10 and 1 s, and of the 60 s that end with its last
    # trade: known, not before the start, and after the time at or before which trades have left. The
    # windows side by side, as each of their steps waits for the one before it.
    ts, floor, n = table[0], table[2], held[0]
    first_60, first_10, first_1, first_last = held[1], held[2], held[3], held[16]
    for k in range(len(end_idx)):
        end, now = end_idx[k], known_ns[k]
        start, last = floor[end - 1], ts[end - 1]
        first_60 = _advanced_nb(ts, max(first_60, start), end, n, now - 60_000_000_000)
        first_10 = _advanced_nb(ts, max(first_10, start), end, n, now - 10_000_000_000)
        first_1 = _advanced_nb(ts, max(first_1, start), end, n, now - 1_000_000_000)
        if last == now:
            first_last = first_60
        else:
            first_last = _advanced_nb(ts, max(first_last, start), end, n, last - 60_000_000_000)
        inside[0, k], inside[1, k], inside[2, k] = first_60, first_10, first_1
        inside[3, k] = first_last
    held[1], held[2], held[3], held[16] = first_60, first_10, first_1, first_last


@njit(cache=True, nogil=True)
def _flow_rows_nb(table: Int64, end_idx: Int64, first: Int64, values: Float64) -> None:
    floor, bought, sold, buys, sells = table[2], table[3], table[4], table[5], table[6]
    for k in range(len(end_idx)):
        a, b = first[k], end_idx[k]
        if a <= floor[b - 1]:
            values[:9, k] = np.nan
            continue
        buy, sell, n_buy, n_sell = (
            bought[b] - bought[a],
            sold[b] - sold[a],
            buys[b] - buys[a],
            sells[b] - sells[a],
        )
        values[0, k], values[1, k], values[2, k], values[3, k] = buy, sell, n_buy, n_sell
        values[4, k] = (buy - sell) / (buy + sell) if buy + sell else np.nan
        values[5, k] = buy / n_buy if n_buy else np.nan
        values[6, k] = sell / n_sell if n_sell else np.nan


@njit(cache=True, nogil=True)
def _past_rows_nb(
    table: Int64, end_idx: Int64, first: tuple[Int64, Int64, Int64], values: Float64
) -> None:
    # Rows of ``values``: 0 to 2 returns, 3 volatility, 10 sweeps.
    price, floor, squares, sweeps = table[1], table[2], table[7], table[8]
    first_60, first_10, first_1 = first
    for k in range(len(end_idx)):
        a, b, c, end = first_60[k], first_10[k], first_1[k], end_idx[k]
        now, start = price[end - 1], floor[end - 1]
        # Before the first trade lies another session, or nothing: the value is not taken then.
        values[0, k] = now - price[c - 1] if c > start else np.nan
        values[1, k] = now - price[b - 1] if b > start else np.nan
        values[2, k] = now - price[a - 1] if a > start else np.nan
        values[3, k] = math.sqrt(squares[end] - squares[a]) if a > start else np.nan
        values[10, k] = sweeps[end] - sweeps[b] if b > start else np.nan


@njit(cache=True, nogil=True)
def _market_rows_nb(table: Int64, end_idx: Int64, first: Int64, columns: Float64) -> None:
    # Columns: Roll's spread, Amihud's ratio.
    price, high, low, products = table[1], table[9], table[10], table[11]
    for k in range(len(end_idx)):
        a, b = first[k], end_idx[k]
        opened, now = price[a], price[b - 1]
        columns[0, k], columns[1, k] = np.nan, np.nan
        if b - a > 2:
            ends = price[a + 1] - opened + now - price[b - 2]
            columns[0, k] = _roll_nb(b - a - 1, now - opened, ends, products[b] - products[a + 2])
        turnover = float(high[b] - high[a]) * 65536.0 + float(low[b] - low[a])
        # No turnover: the sum left int64, which the caller finds.
        if opened > 0 and turnover != 0.0:
            columns[1, k] = abs(float(now - opened)) / (float(opened) * turnover)


@njit(cache=True, nogil=True)
def _reach_nb(of_prices: Float64, of_moves: Float64, end_idx: Int64, first: Int64) -> float:
    largest = 0.0
    for k in range(len(end_idx)):
        a, b = first[k], end_idx[k]
        largest = max(largest, of_prices[b] - of_prices[a] + of_moves[b - 1] - of_moves[a])
    return largest


@njit(cache=True, nogil=True)
def _roll_nb(n_changes: int, total: int, ends: int, products: int) -> float:
    # The sum of products about the mean change, times n^2: whole numbers until the root.
    n, change = float(n_changes), float(total)
    about = n * n * products - n * change * (2 * change - ends) + (n - 1) * change * change
    return 2.0 * math.sqrt(max(0.0, -about / (n * n * (n - 1))))


@njit(cache=True, nogil=True)
def _kyle_rows_nb(moves: Int64, end_idx: Int64, first: Int64, column: Float64) -> None:
    # Slope in ticks a lot; none without two different volumes. Whole numbers to the end where they fit,
    # as volumes that are nearly alike would cancel.
    for k in range(len(end_idx)):
        now, then = moves[end_idx[k] - 1], moves[first[k]]
        n, lots, move = now[0] - then[0], now[1] - then[1], now[2] - then[2]
        high_product, low_product = now[3] - then[3], now[4] - then[4]
        highs, mixed, lows = now[5] - then[5], now[6] - then[6], now[7] - then[7]
        product = float(high_product) * 65536.0 + float(low_product)
        square = float(highs) * 4294967296.0 + float(mixed) * 131072.0 + float(lows)
        column[k] = np.nan
        if n < 2:
            continue
        if max(n * square, n * abs(product), abs(float(lots) * float(move))) < 2.0**61:
            spread = n * (highs * 4294967296 + mixed * 131072 + lows) - lots * lots
            slope = n * (high_product * 65536 + low_product) - lots * move
            if spread > 0:
                column[k] = float(slope) / float(spread) / 2.0
        else:
            products, squares = (high_product, low_product), (highs, mixed, lows)
            column[k] = _kyle_wide_nb(n, lots, move, products, squares) / 2.0


@njit(cache=True, nogil=True)
def _kyle_wide_nb(
    n: int, lots: int, moves: int, products: tuple[int, int], squares: tuple[int, int, int]
) -> float:
    # Sums are taken about a whole number next to the mean volume. Terms may wrap past int64 on the
    # way; what they come to is exact where the floats say that it fits.
    near = int(lots) // int(n)
    rest = float(lots - near * n)
    product = float(products[0]) * 65536.0 + float(products[1]) - float(near) * moves
    if abs(product) < 2.0**61:
        product = float(int(products[0]) * 65536 + int(products[1]) - near * int(moves))
    square = float(squares[0]) * 4294967296.0 + float(squares[1]) * 131072.0 + float(squares[2])
    square -= float(near) * (2.0 * lots - float(n) * near)
    if abs(square) < 2.0**61:
        about = near * (2 * int(lots) - int(n) * near)
        whole = int(squares[0]) * 4294967296 + int(squares[1]) * 131072 + int(squares[2])
        square = float(whole - about)
    spread = n * square - rest * rest
    return (n * product - rest * moves) / spread if spread > 0.0 else math.nan


@njit(cache=True, nogil=True)
def _book_rows_nb(
    table: Int64, end_idx: Int64, first: tuple[Int64, Int64], columns: Float64
) -> None:
    floor, lots, is_known = table[2], table[12], table[13]
    for k in range(len(end_idx)):
        last = end_idx[k] - 1
        for row in range(2):
            before = first[row][k] - 1
            columns[row, k] = np.nan
            if before >= floor[last] and is_known[before] != 0 and is_known[last] != 0:
                columns[row, k] = lots[last] - lots[before]


@njit(cache=True, nogil=True)
def _take_nb(
    trades: _Trades, seen: _Seen, start_idx: Int64, held: Int64, sizes: _Sizes, tables: _Tables
) -> None:
    # Appends trades to the tables, and what the trade after them will find in front of it.
    first, n, (table, moves) = held[0], len(trades[0]), tables
    _take_flow_nb(trades, start_idx, first, held, table)
    _take_path_nb(trades, start_idx, first, held, sizes[0], table)
    if len(moves) > 0:
        bid, ask, is_known, book, is_book_known = seen
        before, at_arrival = sizes[1], sizes[2]
        _take_prices_nb(trades, start_idx, first, held, before, table)
        quotes = (bid, ask, is_known)
        _take_moves_nb(trades, quotes, start_idx, first, held, at_arrival, moves)
        _take_book_nb((book, is_book_known), n, first, table)
    held[0] = first + n


@njit(cache=True, nogil=True)
def _rows_nb(
    end_idx: Int64, known_ns: Int64, held: Int64, sizes: _Sizes, tables: _Tables, values: Float64
) -> float:
    # Rows from what the tables hold. Returns the largest reach of impact.
    n, (table, moves) = len(end_idx), tables
    inside = np.empty((4, n), np.int64)
    first_60, first_10, first_1, first_last = inside[0], inside[1], inside[2], inside[3]
    _first_inside_nb(table, end_idx, known_ns, held, inside)
    _flow_rows_nb(table, end_idx, first_60, values)
    _past_rows_nb(table, end_idx, (first_60, first_10, first_1), values[11:22])
    if len(moves) == 0:
        return 0.0
    _book_rows_nb(table, end_idx, (first_10, first_60), values[39:41])
    # Impact counts from the last trade back, whatever time it is.
    _market_rows_nb(table, end_idx, first_last, values[32:34])
    _kyle_rows_nb(moves, end_idx, first_last, values[31])
    return float(_reach_nb(sizes[1], sizes[2], end_idx, first_last))


@njit(cache=True, nogil=True)
def _windows_nb(
    trades: _Trades,
    seen: _Seen,
    start_idx: Int64,
    rows: tuple[Int64, Int64],
    held: Int64,
    sizes: _Sizes,
    tables: _Tables,
    values: Float64,
) -> float:
    # Takes the next trades and fills the rows due in them: each knows the trades before a position in
    # them, and times up to another. ``held``: trades in the tables; first trades of the windows;
    # figures of the last trade. Returns the largest reach of a sum of impact, and takes nothing where
    # it has no end as a size is beyond 2**40.
    n_before, (end_idx, known_ns), largest = held[0], rows, 0
    for lots in trades[2]:
        largest = max(largest, lots)
    if largest > 1 << 40 and len(tables[1]) > 0:
        return math.inf
    _take_nb(trades, seen, start_idx, held, sizes, tables)
    if len(end_idx) == 0:
        return 0.0
    return float(_rows_nb(end_idx + n_before, known_ns, held, sizes, tables, values))
