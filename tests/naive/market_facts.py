"""Figures of a market, one loop each."""

import math


def tail_exponent(sizes, share):
    ordered = sorted(sizes, reverse=True)
    n = math.floor(share * len(ordered))
    if n < 2:
        return math.nan
    total = sum(math.log(size / ordered[n]) for size in ordered[:n])
    return n / total if total > 0 else math.nan


def sign_autocorrelation(sign, lag):
    n = len(sign)
    if lag >= n:
        return math.nan
    mean = sum(sign) / n
    variance = sum(s * s for s in sign) / n - mean * mean
    if variance <= 0:
        return math.nan
    pairs = [sign[i] * sign[i + lag] for i in range(n - lag)]
    return (sum(pairs) / len(pairs) - mean * mean) / variance


def volatility_signature(mid_half_ticks, lag):
    n = len(mid_half_ticks)
    if lag >= n:
        return math.nan
    squares = [((mid_half_ticks[i + lag] - mid_half_ticks[i]) / 2) ** 2 for i in range(n - lag)]
    return math.sqrt(sum(squares) / len(squares) / lag)


def time_weighted_spread(ts, bid, ask, tick):
    total = weighted = at_one = 0
    for i in range(len(ts) - 1):
        held = ts[i + 1] - ts[i]
        total += held
        weighted += held * (ask[i] - bid[i])
        at_one += held * (ask[i] - bid[i] == tick)
    if not total:
        return math.nan, math.nan
    return weighted / total / tick, at_one / total
