"""Obvious loops for orderflow_core.price_impact: exact fractions, None where there is no value."""

import math
from fractions import Fraction
from itertools import pairwise


def rolling_impact(trade_ts, prices, qtys, signs, twice_mids, session_starts, window):
    """Rows of (kyle_lambda, roll_spread, amihud)."""
    rows = []
    for i, now in enumerate(trade_ts):
        start = max(s for s in session_starts if s <= i)
        inside = [j for j in range(start, i + 1) if trade_ts[j] > now - window]
        rows.append(
            (
                kyle_lambda(*observations(inside, trade_ts, qtys, signs, twice_mids)),
                roll_spread([prices[j] for j in inside]),
                amihud([prices[j] for j in inside], [qtys[j] for j in inside]),
            )
        )
    return rows


def observations(inside, trade_ts, qtys, signs, twice_mids):
    """Signed volumes of the times in the window, and the moves of the mid up to the next time."""
    times = sorted({trade_ts[j] for j in inside})
    groups = [[j for j in inside if trade_ts[j] == t] for t in times]
    lots, moves = [], []
    for group, following in pairwise(groups):
        before, after = twice_mids[group[0]], twice_mids[following[0]]
        if before is not None and after is not None:
            lots.append(sum(signs[j] * qtys[j] for j in group))
            moves.append(Fraction(after - before, 2))
    return lots, moves


def kyle_lambda(lots, moves):
    n = len(lots)
    if n < 2 or len(set(lots)) < 2:
        return None
    mean_lots, mean_move = Fraction(sum(lots), n), sum(moves) / n
    covariance = sum((x - mean_lots) * (y - mean_move) for x, y in zip(lots, moves, strict=True))
    return covariance / sum((x - mean_lots) ** 2 for x in lots)


def roll_spread(prices):
    if len(prices) < 3:
        return None
    changes = [later - earlier for earlier, later in pairwise(prices)]
    mean = Fraction(sum(changes), len(changes))
    products = [(x - mean) * (y - mean) for x, y in pairwise(changes)]
    covariance = sum(products) / len(products)
    return 2 * math.sqrt(max(0, -covariance))


def amihud(prices, qtys):
    if prices[0] <= 0:
        return None
    turnover = sum(abs(p) * q for p, q in zip(prices, qtys, strict=True))
    return abs(Fraction(prices[-1], prices[0]) - 1) / turnover
