"""Trades that are large beside the ones before them, and runs of such trades on one side.

Sizes are counted by rank: themselves up to 127, above that by their seven leading binary digits, so
that 3,712 counters hold every int64. Counters, ring and what is held belong to the caller.
"""

from typing import TypeAlias

from numba import njit, uintp

from orderflow_core.types import Bool, Float64, Int8, Int64

_Trades: TypeAlias = tuple[Int64, Int64, Int64, Int8, Int64]
_Run: TypeAlias = tuple[int, int, int, int]


@njit(cache=True, nogil=True)
def _rank_nb(lots: int) -> int:
    shift = 0
    while lots >> shift > 127:
        shift += 1
    return 64 * shift + (lots >> shift)


@njit(cache=True, nogil=True)
def _smallest_of_rank_nb(rank: int) -> int:
    if rank < 128:
        return rank
    return (64 + (rank & 63)) << ((rank >> 6) - 1)


@njit(cache=True, nogil=True)
def _settled_nb(
    count: Int64, rank: int, n_low: int, wanted: int, share_den: int
) -> tuple[int, int]:
    # The smallest rank with the wanted share (its sizes times the share's denominator) at or below
    # it; ``n_low`` are below or at ``rank``.
    while n_low * share_den < wanted:
        rank += 1
        n_low += count[rank]
    while (n_low - count[rank]) * share_den >= wanted:
        n_low -= count[rank]
        rank -= 1
    return rank, n_low


@njit(cache=True, nogil=True)
def _threshold_nb(
    lots: int, rule: tuple[int, int, int], held: Int64, count: Int64, ring: Int64
) -> int:
    # What the next size is compared with (0: too few came before), after which it is counted.
    # ``rule``: least number of sizes, share as a fraction. ``held``: sizes seen since the start (once
    # the ring is full, only its length and the place in it), rank of the quantile, sizes at or below
    # it.
    n_least, share_num, share_den = rule
    n_seen, rank, n_low = held[0], held[1], held[2]
    n, threshold = min(n_seen, len(ring)), 0
    if n >= n_least:
        rank, n_low = _settled_nb(count, rank, n_low, n * share_num, share_den)
        threshold = _smallest_of_rank_nb(rank)
    slot = n_seen - len(ring) if n_seen >= len(ring) else n_seen
    if n_seen >= len(ring):
        count[ring[slot]] -= 1
        n_low -= ring[slot] <= rank
    ring[slot] = _rank_nb(lots)
    count[ring[slot]] += 1
    n_low += ring[slot] <= rank
    n_seen = n_seen + 1 if n_seen + 1 < 2 * len(ring) else len(ring)
    held[0], held[1], held[2] = n_seen, rank, n_low
    return threshold


@njit(cache=True, nogil=True)
def _trailing_quantile_nb(
    qty: Int64,
    start_idx: Int64,
    rule: tuple[int, int, int],
    held: Int64,
    count: Int64,
    ring: Int64,
    threshold: Int64,
) -> None:
    session = 0
    for k in range(len(qty)):
        if session < len(start_idx) and start_idx[session] == k:
            session += 1
            held[:] = 0
            count[:] = 0
        threshold[k] = _threshold_nb(qty[k], rule, held, count, ring)


@njit(cache=True, nogil=True)
def _next_run_nb(run: _Run, ts: int, sign: int, lots: int, is_large: bool, max_gap_ns: int) -> _Run:
    # Side, trades, lots and last time of the run of large trades, after the next trade.
    side, n_large, total, last_ns = run
    if side != 0 and ts - last_ns > max_gap_ns:
        side, n_large, total = 0, 0, 0
    if is_large and sign != 0:
        if sign != side:
            side, n_large, total = sign, 0, 0
        n_large += 1
        total += lots
        last_ns = ts
    return side, n_large, total, last_ns


@njit(cache=True, nogil=True)
def _clusters_nb(
    ts: Int64,
    sign: Int8,
    qty: Int64,
    is_large: Bool,
    start_idx: Int64,
    max_gap_ns: int,
    memory: _Run,
    columns: Int64,
) -> _Run:
    side, n_large, lots, last_ns = memory
    session = 0
    for k in range(len(ts)):
        if session < len(start_idx) and start_idx[session] == k:
            session += 1
            side, n_large, lots = 0, 0, 0
        side, n_large, lots, last_ns = _next_run_nb(
            (side, n_large, lots, last_ns), ts[k], int(sign[k]), qty[k], is_large[k], max_gap_ns
        )
        columns[0, k], columns[1, k], columns[2, k] = side, n_large, lots
    return side, n_large, lots, last_ns


@njit(cache=True, nogil=True)
def _close_sweep_nb(
    sweep: tuple[int, int, int],
    rule: tuple[int, int, int, int, int],
    held: Int64,
    count: Int64,
    ring: Int64,
) -> tuple[int, int]:
    # A sweep is over: time, side, lots. Returns its lots bought and sold if it is large.
    ts, sign, lots = sweep
    threshold = _threshold_nb(lots, (rule[0], rule[1], rule[2]), held[5:8], count, ring)
    is_large = threshold > 0 and lots >= threshold
    run = (held[8], held[9], held[10], held[11])
    held[8], held[9], held[10], held[11] = _next_run_nb(run, ts, sign, lots, is_large, rule[3])
    held[12] += is_large * sign * lots
    held[13] += (not is_large) * sign * lots
    return is_large * (sign > 0) * lots, is_large * (sign < 0) * lots


