"""Thinning with lists; the intensity is summed over all earlier events each time."""

import math


def intensities(t, events, base, branching, decay, weight):
    rates = list(base)
    for s, kind in events:
        for k in range(len(base)):
            for b, w in zip(decay, weight, strict=True):
                rates[k] += branching[kind][k] * w * b * math.exp(-b * (t - s))
    return rates


def hawkes_arrivals(base, branching, decay, weight, horizon_s, draws):
    """Draws are (standard exponential, uniform) in the order of use."""
    events, found, t = [], [], 0.0
    for wait, level in draws:
        bound = sum(intensities(t, events, base, branching, decay, weight))
        t += wait / bound
        if t >= horizon_s:
            return found
        rates = intensities(t, events, base, branching, decay, weight)
        level *= bound
        if level >= sum(rates):
            continue
        kind = 0
        while kind < len(rates) - 1 and level >= rates[kind]:
            level -= rates[kind]
            kind += 1
        found.append((t, kind, rates))
        events.append((t, kind))
    raise AssertionError("draws ran out")
