"""Obvious loops for orderflow_core.imbalance, over dicts of price -> (bid, ask[, counts, unsigned]).

A row is (bid, ask), or (bid, ask, bid trades, ask trades, unsigned lots).
"""

from fractions import Fraction
from itertools import pairwise


def neighbour(rows, price, step, gap_policy):
    """The row to compare with: an untraded one is all zeros, None where there is none."""
    beyond = [p for p in rows if (p - price) * step > 0]
    if not beyond:
        return None
    if gap_policy == "skip":
        return rows[min(beyond, key=lambda p: abs(p - price))]
    if price + step in rows:
        return rows[price + step]
    return (0, 0, 0, 0, 0) if gap_policy == "zero" else None


def _total(row):
    return row[0] + row[1] + (row[4] if len(row) > 2 else 0)


def _is_imbalance(row, other, own_column, lower, rule):
    ratio, compare, min_lots, zero_opposite, filter_on, quantity = rule
    if other is None:
        return False
    shift = 2 if quantity == "trades" else 0
    own, opposite = row[own_column + shift], other[1 - own_column + shift]
    filtered = {
        "dominant": row[own_column],
        "difference": row[own_column] - other[1 - own_column],
        "both_rows": _total(row) + _total(other),
        "lower_row": _total(lower),
    }[filter_on]
    if own == 0 or filtered < min_lots:
        return False
    if opposite == 0:
        return zero_opposite == "counts"
    return own > ratio * opposite if compare == "gt" else own >= ratio * opposite


def diagonal_imbalance(
    bars, *, ticks_per_row, ratio_num, ratio_den, compare, min_lots, zero_opposite, gap_policy,
    filter_on="dominant", quantity="lots",
):  # fmt: skip
    """``bars`` is a list of dicts; the flags come back bar by bar in rising price."""
    ratio = Fraction(ratio_num, ratio_den)
    rule = (ratio, compare, min_lots, zero_opposite, filter_on, quantity)
    is_buy, is_sell = [], []
    for rows in bars:
        for price in sorted(rows):
            below = neighbour(rows, price, -ticks_per_row, gap_policy)
            above = neighbour(rows, price, ticks_per_row, gap_policy)
            is_buy.append(_is_imbalance(rows[price], below, 1, below, rule))
            is_sell.append(_is_imbalance(rows[price], above, 0, rows[price], rule))
    return is_buy, is_sell


def freqtrade_imbalances(rows, *, ratio, min_volume):
    """What freqtrade 2026.9 calls imbalances, with its mistakes; returns prices (bid, ask).

    Trades instead of volume, the next traded row instead of the next price, the lower row's volume
    as filter, and both kinds marked on the lower of the two rows.
    """
    prices = sorted(rows)
    bids, asks = [], []
    for low, high in pairwise(prices):
        n_bid, n_ask = rows[low][2], rows[high][3]
        if rows[low][0] + rows[low][1] < min_volume:
            continue
        if (n_bid > ratio * n_ask) if n_ask else n_bid > 0:  # x / 0 is infinite, 0 / 0 is nan
            bids.append(low)
        if (n_ask > ratio * n_bid) if n_bid else n_ask > 0:
            asks.append(low)
    return bids, asks


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
