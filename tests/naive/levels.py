"""Obvious loops for what develops through a session: each bar from the cells up to it."""

import math
from fractions import Fraction

from tests.naive.profile import value_area


def session_rows(bars, starts):
    """Profile of the session so far after each bar: dicts of price -> [bid, ask, unsigned].

    ``bars``: one list of (price, bid, ask, unsigned) a bar; ``starts``: bars that open a session.
    """
    profiles = []
    for i, cells in enumerate(bars):
        rows = {} if i == 0 or i in starts else {p: list(v) for p, v in profiles[-1].items()}
        for price, *lots in cells:
            before = rows.get(price, [0, 0, 0])
            rows[price] = [x + y for x, y in zip(before, lots, strict=True)]
        profiles.append(rows)
    return profiles


def developing_levels(bars, starts, *, ticks_per_row, **options):
    return [
        value_area({p: sum(v) for p, v in rows.items()}, ticks_per_row=ticks_per_row, **options)
        for rows in session_rows(bars, starts)
    ]


def significant_rows(rows, share, top):
    """(price, side, lots) of the significant rows of one profile."""
    volumes = sorted((sum(v) for v in rows.values()), reverse=True)
    least = volumes[math.ceil(top * len(volumes)) - 1]
    found = []
    for price in sorted(rows):
        bid, ask, _ = rows[price]
        lots = sum(rows[price])
        if lots >= least and Fraction(ask, lots) > share:
            found.append((price, 1, lots))
        elif lots >= least and Fraction(bid, lots) > share:
            found.append((price, -1, lots))
    return found


def significant_levels(
    bars, closes, starts, *, ticks_per_row, share=Fraction(7, 10), top=Fraction(1, 5)
):
    """Rows (tick, side, lots, n_buy, n_sell) after each bar, and births (bar, tick, side, lots)."""
    levels, births, born = [], [], set()
    for i, rows in enumerate(session_rows(bars, starts)):
        if i in starts:
            born = set()
        found = significant_rows(rows, share, top)
        births += [(i, *level) for level in found if level[:2] not in born]
        born |= {level[:2] for level in found}

        def rank(level, close=closes[i]):
            ticks = range(level[0], level[0] + ticks_per_row)
            return min(abs(tick - close) for tick in ticks), -level[2], level[0]

        nearest = min(found, key=rank) if found else (0, 0, 0)
        n_buy = sum(side > 0 for _, side, _ in found)
        levels.append((*nearest, n_buy, len(found) - n_buy))
    return levels, births


def initial_balance(bars, starts, *, length_ns):
    """``bars``: (t0, t1, high, low, open). Rows (high, low, is known, is complete)."""
    rows, inside = [], []
    for i, (t0, t1, high, low, opening) in enumerate(bars):
        if i in starts:
            inside = []
        if t0 >= opening and t1 <= opening + length_ns:
            inside = [*inside, (high, low)]
        highest = max((h for h, _ in inside), default=0)
        lowest = min((x for _, x in inside), default=0)
        rows.append((highest, lowest, bool(inside), t1 >= opening + length_ns))
    return rows


def balance_extensions(highs, lows, multiple):
    """(lower, upper) of each balance."""
    return [
        (low - multiple * (high - low), high + multiple * (high - low))
        for high, low in zip(highs, lows, strict=True)
    ]
