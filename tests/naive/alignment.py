"""Obvious loops for orderflow_core.alignment."""

from tests.naive.classify import lee_ready


def prevailing_quote_idx(trade_ts_ns, quote_ts_ns, *, lag_ns=0, inclusive=False):
    result = []
    for trade_ts in trade_ts_ns:
        found = -1
        for j, quote_ts in enumerate(quote_ts_ns):
            before = quote_ts < trade_ts - lag_ns
            same = quote_ts == trade_ts - lag_ns
            if before or (inclusive and same):
                found = j
        result.append(found)
    return result


def quote_at_trade(trade_ts_ns, quote_rows, *, lag_ns=0, inclusive=False):
    """Rows of (ts, bid, bid size, ask, ask size) in; (bid, bid size, ask, ask size) or None out."""
    times = [row[0] for row in quote_rows]
    found = prevailing_quote_idx(trade_ts_ns, times, lag_ns=lag_ns, inclusive=inclusive)
    return [None if j < 0 else tuple(quote_rows[j][1:]) for j in found]


def lee_ready_joined(trade_ts_ns, prices, quote_rows, *, lag_ns=0):
    return lee_ready(prices, quote_at_trade(trade_ts_ns, quote_rows, lag_ns=lag_ns))
