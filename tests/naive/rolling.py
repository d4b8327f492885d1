"""Obvious loops for orderflow_core.rolling."""


def nearest_rank(sizes, share_num, share_den):
    """Smallest size with at least ceil(n share) sizes at or below it."""
    for x in sorted(sizes):
        if sum(1 for size in sizes if size <= x) * share_den >= share_num * len(sizes):
            return x
    raise AssertionError("no sizes")


def rolling_flow(
    ts_ns, qty_lots, sign, end_idx, *, window_ns, session_start_idx, share_num=95, share_den=100
):
    """Rows of (buy, sell, unsigned lots, their trades, quantile, large buy, large sell, is warm)."""
    rows = []
    for end in end_idx:
        start = max(s for s in session_start_idx if s < end)
        now = ts_ns[end - 1]
        inside = [i for i in range(start, end) if ts_ns[i] > now - window_ns]
        quantile = nearest_rank([qty_lots[i] for i in inside], share_num, share_den)
        lots = {s: sum(qty_lots[i] for i in inside if sign[i] == s) for s in (1, -1, 0)}
        count = {s: sum(1 for i in inside if sign[i] == s) for s in (1, -1, 0)}
        large = {
            s: sum(qty_lots[i] for i in inside if sign[i] == s and qty_lots[i] > quantile)
            for s in (1, -1)
        }
        is_warm = now - window_ns >= ts_ns[start]
        rows.append((*lots.values(), *count.values(), quantile, *large.values(), is_warm))
    return rows


def last_known_idx(ts_ns, at_ns):
    return [max([i for i, ts in enumerate(ts_ns) if ts <= at], default=-1) for at in at_ns]
