"""The backtest as plain loops over events: slow, obvious, and sharing nothing with the product."""

import math


def _session_of(t, sessions):
    for k, (start, end) in enumerate(sessions):
        if start <= t < end:
            return k
    return None


def _session_events(ts, sessions):
    return [[i for i, t in enumerate(ts) if start <= t < end] for start, end in sessions]


def match_orders(ts, signal_ts, latency, sessions):
    """Return {event: signal or -1}, superseded signals, cancelled signals."""
    events_of = _session_events(ts, sessions)
    event_of_signal = {}
    cancelled = 0
    for s, t in enumerate(signal_ts):
        k = _session_of(t, sessions)
        open_events = [] if k is None else [i for i in events_of[k][:-1] if ts[i] > t + latency]
        if open_events:
            event_of_signal[s] = open_events[0]
        else:
            cancelled += 1
    # In signal order: the later one overwrites.
    orders = {event: s for s, event in event_of_signal.items()}
    superseded = len(event_of_signal) - len(orders)
    for events in events_of:
        if events:
            orders[events[-1]] = -1
    return dict(sorted(orders.items())), superseded, cancelled


def fills(ts, bid, ask, signal_ts, target, latency, slippage, sessions):
    """Return (event, signal, signed lots, price, position after) of each fill, event by event."""
    orders, _, _ = match_orders(ts, signal_ts, latency, sessions)
    out = []
    position = 0
    for i in range(len(ts)):
        if i not in orders:
            continue
        want = 0 if orders[i] == -1 else target[orders[i]]
        change = want - position
        if change == 0:
            continue
        price = ask[i] + slippage if change > 0 else bid[i] - slippage
        position = want
        out.append((i, orders[i], change, price, position))
    return out


def mark_times(ts, sessions, interval):
    times = set()
    for events in _session_events(ts, sessions):
        if events:
            first, last = ts[events[0]], ts[events[-1]]
            g = -(-first // interval) * interval
            while g - interval < last:
                times.add(g)
                g += interval
    return sorted(times)


def marks(ts, bid, ask, fill_rows, times):
    """Return (position, gross equity in half tick-lots) at each time, replaying all fills."""
    out = []
    for g in times:
        cash2, position, mid2 = 0, 0, 0
        for i in range(len(ts)):
            if ts[i] <= g:
                mid2 = bid[i] + ask[i]
        for event, _, change, price, _ in fill_rows:
            if ts[event] <= g:
                cash2 -= 2 * change * price
                position += change
        out.append((position, cash2 + position * mid2))
    return out


def fill_fees(price, lots, taker_fee, fee_per_contract, tick_value, contracts_per_lot):
    return [
        taker_fee * abs(p) * q * tick_value + fee_per_contract * q * contracts_per_lot
        for p, q in zip(price, lots, strict=True)
    ]


def round_trips(change, price, fee):
    """Return (open fill, close fill, sign, lots entered, gross, fee) lot by lot."""
    trips = []
    position = 0
    current = None
    for f in range(len(change)):
        step = 1 if change[f] > 0 else -1
        for _ in range(abs(change[f])):
            if position == 0:
                current = [f, None, step, 0, 0, 0.0]
            if position * step >= 0:
                current[3] += 1
            current[4] -= step * price[f]
            current[5] += fee[f] / abs(change[f])
            position += step
            if position == 0:
                current[1] = f
                trips.append(tuple(current))
    return trips


def sharpe_ratio(returns, ddof):
    n = len(returns)
    mean = math.fsum(returns) / n
    variance = math.fsum((x - mean) ** 2 for x in returns) / (n - ddof)
    return mean / math.sqrt(variance)


def block_resample(returns, starts, block_len):
    joined = []
    for start in starts:
        joined.extend(returns[start : start + block_len])
    return joined[: len(returns)]


def max_drawdown(equity):
    path = [0.0, *equity]
    worst = (0.0, -1, -1)
    for trough in range(len(path)):
        for peak in range(trough):
            if path[peak] - path[trough] > worst[0]:
                worst = (path[peak] - path[trough], peak - 1, trough - 1)
    return worst


def one_sided_p(actual, null):
    reached = 0
    for value in null:
        if math.isnan(value) or value >= actual:
            reached += 1
    return (1 + reached) / (1 + len(null))


def buy_and_hold(ts, bid, ask, latency, slippage, sessions, lots):
    """Fills of deciding to be long at each session's first event; sessions end flat."""
    decided = [ts[events[0]] for events in _session_events(ts, sessions) if events]
    return fills(ts, bid, ask, decided, [lots] * len(decided), latency, slippage, sessions)
