"""Obvious loops for orderflow_core.imbalance, over dicts of price -> (bid, ask)."""

from fractions import Fraction


def _opposite(rows, price, step, column, gap_policy):
    """Volume of the neighbouring row, or None where there is nothing to compare with."""
    beyond = [p for p in rows if (p - price) * step > 0]
    if not beyond:
        return None
    if gap_policy == "skip":
        return rows[min(beyond, key=lambda p: abs(p - price))][column]
    if price + step in rows:
        return rows[price + step][column]
    return 0 if gap_policy == "zero" else None


def _is_imbalance(own, opposite, ratio, compare, min_lots, zero_opposite):
    if opposite is None or own == 0 or own < min_lots:
        return False
    if opposite == 0:
        return zero_opposite == "counts"
    return own > ratio * opposite if compare == "gt" else own >= ratio * opposite


def diagonal_imbalance(
    bars, *, ticks_per_row, ratio_num, ratio_den, compare, min_lots, zero_opposite, gap_policy
):
    """``bars`` is a list of dicts; the flags come back bar by bar in rising price."""
    rule = (Fraction(ratio_num, ratio_den), compare, min_lots, zero_opposite)
    is_buy, is_sell = [], []
    for rows in bars:
        for price in sorted(rows):
            bid, ask = rows[price]
            bid_below = _opposite(rows, price, -ticks_per_row, 0, gap_policy)
            ask_above = _opposite(rows, price, ticks_per_row, 1, gap_policy)
            is_buy.append(_is_imbalance(ask, bid_below, *rule))
            is_sell.append(_is_imbalance(bid, ask_above, *rule))
    return is_buy, is_sell


def stacked_levels(bars, flags, *, ticks_per_row, gap_policy):
    """Run length of each flagged row; ``flags`` in the order of the rows."""
    lengths, position = [], 0
    for rows in bars:
        prices = sorted(rows)
        flagged = flags[position : position + len(prices)]
        position += len(prices)
        for i in range(len(prices)):
            run = int(flagged[i])
            for step in (-1, 1):
                j = i
                while flagged[i] and 0 <= j + step < len(prices) and flagged[j + step]:
                    if gap_policy != "skip" and abs(prices[j + step] - prices[j]) != ticks_per_row:
                        break
                    j += step
                    run += 1
            lengths.append(run)
    return lengths
