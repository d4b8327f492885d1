"""Obvious loops for orderflow_core.side_mid."""


def last_by_side(price_ticks, sign, restart_idx):
    """Return (buy, sell) per trade."""
    buy = sell = None
    rows = []
    for i, (price, s) in enumerate(zip(price_ticks, sign, strict=True)):
        if i in restart_idx:
            buy = sell = None
        if s > 0:
            buy = price
        elif s < 0:
            sell = price
        if buy is None and sell is None:
            rows.append((price, price))
        else:
            rows.append((sell if buy is None else buy, buy if sell is None else sell))
    return rows


def half_spread_mid2(price_ticks, sign, restart_idx, *, tick_steps, n_changes):
    """Return twice the path, a trade at a time."""
    path, spreads, before = [], [], None
    for i, (price, s) in enumerate(zip(price_ticks, sign, strict=True)):
        if i in restart_idx:
            spreads, before = [], None
        if s == 0:
            path.append(path[-1] if before else 2 * price)
            continue
        if before and before[1] != s:
            spreads.append(max(s * (price - before[0]), tick_steps))
        before = (price, s)
        held = sorted(spreads[-n_changes:])
        path.append(2 * price - s * (held[(len(held) - 1) // 2] if held else tick_steps))
    return path
