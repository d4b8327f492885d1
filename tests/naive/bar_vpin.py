"""Obvious loop for orderflow_core.bar_vpin."""

import math

from tests.naive.vpin import vpin


def bar_vpin(qtys, signs, bars, bulk_buy, session_starts, bucket, n_buckets):
    """Rows of (true, bulk) by bar; bars are (first, end), bulk_buy NaN where not known."""
    by_trade = vpin(qtys, signs, session_starts, bucket, n_buckets)
    lots, shares, bar_starts = [], [], []
    for k, ((first, end), buy) in enumerate(zip(bars, bulk_buy, strict=True)):
        if first in session_starts:
            bar_starts.append(k)
        volume = sum(qtys[first:end])
        lots.append(0 if math.isnan(buy) else volume)
        shares.append(0.0 if math.isnan(buy) else 2 * buy / volume - 1)
    by_bar = vpin(lots, shares, bar_starts, bucket, n_buckets)
    return [(by_trade[end - 1], estimate) for (_, end), estimate in zip(bars, by_bar, strict=True)]
