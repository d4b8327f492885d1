"""Obvious loops for orderflow_core.features: each row from the trades that it may know."""

import math

from tests.naive.rolling import rolling_flow

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


def _flow(ts, qty, sign, start, last):
    (row,) = rolling_flow(
        ts, qty, sign, [last + 1], window_ns=60 * SECOND, session_start_idx=[start]
    )
    buy, sell, unsigned, n_buy, n_sell, _, _, large_buy, large_sell, is_warm = row
    figures = {
        "buy_lots_60s": buy,
        "sell_lots_60s": sell,
        "n_buy_60s": n_buy,
        "n_sell_60s": n_sell,
        "imbalance_60s": _divide(buy - sell, buy + sell),
        "avg_buy_lots_60s": _divide(buy, n_buy),
        "avg_sell_lots_60s": _divide(sell, n_sell),
        "large_buy_ratio_60s": _divide(large_buy, buy + sell + unsigned),
        "large_sell_ratio_60s": _divide(large_sell, buy + sell + unsigned),
    }
    return figures if is_warm else dict.fromkeys(figures, NAN)


def _past_return(ts, price, start, last, seconds):
    then = [i for i in range(start, last) if ts[i] <= ts[last] - seconds * SECOND]
    return price[last] - price[then[-1]] if then else NAN


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
    ts, trade_id, price, qty, sign, sweep, quotes, *, session_start_idx, gap_idx, session_ended
):
    """Return rows of (t0, decision id, position, dict of features); ``quotes`` per trade or None."""
    starts = {0, *session_start_idx, *gap_idx}
    groups = _sweeps(sweep, starts)
    rows = []
    for k, fills in enumerate(groups if session_ended else groups[:-1]):
        last = fills[-1]
        start = max(s for s in starts if s <= last)
        known = [g for g in groups[: k + 1] if g[0] >= start]  # sweeps since the start
        recent = {
            h: [j for j, g in enumerate(known) if ts[g[-1]] > ts[last] - h * SECOND]
            for h in (10, 60)
        }
        changes = [price[known[j][-1]] - price[known[j - 1][-1]] for j in recent[60] if j > 0]
        elapsed = ts[last] - ts[start]
        figures = _flow(ts, qty, sign, start, last) | _touch(
            price[last], quotes[last] if quotes else None
        )
        figures |= {
            "cvd_lots": sum(qty[i] * sign[i] for i in range(start, last + 1)),
            "vwap_dev_sd": _vwap_dev(price, qty, start, last),
            "volatility_60s_ticks": math.sqrt(sum(c * c for c in changes))
            if elapsed >= 60 * SECOND
            else NAN,
            "last_tick_sign": _last_tick(price, start, last),
            "sweep_sign": sign[fills[0]],
            "sweep_lots": sum(qty[i] for i in fills),
            "sweep_n_fills": len(fills),
            "sweep_sign_lag1": sign[known[-2][0]] if len(known) > 1 else NAN,
            "sweep_sign_lag2": sign[known[-3][0]] if len(known) > 2 else NAN,
            "sweeps_10s": len(recent[10]) if elapsed >= 10 * SECOND else NAN,
        }
        for seconds in (1, 10, 60):
            figures[f"return_{seconds}s_ticks"] = _past_return(ts, price, start, last, seconds)
        rows.append((ts[last], trade_id[last], last, figures))
    return rows