@njit(cache=True, nogil=True)
def _take_sweeps_nb(
    trades: _Trades,
    start_idx: Int64,
    rule: tuple[int, int, int, int, int],
    closes_last: bool,
    held: Int64,
    counted: tuple[Int64, Int64],
    table: Int64,
) -> None:
    # Appends trades: the first of a sweep shows that the one before it is over; ``closes_last``: so is
    # the last one.
    (ts, _, qty, sign, sweep), (count, ring), start, at = trades, counted, 0, held[0]
    last_ts, ordinal, side, lots, signs = held[2], held[3], held[4], held[14], held[15]
    bought, sold = table[8, at], table[9, at]
    for i in range(len(ts) + 1):
        is_end = i == len(ts)
        is_start = not is_end and start < len(start_idx) and start_idx[start] == i
        if lots > 0 and (closes_last if is_end else is_start or sweep[i] != ordinal):
            more, less = _close_sweep_nb((last_ts, side, lots), rule, held, count, ring)
            bought, sold, lots = bought + more, sold + less, 0
        table[8, at], table[9, at], table[14, at], table[15, at] = bought, sold, held[12], held[13]
        table[16, at] = held[8] if held[9] >= rule[4] else 0
        if is_end:
            break
        if is_start:
            signs, start = 0, start + 1
            held[5:14] = 0
            count[:] = 0
        if lots == 0:
            ordinal, side = sweep[i], int(sign[i])
        lots, last_ts, signs = lots + qty[i], ts[i], signs + int(sign[i])
        table[17, at] = signs
        at += 1
    held[0], held[2], held[3], held[4], held[14], held[15] = at, last_ts, ordinal, side, lots, signs


@njit(cache=True, nogil=True)
def _advanced_nb(times: Int64, first: int, end: int, n: int, left_ns: int) -> int:
    # As in feature_windows: the first trade from ``first`` on, of those before ``end``, that has not left.
    while first + 4 <= n:
        step = int(times[uintp(first)] <= left_ns) + int(times[uintp(first + 1)] <= left_ns)
        step += int(times[uintp(first + 2)] <= left_ns) + int(times[uintp(first + 3)] <= left_ns)
        first += step
        if step < 4:
            return min(first, end)
    while first < end and times[uintp(first)] <= left_ns:
        first += 1
    return first


@njit(cache=True, nogil=True)
def _sweep_rows_nb(
    table: Int64,
    rows: tuple[Int64, Int64],
    reached: tuple[int, int],
    window_ns: int,
    closes_sweep: bool,
    columns: Float64,
) -> int:
    # Returns the first trade of the last row's window; that of the row before the first comes in.
    # What a row knows to be over is what stood before the next trade, or else when the last one came.
    # Trades before ``n`` are in the table.
    times, bought, sold, floor, (end_idx, known_ns) = table[0], table[8], table[9], table[13], rows
    first, n = reached
    for k in range(len(end_idx)):
        last = end_idx[k] - 1
        now, first = end_idx[k] if closes_sweep else last, max(first, floor[last])
        first = _advanced_nb(times, first, last + 1, n, known_ns[k] - window_ns)
        columns[0, k] = table[17, last]
        # Nothing of a session is over when its first trade comes.
        is_begun = closes_sweep or floor[last] < last
        for row in range(3):
            columns[8 + row, k] = table[14 + row, now] if is_begun else 0
        columns[11, k] = bought[now] - bought[first] if first <= last else 0
        columns[12, k] = sold[now] - sold[first] if first <= last else 0
    return first


@njit(cache=True, nogil=True)
def _large_sweeps_nb(
    trades: _Trades,
    start_idx: Int64,
    rows: tuple[Int64, Int64],
    rule: tuple[int, int, int, int, int, int, bool],
    held: Int64,
    counted: tuple[Int64, Int64],
    table: Int64,
    columns: Float64,
) -> None:
    # Takes the next trades and fills the rows due in them: each knows the trades before a position in
    # them, and times up to another. ``rule``: that of the quantile, gap and least length of a cluster,
    # window, whether the last sweep that a row knows is over. ``held``: trades in the table, first of
    # the window, time of the last one; ordinal and side of the open sweep; quantile; run; running lots
    # of large sweeps and of others; lots of the open sweep; signs added up. ``table``: time in row 0,
    # first trade since the start in 13; before each trade 8 and 9 lots bought and sold in large sweeps,
    # 14 to 16 running lots and side of the run; 17 signs added up with it.
    (end_idx, known_ns), n_before, n = rows, held[0], len(trades[0])
    closes_last = rule[6] and len(end_idx) > 0 and end_idx[-1] == n
    of_sweeps = (rule[0], rule[1], rule[2], rule[3], rule[4])
    _take_sweeps_nb(trades, start_idx, of_sweeps, closes_last, held, counted, table)
    of_table = (end_idx + n_before, known_ns)
    reached = (held[1], held[0])
    held[1] = _sweep_rows_nb(table, of_table, reached, rule[5], rule[6], columns)
