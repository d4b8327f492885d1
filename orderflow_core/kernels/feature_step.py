"""A live stream's usual call in one step: checks, clock, history and all columns of the feature matrix.

The kernels are those of any other chunk. To call each of them by itself costs more than what they do
for one trade.
"""

from typing import TypeAlias

import numpy as np
from numba import njit

from orderflow_core.kernels.decision_clocks import _sweep_rows_nb
from orderflow_core.kernels.feature_windows import _windows_nb
from orderflow_core.kernels.features import _first_fault_nb, _running_nb
from orderflow_core.kernels.large_trades import _large_sweeps_nb
from orderflow_core.kernels.rolling_quantile import _Counters, _rolling_quantile_nb
from orderflow_core.kernels.trade_tier import _carry_bars_nb, _signals_nb, _trade_rows_nb
from orderflow_core.types import Bool, Float64, Int8, Int64

# Time, id, price, lots, sweep, sign.
_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int64, Int64, Int8]
# Bid, its size, ask, its size, whether known. May be empty, as may the book.
_Quotes: TypeAlias = tuple[Int64, Int64, Int64, Int64, Bool]
_Book: TypeAlias = tuple[Int64, Bool]
# Time, price, lots and sign of earlier trades, with room for more.
_History: TypeAlias = tuple[Int64, Int64, Int64, Int8]
# With it what the quantile holds, and its counters.
_Past: TypeAlias = tuple[_History, Int64, _Counters]
# Table, moves, held figures, and sizes of three kinds.
_Windows: TypeAlias = tuple[Int64, Int64, Int64, Float64, Float64, Float64]
# Session and sweep, moments, touch.
_Running: TypeAlias = tuple[Int64, Float64, Int64]
# Table, figures, sweeps, paces, counts of sizes, sizes.
_Tier: TypeAlias = tuple[Int64, Int64, Int64, Int64, Int64, Int64]
# Columns of the last closed bar, which of them are prices, which core columns signals are made of.
_Carried: TypeAlias = tuple[Float64, Bool, Int64]


@njit(cache=True, nogil=True)
def _is_usual_nb(
    trades: _Trades,
    seen: tuple[_Quotes, _Book],
    free: tuple[int, int, int],
    due_ns: int,
    last: Int64,
    bounds: tuple[int, int],
) -> tuple[bool, float]:
    # Whether all is in order and nothing but the next trades of a session comes: there is room for
    # them, and no bar can close before the time ``due_ns``. Also the sum of the sizes.
    (ts, trade_id, price, qty, sweep, sign), (quotes, book), n = trades, seen, len(trades[0])
    is_even = len(trade_id) == len(price) == len(qty) == len(sign) == len(sweep) == n
    for column in (quotes[0], quotes[1], quotes[2], quotes[3], book[0]):
        is_even &= len(column) == n or len(column) == 0
    is_even &= len(quotes[4]) == len(quotes[0]) and len(book[1]) == len(book[0])
    is_even &= len(quotes[0]) == len(quotes[1]) == len(quotes[2]) == len(quotes[3])
    if not is_even or n == 0 or n > min(free) or last[3] == 0 or ts[-1] >= due_ns:
        return False, 0.0
    prices, checked = (quotes[0], quotes[2]), (ts, price, qty, sign, sweep)
    is_bad, total = _first_fault_nb(checked, prices, last[:0], last, bounds)
    largest = 0
    for lots in qty:
        largest = max(largest, lots)
    return not is_bad and largest <= 1 << 40, total


