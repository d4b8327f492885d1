"""Obvious loops for orderflow_core.refills."""


def refill_absorption(trades, quotes, starts, *, window, least, num, den):
    """Trades are (ts, price, lots, sign), quotes (ts, bid, bid lots, ask, ask lots).

    Rows of (ts, price, side, taken, refilled, refills, taken and refilled in the window, absorbs,
    onset).
    """
    session_of = [max(s for s in starts if s <= i) for i in range(len(trades))]
    hits = []
    for ts in sorted({trade[0] for trade in trades}):
        for sign in (-1, 1):
            hits += hit_of(trades, quotes, session_of, ts, sign)
    rows, alarms = [], []
    for ts, price, side, taken, refilled, session in hits:
        like = [
            hit for hit in hits[: len(rows) + 1]
            if hit[1:3] == (price, side) and hit[0] > ts - window and hit[5] == session
        ]  # fmt: skip
        n = sum(hit[4] > 0 for hit in like)
        all_taken, all_refilled = sum(hit[3] for hit in like), sum(hit[4] for hit in like)
        absorbs = n >= least and all_refilled * den >= all_taken * num
        again = any(
            a[1:] == (price, side, session) and a[0] > ts - window for a in alarms
        )  # fmt: skip
        rows.append(
            (ts, price, side, taken, refilled, n, all_taken, all_refilled, absorbs, absorbs and not again)
        )  # fmt: skip
        if absorbs:
            alarms.append((ts, price, side, session))
    return rows


def hit_of(trades, quotes, session_of, ts, sign):
    earlier = [quote for quote in quotes if quote[0] < ts]
    own = [quote for quote in quotes if quote[0] == ts]
    if not earlier or not own or earlier[-1][1] >= earlier[-1][3]:
        return []
    price, shown = earlier[-1][3:5] if sign > 0 else earlier[-1][1:3]
    later, left = own[-1][3:5] if sign > 0 else own[-1][1:3]
    lots, sessions = [], []
    for trade, session in zip(trades, session_of, strict=True):
        opened = trades[session][0]
        if trade[:2] == (ts, price) and trade[3] == sign and earlier[-1][0] >= opened:
            lots.append(trade[2])
            sessions.append(opened)
    if not lots:
        return []
    left = left if later == price else 0
    return [(ts, price, -sign, sum(lots), max(left + sum(lots) - shown, 0), sessions[0])]
