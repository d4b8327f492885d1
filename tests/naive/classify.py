"""Obvious loops for orderflow_core.classify and orderflow_core.scoring."""

from fractions import Fraction
from itertools import pairwise

RULES = (
    "native", "quote", "tick", "lee_ready", "emo", "clnv", "depth", "trade_size", "reverse_tick",
)  # fmt: skip


def direction(value, reference):
    if value > reference:
        return 1
    if value < reference:
        return -1
    return 0


def tick_rule(prices):
    signs = []
    for i, price in enumerate(prices):
        sign = 0
        for earlier in reversed(prices[:i]):
            if earlier != price:
                sign = direction(price, earlier)
                break
        signs.append(sign)
    return signs


def quote_rule(prices, quotes):
    """Quotes as (bid, bid size, ask, ask size) or None."""
    signs = []
    for price, quote in zip(prices, quotes, strict=True):
        if quote is None or quote[0] > quote[2]:
            signs.append(0)
        else:
            signs.append(direction(price, Fraction(quote[0] + quote[2], 2)))
    return signs


def lee_ready(prices, quotes):
    by_quote, by_tick = quote_rule(prices, quotes), tick_rule(prices)
    return [q if q != 0 else t for q, t in zip(by_quote, by_tick, strict=True)]


def reverse_tick_rule(prices):
    """Signs, and the position that reveals each (-1 where none does)."""
    signs, known = [], []
    for i, price in enumerate(prices):
        later = [j for j in range(i + 1, len(prices)) if prices[j] != price]
        signs.append(direction(price, prices[later[0]]) if later else 0)
        known.append(later[0] if later else -1)
    return signs, known


def emo(prices, quotes):
    signs = []
    for price, quote, by_tick in zip(prices, quotes, tick_rule(prices), strict=True):
        is_open = quote is not None and quote[0] < quote[2]
        if is_open and price == quote[2]:
            signs.append(1)
        elif is_open and price == quote[0]:
            signs.append(-1)
        else:
            signs.append(by_tick)
    return signs


def clnv(prices, quotes):
    signs = []
    for price, quote, by_tick in zip(prices, quotes, tick_rule(prices), strict=True):
        sign = by_tick
        if quote is not None and quote[0] < quote[2]:
            bid, ask = Fraction(quote[0]), Fraction(quote[2])
            band = Fraction(3, 10) * (ask - bid)
            if ask - band <= price <= ask:
                sign = 1
            if bid <= price <= bid + band:
                sign = -1
        signs.append(sign)
    return signs


def depth_rule(prices, quotes):
    return [
        0 if q is None or by_mid != 0 or q[0] > q[2] else direction(q[3], q[1])
        for q, by_mid in zip(quotes, quote_rule(prices, quotes), strict=True)
    ]


def trade_size_rule(sizes, quotes):
    signs = []
    for size, quote in zip(sizes, quotes, strict=True):
        at_bid, at_ask = (quote is not None and size == quote[k] for k in (1, 3))
        signs.append(0 if at_bid and at_ask else 1 if at_bid else -1 if at_ask else 0)
    return signs


def classify(prices, *, rules, native=None, quotes=None, sizes=None, session_starts=(0,)):
    """Signs, codes of the deciders, confidences (None where nothing decided)."""
    edges = [*session_starts, len(prices)]
    signs, deciders, confidences = [], [], []
    for first, end in pairwise(edges):
        part = slice(first, end)
        by_rule = candidates(
            prices[part],
            None if native is None else native[part],
            None if quotes is None else quotes[part],
            None if sizes is None else sizes[part],
        )
        for i in range(end - first):
            sign, decider = 0, -1
            for name in rules:
                if name in by_rule and by_rule[name][i] != 0:
                    sign, decider = by_rule[name][i], RULES.index(name)
                    break
            tests = [by_rule[name][i] for name in ("quote", "tick") if name in by_rule]
            votes = sum(test == sign for test in tests) / 2
            signs.append(sign)
            deciders.append(decider)
            confidences.append(None if sign == 0 else 1.0 if decider == 0 else votes)
    return signs, deciders, confidences


def candidates(prices, native, quotes, sizes):
    by_rule = {"tick": tick_rule(prices), "reverse_tick": reverse_tick_rule(prices)[0]}
    if native is not None:
        by_rule["native"] = native
    if quotes is not None:
        for rule in (quote_rule, lee_ready, emo, clnv):
            by_rule["quote" if rule is quote_rule else rule.__name__] = rule(prices, quotes)
        by_rule["depth"] = depth_rule(prices, quotes)
        if sizes is not None:
            by_rule["trade_size"] = trade_size_rule(sizes, quotes)
    return by_rule


def score_signs(rule_sign, true_sign, weight=None):
    """Scored trades, decided trades, share of the weight that is right."""
    n = n_decided = 0
    right = total = Fraction(0)
    for i, truth in enumerate(true_sign):
        w = 1 if weight is None else weight[i]
        if truth == 0 or w == 0:
            continue
        n += 1
        n_decided += rule_sign[i] != 0
        total += Fraction(w)
        right += Fraction(w) if rule_sign[i] == truth else 0
    return n, n_decided, (right / total if n else None)


def spread_position(prices, quotes):
    names = []
    for price, quote in zip(prices, quotes, strict=True):
        if quote is None:
            names.append("no_quote")
            continue
        bid, ask = quote[0], quote[2]
        mid = Fraction(bid + ask, 2)
        cases = (
            ("crossed", bid > ask), ("outside_below", price < bid), ("outside_above", price > ask),
            ("locked", bid == ask), ("at_bid", price == bid), ("at_ask", price == ask),
            ("inside_below", price < mid), ("inside_above", price > mid), ("at_mid", True),
        )  # fmt: skip
        names.append(next(name for name, holds in cases if holds))
    return names


def score_volume(estimate, buy, sell):
    """Scored bars, share of the volume on the right side, share if each bar were halved."""
    n, right, even, total = 0, Fraction(0), Fraction(0), 0
    for e, b, s in zip(estimate, buy, sell, strict=True):
        if e is None or b + s == 0:
            continue
        n += 1
        total += b + s
        right += min(Fraction(e), b) + min(b + s - Fraction(e), s)
        even += min(Fraction(b + s, 2), b) + min(Fraction(b + s, 2), s)
    return n, right / total if n else None, even / total if n else None


def score_report(rule_sign, true_sign, sizes, sweeps, places):
    """What `score_signs` says of all fills, of first fills, of lots, and of the fills at each place."""
    first = [i for i in range(len(sweeps)) if i == 0 or sweeps[i] != sweeps[i - 1]]
    by_place = {}
    for place in sorted(set(places)):
        own = [i for i in range(len(places)) if places[i] == place]
        by_place[place] = score_signs([rule_sign[i] for i in own], [true_sign[i] for i in own])
    return {
        "per_fill": score_signs(rule_sign, true_sign),
        "per_sweep": score_signs([rule_sign[i] for i in first], [true_sign[i] for i in first]),
        "by_volume": score_signs(rule_sign, true_sign, sizes),
        "by_position": by_place,
    }
