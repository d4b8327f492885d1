"""Obvious loops for touches of levels, what is known at them, and what became of them."""

from tests.naive.level_outcomes import level_outcome


def level_touches(price, ts, low, high, first, end, *, turn, passage, horizon):
    """Rows (touch, side, touches before, turns before, farthest price), with the outcome's loop."""
    rows, start, turned = [], first, 0
    while True:
        touch, known, outcome = level_outcome(
            price, ts, low, start, end,
            height=high - low + 1, turn=turn, passage=passage, horizon=horizon,
        )  # fmt: skip
        if touch < 0:
            return rows
        is_above = price[touch - 1] > high
        since = touch - 1
        while since > start and (price[since - 1] > high if is_above else price[since - 1] < low):
            since -= 1
        way = price[since:touch]
        rows.append(
            (touch, 1 if is_above else -1, len(rows), turned, (max if is_above else min)(way))
        )
        if outcome < 0:
            return rows
        turned += outcome
        start = known


def level_features(price, lots, sign, low, high, first, end):
    """(lots, buys less sells) in low..high of the trades first..end - 1."""
    inside = [i for i in range(first, end) if low <= price[i] <= high]
    return sum(lots[i] for i in inside), sum(lots[i] * sign[i] for i in inside)


def hold_labels(price, ts, low, high, touch, end, *, turn, passage, horizon):
    """1, 0, or None where the trades do not reach to the end of the time."""
    if ts[touch] + horizon > ts[end - 1]:
        return None
    for i in range(touch, end):
        if ts[i] > ts[touch] + horizon:
            return 0
        above = price[touch - 1] > high
        if (price[i] >= high + turn) if above else (price[i] <= low - turn):
            return 1
        if (price[i] <= low - passage) if above else (price[i] >= high + passage):
            return 0
    return 0


def live_levels(ticks, closes, starts, n_trades):
    """(row, first trade, end) of each stay of a row that develops; ``ticks`` is it at each bar's end."""
    lives = []
    for i, (tick, close) in enumerate(zip(ticks, closes, strict=True)):
        # A stay begins where the row has moved, and where the bar is the first after a gap.
        opens = i == 0 or any(closes[i - 1] <= start < close for start in starts)
        if not opens and ticks[i - 1] == tick:
            continue
        end = n_trades
        for later, moved in zip(ticks[i + 1 :], closes[i + 1 :], strict=True):
            if later != tick:
                end = moved
                break
        gaps = [start for start in starts if start >= close]
        lives.append((tick, close, min([end, *gaps])))
    return lives


def naked(price, low, high, starts):
    """Stretches between gaps up to the one in which price comes to the row, or jumps over it."""
    stretches, side = [], None
    for i, p in enumerate(price):
        if i in starts:
            stretches.append(i)
        now = 1 if p > high else (-1 if p < low else 0)
        if now == 0 or side not in (None, now):
            break
        side = now
    return stretches
