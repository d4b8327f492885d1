"""Obvious loops for orderflow_core.labels."""

import math


def _last(ref_ts, ref_mid2, at):
    found = None
    for ts, mid2 in zip(ref_ts, ref_mid2, strict=True):
        if ts <= at:
            found = mid2
    return found


def _is_known(t0, t1, session_end, gaps, known_until):
    meets_gap = any(start <= t1 and end >= t0 for start, end in gaps)
    return t1 < session_end and t1 <= known_until and not meets_gap


def _direction(move, least):
    if math.isnan(least):
        return math.nan
    return 1 if move > least else -1 if -move > least else 0


def direction_labels(
    t0_ns, ref_ts, ref_mid2, *, horizon_sweeps, session_end, gaps, known_until, cost
):
    """Return (t1, label) per row; ``session_end`` per row, ``gaps`` as (start, end)."""
    rows = []
    for i, t0 in enumerate(t0_ns):
        if i + horizon_sweeps >= len(t0_ns):
            rows.append((t0, math.nan))
            continue
        t1 = t0_ns[i + horizon_sweeps]
        m0, m1 = _last(ref_ts, ref_mid2, t0), _last(ref_ts, ref_mid2, t1)
        is_known = _is_known(t0, t1, session_end[i], gaps, known_until) and m0 is not None
        rows.append((t1, _direction(m1 - m0, cost[i]) if is_known else math.nan))
    return rows


def return_labels(t0_ns, ref_ts, ref_mid2, *, horizon_ns, session_end, gaps, known_until):
    rows = []
    for i, t0 in enumerate(t0_ns):
        t1 = t0 + horizon_ns
        m0, m1 = _last(ref_ts, ref_mid2, t0), _last(ref_ts, ref_mid2, t1)
        is_known = _is_known(t0, t1, session_end[i], gaps, known_until) and m0 is not None
        rows.append((t1, 1e4 * (m1 / m0 - 1) if is_known else math.nan))
    return rows


def direction_trades_labels(
    t0_ns,
    trade_idx,
    trade_ts,
    ref_ts,
    ref_mid2,
    *,
    horizon_trades,
    session_end,
    gaps,
    known_until,
    cost,
):
    rows = []
    for i, t0 in enumerate(t0_ns):
        j = trade_idx[i] + horizon_trades
        if j >= len(trade_ts):
            rows.append((t0, math.nan))
            continue
        t1 = max(t0, trade_ts[j])
        m0, m1 = _last(ref_ts, ref_mid2, t0), _last(ref_ts, ref_mid2, t1)
        is_known = _is_known(t0, t1, session_end[i], gaps, known_until) and m0 is not None
        rows.append((t1, _direction(m1 - m0, cost[i]) if is_known else math.nan))
    return rows


def _moves(t0_ns, ref_ts, ref_mid2, horizon_ns, session_end, gaps, known_until):
    """Yield (t1, move or None where it is not known) per row."""
    for i, t0 in enumerate(t0_ns):
        t1 = t0 + horizon_ns
        m0, m1 = _last(ref_ts, ref_mid2, t0), _last(ref_ts, ref_mid2, t1)
        is_known = _is_known(t0, t1, session_end[i], gaps, known_until) and m0 is not None
        yield t1, (m1 - m0 if is_known else None)


def direction_time_labels(
    t0_ns, ref_ts, ref_mid2, *, horizon_ns, cost, session_end, gaps, known_until
):
    rows = []
    found = _moves(t0_ns, ref_ts, ref_mid2, horizon_ns, session_end, gaps, known_until)
    for (t1, move), least in zip(found, cost, strict=True):
        rows.append((t1, math.nan if move is None else _direction(move, least)))
    return rows


def significant_move_labels(
    t0_ns, ref_ts, ref_mid2, *, horizon_ns, sigma, n_sigmas, cost, session_end, gaps, known_until
):
    rows = []
    found = _moves(t0_ns, ref_ts, ref_mid2, horizon_ns, session_end, gaps, known_until)
    for (t1, move), s, c in zip(found, sigma, cost, strict=True):
        if move is None or math.isnan(s) or math.isnan(c):
            rows.append((t1, math.nan))
        else:
            rows.append((t1, int(abs(move) > n_sigmas * s and abs(move) > c)))
    return rows


def triple_barrier_labels(
    t0_ns, ref_ts, ref_mid2, *, horizon_ns, barrier, session_end, gaps, known_until
):
    rows = []
    for i, t0 in enumerate(t0_ns):
        m0, t1, label = _last(ref_ts, ref_mid2, t0), t0 + horizon_ns, 0
        if m0 is None or math.isnan(barrier[i]):
            rows.append((t1, math.nan))
            continue
        for ts, m in zip(ref_ts, ref_mid2, strict=True):
            if t0 < ts <= t0 + horizon_ns and abs(m - m0) >= barrier[i]:
                t1, label = ts, 1 if m > m0 else -1
                break
        is_known = _is_known(t0, t0 + horizon_ns, session_end[i], gaps, known_until)
        rows.append((t1, label if is_known else math.nan))
    return rows
