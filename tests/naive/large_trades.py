"""Obvious loops for orderflow_core.large_trades."""

import math
from fractions import Fraction


def rounded(lots):
    """The size with all but its seven leading binary digits set to 0."""
    step = 2 ** max(lots.bit_length() - 7, 0)
    return lots // step * step


def large_trades(qtys, n_trailing, n_least, share_num, share_den, session_starts):
    """Rows of (threshold, is large)."""
    rows, earlier = [], []
    for i, qty in enumerate(qtys):
        if i in set(session_starts):
            earlier = []
        window = sorted(earlier[-n_trailing:])
        threshold = 0
        if len(window) >= n_least:
            rank = math.ceil(Fraction(len(window) * share_num, share_den))
            threshold = rounded(window[rank - 1])
        rows.append((threshold, threshold > 0 and qty >= threshold))
        earlier.append(qty)
    return rows


def large_trade_clusters(ts, signs, qtys, is_large, max_gap, n_least, session_starts):
    """Rows of (sign, large trades, lots)."""
    rows, run = [], []
    for i in range(len(ts)):
        if i in set(session_starts) or (run and ts[i] - ts[run[-1]] > max_gap):
            run = []
        if is_large[i] and signs[i] != 0:
            run = [k for k in run if signs[k] == signs[i]] + [i]
        side = signs[run[-1]] if len(run) >= n_least else 0
        rows.append((side, len(run), sum(qtys[k] for k in run)))
    return rows
