"""Obvious loops for orderflow_core.decision_clocks: rows of (time, end position, decision id)."""


def sweep_decisions(ts, trade_id, sweep, *, session_start_idx, gap_idx, session_ended):
    starts = {*session_start_idx, *gap_idx}
    rows = []
    for end in range(1, len(ts) + 1):
        if end == len(ts):
            is_closed = session_ended
        else:
            is_closed = sweep[end] != sweep[end - 1] or end in starts
        if is_closed:
            rows.append((ts[end - 1], end, trade_id[end - 1]))
    return rows


def time_decisions(ts, trade_id, *, interval_ns, session_start_idx, gap_idx, session_ended):
    rows = []
    for end in range(1, len(ts) + 1):
        following = (ts[end - 1] // interval_ns + 1) * interval_ns
        if end == len(ts):
            boundaries = [following] if session_ended else []
        elif end in gap_idx:
            boundaries = []
        else:
            boundaries = list(range(following, ts[end] + 1, interval_ns))
            if end in session_start_idx:
                boundaries = boundaries[:1]
        rows += [(t, end, trade_id[end - 1]) for t in boundaries]
    return rows


def bar_decisions(bars, ts, trade_id, *, is_time):
    """Bars of (t1, first, end)."""
    return [(t1 if is_time else ts[end - 1], end, trade_id[end - 1]) for t1, _, end in bars]
