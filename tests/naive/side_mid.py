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
