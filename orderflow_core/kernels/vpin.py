"""Volume buckets and their mean imbalance; results go into the caller's arrays."""

import math

from numba import njit

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _mean_of_ring_nb(ring: Float64, n_closed: int) -> float:
    # Oldest first, so that the result does not depend on where the ring's seam lies.
    total = 0.0
    for k in range(len(ring)):
        total += ring[(n_closed + k) % len(ring)]
    return total / len(ring)


@njit(cache=True, nogil=True)
def _vpin_nb(
    qty_lots: Int64,
    net_share: Float64,
    start_idx: Int64,
    bucket_lots: int,
    ring: Float64,
    open_bucket: tuple[int, float, int, float],
    vpin: Float64,
) -> tuple[int, float, int, float]:
    # ``open_bucket``: its lots, its net lots, how many buckets closed before, the last value.
    filled, net, n_closed, value = open_bucket
    session = 1  # the first start says that the chunk begins there, which the caller knows
    for i in range(len(qty_lots)):
        if session < len(start_idx) and start_idx[session] == i:
            filled, net, n_closed, value = 0, 0.0, 0, math.nan
            session += 1
        left = qty_lots[i]
        n_before = n_closed
        while left >= bucket_lots - filled:
            take = bucket_lots - filled
            ring[n_closed % len(ring)] = abs(net + take * net_share[i]) / bucket_lots
            n_closed += 1
            left -= take
            filled, net = 0, 0.0
            if n_closed - n_before > len(ring) and left >= bucket_lots:
                # One item fills every bucket of the ring: those in between are all alike.
                skipped = left // bucket_lots
                n_closed += skipped
                left -= skipped * bucket_lots
        filled += left
        net += left * net_share[i]
        if n_closed > n_before and n_closed >= len(ring):
            value = _mean_of_ring_nb(ring, n_closed)
        vpin[i] = value
    return filled, net, n_closed, value
