"""Obvious loops for orderflow_core.bars."""


def time_bar_index(ts, interval):
    """Rows of (bar id, t0, t1, first, end)."""
    members = {}
    for i, t in enumerate(ts):
        members.setdefault(t // interval, []).append(i)
    return [
        (bar, bar * interval, bar * interval + interval, positions[0], positions[-1] + 1)
        for bar, positions in sorted(members.items())
    ]


def aggregate_bar(prices, qtys, signs, *, include_zero_start=True):
    """One bar of the trades given, as a dict of BarArrays' columns."""
    path = [0] if include_zero_start else []
    running = 0
    for qty, sign in zip(qtys, signs, strict=True):
        running += sign * qty
        path.append(running)
    by_sign = {s: [q for q, sign in zip(qtys, signs, strict=True) if sign == s] for s in (-1, 0, 1)}
    return {
        "open_ticks": prices[0],
        "high_ticks": max(prices),
        "low_ticks": min(prices),
        "close_ticks": prices[-1],
        "volume_lots": sum(qtys),
        "buy_lots": sum(by_sign[1]),
        "sell_lots": sum(by_sign[-1]),
        "unsigned_lots": sum(by_sign[0]),
        "n_trades": len(prices),
        "n_buy": len(by_sign[1]),
        "n_sell": len(by_sign[-1]),
        "delta_lots": sum(by_sign[1]) - sum(by_sign[-1]),
        "min_delta_lots": min(path),
        "max_delta_lots": max(path),
    }


def delta_share(delta, volume):
    return delta / volume if volume else None


def delta_since_extremes(prices, qtys, signs):
    """Of one bar: (since the high, since the low)."""
    result = []
    for extreme in (max(prices), min(prices)):
        last = max(i for i in range(len(prices)) if prices[i] == extreme)
        result.append(sum(signs[i] * qtys[i] for i in range(last + 1, len(prices))))
    return tuple(result)


def merge_bars(prices, qtys, signs, ends, first_bars, *, include_zero_start=True):
    """Bars of runs of bars that end at trade positions; a run begins at each of the first bars."""
    stops = [*first_bars[1:], len(ends)][: len(first_bars)]
    merged = []
    for begin, stop in zip(first_bars, stops, strict=True):
        part = slice(ends[begin - 1] if begin else 0, ends[stop - 1])
        merged.append(
            aggregate_bar(
                prices[part], qtys[part], signs[part], include_zero_start=include_zero_start
            )
        )
    return merged
