"""Obvious loops for orderflow_core.ofi."""


def ofi_events(quotes, session_starts):
    """Quotes are rows (ts, bid, bid size, ask, ask size)."""
    out = []
    for i, (_, b, bid_size, a, ask_size) in enumerate(quotes):
        if i in session_starts:
            out.append(0)
            continue
        _, b0, bid_size0, a0, ask_size0 = quotes[i - 1]
        out.append(
            bid_size * (b >= b0)
            - bid_size0 * (b <= b0)
            - ask_size * (a <= a0)
            + ask_size0 * (a >= a0)
        )
    return out


def rolling_ofi(quotes, session_starts, n_events):
    events = ofi_events(quotes, session_starts)
    out = []
    for i in range(len(events)):
        start = max(s for s in session_starts if s <= i)
        out.append(sum(events[max(start, i - n_events + 1) : i + 1]))
    return out


def ofi_at_trade(trade_ts, quotes, session_start_ns, lag):
    """Running sum of the trade's session strictly before each trade, None without a quote."""

    def session_of(ts):
        return sum(start <= ts for start in session_start_ns)

    out = []
    for ts in trade_ts:
        met = [q for q in quotes if q[0] < ts - lag and session_of(q[0]) == session_of(ts)]
        out.append(sum(ofi_events(met, [0])) if met else None)
    return out
