"""Obvious loops for orderflow_core.book."""

from fractions import Fraction


def queue_imbalance(bid_sizes, ask_sizes):
    return [
        None if b + a == 0 else float(Fraction(b - a, b + a))
        for b, a in zip(bid_sizes, ask_sizes, strict=True)
    ]


def microprice(bids, bid_sizes, asks, ask_sizes):
    """Exact fractions, None where there is no price between the quotes."""
    rows = zip(bids, bid_sizes, asks, ask_sizes, strict=True)
    return [
        None
        if b_size + a_size == 0 or b > a
        else Fraction(a * b_size + b * a_size, b_size + a_size)
        for b, b_size, a, a_size in rows
    ]
