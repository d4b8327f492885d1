"""Obvious loops for orderflow_core.spreads. Mids are given doubled, None where not known."""

import math


def effective_half_spread(prices, signs, twice_mids):
    return [
        math.nan if m is None or s == 0 else s * (2 * p - m) / 2
        for p, s, m in zip(prices, signs, twice_mids, strict=True)
    ]


def spread_outcomes(trade_ts, prices, signs, quotes, horizon, lag):
    """Rows of (realised, impact); quotes are rows (ts, bid, bid size, ask, ask size)."""

    def twice_mid(bound):
        before = [quote for quote in quotes if quote[0] < bound]
        if not before or before[-1][1] > before[-1][3]:
            return None
        return before[-1][1] + before[-1][3]

    rows = []
    for ts, price, sign in zip(trade_ts, prices, signs, strict=True):
        met, later = twice_mid(ts - lag), twice_mid(ts + horizon - lag)
        is_settled = bool(quotes) and quotes[-1][0] >= ts + horizon - lag
        if met is None or later is None or sign == 0 or not is_settled:
            rows.append((math.nan, math.nan))
        else:
            rows.append((sign * (2 * price - later) / 2, sign * (later - met) / 2))
    return rows


def rolling_spreads(trade_ts, prices, signs, twice_mids, session_starts, window, horizon):
    """Rows of (effective, realised, impact)."""
    rows = []
    for i, now in enumerate(trade_ts):
        start = max(s for s in session_starts if s <= i)
        effective, realised, impact = [], [], []
        for j in range(start, i + 1):
            if signs[j] == 0 or twice_mids[j] is None:
                continue
            if trade_ts[j] > now - window:
                effective.append(signs[j] * (2 * prices[j] - twice_mids[j]))
            later = [
                k
                for k in range(j + 1, i + 1)
                if trade_ts[k] - trade_ts[j] >= horizon and twice_mids[k] is not None
            ]
            if later and trade_ts[later[0]] > now - window:
                mid = twice_mids[later[0]]
                realised.append(signs[j] * (2 * prices[j] - mid))
                impact.append(signs[j] * (mid - twice_mids[j]))
        rows.append(tuple(mean(values) for values in (effective, realised, impact)))
    return rows


def mean(half_ticks):
    return sum(half_ticks) / len(half_ticks) / 2 if half_ticks else math.nan
