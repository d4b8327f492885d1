import math
import os

import numpy as np
import purgedcv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import Rules, run_signal
from orderflow_core.backtest.fills import MarketPath
from orderflow_core.backtest.metrics import max_drawdown, round_trips, summarise
from orderflow_core.backtest.sharpe import (
    block_starts,
    default_block_len,
    deflated_sharpe_ratio,
    expected_best_sharpe,
    probabilistic_sharpe_ratio,
    sharpe_interval,
    sharpe_ratio,
)
from tests.naive import backtest as naive

needs_jit = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many samples for interpreted kernels"
)


def result_of(targets, prices, *, taker_fee=0.001):
    """Trade targets[i] at the price of event i + 1, without spread; the last event is the exit."""
    n = len(prices)
    price = np.array(prices, np.int64)
    market = MarketPath(ts_ns=np.arange(n) * 10, bid_ticks=price, ask_ticks=price, is_quoted=True)
    rules = Rules(
        latency_ns=0,
        costs=Costs(taker_fee=taker_fee, fee_per_contract=0.5, slippage_ticks=0),
        tick_value=2.0,
        contracts_per_lot=1.0,
        session_start_ns=0,
        session_end_ns=10 * n,
        mark_interval_ns=10,
    )
    signal_ts = np.arange(len(targets)) * 10
    return run_signal(market, signal_ts, np.array(targets, np.int64), rules)


@st.composite
def results(draw):
    n = draw(st.integers(2, 20))
    prices = draw(st.lists(st.integers(50, 70), min_size=n, max_size=n))
    targets = draw(st.lists(st.integers(-3, 3), max_size=n))
    return result_of(targets, prices)


@given(results())
def test_round_trips_equal_the_naive_loop(result):
    trips = round_trips(result)
    expected = naive.round_trips(
        (result.fill_sign * result.fill_lots).tolist(),
        result.fill_price_ticks.tolist(),
        result.fill_fee.tolist(),
    )
    assert trips.open_ts_ns.tolist() == [int(result.fill_ts_ns[t[0]]) for t in expected]
    assert trips.close_ts_ns.tolist() == [int(result.fill_ts_ns[t[1]]) for t in expected]
    assert trips.sign.tolist() == [t[2] for t in expected]
    assert trips.lots.tolist() == [t[3] for t in expected]
    assert trips.gross_tick_lots.tolist() == [t[4] for t in expected]
    np.testing.assert_allclose(trips.fee, [t[5] for t in expected], rtol=1e-12, atol=0)


@given(results())
def test_round_trips_share_out_the_whole_result(result):
    trips = round_trips(result)
    assert int(trips.gross_tick_lots.sum()) == result.gross_pnl_tick_lots
    assert trips.fee.sum() == pytest.approx(result.fees, rel=1e-12)
    assert trips.net_pnl.sum() == pytest.approx(result.net_pnl, rel=1e-12, abs=1e-9)


def test_a_fill_through_zero_closes_one_trip_and_opens_the_next():
    # Position 2 at 60, 3 at 62, -1 at 65, exit at 61. No tick has a spread.
    # Trip 1, long, 3 lots entered: -2*60 - 1*62 + 3*65 = 13 tick-lots.
    # Trip 2, short, 1 lot: +65 - 61 = 4.
    # The fill of 4 lots at 65 costs 0.001*4*65*2 + 0.5*4 = 2.52: 3/4 to trip 1, 1/4 to trip 2.
    # Trip 1: 0.001*120*2 + 1.0 = 1.24; 0.001*62*2 + 0.5 = 0.624; 1.89: 3.754
    # Trip 2: 0.63 + 0.001*61*2 + 0.5 = 1.252
    trips = round_trips(result_of([2, 3, -1], [0, 60, 62, 65, 61]))
    assert trips.sign.tolist() == [1, -1]
    assert trips.open_ts_ns.tolist() == [10, 30]
    assert trips.close_ts_ns.tolist() == [30, 40]
    assert trips.lots.tolist() == [3, 1]
    assert trips.gross_tick_lots.tolist() == [13, 4]
    np.testing.assert_allclose(trips.fee, [3.754, 1.252], rtol=1e-12)
    np.testing.assert_allclose(trips.net_pnl, [26 - 3.754, 8 - 1.252], rtol=1e-12)


finite = st.floats(-100, 100, allow_nan=False)


@given(st.lists(finite, max_size=20))
def test_max_drawdown_equals_the_naive_loop(equity):
    ours = max_drawdown(np.array(equity, np.float64))
    assert (ours.value, ours.peak_idx, ours.trough_idx) == naive.max_drawdown(equity)


def test_max_drawdown_counts_from_the_start_and_takes_the_first_of_equal_falls():
    # 0, -3, 1, -2: the fall from the start to the first mark is 3, as is that from 1 to -2.
    fall = max_drawdown(np.array([-3.0, 1.0, -2.0]))
    assert (fall.value, fall.peak_idx, fall.trough_idx) == (3.0, -1, 0)
    rising = max_drawdown(np.array([1.0, 2.0]))
    assert (rising.value, rising.peak_idx, rising.trough_idx) == (0.0, -1, -1)
    with pytest.raises(ValueError, match="equity must be finite"):
        max_drawdown(np.array([np.nan]))


