"""Obvious loops for the scores and the resampling of `models`."""

import math


def label_overlap(t0, t1):
    """Most intervals [t0, t1) that meet one of them, itself included; an empty one lasts 1 ns."""
    ends = [max(end, start + 1) for start, end in zip(t0, t1, strict=True)]
    best = 0
    for start, end in zip(t0, ends, strict=True):
        met = sum(1 for s, e in zip(t0, ends, strict=True) if s < end and e > start)
        best = max(best, met)
    return best


def block_totals(rows, starts, block_len):
    """Sum each column over circular blocks that begin at ``starts``."""
    totals = [0.0] * len(rows[0])
    for start in starts:
        for step in range(block_len):
            row = rows[(start + step) % len(rows)]
            for k, value in enumerate(row):
                totals[k] += value
    return totals


def auc(score, label):
    """Share of (up, down) pairs in which the up row scores higher; ties count half."""
    won = n = 0
    for s_up, l_up in zip(score, label, strict=True):
        for s_down, l_down in zip(score, label, strict=True):
            if l_up > 0 and l_down < 0:
                n += 1
                won += 1 if s_up > s_down else 0.5 if s_up == s_down else 0
    return won / n


def log_loss(probability, label):
    """Mean of -log p(outcome); columns down, flat, up."""
    return sum(-math.log(p[int(y) + 1]) for p, y in zip(probability, label, strict=True)) / len(
        label
    )


def brier(probability, label):
    """Mean squared distance between probabilities and the outcome."""
    total = 0.0
    for p, y in zip(probability, label, strict=True):
        for k in range(3):
            total += (p[k] - (1 if k == int(y) + 1 else 0)) ** 2
    return total / len(label)


def midranks(values):
    """Rank from 1; ties share their mean rank."""
    return [
        sum(1 for w in values if w < v) + (sum(1 for w in values if w == v) + 1) / 2 for v in values
    ]
