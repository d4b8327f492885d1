"""Trades that are large beside the ones before them, and runs of such trades on one side.

Sizes are counted by rank: themselves up to 127, above that by their seven leading binary digits, so
that 3,712 counters hold every int64. Counters, ring and what is held belong to the caller.
"""

from typing import TypeAlias

from numba import njit

from orderflow_core.types import Bool, Float64, Int8, Int64

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
def _settled_nb(count: Int64, rank: int, n_low: int, n_wanted: int) -> tuple[int, int]:
    # The smallest rank with ``n_wanted`` sizes at or below it; ``n_low`` are below or at ``rank``.
    while n_low < n_wanted:
        rank += 1
        n_low += count[rank]
    while n_low - count[rank] >= n_wanted:
        n_low -= count[rank]
        rank -= 1
    return rank, n_low


@njit(cache=True, nogil=True)
def _threshold_nb(
    lots: int, rule: tuple[int, int, int], held: Int64, count: Int64, ring: Int64
) -> int:
    # What the next size is compared with (0: too few came before), after which it is counted.
    # ``rule``: least number of sizes, share as a fraction. ``held``: sizes seen since the start,
    # rank of the quantile, sizes at or below it.
    n_least, share_num, share_den = rule
    n_seen, rank, n_low = held[0], held[1], held[2]
    n, threshold = min(n_seen, len(ring)), 0
    if n >= n_least:
        rank, n_low = _settled_nb(count, rank, n_low, -(-n * share_num // share_den))
        threshold = _smallest_of_rank_nb(rank)
    slot = n_seen % len(ring)
    if n_seen >= len(ring):
        count[ring[slot]] -= 1
        n_low -= ring[slot] <= rank
    ring[slot] = _rank_nb(lots)
    count[ring[slot]] += 1
    n_low += ring[slot] <= rank
    held[0], held[1], held[2] = n_seen + 1, rank, n_low
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
    rows: Int64,
    last: int,
    rule: tuple[int, int, int, int, int, bool],
    held: Int64,
    count: Int64,
    ring: Int64,
) -> None:
    # The open sweep is over with row ``last``, where its lots stand from now on if it is large.
    ts, sign, lots = rows[last, 0], held[3], held[4]
    held[4] = 0
    threshold = _threshold_nb(lots, (rule[0], rule[1], rule[2]), held[5:8], count, ring)
    is_large = threshold > 0 and lots >= threshold
    run = (held[8], held[9], held[10], held[11])
    held[8], held[9], held[10], held[11] = _next_run_nb(run, ts, sign, lots, is_large, rule[3])
    if is_large:
        held[12] += sign * lots
        rows[last, 10] = sign * lots
        if last >= held[1]:
            held[14] += (sign > 0) * lots
            held[15] += (sign < 0) * lots
    else:
        held[13] += sign * lots


@njit(cache=True, nogil=True)
def _large_sweeps_nb(
    rows: Int64,
    known: tuple[Int64, Int64],
    window_ns: int,
    rule: tuple[int, int, int, int, int, bool],
    held: Int64,
    count: Int64,
    ring: Int64,
    columns: Float64,
) -> None:
    # A row is a trade: time first, lots third, signed lots fourth, whether a session starts
    # seventh, ordinal of its sweep tenth, eleventh the signed lots of a large sweep over with it.
    # ``known``: column k knows the rows before an end, and times up to another. ``rule``: that of
    # the quantile, gap and least length of a cluster, whether the last known sweep is over.
    # ``held``: first row to be done, first of the window; open sweep; quantile; run; running lots
    # of large sweeps and of others, bought and sold in large ones in the window.
    end_idx, known_ns = known
    done = held[0]
    for k in range(len(end_idx)):
        for i in range(done, end_idx[k]):
            if held[4] > 0 and (rows[i, 6] != 0 or rows[i, 9] != held[2]):
                _close_sweep_nb(rows, i - 1, rule, held, count, ring)
            if rows[i, 6] != 0:
                held[1] = i
                held[2:] = 0
                count[:] = 0
            if held[4] == 0:
                held[2], held[3] = rows[i, 9], int(rows[i, 3] > 0) - int(rows[i, 3] < 0)
            held[4] += rows[i, 2]
        done = max(done, end_idx[k])
        if rule[5] and held[4] > 0:
            _close_sweep_nb(rows, done - 1, rule, held, count, ring)
        while held[1] < done and rows[held[1], 0] <= known_ns[k] - window_ns:
            lots = rows[held[1], 10]
            held[14] -= max(lots, 0)
            held[15] -= max(-lots, 0)
            held[1] += 1
        columns[0, k], columns[1, k] = held[12], held[13]
        columns[2, k] = held[8] if held[9] >= rule[4] else 0
        columns[3, k], columns[4, k] = held[14], held[15]
    held[0] = done
