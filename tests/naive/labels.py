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


def direction_labels(t0_ns, ref_ts, ref_mid2, *, horizon_sweeps, session_end, gaps, known_until):
    """Return (t1, label) per row; ``session_end`` per row, ``gaps`` as (start, end)."""
    rows = []
    for i, t0 in enumerate(t0_ns):
        if i + horizon_sweeps >= len(t0_ns):
            rows.append((t0, math.nan))
            continue
        t1 = t0_ns[i + horizon_sweeps]
        m0, m1 = _last(ref_ts, ref_mid2, t0), _last(ref_ts, ref_mid2, t1)
        is_known = _is_known(t0, t1, session_end[i], gaps, known_until) and m0 is not None
        rows.append((t1, (m1 > m0) - (m1 < m0) if is_known else math.nan))
    return rows


def return_labels(t0_ns, ref_ts, ref_mid2, *, horizon_ns, session_end, gaps, known_until):
    rows = []
    for i, t0 in enumerate(t0_ns):
        t1 = t0 + horizon_ns
        m0, m1 = _last(ref_ts, ref_mid2, t0), _last(ref_ts, ref_mid2, t1)
        is_known = _is_known(t0, t1, session_end[i], gaps, known_until) and m0 is not None
        rows.append((t1, 1e4 * (m1 / m0 - 1) if is_known else math.nan))
    return rows
