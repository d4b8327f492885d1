"""Obvious loops for orderflow_core.profile, over a dict of price -> lots."""

from fractions import Fraction


def volume_profile(price_ticks, qty_lots, sign, *, ticks_per_row, anchor_tick=0):
    rows = {}
    for price, qty, side in zip(price_ticks, qty_lots, sign, strict=True):
        tick = anchor_tick
        while tick > price:
            tick -= ticks_per_row
        while tick + ticks_per_row <= price:
            tick += ticks_per_row
        cell = rows.setdefault(tick, [0, 0, 0])
        cell[{-1: 0, 1: 1, 0: 2}[int(side)]] += int(qty)
    return [(tick, *rows[tick]) for tick in sorted(rows)]


def point_of_control(volume):
    """Price of the point of control."""
    traded = {p: v for p, v in volume.items() if v > 0}
    middle = Fraction(min(traded) + max(traded), 2)
    above = sum(v for p, v in traded.items() if p > middle)
    below = sum(v for p, v in traded.items() if p < middle)
    best = None
    for p in sorted(traded):
        on_heavy_side = above > below if p > middle else below > above
        rank = (-traded[p], abs(p - middle), not on_heavy_side, p)
        if best is None or rank < best[0]:
            best = (rank, p)
    return best[1]


def value_area(volume, *, ticks_per_row, share_num=7, share_den=10):
    """Return (poc, val, vah, inside, total), walking every row of the ladder one pair at a time."""
    traded = {p: v for p, v in volume.items() if v > 0}
    low, high, total = min(traded), max(traded), sum(traded.values())
    poc = val = vah = point_of_control(volume)
    inside = traded[poc]
    while inside * share_den < share_num * total:
        above = [p for p in (vah + ticks_per_row, vah + 2 * ticks_per_row) if p <= high]
        below = [p for p in (val - ticks_per_row, val - 2 * ticks_per_row) if p >= low]
        above_lots = sum(traded.get(p, 0) for p in above)
        below_lots = sum(traded.get(p, 0) for p in below)
        if below and (not above or below_lots > above_lots):
            val, inside = below[-1], inside + below_lots
        else:
            vah, inside = above[-1], inside + above_lots
    return poc, val, vah, inside, total
