"""Obvious loops for orderflow_core.divergence."""

from itertools import pairwise


def pivot_divergence(highs, lows, cvd, starts, *, width):
    """Rows of (is high pivot, is low pivot, is bearish, is bullish) by the bar that makes it known."""
    rows = []
    for first, end in pairwise([*starts, len(highs)]):
        up = one_side(highs[first:end], cvd[first:end], width)
        down = one_side([-x for x in lows[first:end]], [-x for x in cvd[first:end]], width)
        rows += [(a, b, c, d) for (a, c), (b, d) in zip(up, down, strict=True)]
    return rows


def one_side(price, cvd, width):
    rows, pivots = [], []
    for now in range(len(price)):
        p = now - width
        is_pivot = p - width >= 0
        if is_pivot:
            before, after = price[p - width : p], price[p + 1 : now + 1]
            is_pivot = all(x < price[p] for x in before) and all(x <= price[p] for x in after)
        is_divergence = False
        if is_pivot:
            if pivots:
                earlier = pivots[-1]
                is_divergence = price[p] > price[earlier] and cvd[p] < cvd[earlier]
            pivots.append(p)
        rows.append((is_pivot, is_divergence))
    return rows


def flow_against_price(price_change, cvd_change):
    """(divergence, confirmation) of one pair of changes."""
    if price_change > 0 and cvd_change < 0:
        return -1, 0
    if price_change < 0 and cvd_change > 0:
        return 1, 0
    if price_change > 0 and cvd_change > 0:
        return 0, 1
    if price_change < 0 and cvd_change < 0:
        return 0, -1
    return 0, 0


def window_divergence(close, cvd, starts, *, n_bars):
    rows = []
    for first, end in pairwise([*starts, len(close)]):
        for i in range(first, end):
            j = i - n_bars
            if j < first:
                rows.append((0, 0))
            else:
                rows.append(flow_against_price(close[i] - close[j], cvd[i] - cvd[j]))
    return rows
