"""Obvious loops for orderflow_core.depth: rows are (ts, levels), levels (bid, size, ask, size)."""

from fractions import Fraction


def multi_level_ofi(rows, session_starts):
    out = []
    for i, (_, levels) in enumerate(rows):
        before = levels if i in session_starts else rows[i - 1][1]
        events = []
        for (b, b_size, a, a_size), (b0, b_size0, a0, a_size0) in zip(levels, before, strict=True):
            bid = (b_size if b >= b0 else 0) - (b_size0 if b <= b0 else 0)
            ask = (a_size if a <= a0 else 0) - (a_size0 if a >= a0 else 0)
            events.append(bid - ask)
        out.append([0] * len(levels) if i in session_starts else events)
    return out


def ofi_by_interval(rows, interval, origin, is_ended):
    """Rows of (t0, ofi by level, mean size, change of the mid or None, rows)."""
    events = multi_level_ofi(rows, [0])
    numbers = [(ts - origin) // interval for ts, _ in rows]
    out = []
    for number in sorted(set(numbers)):
        inside = [i for i in range(len(rows)) if numbers[i] == number]
        if inside[-1] == len(rows) - 1 and not is_ended:
            continue
        sizes = [size for i in inside for level in rows[i][1] for size in (level[1], level[3])]
        before = rows[max(inside[0] - 1, 0)][1][0]
        last = rows[inside[-1]][1][0]
        out.append(
            (
                number * interval + origin,
                [sum(events[i][m] for i in inside) for m in range(len(events[0]))],
                Fraction(sum(sizes), len(sizes)),
                None if None in (mid(before), mid(last)) else float(mid(last) - mid(before)),
                len(inside),
            )
        )
    return out


def mid(touch):
    bid, bid_size, ask, ask_size = touch
    return Fraction(bid + ask, 2) if bid_size > 0 and ask_size > 0 and bid <= ask else None