def heavy_tailed(seed, n=300):
    rng = np.random.default_rng(seed)
    return 0.05 + rng.standard_t(5, n) + 0.3 * rng.exponential(1.0, n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("benchmark", [0.0, 0.05, -0.1])
def test_probabilistic_sharpe_ratio_equals_the_oracle(seed, benchmark):
    x = heavy_tailed(seed)
    oracle = purgedcv.probabilistic_sharpe_ratio(x, benchmark)
    # The oracle divides by n (ddof 0); our default divides by n - 1 and moves the ratio by 1 / 2n.
    assert probabilistic_sharpe_ratio(x, benchmark=benchmark, ddof=0) == pytest.approx(
        oracle, rel=1e-12
    )
    assert probabilistic_sharpe_ratio(x, benchmark=benchmark) == pytest.approx(oracle, abs=2e-3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n_trials", "var_sharpe"), [(1, 0.01), (2, 0.002), (50, 1e-4), (10**6, 1e-5)]
)
def test_deflated_sharpe_ratio_equals_the_oracle(seed, n_trials, var_sharpe):
    x = heavy_tailed(seed)
    oracle = purgedcv.deflated_sharpe_ratio(x, n_trials, var_sharpe)
    ours = deflated_sharpe_ratio(x, n_trials=n_trials, var_sharpe=var_sharpe, ddof=0)
    assert ours == pytest.approx(oracle, rel=1e-9)


def test_more_trials_deflate_more():
    best = [expected_best_sharpe(n, 0.01) for n in (1, 2, 10, 100, 10_000)]
    assert best[0] == 0.0
    assert best == sorted(best)
    # N = 10, V = 1: Phi^-1(0.9) = 1.281552, Phi^-1(1 - 1/(10 e)) = 1.789269:
    # 0.4227843 * 1.281552 + 0.5772157 * 1.789269 = 1.574613
    assert expected_best_sharpe(10, 1.0) == pytest.approx(1.5746, abs=1e-4)


@given(st.lists(finite, min_size=2, max_size=30), st.integers(0, 1))
def test_sharpe_ratio_equals_the_naive_formula(values, ddof):
    x = np.array(values)
    ours = sharpe_ratio(x, ddof=ddof)
    if x.std() < 1e-6:  # equal but for rounding: no ratio worth comparing
        return
    assert ours == pytest.approx(naive.sharpe_ratio(values, ddof), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [0.1] * 7])
def test_without_variance_there_is_no_ratio(values):
    x = np.array(values, np.float64)
    assert math.isnan(sharpe_ratio(x))
    assert math.isnan(probabilistic_sharpe_ratio(x))
    assert math.isnan(deflated_sharpe_ratio(x, n_trials=5, var_sharpe=0.1))
    estimate = sharpe_interval(x)
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)


