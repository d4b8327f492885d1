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
from orderflow_core.kernels.rolling import _Counters, _rolling_quantile_nb
from orderflow_core.kernels.trade_tier import _carry_bars_nb, _signals_nb, _trade_rows_nb
from orderflow_core.types import Bool, Float64, Int8, Int64

# Time, id, price, lots, sweep, sign.
_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int64, Int64, Int8]
# Bid, its size, ask, its size, whether known. May be empty, as may the book.
_Quotes: TypeAlias = tuple[Int64, Int64, Int64, Int64, Bool]
_Book: TypeAlias = tuple[Int64, Bool]
# Time, price, lots and sign of earlier trades, with room for more.
_History: TypeAlias = tuple[Int64, Int64, Int64, Int8]
# Table, moves, held figures, and sizes of three kinds.
_Windows: TypeAlias = tuple[Int64, Int64, Int64, Float64, Float64, Float64]
# Session and sweep, moments, touch.
_Running: TypeAlias = tuple[Int64, Float64, Int64]
# Table, figures, sweeps, paces, counts of sizes, sizes.
_Tier: TypeAlias = tuple[Int64, Int64, Int64, Int64, Int64, Int64]
# Columns of the last closed bar, which of them are prices, which core columns signals are made of.
_Carried: TypeAlias = tuple[Float64, Bool, Int64]
_FIRST, _FIRST_BAR, _N_COLUMNS = 26, 44, 68


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
def _step_nb(
    trades: _Trades,
    seen: tuple[_Quotes, _Book],
    at: tuple[int, int],
    last: Int64,
    history: _History,
    counted: tuple[Int64, _Counters],
    windows: _Windows,
    running: _Running,
    tier: _Tier,
    carried: _Carried,
    rule: tuple[Int64, float],
) -> tuple[int, Int64, Float64, float, float, float]:
    # Returns the number of rows, -1 where the call is not the usual one and nothing was done; last
    # trades, times and ids of the rows; columns; what sizes, impact and other sums reach. ``at``: trades
    # in the history, time at which a bar ends. ``rule``: bounds of times and prices; share of the
    # quantile, window; horizon of costs, window and threshold of the tape; least number of sizes, gap and
    # length of a cluster; and the least imbalance.
    (ts, trade_id, price, qty, sweep, sign), (quotes, book) = trades, seen
    (size, due_ns), (spans, min_imbalance), n = at, rule, len(trades[0])
    table, moves, held, of_path, of_prices, of_moves = windows
    trade_table, figures, sweeps, paces, size_count, size_ring = tier
    free = (
        len(history[0]) - size,
        table.shape[1] - held[0] - 1,
        trade_table.shape[1] - figures[0] - 1,
    )
    is_usual, total = _is_usual_nb(trades, seen, free, due_ns, last, (spans[0], spans[1]))
    rows = np.empty((3, n), np.int64)
    if not is_usual:
        return -1, rows, np.empty((0, 0)), 0.0, 0.0, 0.0
    no_start = last[:0]
    n_rows = _sweep_rows_nb(
        (ts, trade_id, sweep), no_start, n < 0, last, (rows[0], rows[1], rows[2])
    )
    values = np.empty((_N_COLUMNS, n_rows))
    for i in range(n):
        history[0][size + i], history[1][size + i] = ts[i], price[i]
        history[2][size + i], history[3][size + i] = qty[i], sign[i]
    end_idx, t0_ns, window_ns = rows[0][:n_rows], rows[1][:n_rows], spans[4]
    ends, share = end_idx + size, (spans[2], spans[3])
    if n_rows > 0:
        large = (np.empty(n_rows, np.int64), values[7], values[8])
        past, left = (history[0], history[2], history[3]), (ends, t0_ns - window_ns)
        _rolling_quantile_nb(past, left, no_start, share, counted[1], counted[0], large)
    taken, due = (ts, price, qty, sign, sweep), (end_idx, t0_ns)
    met = (quotes[0], quotes[2], quotes[4])
    reach = _windows_nb(
        taken,
        (met[0], met[1], met[2], book[0], book[1]),
        no_start,
        due,
        held,
        (of_path, of_prices, of_moves),
        (table, moves),
        values,
    )
    _running_nb(taken, quotes, end_idx, no_start, (running[0], running[2]), running[1], values)
    further, costs = values[_FIRST:], (window_ns, spans[5], spans[6], spans[7])
    _trade_rows_nb(taken, met, no_start, costs, end_idx, (figures, paces), trade_table, further)
    by_size = (spans[8], share[0], share[1], spans[9], spans[10], window_ns, n > 0)
    _large_sweeps_nb(
        taken, no_start, due, by_size, sweeps, (size_count, size_ring), trade_table, further
    )
    sums = 0.0
    if n_rows > 0:
        last_bar, is_level, of_core = carried
        _signals_nb(values, of_core, _FIRST, min_imbalance)
        known, since = (ends, t0_ns), (no_start, no_start)
        _carry_bars_nb(known, history[1], last_bar, since, is_level, values[_FIRST_BAR:])
        sums = max(running[1][2], of_path[0] + of_path[1] * of_path[1])
        end_idx -= 1
    return n_rows, rows, values, total, reach, sums
