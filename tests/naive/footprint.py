"""Obvious loops for orderflow_core.footprint."""

import math
from fractions import Fraction


def footprint(price_ticks, qty_lots, sign, bars, *, ticks_per_row, anchor_tick=0):
    """``bars`` is a list of (bar_id, first, end); the cells come back as tuples in order."""
    cells = {}
    for bar_id, first, end in bars:
        for i in range(first, end):
            row = math.floor(Fraction(int(price_ticks[i]) - anchor_tick, ticks_per_row))
            key = (bar_id, anchor_tick + row * ticks_per_row)
            cell = cells.setdefault(key, [0, 0, 0, 0, 0, 0])
            column = {-1: 0, 1: 1, 0: 2}[int(sign[i])]
            cell[column] += int(qty_lots[i])
            cell[column + 3] += 1
    return [(*key, *cells[key]) for key in sorted(cells)]
