"""Obvious loops for orderflow_core.uniqueness."""

from fractions import Fraction


def average_uniqueness(t0_ns, t1_ns):
    """Unit of time by unit of time, in fractions; small integers only."""
    rows = list(zip(t0_ns, t1_ns, strict=True))
    found = []
    for t0, t1 in rows:
        if t0 == t1:
            n_there = sum(a <= t0 < b or a == b == t0 for a, b in rows)
            found.append(Fraction(1, n_there))
            continue
        total = sum(Fraction(1, sum(a <= t < b for a, b in rows)) for t in range(t0, t1))
        found.append(total / (t1 - t0))
    return found
