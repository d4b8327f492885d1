"""Small markets for the tests of the backtest."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import Rules, run_signal
from orderflow_core.backtest.fills import MarketPath

FREE = Costs(taker_fee=0.0, fee_per_contract=0.0, slippage_ticks=0)
DEAR = Costs(taker_fee=0.0005, fee_per_contract=1.25, slippage_ticks=1)


def path(ts, bid, ask):
    return MarketPath(
        ts_ns=np.array(ts, np.int64),
        bid_ticks=np.array(bid, np.int64),
        ask_ticks=np.array(ask, np.int64),
        is_quoted=True,
    )


def ints(values):
    return np.array(values, np.int64)


def rules_for(**changes):
    base = Rules(
        latency_ns=0,
        costs=FREE,
        tick_value=0.5,
        contracts_per_lot=1.0,
        session_start_ns=0,
        session_end_ns=10**6,
        mark_interval_ns=10,
    )
    return replace(base, **changes)


@st.composite
def cases(draw):
    """A small market with ties in time, a signal, and one or two sessions with a hole between."""
    n = draw(st.integers(0, 25))
    ts = np.cumsum(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))).tolist()
    bid = draw(st.lists(st.integers(-5, 60), min_size=n, max_size=n))
    spread = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    m = draw(st.integers(0, 15))
    signal_ts = sorted(draw(st.lists(st.integers(-2, 60), min_size=m, max_size=m)))
    target = draw(st.lists(st.integers(-3, 3), min_size=m, max_size=m))
    edges = sorted(draw(st.lists(st.integers(0, 70), min_size=4, max_size=4, unique=True)))
    sessions = draw(
        st.sampled_from(
            [
                [(0, 100)],
                [(edges[0], edges[3])],
                [(edges[0], edges[1]), (edges[2], edges[3])],
                [(edges[0], edges[1]), (edges[1], edges[3])],
            ]
        )
    )
    return {
        "market": (ts, bid, [b + s for b, s in zip(bid, spread, strict=True)]),
        "signal": (signal_ts, target),
        "sessions": sessions,
        "latency": draw(st.integers(0, 6)),
        "slippage": draw(st.integers(0, 2)),
        "interval": draw(st.integers(1, 9)),
    }


def run_case(case, *, costs=None, **changes):
    rules = rules_for(
        latency_ns=case["latency"],
        costs=costs or replace(DEAR, slippage_ticks=case["slippage"]),
        session_start_ns=ints([start for start, _ in case["sessions"]]),
        session_end_ns=ints([end for _, end in case["sessions"]]),
        mark_interval_ns=case["interval"],
    )
    ts, target = case["signal"]
    return run_signal(path(*case["market"]), ints(ts), ints(target), replace(rules, **changes))