@njit(cache=True, nogil=True)
def _large_shares_nb(
    trades: _Trades, size: int, due: tuple[Int64, Int64], past: _Past, spans: Int64, values: Float64
) -> None:
    # Appends the trades to the history at ``size``; of each row the lots above the quantile.
    history, held, counters = past
    for i in range(len(trades[0])):
        history[0][size + i], history[1][size + i] = trades[0][i], trades[2][i]
        history[2][size + i], history[3][size + i] = trades[3][i], trades[5][i]
    ends, left_ns = due[0] + size, due[1] - spans[4]
    if len(ends) > 0:
        large = (np.empty(len(ends), np.int64), values[7], values[8])
        flow, share = (history[0], history[2], history[3]), (spans[2], spans[3])
        _rolling_quantile_nb(flow, (ends, left_ns), held[:0], share, counters, held, large)


@njit(cache=True, nogil=True)
def _step_nb(
    trades: _Trades,
    seen: tuple[_Quotes, _Book],
    at: tuple[int, int],
    last: Int64,
    past: _Past,
    states: tuple[_Windows, _Running, _Tier],
    carried: _Carried,
    rule: tuple[Int64, float, tuple[int, int, int]],
) -> tuple[int, Int64, Float64, float, float, float]:
    # Returns the number of rows, -1 where the call is not the usual one and nothing was done; last
    # trades, times and ids of the rows; columns; what sizes, impact and other sums reach. ``at``: trades
    # in the history, time at which a bar ends. ``rule``: bounds of times and prices; share of the
    # quantile, window; horizon of costs, window and threshold of the tape; least number of sizes, gap and
    # length of a cluster; the least imbalance; first column beyond the core, first of bars, how many.
    (ts, trade_id, price, qty, sweep, sign), (quotes, book), n = trades, seen, len(trades[0])
    (size, due_ns), (spans, min_imbalance, (first, first_bar, n_columns)) = at, rule
    (windows, (session, moments, touch), tier), no_start = states, last[:0]
    table, moves, held, of_path, of_prices, of_moves = windows
    trade_table, figures, sweeps, paces, size_count, size_ring = tier
    room, bounds = table.shape[1] - held[0] - 1, (spans[0], spans[1])
    free = (len(past[0][0]) - size, room, trade_table.shape[1] - figures[0] - 1)
    is_usual, total = _is_usual_nb(trades, seen, free, due_ns, last, bounds)
    rows = np.empty((3, n), np.int64)
    if not is_usual:
        return -1, rows, np.empty((0, 0)), 0.0, 0.0, 0.0
    each, order = (rows[0], rows[1], rows[2]), (ts, trade_id, sweep)
    n_rows = _sweep_rows_nb(order, no_start, n < 0, last, each)
    values = np.empty((n_columns, n_rows))
    due = (rows[0][:n_rows], rows[1][:n_rows])
    _large_shares_nb(trades, size, due, past, spans, values)
    taken, met = (ts, price, qty, sign, sweep), (quotes[0], quotes[2], quotes[4])
    quoted, sums = (met[0], met[1], met[2], book[0], book[1]), (of_path, of_prices, of_moves)
    reach = _windows_nb(taken, quoted, no_start, due, held, sums, (table, moves), values)
    _running_nb(taken, quotes, due[0], no_start, (session, touch), moments, values)
    further, costs = values[first:], (spans[4], spans[5], spans[6], spans[7])
    _trade_rows_nb(taken, met, no_start, costs, due[0], (figures, paces), trade_table, further)
    by_size = (spans[8], spans[2], spans[3], spans[9], spans[10], spans[4], n > 0)
    sizes = (size_count, size_ring)
    _large_sweeps_nb(taken, no_start, due, by_size, sweeps, sizes, trade_table, further)
    largest = 0.0
    if n_rows > 0:
        last_bar, is_level, of_core = carried
        _signals_nb(values, of_core, first, min_imbalance)
        known, since = (due[0] + size, due[1]), (no_start, no_start)
        _carry_bars_nb(known, past[0][1], last_bar, since, is_level, values[first_bar:])
        largest = max(moments[2], of_path[0] + of_path[1] * of_path[1])
        last_known = due[0]
        last_known -= 1
    return n_rows, rows, values, total, reach, largest
