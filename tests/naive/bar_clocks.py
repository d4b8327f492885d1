"""Obvious loops for orderflow_core.bar_clocks."""


def bar_index(kind, size, ts, prices, qtys, signs, session_starts):
    """Rows of (bar id, t0, t1, first, end)."""
    groups, is_full = [], True
    for i in range(len(ts)):
        if kind == "time":
            is_new = i == 0 or ts[i] // size != ts[i - 1] // size
        else:
            is_new = is_full or i in set(session_starts)
        if is_new:
            groups.append([])
        groups[-1].append(i)
        is_full = amount(kind, groups[-1], prices, qtys, signs) >= size
    rows = []
    for k, group in enumerate(groups):
        first, last = group[0], group[-1]
        if kind == "time":
            bar = ts[first] // size
            rows.append((bar, bar * size, bar * size + size, first, last + 1))
        else:
            rows.append((k, ts[first], ts[last] + 1, first, last + 1))
    return rows


def amount(kind, group, prices, qtys, signs):
    if kind == "count":
        return len(group)
    if kind == "volume":
        return sum(qtys[i] for i in group)
    if kind == "notional":
        return sum(abs(prices[i]) * qtys[i] for i in group)
    if kind == "delta":
        return abs(sum(signs[i] * qtys[i] for i in group))
    if kind == "range":
        return max(prices[i] for i in group) - min(prices[i] for i in group)
    return 0
