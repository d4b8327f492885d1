"""Obvious loops for orderflow_core.classify and orderflow_core.scoring."""

from fractions import Fraction
from itertools import pairwise

RULES = ("native", "quote", "tick", "lee_ready")


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


def classify(prices, *, rules, native=None, quotes=None, session_starts=(0,)):
    edges = [*session_starts, len(prices)]
    signs, deciders = [], []
    for first, end in pairwise(edges):
        part = prices[first:end]
        by_rule = {"tick": tick_rule(part)}
        if native is not None:
            by_rule["native"] = native[first:end]
        if quotes is not None:
            by_rule["quote"] = quote_rule(part, quotes[first:end])
            by_rule["lee_ready"] = lee_ready(part, quotes[first:end])
        for i in range(len(part)):
            sign, decider = 0, -1
            for name in rules:
                if name in by_rule and by_rule[name][i] != 0:
                    sign, decider = by_rule[name][i], RULES.index(name)
                    break
            signs.append(sign)
            deciders.append(decider)
    return signs, deciders


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
