"""Obvious loops for orderflow_core.significance, in fractions."""

from fractions import Fraction
from math import comb

from tests.naive.imbalance import neighbour


def binomial_tail(k, n):
    if n == 0:
        return None
    return Fraction(sum(comb(n, j) for j in range(k, n + 1)), 2**n)


def benjamini_hochberg(p, group):
    """Adjusted values; None is no test."""
    found = []
    for value, own in zip(p, group, strict=True):
        family = sorted(q for q, g in zip(p, group, strict=True) if g == own and q is not None)
        ranked = [(q, len(family) * q / (rank + 1)) for rank, q in enumerate(family)]
        at_least = [adjusted for q, adjusted in ranked if value is not None and q >= value]
        found.append(None if value is None else min(1, *at_least, 1))
    return found


def sweep_counts(price, sign, sweep, bars, *, ticks_per_row):
    """(bar_id, row) -> sweeps at bid, at ask, unsigned; bars of (bar_id, first, end)."""
    found = {}
    for bar_id, first, end in bars:
        for i in range(first, end):
            row = price[i] // ticks_per_row * ticks_per_row
            kinds = found.setdefault((bar_id, row), (set(), set(), set()))
            kinds[{-1: 0, 1: 1, 0: 2}[sign[i]]].add(sweep[i])
    return {key: tuple(len(kind) for kind in kinds) for key, kinds in found.items()}


def significant_imbalances(bars, *, ticks_per_row, gap_policy, rate):
    """Per cell (q of the buy test, of the sell test, flagged, flagged); bars of price -> (bid, ask)."""
    found = []
    for rows in bars:
        tests = []
        for price in sorted(rows):
            below = neighbour(rows, price, -ticks_per_row, gap_policy)
            above = neighbour(rows, price, ticks_per_row, gap_policy)
            bid, ask = rows[price]
            tests.append(None if below is None else binomial_tail(ask, ask + below[0]))
            tests.append(None if above is None else binomial_tail(bid, bid + above[1]))
        adjusted = benjamini_hochberg(tests, [0] * len(tests))
        flags = [q is not None and q <= rate for q in adjusted]
        found += zip(adjusted[::2], adjusted[1::2], flags[::2], flags[1::2], strict=True)
    return found
