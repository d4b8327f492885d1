"""Obvious loops for orderflow_core.absorption and orderflow_core.price_absorption."""

import math
from itertools import pairwise


def bar_absorption(
    opens, closes, volumes, deltas, starts, *, n_windows, least, z0, step, still, cap
):
    """Rows of (z, is absorbed, sign); a score that does not exist is None."""
    rows = []
    for first, end in pairwise([*starts, len(opens)]):
        moved = [
            abs(c - o) // step for o, c in zip(opens[first:end], closes[first:end], strict=True)
        ]
        volume = volumes[first:end]
        for i in range(end - first):
            earlier = range(max(0, i - n_windows), i)
            like = [volume[j] for j in earlier if min(moved[j], cap) == min(moved[i], cap)]
            z = score(volume[i], like) if len(like) >= least else None
            is_absorbed = z is not None and moved[i] <= still and z >= z0
            rows.append((z, is_absorbed, -direction(deltas[first + i]) if is_absorbed else 0))
    return rows


def score(value, sample):
    mean, deviation = moments(sample)
    return (value - mean) / deviation if deviation > 0 else None


def moments(sample):
    mean = sum(sample) / len(sample)
    squares = sum((x - mean) ** 2 for x in sample)
    return mean, math.sqrt(squares / (len(sample) - 1))


def direction(value):
    return (value > 0) - (value < 0)


def price_absorption(ts, price, qty, sign, starts, *, window, lookback, multiplier, least):
    """Rows of (lots, size or None, sign, is onset)."""
    rows = []
    for first, end in pairwise([*starts, len(ts)]):
        trades = list(
            zip(ts[first:end], price[first:end], qty[first:end], sign[first:end], strict=True)
        )
        above = []
        for i, (t, p, _, s) in enumerate(trades):
            lots = sum(q for u, r, q, w in trades[: i + 1] if u > t - window and (r, w) == (p, s))
            lots = lots if s != 0 else 0
            size = usual_size(trades, t, window, lookback // window, multiplier, least)
            is_above = size is not None and lots > size
            again = any(trades[j][0] > t - window and trades[j][1::2] == (p, s) for j in above)
            rows.append((lots, size, -s if is_above else 0, is_above and not again))
            if is_above:
                above.append(i)
    return rows


def usual_size(trades, t, window, n_buckets, multiplier, least):
    bucket, first_bucket = t // window, trades[0][0] // window
    cells = {}
    for u, p, q, s in trades:
        if s != 0 and bucket - n_buckets <= u // window < bucket:
            cell = (u // window, p, s)
            cells[cell] = cells.get(cell, 0) + q
    if len(cells) < least or bucket - first_bucket < n_buckets:
        return None
    mean, deviation = moments(list(cells.values()))
    return mean + multiplier * deviation
