"""Obvious loops for the time profile."""


def tpo_letters(ts, price, *, session_open_ns, letter_ns):
    """Rows (letter, low, high)."""
    periods = {}
    for t, p in zip(ts, price, strict=True):
        periods.setdefault((t - session_open_ns) // letter_ns, []).append(p)
    return [(letter, min(prices), max(prices)) for letter, prices in sorted(periods.items())]


def tpo_profile(letters, *, ticks_per_row, anchor_tick=0):
    """Rows (lowest tick, letters), each letter put down tick by tick."""
    rows = {}
    for letter, low, high in letters:
        for tick in range(low, high + 1):
            row = anchor_tick + (tick - anchor_tick) // ticks_per_row * ticks_per_row
            rows.setdefault(row, set()).add(letter)
    return [(row, len(found)) for row, found in sorted(rows.items())]


def single_prints(rows, *, ticks_per_row):
    """(is single, is tail) of each (tick, letters)."""
    single = {tick for tick, n in rows if n == 1}
    tails = set()
    for start, step in ((rows[0][0], ticks_per_row), (rows[-1][0], -ticks_per_row)) if rows else ():
        tick = start
        while tick in single:
            tails.add(tick)
            tick += step
    return [(tick in single, tick in tails) for tick, _ in rows]
