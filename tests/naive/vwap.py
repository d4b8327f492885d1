"""Obvious loops for orderflow_core.vwap."""

import math
from fractions import Fraction


def session_vwap(prices, qtys, session_starts):
    """Rows of (vwap, sd): integer sums exact, the second moment a float added in trade order."""
    rows = []
    for i in range(len(prices)):
        if i in set(session_starts):
            anchor, volume, first, second = prices[i], 0, 0, 0.0
        d = prices[i] - anchor
        volume += qtys[i]
        first += qtys[i] * d
        second += float(qtys[i] * d) * float(d)
        mean = float(first) / float(volume)
        variance = second / float(volume) - mean * mean
        rows.append((anchor + mean, math.sqrt(max(0.0, variance))))
    return rows


def exact_vwap(prices, qtys):
    """Mean and variance of one session's whole, without rounding."""
    total = sum(qtys)
    mean = Fraction(sum(p * q for p, q in zip(prices, qtys, strict=True)), total)
    variance = sum(q * (p - mean) ** 2 for p, q in zip(prices, qtys, strict=True)) / total
    return mean, variance


def anchored_vwap(ts, prices, qtys, anchors):
    """Rows of (vwap, sd), NaN before the first anchor."""
    rows, members = [], []
    for i in range(len(ts)):
        earlier = ts[i - 1] if i else -math.inf
        if any(earlier < anchor <= ts[i] for anchor in anchors):
            members = []
        if all(anchor > ts[i] for anchor in anchors):
            rows.append((math.nan, math.nan))
            continue
        members.append(i)
        inner = session_vwap([prices[k] for k in members], [qtys[k] for k in members], [0])
        rows.append(inner[-1])
    return rows


def vwap_deviation_signal(deviations, imbalances, threshold):
    """Rows of (trend, reversal)."""
    rows = []
    for deviation, imbalance in zip(deviations, imbalances, strict=True):
        buying, selling = imbalance >= threshold, imbalance <= -threshold
        trend = reversal = 0
        if deviation > 0:
            trend, reversal = int(buying), -int(selling)
        if deviation < 0:
            trend, reversal = -int(selling), int(buying)
        rows.append((trend, reversal))
    return rows


def vwap_bands(vwap, sd, multiple):
    """(lower, upper) of each element; None where the VWAP is not known."""
    return [
        None if v is None else (v - multiple * s, v + multiple * s)
        for v, s in zip(vwap, sd, strict=True)
    ]
