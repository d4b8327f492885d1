"""Obvious loops for orderflow_core.extremes and orderflow_core.unfinished.

A bar's footprint is a dict of price -> (bid, ask, unsigned).
"""


def zero_prints(rows):
    """Prices with nothing at the bid, and prices with nothing at the ask, inside the bar."""
    inner = sorted(rows)[1:-1]
    return (
        [p for p in inner if rows[p][0] == 0 and rows[p][1] > 0],
        [p for p in inner if rows[p][1] == 0 and rows[p][0] > 0],
    )


def exhaustion_levels(rows, *, ticks_per_row, n_levels, volume):
    """Whether volume rises strictly, row by row, from the high down and from the low up."""
    flags = []
    for start, step, column in ((max(rows), -ticks_per_row, 1), (min(rows), ticks_per_row, 0)):
        prices = [start + k * step for k in range(n_levels)]
        if any(price not in rows for price in prices):
            flags.append(False)
            continue
        lots = [rows[p][column] if volume == "side" else sum(rows[p]) for p in prices]
        flags.append(all(lots[k] < lots[k + 1] for k in range(n_levels - 1)))
    return tuple(flags)


def exhaustion_ratio(rows, opened, closed, *, ticks_per_row):
    """Second row over the extreme, None for a bar that moved nowhere."""
    if opened == closed:
        return None
    if closed > opened:
        extreme, column, step = min(rows), 0, ticks_per_row
    else:
        extreme, column, step = max(rows), 1, -ticks_per_row
    if rows[extreme][column] == 0 or extreme + step not in rows:
        return 0.0
    return rows[extreme + step][column] / rows[extreme][column]


def delta_turnaround(bars):
    """Bars of (open, high, low, close, delta, opens session)."""
    found = []
    for i, (opened, high, low, closed, delta, _) in enumerate(bars):
        sign = 0
        if i >= 2 and not bars[i][5] and not bars[i - 1][5]:
            rises = [bars[k][3] > bars[k][0] for k in (i - 2, i - 1)]
            falls = [bars[k][3] < bars[k][0] for k in (i - 2, i - 1)]
            if all(rises) and closed < opened and high >= bars[i - 1][1] and delta < 0:
                sign = -1
            if all(falls) and closed > opened and low <= bars[i - 1][2] and delta > 0:
                sign = 1
        found.append(sign)
    return found


def unfinished_auctions(bars, *, filter_lots):
    """(at the high, at the low) of each bar."""
    return [unfinished_auction(rows, filter_lots) for rows in bars]


def unfinished_auction(rows, filter_lots):
    at_high, at_low = rows[max(rows)], rows[min(rows)]
    return at_high[0] > 0 and at_high[1] > filter_lots, at_low[1] > 0 and at_low[0] > filter_lots


def unfinished_levels(bars, *, filter_lots):
    """Levels of bars (rows, t1, opens session), and per bar (above, below) the open prices."""
    levels, columns = [], []
    for rows, t1, opens in bars:
        low, high = min(rows), max(rows)
        for level in levels:
            if level["covered"] is None and level["expiry"] is None:
                if opens:
                    level["expiry"] = t1
                elif low <= level["price"] <= high:
                    level["covered"] = t1
        is_high, is_low = unfinished_auction(rows, filter_lots)
        born = [(1, high, is_high), (-1, low, is_low)]
        for sign, price, is_unfinished in born:
            if is_unfinished:
                levels.append(
                    {"sign": sign, "price": price, "birth": t1, "covered": None, "expiry": None}
                )
        alive = [v for v in levels if v["covered"] is None and v["expiry"] is None]
        own = [v for v in alive if v["birth"] == t1]
        older = [v for v in alive if v["birth"] != t1]
        above = [v["price"] for v in older if v["price"] > high]
        below = [v["price"] for v in older if v["price"] < low]
        above += [v["price"] for v in own if v["sign"] > 0]
        below += [v["price"] for v in own if v["sign"] < 0]
        columns.append((above, below))
    return levels, columns
