"""Obvious loops for orderflow_core.vpin."""

import math


def vpin(qtys, shares, session_starts, bucket, n_buckets):
    """Lot by lot: every lot goes into the open bucket with its share."""
    out = []
    for i, (qty, share) in enumerate(zip(qtys, shares, strict=True)):
        if i in session_starts:
            lots, closed = [], []
        lots += [share] * qty
        while len(lots) >= bucket:
            closed.append(abs(sum(lots[:bucket])) / bucket)
            lots = lots[bucket:]
        last = closed[-n_buckets:]
        out.append(sum(last) / n_buckets if len(last) == n_buckets else math.nan)
    return out
