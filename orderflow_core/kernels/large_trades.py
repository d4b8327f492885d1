"""Trades that are large beside the ones before them, and runs of such trades on one side.

Sizes are counted by rank: themselves up to 127, above that by their seven leading binary digits, so
that 3,712 counters hold every int64. Counters and ring belong to the caller, who hands over copies.
"""

from numba import njit

from orderflow_core.types import Bool, Int8, Int64


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
def _trailing_quantile_nb(
    qty: Int64,
    start_idx: Int64,
    rule: tuple[int, int, int],
    memory: tuple[int, int, int],
    count: Int64,
    ring: Int64,
    threshold: Int64,
) -> tuple[int, int, int]:
    # ``rule``: least number of sizes, share as a fraction. ``memory``: sizes seen since the start,
    # rank of the quantile, sizes at or below it.
    n_least, share_num, share_den = rule
    n_seen, rank, n_low = memory
    session = 0
    for k in range(len(qty)):
        if session < len(start_idx) and start_idx[session] == k:
            session += 1
            n_seen, rank, n_low = 0, 0, 0
            count[:] = 0
        n = min(n_seen, len(ring))
        threshold[k] = 0
        if n >= n_least:
            rank, n_low = _settled_nb(count, rank, n_low, -(-n * share_num // share_den))
            threshold[k] = _smallest_of_rank_nb(rank)
        slot = n_seen % len(ring)
        if n_seen >= len(ring):
            count[ring[slot]] -= 1
            n_low -= ring[slot] <= rank
        ring[slot] = _rank_nb(qty[k])
        count[ring[slot]] += 1
        n_low += ring[slot] <= rank
        n_seen += 1
    return n_seen, rank, n_low


@njit(cache=True, nogil=True)
def _clusters_nb(
    ts: Int64,
    sign: Int8,
    qty: Int64,
    is_large: Bool,
    start_idx: Int64,
    max_gap_ns: int,
    memory: tuple[int, int, int, int],
    columns: Int64,
) -> tuple[int, int, int, int]:
    # ``memory`` and the rows of ``columns``: side, trades, lots (and the last time) of the run.
    side, n_large, lots, last_ns = memory
    session = 0
    for k in range(len(ts)):
        is_start = session < len(start_idx) and start_idx[session] == k
        session += is_start
        if is_start or (side != 0 and ts[k] - last_ns > max_gap_ns):
            side, n_large, lots = 0, 0, 0
        if is_large[k] and sign[k] != 0:
            if sign[k] != side:
                side, n_large, lots = sign[k], 0, 0
            n_large += 1
            lots += qty[k]
            last_ns = ts[k]
        columns[0, k], columns[1, k], columns[2, k] = side, n_large, lots
    return side, n_large, lots, last_ns
