"""Obvious loops for orderflow_core.tape."""

import math


def tape_speed(ts, amounts, window, n_average, percent, session_starts):
    """Rows of (pace, threshold, is fast)."""
    rows, start, whole = [], 0, []
    for i in range(len(ts)):
        if i in set(session_starts):
            start, whole = i, []
        total = sum(amounts[k] for k in range(start, i + 1) if ts[k] > ts[i] - window)
        passed = min(ts[i] - ts[start], window)
        pace = total * (window / passed) if passed > 0 else math.nan
        threshold = math.nan
        if passed == window:
            whole.append(abs(total))
            if len(whole) >= n_average:
                threshold = sum(whole[-n_average:]) * percent / (100 * n_average)
        rows.append((pace, threshold, abs(pace) > threshold))
    return rows
