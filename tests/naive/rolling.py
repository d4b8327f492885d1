"""Obvious loops for orderflow_core.rolling."""


def nearest_rank(sizes, share_num, share_den):
    """Smallest size with at least ceil(n share) sizes at or below it."""
    for x in sorted(sizes):
        if sum(1 for size in sizes if size <= x) * share_den >= share_num * len(sizes):
            return x
    raise AssertionError("no sizes")


def _windows(ts_ns, end_idx, window_ns, session_start_idx):
    """Positions inside each row's window, and whether its first trade since the start has left."""
    for end in end_idx:
        start = max(s for s in session_start_idx if s < end)
        inside = [i for i in range(start, end) if ts_ns[i] > ts_ns[end - 1] - window_ns]
        yield inside, start not in inside


def _divide(numerator, denominator):
    # Each is a float first: Python would round the quotient of large integers once only.
    return float(numerator) / float(denominator) if denominator else float("nan")


def rolling_sums(ts_ns, qty_lots, sign, end_idx, *, window_ns, session_start_idx):
    """Rows of (buy, sell lots, their trades, imbalance, mean buy, mean sell, is warm)."""
    rows = []
    for inside, is_warm in _windows(ts_ns, end_idx, window_ns, session_start_idx):
        buy, sell = (sum(qty_lots[i] for i in inside if sign[i] == s) for s in (1, -1))
        n_buy, n_sell = (sum(1 for i in inside if sign[i] == s) for s in (1, -1))
        means = _divide(buy - sell, buy + sell), _divide(buy, n_buy), _divide(sell, n_sell)
        rows.append((buy, sell, n_buy, n_sell, *means, is_warm))
    return rows


def rolling_quantile(
    ts_ns, qty_lots, sign, end_idx, *, window_ns, session_start_idx, share_num=95, share_den=100
):
    """Rows of (quantile, large buy ratio, large sell ratio)."""
    rows = []
    for inside, _ in _windows(ts_ns, end_idx, window_ns, session_start_idx):
        quantile = nearest_rank([qty_lots[i] for i in inside], share_num, share_den)
        total = sum(qty_lots[i] for i in inside)
        large = [
            sum(qty_lots[i] for i in inside if sign[i] == s and qty_lots[i] > quantile)
            for s in (1, -1)
        ]
        rows.append((quantile, *(_divide(lots, total) for lots in large)))
    return rows


def last_known_idx(ts_ns, at_ns):
    return [max([i for i, ts in enumerate(ts_ns) if ts <= at], default=-1) for at in at_ns]
