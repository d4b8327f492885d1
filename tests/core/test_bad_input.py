"""Broken streams: whatever is wrong and wherever it stands, the error names it, or the figure is exact.

Each function meets the same drawn streams with one defect put in: a NaN, a time that runs back, a size
that is no size, a side that is none, a column that is shorter, of the wrong kind or at the edge of int64.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderflow_core.alignment import quote_at_trade
from orderflow_core.bar_clocks import BAR_KINDS, BarClock, bar_index
from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.book import microprice, queue_imbalance
from orderflow_core.classify import classify
from orderflow_core.cvd_variants import cumulative_count, cumulative_notional, size_bucket
from orderflow_core.delta import cumulative_delta
from orderflow_core.features import decision_features
from orderflow_core.flow_bars import flow_bars
from orderflow_core.footprint import footprint
from orderflow_core.large_trades import large_trade_clusters, large_trades
from orderflow_core.ofi import ofi_at_trade, ofi_events, rolling_ofi
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.price_impact import rolling_impact
from orderflow_core.profile import volume_profile
from orderflow_core.quote_rules import (
    clnv,
    depth_rule,
    emo,
    lee_ready,
    lee_ready_joined,
    quote_rule,
    trade_size_rule,
)
from orderflow_core.refills import RefillRule, refill_absorption
from orderflow_core.rolling import rolling_quantile, rolling_sums
from orderflow_core.rolling_spreads import rolling_spreads
from orderflow_core.scoring import spread_position
from orderflow_core.significance import sweep_footprint
from orderflow_core.spreads import effective_half_spread, spread_outcomes
from orderflow_core.sweeps import assign_sweeps, sweep_table
from orderflow_core.tape import tape_speed
from orderflow_core.tick_rules import reverse_tick_rule, tick_rule
from orderflow_core.tpo import tpo_letters
from orderflow_core.types import QuoteArrays, QuoteAtTrade, TradeArrays
from orderflow_core.vpin import vpin
from orderflow_core.vwap import anchored_vwap, session_vwap
from tests.core import trade_cases as cases
from tests.naive import cvd_variants as naive_cvd
from tests.naive import delta as naive_delta
from tests.naive.footprint import footprint as naive_footprint

WINDOW_NS = 7
TRADES = ("ts", "trade_id", "price", "qty", "sign")
QUOTES = ("q_ts", "bid", "bid_lots", "ask", "ask_lots")
# What an error may call a column; some functions take sums or times under other names.
CALLED = {
    "ts": "ts", "trade_id": "trade_id", "price": "price", "qty": "qty|amount", "sign": "sign|share",
    "q_ts": "ts", "bid": "bid", "ask": "ask", "bid_lots": "bid_lots", "ask_lots": "ask_lots",
}  # fmt: skip


def trades_of(s):
    return TradeArrays(
        ts_event_ns=s["ts"], trade_id=s["trade_id"], price_ticks=s["price"], qty_lots=s["qty"],
        sign=s["sign"],
    )  # fmt: skip


def quotes_of(s):
    return QuoteArrays(
        ts_event_ns=s["q_ts"], bid_ticks=s["bid"], bid_lots=s["bid_lots"], ask_ticks=s["ask"],
        ask_lots=s["ask_lots"],
    )  # fmt: skip


def met(s):
    """The quotes as if each trade had met the one of its own position; a trade has no ``q_ts``."""
    return QuoteAtTrade(
        bid_ticks=s["bid"], bid_lots=s["bid_lots"], ask_ticks=s["ask"], ask_lots=s["ask_lots"],
        is_known=np.ones(s["n"], np.bool_),
    )  # fmt: skip


def one_bar(s):
    return time_bar_index(np.zeros(s["n"], np.int64), 1)


def bars_by(kind):
    return lambda s: bar_index(BarClock(kind=kind, size=5), trades_of(s))


def matrix(s):
    sweep = np.arange(s["n"])
    return decision_features(
        trades_of(s), sweep, None, session_start_idx=[0] if s["n"] else [], gap_idx=[],
        session_ended=True,
    )  # fmt: skip


# name -> the columns that the function reads, and how it is called with a stream
CALLS = {
    "cumulative_delta": ("sign qty", lambda s: cumulative_delta(s["sign"], s["qty"], s["starts"])),
    "cumulative_count": ("sign", lambda s: cumulative_count(s["sign"], s["starts"])),
    "cumulative_notional": (
        "sign price qty",
        lambda s: cumulative_notional(s["sign"], s["price"], s["qty"], s["starts"]),
    ),
    "size_bucket": ("qty", lambda s: size_bucket(s["qty"], [3, 6])),
    "tick_rule": ("price", lambda s: tick_rule(s["price"])),
    "reverse_tick_rule": ("price", lambda s: reverse_tick_rule(s["price"])),
    "assign_sweeps": (
        "ts trade_id price sign",
        lambda s: assign_sweeps(s["ts"], s["trade_id"], s["price"], s["sign"]),
    ),
    "sweep_table": ("price qty sign", lambda s: sweep_table(np.arange(s["n"]), trades_of(s))),
    "time_bar_index": ("ts", lambda s: time_bar_index(s["ts"], 3)),
    **{f"bar_index {kind}": ("ts price qty sign", bars_by(kind)) for kind in BAR_KINDS},
    "aggregate_bars": (
        "price qty sign",
        lambda s: aggregate_bars(s["price"], s["qty"], s["sign"], one_bar(s)),
    ),
    "flow_bars": (
        "price qty sign",
        lambda s: flow_bars(
            s["price"], s["qty"], s["sign"], one_bar(s), session_start_idx=s["starts"][:1]
        ),
    ),
    "footprint": (
        "price qty sign",
        lambda s: footprint(s["price"], s["qty"], s["sign"], one_bar(s), ticks_per_row=2),
    ),
    "volume_profile": (
        "price qty sign",
        lambda s: volume_profile(s["price"], s["qty"], s["sign"], ticks_per_row=2),
    ),
    "sweep_footprint": (
        "price qty sign",
        lambda s: sweep_footprint(
            s["price"], s["qty"], s["sign"], np.arange(s["n"]), one_bar(s), ticks_per_row=2
        ),
    ),
    "session_vwap": ("price qty", lambda s: session_vwap(s["price"], s["qty"], s["starts"])),
    "anchored_vwap": ("ts price qty", lambda s: anchored_vwap(s["ts"], s["price"], s["qty"], [0])),
    "tape_speed": ("ts qty", lambda s: tape_speed(s["ts"], s["qty"], n_average=3)),
    "large_trades": ("qty", lambda s: large_trades(s["qty"], n_trailing=5, n_least=2)),
    "large_trade_clusters": (
        "ts sign qty",
        lambda s: large_trade_clusters(
            s["ts"], s["sign"], s["qty"], np.ones(s["n"], np.bool_), max_gap_ns=3
        ),
    ),
    "rolling_sums": (
        "ts qty sign",
        lambda s: rolling_sums(
            s["ts"], s["qty"], s["sign"], np.arange(1, s["n"] + 1), window_ns=WINDOW_NS,
            session_start_idx=s["starts"],
        ),
    ),
    "rolling_quantile": (
        "ts qty sign",
        lambda s: rolling_quantile(
            s["ts"], s["qty"], s["sign"], np.arange(1, s["n"] + 1), window_ns=WINDOW_NS,
            session_start_idx=s["starts"],
        ),
    ),
    "vpin": ("qty sign", lambda s: vpin(s["qty"], s["sign"], s["starts"], bucket_lots=4)),
    "price_absorption": (
        "ts price qty sign",
        lambda s: price_absorption(
            s["ts"], s["price"], s["qty"], s["sign"], s["starts"],
            rule=PriceAbsorptionRule(window_ns=2, lookback_ns=6, multiplier=1.0, least_cells=2),
        ),
    ),
    "tpo_letters": (
        "ts price",
        lambda s: tpo_letters(s["ts"], s["price"], session_open_ns=-5, letter_ns=4),
    ),
    "classify": (
        "price",
        lambda s: classify(s["price"], rules=("lee_ready", "tick"), at_trade=met(s)),
    ),
    **{
        rule.__name__: ("price", lambda s, rule=rule: rule(s["price"], met(s)))
        for rule in (quote_rule, lee_ready, emo, clnv, depth_rule, spread_position)
    },
    "trade_size_rule": ("qty", lambda s: trade_size_rule(s["qty"], met(s))),
    "quote_at_trade": ("ts q_ts", lambda s: quote_at_trade(s["ts"], quotes_of(s))),
    "lee_ready_joined": (
        "ts price q_ts bid ask",
        lambda s: lee_ready_joined(s["ts"], s["price"], quotes_of(s)),
    ),
    "ofi_events": ("q_ts bid bid_lots ask ask_lots", lambda s: ofi_events(quotes_of(s), s["starts"])),
    "rolling_ofi": (
        "q_ts bid bid_lots ask ask_lots",
        lambda s: rolling_ofi(quotes_of(s), s["starts"], n_events=3),
    ),
    "ofi_at_trade": (
        "ts q_ts bid bid_lots ask ask_lots",
        lambda s: ofi_at_trade(s["ts"], quotes_of(s), [-5]),
    ),
    "queue_imbalance": (
        "bid_lots ask_lots",
        lambda s: queue_imbalance(s["bid_lots"], s["ask_lots"]),
    ),
    "microprice": (
        "bid bid_lots ask ask_lots",
        lambda s: microprice(s["bid"], s["bid_lots"], s["ask"], s["ask_lots"]),
    ),
    "effective_half_spread": (
        "price sign",
        lambda s: effective_half_spread(s["price"], s["sign"], met(s)),
    ),
    "spread_outcomes": (
        "ts price sign q_ts",
        lambda s: spread_outcomes(s["ts"], s["price"], s["sign"], quotes_of(s), horizon_ns=2),
    ),
    "rolling_spreads": (
        "ts price sign",
        lambda s: rolling_spreads(
            s["ts"], s["price"], s["sign"], met(s), s["starts"], window_ns=WINDOW_NS, horizon_ns=2
        ),
    ),
    "rolling_impact": (
        "ts price qty sign",
        lambda s: rolling_impact(
            s["ts"], s["price"], s["qty"], s["sign"], met(s), s["starts"], window_ns=WINDOW_NS
        ),
    ),
    "refill_absorption": (
        "ts price qty sign q_ts bid bid_lots ask ask_lots",
        lambda s: refill_absorption(
            trades_of(s), quotes_of(s), s["starts"], rule=RefillRule(window_ns=WINDOW_NS)
        ),
    ),
    "decision_features": ("ts price qty sign", matrix),
}  # fmt: skip
# What is no defect to them: amounts with a sign, shares of a side, columns that stand alone.
TAKEN = {
    ("tape_speed", "qty"): ("size -1", "size 0"),
    ("vpin", "qty"): ("size 0",),
    ("vpin", "sign"): ("floats",),
}
ALONE = {
    "cumulative_count", "size_bucket", "tick_rule", "reverse_tick_rule", "time_bar_index", "large_trades",
    "quote_at_trade", ("lee_ready_joined", "q_ts"), ("ofi_at_trade", "ts"),
}  # fmt: skip
every_function = pytest.mark.parametrize("name", CALLS)
few_examples = settings(max_examples=5)  # of each of fifty functions


@st.composite
def streams(draw, least=0):
    """Trades and as many quotes, some locked and some crossed, as a dict of columns."""
    n = draw(st.integers(least, 12))
    bid = draw(cases.int64s(n, 98, 102))
    return {
        "n": n,
        "ts": draw(cases.times(n)),
        "trade_id": np.cumsum(draw(cases.int64s(n, 1, 3))) + 100,
        "price": draw(cases.int64s(n, 98, 103)),
        "qty": draw(cases.int64s(n, 1, 9)),
        "sign": draw(cases.signs(n)),
        "starts": draw(cases.session_starts(n)),
        "q_ts": draw(cases.times(n)),
        "bid": bid,
        "bid_lots": draw(cases.int64s(n, 1, 9)),
        "ask": bid + draw(cases.int64s(n, -1, 3)),
        "ask_lots": draw(cases.int64s(n, 1, 9)),
    }


def with_value(values, at, value):
    changed = values.copy()
    changed[at] = value
    return changed


def defects(column, values, at):
    """Each way to spoil a column, by name."""
    broken = {
        "NaN": with_value(values.astype(np.float64), at, np.nan),
        "floats": values.astype(np.float64),
        "text": values.astype(str),
        "unsigned": values.astype(np.uint64),
        "two dimensions": values[:, np.newaxis],
    }
    if column in ("ts", "q_ts"):
        broken["backwards"] = with_value(values, at, values[max(at - 1, 0)] + (-1 if at else 100))
    if column in ("qty", "bid_lots", "ask_lots"):
        broken |= {f"size {v}": with_value(values, at, v) for v in (-1, -(2**63))}
    if column == "qty":
        broken["size 0"] = with_value(values, at, 0)
    if column == "sign":
        broken |= {f"sign {v}": with_value(values, at, v) for v in (-2, 2, 127)}
    return broken


@every_function
@few_examples
@given(st.data(), streams(least=2))
def test_the_error_names_the_column(name, data, stream):
    columns, call = CALLS[name]
    column = data.draw(st.sampled_from(columns.split()))
    at = data.draw(st.integers(0, stream["n"] - 1))
    broken = defects(column, stream[column], at)
    for taken in TAKEN.get((name, column), ()):
        del broken[taken]
    defect = data.draw(st.sampled_from(sorted(broken)))
    with pytest.raises((ValueError, TypeError), match=CALLED[column]):
        call(stream | {column: broken[defect]})


@every_function
@few_examples
@given(st.data(), streams(least=2))
def test_columns_must_have_one_length(name, data, stream):
    columns, call = CALLS[name]
    if name in ALONE:
        return
    column = data.draw(st.sampled_from([c for c in columns.split() if (name, c) not in ALONE]))
    with pytest.raises(ValueError, match="one length"):
        call(stream | {column: stream[column][:-1]})


@every_function
@few_examples
@given(streams())
def test_nothing_one_trade_and_crossed_quotes_are_no_errors(name, stream):
    CALLS[name][1](stream)


# name -> the same figure by a plain loop over Python's integers, which have no edge
EXACT = {
    "cumulative_delta": lambda s: naive_delta.cumulative_delta(
        s["sign"].tolist(), s["qty"].tolist(), s["starts"].tolist()
    ),
    "cumulative_notional": lambda s: naive_cvd.cumulative_notional(
        *(s[k].tolist() for k in ("sign", "price", "qty", "starts"))
    ),
    "footprint": lambda s: naive_footprint(
        s["price"], s["qty"], s["sign"], [(0, 0, s["n"])], ticks_per_row=2
    ),
}


def plain(found):
    """Arrays as lists, the cells of a footprint as rows."""
    if isinstance(found, np.ndarray):
        return found.tolist()
    names = ("bar_id", "price_tick", "bid_lots", "ask_lots", "unsigned_lots")
    counts = ("n_bid", "n_ask", "n_unsigned")
    return list(zip(*(getattr(found, k).tolist() for k in (*names, *counts)), strict=True))


@pytest.mark.parametrize("name", EXACT)
@given(st.data(), streams(least=2))
def test_at_the_edges_of_floats_and_integers_a_figure_is_exact_or_refused(name, data, stream):
    columns = [c for c in CALLS[name][0].split() if c != "sign"]
    column = data.draw(st.sampled_from(columns))
    edge = data.draw(st.sampled_from([2**53 + 1, 2**59, 2**62 + 1, 2**63 - 1]))
    at = data.draw(st.integers(0, stream["n"] - 1))
    changed = stream | {column: with_value(stream[column], at, edge)}
    try:
        found = CALLS[name][1](changed)
    except ValueError as error:
        assert column in str(error) or "int64" in str(error)  # noqa: PT017  either outcome is judged
        return
    assert plain(found) == EXACT[name](changed)
