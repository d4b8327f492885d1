import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import Rules, run_signal
from orderflow_core.backtest.fills import MarketPath
from orderflow_core.backtest.nulls import buy_and_hold, one_sided_p, shuffled_signal_null
from orderflow_core.backtest.sharpe import sharpe_ratio
from tests.naive import backtest as naive

RULES = Rules(
    latency_ns=5,
    costs=Costs(taker_fee=1e-5, fee_per_contract=0.01, slippage_ticks=0),
    tick_value=1.0,
    contracts_per_lot=1.0,
    session_start_ns=0,
    session_end_ns=10**9,
    mark_interval_ns=100,
)


def drifting_market(n, seed):
    """Prices that drift by +2 or -2 ticks an event for 20 events at a time, with noise."""
    rng = np.random.default_rng(seed)
    drift = np.repeat(rng.choice([-2, 2], n // 20), 20)
    bid = 10_000 + np.cumsum(drift + rng.integers(-3, 4, n))
    market = MarketPath(ts_ns=np.arange(n) * 10, bid_ticks=bid, ask_ticks=bid + 1, is_quoted=True)
    return market, drift


def test_a_signal_that_sees_the_drift_beats_its_mistimed_self():
    market, drift = drifting_market(2_000, 1)
    decide = np.arange(0, 2_000, 5)
    result = shuffled_signal_null(
        market, market.ts_ns[decide], np.sign(drift[decide]), RULES, n_null=99
    )
    assert result.pnl > 0
    assert result.p_pnl == result.p_mark_pnl == result.p_sharpe == 0.01  # (1 + 0) / (1 + 99)
    low, middle, high = result.pnl_quantiles()
    assert low <= middle <= high < result.pnl


def test_noise_is_not_mistaken_for_skill():
    # Under the null p is about uniform: of 60 seeds, about 6 fall below 0.1; 15 has odds of 4e-4.
    market, _ = drifting_market(1_000, 2)
    decide = np.arange(0, 1_000, 5)
    p = []
    for seed in range(60):
        target = np.random.default_rng(seed).integers(-1, 2, len(decide))
        p.append(shuffled_signal_null(market, market.ts_ns[decide], target, RULES, n_null=39).p_pnl)
    assert sum(value <= 0.1 for value in p) < 15
    assert 0.35 < np.mean(p) < 0.65


def test_each_null_run_is_the_engine_on_the_rotated_targets():
    market, _ = drifting_market(200, 3)
    signal_ts = market.ts_ns[::10]
    target = np.random.default_rng(4).integers(-2, 3, len(signal_ts))
    result = shuffled_signal_null(market, signal_ts, target, RULES, n_null=25, seed=9)
    rotated = [
        run_signal(market, signal_ts, np.concatenate((target[-k:], target[:-k])), RULES)
        for k in range(1, len(target))
    ]
    possible = {
        (r.net_pnl, r.mark_pnl, sharpe_ratio(r.interval_pnl), int(r.fill_lots.sum()))
        for r in rotated
    }
    columns = (result.null_pnl, result.null_mark_pnl, result.null_sharpe, result.null_traded_lots)
    drawn = set(zip(*(column.tolist() for column in columns), strict=True))
    assert drawn <= possible
    assert len(drawn) > 5
    actual = run_signal(market, signal_ts, target, RULES)
    assert (result.pnl, result.sharpe) == (actual.net_pnl, sharpe_ratio(actual.interval_pnl))
    again = shuffled_signal_null(market, signal_ts, target, RULES, n_null=25, seed=9)
    assert np.array_equal(result.null_pnl, again.null_pnl)


def test_a_constant_signal_has_no_timing():
    market, _ = drifting_market(200, 5)
    signal_ts = market.ts_ns[::10]
    result = shuffled_signal_null(market, signal_ts, np.ones(20, np.int64), RULES, n_null=19)
    assert result.p_pnl == result.p_sharpe == 1.0


def test_a_silent_signal_has_no_ratio():
    market, _ = drifting_market(200, 6)
    result = shuffled_signal_null(
        market, market.ts_ns[::10], np.zeros(20, np.int64), RULES, n_null=19
    )
    assert result.p_pnl == 1.0
    assert math.isnan(result.sharpe)
    assert math.isnan(result.p_sharpe)


def test_cheaper_turns_look_like_skill_in_pnl_but_not_at_the_marks():
    # A flat price, so no timing earns. Ten decisions share one time, the next ten are 100 apart,
    # 40 times over. The signal turns within the shared time only, where the last target (0)
    # counts: it never trades. Rotated (but by a multiple of 20) it turns where each turn costs.
    n_events = 6_100
    price = np.full(n_events, 100)
    market = MarketPath(
        ts_ns=np.arange(n_events) * 10, bid_ticks=price, ask_ticks=price + 1, is_quoted=True
    )
    offsets = np.concatenate((np.zeros(10, np.int64), 100 * np.arange(1, 11)))
    signal_ts = np.concatenate([1_500 * k + offsets for k in range(40)])
    target = np.tile(np.array([1, 0] * 5 + [0] * 10), 40)
    result = shuffled_signal_null(market, signal_ts, target, RULES, n_null=199)
    assert result.traded_lots == 0
    assert (result.null_traded_lots > 0).mean() > 0.9
    assert result.p_pnl < 0.1
    assert result.p_mark_pnl == 1.0


@pytest.mark.parametrize("n_signals", [0, 1])
def test_fewer_than_two_signals_have_no_other_order(n_signals):
    market, _ = drifting_market(200, 8)
    signal_ts, target = market.ts_ns[:n_signals], np.ones(n_signals, np.int64)
    result = shuffled_signal_null(market, signal_ts, target, RULES, n_null=5)
    assert result.null_pnl.tolist() == [result.pnl] * 5
    assert result.p_pnl == 1.0
    assert (result.pnl == 0.0) == (n_signals == 0)


@given(
    st.floats(-5, 5, allow_nan=False),
    st.lists(st.one_of(st.floats(-5, 5, allow_nan=False), st.just(math.nan)), max_size=20),
)
def test_one_sided_p_equals_the_naive_count(actual, null):
    assert one_sided_p(actual, np.array(null, np.float64)) == naive.one_sided_p(actual, null)


def test_one_sided_p_counts_ties_against_the_signal():
    # 2.0 and nan count, 1.0 and -1.0 do not: (1 + 2) / (1 + 4)
    assert one_sided_p(2.0, np.array([2.0, np.nan, 1.0, -1.0])) == 0.6


def test_buy_and_hold_pays_the_spread_once_a_session():
    # Sessions [0, 35) and [35, 100), latency 5. First: decided at 0, due 5, bought at the ask of
    # event 10 (12), sold at the bid of event 30 (14): +2. Second: decided at 40, due 45, bought
    # at 50 (18), sold at 60 (15): -3. Two lots: -2 in all.
    market = MarketPath(
        ts_ns=np.array([0, 10, 20, 30, 40, 50, 60]),
        bid_ticks=np.array([10, 11, 12, 14, 16, 17, 15]),
        ask_ticks=np.array([11, 12, 13, 15, 17, 18, 16]),
        is_quoted=True,
    )
    rules = replace(
        RULES,
        session_start_ns=np.array([0, 35]),
        session_end_ns=np.array([35, 100]),
        mark_interval_ns=10,
    )
    held = buy_and_hold(market, rules, lots=2)
    assert held.fill_ts_ns.tolist() == [10, 30, 50, 60]
    assert held.fill_price_ticks.tolist() == [12, 14, 18, 15]
    assert held.fill_lots.tolist() == [2, 2, 2, 2]
    assert held.gross_pnl_tick_lots == -2
    assert held.mark_position_lots.tolist() == [0, 2, 2, 0, 0, 2, 0]


def test_bad_parameters_are_refused():
    market, _ = drifting_market(200, 7)
    with pytest.raises(ValueError, match="n_null must be at least 1"):
        shuffled_signal_null(market, market.ts_ns[:2], np.array([1, 0]), RULES, n_null=0)
    with pytest.raises(ValueError, match="lots must be at least 1"):
        buy_and_hold(market, RULES, lots=0)
