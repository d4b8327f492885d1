"""Obvious loops for orderflow_core.flow_bars."""

from tests.naive.vwap import session_vwap


def flow_bars(prices, qtys, signs, ranges, session_starts, *, include_zero_start=True):
    """Rows of (CVD open, high, low, close, vwap, sd) for each (first, end)."""
    starts = {0, *session_starts}
    average = session_vwap(prices, qtys, starts)
    running, rows = 0, []
    for first, end in ranges:
        opened = 0 if first in starts else running
        path = []
        for i in range(first, end):
            if i in starts:
                running = 0
            if include_zero_start and (i == first or i in starts):
                path.append(running)
            running += signs[i] * qtys[i]
            path.append(running)
        rows.append((opened, max(path), min(path), running, *average[end - 1]))
    return rows
