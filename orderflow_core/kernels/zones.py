"""Zones between bars: when trades meet them, run through them, and when they expire."""

import numpy as np
from numba import njit

from orderflow_core.types import Bool, Float64, Int64

# Columns of a table of zones: 0 id, 1 sign, 2 lowest tick, 3 highest tick, 4 levels, 5 bar of birth,
# 6 ordinal of that bar, then times: 7 birth, 8 first touch, 9 fill, 10 expiry.


@njit(cache=True, nogil=True)
def _meet_nb(ts: Int64, price: Int64, zone: Int64, never: int) -> None:
    # Let one zone meet the trades of a bar, up to the one that goes through its far edge.
    for i in range(len(price)):
        is_through = price[i] < zone[2] if zone[1] > 0 else price[i] > zone[3]
        if is_through:
            zone[9] = ts[i]
            break
        if zone[8] == never and zone[2] <= price[i] <= zone[3]:
            zone[8] = ts[i]


@njit(cache=True, nogil=True)
def _nearest_nb(zones: Int64, alive: Int64, close: int, nearest: Float64, counts: Int64) -> None:
    # Near edge of the nearest zone per side (buy, sell), the newest of equally near ones.
    distance = np.full(2, -1)
    for a in range(len(alive)):
        zone = zones[alive[a]]
        side = 0 if zone[1] > 0 else 1
        away = max(zone[2] - close, close - zone[3], 0)
        counts[side] += 1
        if distance[side] < 0 or away <= distance[side]:
            distance[side] = away
            nearest[side] = zone[3] if side == 0 else zone[2]


@njit(cache=True, nogil=True)
def _survives_nb(zone: Int64, bar: int, t1_ns: int, max_age_bars: int, never: int) -> bool:
    # Filled zones and those of an earlier session are gone; old ones expire at the bar's close.
    is_open = bool(zone[9] == never and zone[10] == never)
    if is_open and bar - zone[6] >= max_age_bars:
        zone[10] = t1_ns
        is_open = False
    return is_open


@njit(cache=True, nogil=True)
def _zones_nb(
    trades: tuple[Int64, Int64],
    bars: tuple[Int64, Int64, Int64, Bool],
    born_end: Int64,
    zones: Int64,
    n_open: int,
    rules: tuple[int, int, int],
    nearest: Float64,
    counts: Int64,
) -> None:
    # ``zones`` holds the open ones, then those born bar by bar up to ``born_end``; times are filled in.
    ts, price = trades
    first_idx, end_idx, t1_ns, opens_session = bars
    max_age_bars, n_bars_before, never = rules
    alive = np.empty(len(zones), np.int64)
    alive[:n_open] = np.arange(n_open)
    n_alive, n_born = n_open, n_open
    for bar in range(len(first_idx)):
        times, prices = ts[first_idx[bar] : end_idx[bar]], price[first_idx[bar] : end_idx[bar]]
        low = high = prices[0]
        for i in range(len(prices)):
            low, high = min(low, prices[i]), max(high, prices[i])
        n_kept = 0
        for a in range(n_alive):
            zone = zones[alive[a]]
            if opens_session[bar]:
                zone[10] = times[0]
            elif low <= zone[3] if zone[1] > 0 else high >= zone[2]:
                _meet_nb(times, prices, zone, never)
            if _survives_nb(zone, n_bars_before + bar, t1_ns[bar], max_age_bars, never):
                alive[n_kept] = alive[a]
                n_kept += 1
        n_alive = n_kept
        while n_born < born_end[bar]:
            alive[n_alive] = n_born
            n_alive, n_born = n_alive + 1, n_born + 1
        _nearest_nb(zones, alive[:n_alive], prices[-1], nearest[bar], counts[bar])