@pytest.mark.parametrize("block_len", [1, 3, 7, 40])
def test_bootstrap_equals_naive_resampling(block_len):
    x = heavy_tailed(7, n=40)
    starts = block_starts(40, block_len, n_boot=30, seed=5)
    assert starts.shape == (30, -(-40 // block_len))
    assert starts.min() >= 0
    assert starts.max() <= 40 - block_len
    ratios = []
    for row in starts.tolist():
        sample = naive.block_resample(x.tolist(), row, block_len)
        assert len(sample) == 40
        ratios.append(naive.sharpe_ratio(sample, 1))
    ours = sharpe_interval(x, block_len=block_len, n_boot=30, seed=5)
    assert ours.low == pytest.approx(np.quantile(ratios, 0.025), rel=1e-12)
    assert ours.high == pytest.approx(np.quantile(ratios, 0.975), rel=1e-12)
    assert (ours.n, ours.block_len, ours.n_boot) == (40, block_len, 30)


def test_an_idle_resample_counts_as_zero():
    # One gain among 50: about a third of the resamples of single intervals miss it.
    x = np.zeros(50)
    x[20] = 1.0
    estimate = sharpe_interval(x, block_len=1, n_boot=200)
    assert estimate.low == 0.0
    assert estimate.high > estimate.value > 0


@needs_jit
def test_bootstrap_covers_the_truth_and_is_reproducible():
    # 200 samples of 400 with a true ratio of 0.1: 95 % nominal, at least 88 % asked of so few.
    rng = np.random.default_rng(11)
    covered = 0
    for seed in range(200):
        estimate = sharpe_interval(rng.normal(0.1, 1.0, 400), n_boot=200, seed=seed)
        covered += estimate.low <= 0.1 <= estimate.high
    assert covered >= 176
    x = heavy_tailed(1)
    assert sharpe_interval(x, seed=3) == sharpe_interval(x, seed=3)
    assert sharpe_interval(x, seed=3).low != sharpe_interval(x, seed=4).low


@needs_jit
def test_longer_blocks_widen_the_interval_of_persistent_returns():
    rng = np.random.default_rng(13)
    x = np.repeat(rng.normal(0.0, 1.0, 100), 20)  # each shock lasts 20 intervals
    single = sharpe_interval(x, block_len=1)
    blocks = sharpe_interval(x, block_len=40)
    assert blocks.high - blocks.low > 3 * (single.high - single.low)


def test_default_block_length_is_the_cube_root_rounded_up():
    assert [default_block_len(n) for n in (0, 1, 8, 9, 27, 1000, 1001)] == [1, 1, 2, 3, 3, 10, 11]


def test_bad_parameters_are_refused():
    x = heavy_tailed(0, n=10)
    with pytest.raises(ValueError, match="block_len must not exceed the 10 observations, got 11"):
        sharpe_interval(x, block_len=11)
    with pytest.raises(ValueError, match="block_len must be at least 1"):
        sharpe_interval(x, block_len=0)
    with pytest.raises(ValueError, match="n_boot must be at least 1"):
        sharpe_interval(x, n_boot=0)
    with pytest.raises(ValueError, match="level must be in"):
        sharpe_interval(x, level=0.0)
    with pytest.raises(ValueError, match="returns must be finite, got nan at position 1"):
        sharpe_ratio(np.array([0.0, np.nan]))
    with pytest.raises(TypeError, match="returns must hold floats"):
        sharpe_ratio(np.array([1, 2]))
    with pytest.raises(ValueError, match="benchmark must be finite"):
        probabilistic_sharpe_ratio(x, benchmark=np.inf)
    with pytest.raises(ValueError, match="n_trials must be at least 1"):
        deflated_sharpe_ratio(x, n_trials=0, var_sharpe=0.1)
    with pytest.raises(ValueError, match="var_sharpe must be finite and zero or positive"):
        expected_best_sharpe(3, -1.0)


def test_summary_golden():
    # The two trips of above: gross 17 tick-lots = 34, fees 3.754 + 1.252 = 5.006, net 28.994.
    # Lots 2 + 1 + 4 + 1 = 8; notional (120 + 62 + 260 + 61) * 2 = 1006. No spread, no slippage.
    # Marks at 0, 10, .. 40: 5 intervals. Equity: 0; -1.24; (2*2)*2 - 1.864 = 6.136;
    # 13*2 - 4.384 = 21.616; 28.994. The one fall is 1.24, from 0 (first mark) to mark 1.
    summary = summarise(
        result_of([2, 3, -1], [0, 60, 62, 65, 61]), periods_per_year=100.0, n_boot=50
    )
    assert summary.gross_pnl == 34.0
    assert summary.crossing_cost == 0.0
    assert summary.fees == pytest.approx(5.006)
    assert summary.net_pnl == pytest.approx(28.994)
    assert (summary.turnover_lots, summary.turnover) == (8, 1006.0)
    assert summary.net_bp_of_turnover == pytest.approx(1e4 * 28.994 / 1006)
    assert (summary.n_fills, summary.n_round_trips) == (4, 2)
    assert (summary.n_intervals, summary.n_sessions) == (5, 1)
    assert (summary.hit_rate.value, summary.hit_rate.n) == (1.0, 2)
    assert summary.max_drawdown.value == pytest.approx(1.24)
    assert (summary.max_drawdown.peak_idx, summary.max_drawdown.trough_idx) == (-1, 1)
    gains = [0.0, -1.24, 7.376, 15.48, 7.378]
    ratio = naive.sharpe_ratio(gains, 1)
    assert summary.sharpe.value == pytest.approx(ratio)
    assert summary.sharpe_per_day == pytest.approx(ratio * math.sqrt(5))
    assert summary.sharpe_per_year == pytest.approx(ratio * 10)
    assert summary.psr == pytest.approx(probabilistic_sharpe_ratio(np.array(gains)))
    assert summary.dsr == summary.psr  # one trial deflates nothing


def test_a_trip_that_its_fees_eat_is_no_hit():
    # Long 1 from 60 to 61: +1 tick-lot = 2, fees 2 * 0.5 + 0.001 * (60 + 61) * 2 = 1.242: a hit.
    # A fee of 0.01 makes the first 2 - (1 + 0.01 * 121 * 2) = -1.42: gross gain, net loss, no hit.
    assert summarise(result_of([1], [60, 60, 61])).hit_rate.value == 1.0
    assert summarise(result_of([1], [60, 60, 61], taker_fee=0.01)).hit_rate.value == 0.0


def test_summary_of_no_trade_is_undefined_not_zero():
    summary = summarise(result_of([], [60, 61, 62]))
    assert summary.net_pnl == 0.0
    assert summary.n_round_trips == 0
    for value in (
        summary.net_bp_of_turnover,
        summary.hit_rate.value,
        summary.sharpe.value,
        summary.sharpe_per_day,
        summary.sharpe_per_year,
        summary.psr,
        summary.dsr,
    ):
        assert math.isnan(value)
