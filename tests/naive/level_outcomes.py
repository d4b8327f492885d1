"""Obvious loops for what became of levels and of naked points of control."""

from tests.naive.intervals import wilson_bound


def level_outcome(price, ts, tick, first, end, *, height, turn, passage, horizon):
    """(touch, known, outcome)."""
    row = range(tick, tick + height)

    def side(p):
        return 0 if p in row else (1 if p > row[-1] else -1)

    for i in range(first + 1, end):
        came_from = side(price[i - 1])
        if came_from != 0 and side(price[i]) != came_from:
            break
    else:
        return -1, end, 0
    for j in range(i, end):
        if ts[j] - ts[i] > horizon:
            return i, j, 0
        if came_from > 0:
            turned, passed = price[j] >= row[-1] + turn, price[j] <= row[0] - passage
        else:
            turned, passed = price[j] <= row[0] - turn, price[j] >= row[-1] + passage
        if turned or passed:
            return i, j, 1 if turned else -1
    return i, end, 0


def naked_pocs(bars, starts, *, height):
    """``bars``: (high, low, close, poc); ``starts``: bars that open a session. Rows (above, below, n_naked), None for no row."""
    rows = []
    for i, (_, _, close, _) in enumerate(bars):
        naked = []
        for j in range(1, i + 1):
            poc = bars[j - 1][3]
            back = [
                k for k in range(j, i + 1) if bars[k][1] <= poc + height - 1 and bars[k][0] >= poc
            ]
            if j in starts and not back:
                naked.append(poc)
        above, below = [p for p in naked if p > close], [p for p in naked if p < close]
        rows.append((min(above, default=None), max(below, default=None), len(naked)))
    return rows


def first_cover(rows, high, low, *, height):
    covering = []
    for p in rows:
        meets = [
            j for j in range(len(high)) if any(low[j] <= t <= high[j] for t in range(p, p + height))
        ]
        covering.append(meets[0] if meets else -1)
    return covering


def covering_session(poc, high, low, *, height):
    covering = []
    for i, p in enumerate(poc):
        later = [
            j for j in range(i + 1, len(poc)) if any(low[j] <= t <= high[j] for t in range(p, p + height))
        ]  # fmt: skip
        covering.append(later[0] if later else -1)
    return covering


def level_lift(levels, others, z):
    """Lift of the turned over the touched with Newcombe's bounds; rows of (touched, outcome)."""
    rates, bounds = [], []
    for rows in (levels, others):
        outcomes = [outcome for touched, outcome in rows if touched]
        if not outcomes:
            return None
        turned = sum(outcome > 0 for outcome in outcomes)
        rates.append(turned / len(outcomes))
        bounds.append([wilson_bound(rates[-1], len(outcomes), z, side) for side in (-1, 1)])
    lift = rates[0] - rates[1]
    (own_low, own_high), (low, high) = bounds
    down = (rates[0] - own_low) ** 2 + (high - rates[1]) ** 2
    up = (own_high - rates[0]) ** 2 + (rates[1] - low) ** 2
    return lift - down**0.5, lift, lift + up**0.5
