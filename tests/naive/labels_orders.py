"""Obvious loops for orderflow_core.backtest.resting and .labels_orders."""

import math


def _mid2(ref, at, *, is_strict=False):
    """The last twice-mid of (ts, mid2) before a time, or None."""
    known = [mid2 for ts, mid2 in ref if ts < at or (ts == at and not is_strict)]
    return known[-1] if known else None


def _is_known(t0, t1, session_end, gaps, known_until):
    meets_gap = any(start <= t1 and end >= t0 for start, end in gaps)
    return t1 < session_end and t1 <= known_until and not meets_gap


def impact_labels(orders, ref, *, horizon, session_end, gaps, known_until):
    """Orders are (t0, order time, sign); returns (t1, label) by order."""
    rows = []
    for t0, at, sign in orders:
        t1 = at + horizon
        m0, m1 = _mid2(ref, at, is_strict=True), _mid2(ref, t1)
        is_good = _is_known(t0, t1, session_end, gaps, known_until) and m0 is not None and sign
        rows.append((t1, sign * 1e4 * (m1 - m0) / m0 if is_good else math.nan))
    return rows


def slippage_labels(orders, vwap, ref, *, session_end, gaps, known_until):
    rows = []
    for (t0, at, sign), paid in zip(orders, vwap, strict=True):
        m0 = _mid2(ref, at, is_strict=True)
        is_good = _is_known(t0, at, session_end, gaps, known_until) and m0 is not None and sign
        rows.append((at, sign * 1e4 * (paid - m0 / 2) / (m0 / 2) if is_good else math.nan))
    return rows


def markout_labels(orders, vwap, ref, *, horizon, session_end, gaps, known_until):
    rows = []
    for (t0, at, sign), paid in zip(orders, vwap, strict=True):
        t1 = at + horizon
        has_base = _mid2(ref, at, is_strict=True) is not None
        is_good = _is_known(t0, t1, session_end, gaps, known_until) and has_base and sign
        worth = _mid2(ref, t1) / 2 if is_good else math.nan
        rows.append((t1, 1e4 * sign * (worth / paid - 1)))
    return rows


def resting_fills(trades, quotes, orders, *, latency, rest, tick_steps):
    """Return (price, lots ahead, fill time) by order, None where there is none.

    Trades are (ts, price, lots, sign); quotes (ts, bid, bid lots, ask, ask lots) or None; orders
    (decided, side).
    """
    rows = []
    for decided, side in orders:
        arrive = decided + latency
        if quotes is None:
            last = [price for ts, price, _, _ in trades if ts <= decided]
            if not last:
                rows.append((None, None, None))
                continue
            price = last[-1] - side * tick_steps
            filled = [
                ts
                for ts, traded, _, _ in trades
                if arrive < ts <= arrive + rest and side * (traded - price) < 0
            ]
            rows.append((price, None, filled[0] if filled else None))
            continue
        # Own side first: (ts, own price, own lots, other price).
        book = []
        for ts, bid, bid_lots, ask, ask_lots in quotes:
            if bid_lots > 0 and ask_lots > 0:
                low, high = sorted([(bid, bid_lots), (ask, ask_lots)], key=lambda side: side[0])
                own, other = (low, high) if side > 0 else (high, low)
                book.append((ts, *own, other[0]))
        before = [row for row in book if row[0] <= decided]
        if not before:
            rows.append((None, None, None))
            continue
        price = before[-1][1]
        _, own, lots, other = [row for row in book if row[0] <= arrive][-1]
        if own == price:
            ahead = lots
        elif side * (price - own) > 0:
            ahead = 0
        else:
            ahead = before[-1][2]
        if arrive > decided and side * (other - price) <= 0:
            rows.append((price, ahead, arrive))
            continue
        rows.append((price, ahead, _walk(trades, book, side, price, ahead, arrive, rest)))
    return rows


def _walk(trades, book, side, price, ahead, arrive, rest):
    events = [(ts, 0, i, ("trade", p, q, s)) for i, (ts, p, q, s) in enumerate(trades)]
    events += [(row[0], 1, i, ("quote", *row[1:])) for i, row in enumerate(book)]
    for ts, _, _, event in sorted(events):
        if not arrive < ts <= arrive + rest:
            continue
        if event[0] == "trade":
            _, traded, lots, sign = event
            if side * (traded - price) < 0:
                return ts
            if traded == price and sign != side:
                ahead -= lots
                if ahead < 0:
                    return ts
        else:
            _, own, lots, other = event
            if side * (other - price) <= 0:
                return ts
            if own == price:
                ahead = min(ahead, lots)
            elif side * (price - own) > 0:
                ahead = 0
    return None


def fill_labels(t0, deadlines, fills, *, session_end, gaps, known_until):
    """Fills are (is placed, fill time or None)."""
    return [
        float(fill is not None)
        if placed and _is_known(at, until, session_end, gaps, known_until)
        else math.nan
        for at, until, (placed, fill) in zip(t0, deadlines, fills, strict=True)
    ]


def adverse_labels(t0, fills, ref, *, horizon, session_end, gaps, known_until):
    """Fills are (side, price, deadline, fill time or None); yields (t1, label)."""
    rows = []
    for at, (side, price, deadline, fill) in zip(t0, fills, strict=True):
        if fill is None:
            rows.append((deadline, math.nan))
            continue
        then = _mid2(ref, fill + horizon)
        is_known = _is_known(at, deadline + horizon, session_end, gaps, known_until)
        worth = side * 1e4 * (then / 2 - price) / price if then and is_known else math.nan
        rows.append((fill + horizon, worth))
    return rows
