"""Obvious loops for orderflow_core.features: each row from the trades that it may know."""

import math

from tests.naive.rolling import nearest_rank

SECOND = 1_000_000_000
NAN = math.nan


def _divide(numerator, denominator):
    return numerator / denominator if denominator != 0 else NAN


def _sweeps(sweep, starts):
    """Lists of positions, one a sweep; a start closes the sweep before it."""
    groups = []
    for i in range(len(sweep)):
        if i == 0 or sweep[i] != sweep[i - 1] or i in starts:
            groups.append([])
        groups[-1].append(i)
    return groups


def _vwap_dev(price, qty, start, last):
    total = sum(qty[start : last + 1])
    first = sum(qty[i] * (price[i] - price[start]) for i in range(start, last + 1))
    second = 0.0
    for i in range(start, last + 1):
        second += float(qty[i] * (price[i] - price[start]) * (price[i] - price[start]))
    mean = first / total
    sd = math.sqrt(max(0.0, second / total - mean * mean))
    return _divide(price[last] - (price[start] + mean), sd)


def _flow(ts, qty, sign, now, is_warm):
    inside = [i for i in range(len(ts)) if ts[i] > now - 60 * SECOND]
    buys, sells = ([qty[i] for i in inside if sign[i] == s] for s in (1, -1))
    total = sum(qty[i] for i in inside)
    quantile = nearest_rank([qty[i] for i in inside], 95, 100) if inside else 0
    buy, sell = sum(buys), sum(sells)
    figures = {
        "buy_lots_60s": buy,
        "sell_lots_60s": sell,
        "n_buy_60s": len(buys),
        "n_sell_60s": len(sells),
        "imbalance_60s": _divide(buy - sell, buy + sell),
        "avg_buy_lots_60s": _divide(buy, len(buys)),
        "avg_sell_lots_60s": _divide(sell, len(sells)),
        "large_buy_ratio_60s": _divide(sum(q for q in buys if q > quantile), total),
        "large_sell_ratio_60s": _divide(sum(q for q in sells if q > quantile), total),
    }
    return figures if is_warm else dict.fromkeys(figures, NAN)


def _last_tick(price, start, last):
    for i in range(last, start, -1):
        if price[i] != price[i - 1]:
            return math.copysign(1, price[i] - price[i - 1])
    return NAN


def _touch(price, quote):
    if quote is None or quote[0] > quote[2]:
        return dict.fromkeys(
            ("spread_ticks", "queue_imbalance", "microprice_dev_ticks", "mid_dev_ticks"), NAN
        )
    bid, bid_lots, ask, ask_lots = quote
    mid = (bid + ask) / 2
    return {
        "spread_ticks": ask - bid,
        "queue_imbalance": _divide(bid_lots - ask_lots, bid_lots + ask_lots),
        "microprice_dev_ticks": _divide(ask * bid_lots + bid * ask_lots, bid_lots + ask_lots) - mid,
        "mid_dev_ticks": price - mid,
    }


def decision_features(
    ts, trade_id, price, qty, sign, sweep, quotes, *, decisions, is_end_included, starts
):
    """Return rows of (t0, decision id, position, dict of features).

    ``quotes`` per trade or None; ``decisions`` rows of (time, end position, id); ``starts`` first
    trades of sessions and after gaps.
    """
    rows = []
    for t0, end, _ in decisions:
        last, start = end - 1, max(s for s in starts if s < end)
        now = t0 if is_end_included else t0 - 1  # the last time that may be known
        known = [g for g in _sweeps(sweep[:end], starts) if g[0] >= start]
        fills = known[-1]
        recent = {
            h: [j for j, g in enumerate(known) if ts[g[-1]] > now - h * SECOND] for h in (10, 60)
        }
        is_warm = {h: ts[start] <= now - h * SECOND for h in (10, 60)}
        changes = [price[known[j][-1]] - price[known[j - 1][-1]] for j in recent[60] if j > 0]
        figures = _flow(ts[start:end], qty[start:end], sign[start:end], now, is_warm[60])
        figures |= _touch(price[last], quotes[last] if quotes else None)
        figures |= {
            "cvd_lots": sum(qty[i] * sign[i] for i in range(start, last + 1)),
            "vwap_dev_sd": _vwap_dev(price, qty, start, last),
            "volatility_60s_ticks": math.sqrt(sum(c * c for c in changes)) if is_warm[60] else NAN,
            "last_tick_sign": _last_tick(price, start, last),
            "sweep_sign": sign[fills[0]],
            "sweep_lots": sum(qty[i] for i in fills),
            "sweep_n_fills": len(fills),
            "sweep_sign_lag1": sign[known[-2][0]] if len(known) > 1 else NAN,
            "sweep_sign_lag2": sign[known[-3][0]] if len(known) > 2 else NAN,
            "sweeps_10s": len(recent[10]) if is_warm[10] else NAN,
        }
        for seconds in (1, 10, 60):
            then = [i for i in range(start, end) if ts[i] <= now - seconds * SECOND]
            figures[f"return_{seconds}s_ticks"] = price[last] - price[then[-1]] if then else NAN
        rows.append((t0, trade_id[last], last, figures))
    return rows
