"""Binomial significance with false discoveries held down: exact oracles, scipy, recorded trades."""

import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.footprint import footprint
from orderflow_core.significance import (
    benjamini_hochberg,
    binomial_tail,
    significant_imbalances,
    sweep_footprint,
)
from orderflow_core.sweeps import assign_sweeps
from tests.core.footprint_cases import bars_of, counted, recorded_trades, time_bars
from tests.naive import significance as naive

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
needs_jit = pytest.mark.skipif(JIT_OFF, reason="too many trades for interpreted kernels")


def test_tails_are_exact_for_small_numbers():
    pairs = [(k, n) for n in range(1, 60) for k in range(n + 2)]
    k, n = np.array(pairs).T
    expected = [float(naive.binomial_tail(k, n)) for k, n in pairs]
    np.testing.assert_allclose(binomial_tail(k, n), expected, rtol=1e-12)
    assert np.isnan(binomial_tail([0], [0]))[0]


def test_tails_agree_with_scipy_for_large_numbers():
    stats = pytest.importorskip("scipy.stats")
    sizes = np.array([100, 1_000, 10_001] if JIT_OFF else [100, 1_000, 10_001, 100_000])
    n = np.repeat(sizes, 40)
    k = (n // 2 + np.tile(np.arange(-20, 20), len(sizes)) * np.sqrt(n) / 4).astype(np.int64)
    np.testing.assert_allclose(binomial_tail(k, n), stats.binom.sf(k - 1, n, 0.5), rtol=1e-9)
    # A chance too small for a double is 0, not an error.
    assert binomial_tail([5_000], [5_000])[0] == 0.0


@given(st.lists(st.tuples(st.sampled_from([None, 0.0, 0.01, 0.02, 0.3, 0.5, 1.0]),
                          st.integers(0, 2)), max_size=12))  # fmt: skip
def test_step_up_agrees_with_the_obvious_loop(tests):
    p = [value for value, _ in tests]
    group = [g for _, g in tests]
    q = benjamini_hochberg(np.array([np.nan if v is None else v for v in p]), np.array(group))
    expected = naive.benjamini_hochberg(p, group)
    assert [None if np.isnan(v) else v for v in q.tolist()] == expected


def test_step_up_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    p = np.random.default_rng(7).random(200) ** 3
    np.testing.assert_allclose(
        benjamini_hochberg(p, np.zeros(200, np.int64)), stats.false_discovery_control(p), rtol=1e-14
    )


def test_one_bar_by_hand():
    # Buy at 11: 9 sweeps over 1 at the bid of 10: p = (C(10,9) + C(10,10)) / 2^10 = 11/1024.
    # Sell at 10: 1 over 9: p = 1 - 1/1024 = 1023/1024. Two tests: q = min(2 * 11/1024, 1023/1024)
    # = 22/1024 = 0.0215 for the buy, 1023/1024 for the sell.
    got = significant_imbalances(
        counted([{10: (1, 0), 11: (0, 9)}]), ticks_per_row=1, gap_policy="zero",
        false_discovery_rate=0.05,
    )  # fmt: skip
    assert got.p_buy[1] == pytest.approx(11 / 1024)
    assert got.p_sell[0] == pytest.approx(1023 / 1024)
    assert got.q_buy[1] == pytest.approx(22 / 1024)
    assert np.isnan([got.p_buy[0], got.p_sell[1]]).all()
    assert (got.is_buy.tolist(), got.is_sell.tolist()) == ([False, True], [False, False])


def test_other_bars_do_not_count_and_the_gap_policy_decides_what_is_tested():
    strong = {10: (1, 0), 11: (0, 9)}
    noise = dict.fromkeys(range(30), (5, 5))
    rule = {"ticks_per_row": 1, "false_discovery_rate": 0.05}
    got = significant_imbalances(counted([strong, noise]), gap_policy="zero", **rule)
    assert got.is_buy.sum() == 1
    # The row below 12 did not trade: 5 against 0 is p = 1/32 under zero, no test under break,
    # 5 against 5 at row 10 under skip: (252 + 210 + 120 + 45 + 10 + 1) / 1024 = 638/1024.
    apart = counted([{10: (5, 0), 12: (0, 5)}])
    for gap_policy, p in (("zero", 1 / 32), ("break", np.nan), ("skip", 638 / 1024)):
        got = significant_imbalances(apart, gap_policy=gap_policy, **rule)
        assert got.p_buy[1] == pytest.approx(p, nan_ok=True)


def test_fair_coins_are_rarely_called_significant():
    # Bars of 20 rows without any imbalance: a false discovery in at most about 1 bar of 20.
    rng = np.random.default_rng(11)
    n_bars = 200 if JIT_OFF else 2_000
    sweeps = rng.poisson(30, (n_bars, 20, 2))
    got = significant_imbalances(
        counted([dict(enumerate(map(tuple, bar))) for bar in sweeps.tolist()]),
        ticks_per_row=1, gap_policy="zero", false_discovery_rate=0.05,
    )  # fmt: skip
    is_any = (got.is_buy | got.is_sell).reshape(n_bars, 20).any(axis=1)
    assert 0.005 < is_any.mean() < 0.07


prints = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 9), st.sampled_from([-1, 0, 1]), st.booleans()),
    max_size=25,
)


@given(prints, st.integers(1, 3), st.sets(st.integers(0, 25), max_size=4))
def test_sweeps_are_counted_once_a_row(trades, height, edges):
    n = len(trades)
    price, qty, sign, is_new = (np.array(c, np.int64) for c in zip(*trades, strict=True)) if n else (
        np.empty(0, np.int64) for _ in range(4)
    )  # fmt: skip
    step = np.diff(sign, prepend=sign[:1]) != 0
    back = np.diff(price, prepend=price[:1]) * sign < 0
    sweep = np.cumsum((is_new > 0) | step | back | (sign == 0))
    inner = sorted(edge for edge in edges if edge <= n)
    ranges = [(k, a, b) for k, (a, b) in enumerate(pairwise(inner))]
    index = bars_of(ranges)
    signs = sign.astype(np.int8)
    cells = sweep_footprint(price, qty, signs, sweep, index, ticks_per_row=height)
    fills = footprint(price, qty, signs, index, ticks_per_row=height)
    for name in ("bar_id", "price_tick", "bid_lots", "ask_lots", "unsigned_lots"):
        assert getattr(cells, name).tolist() == getattr(fills, name).tolist()
    expected = naive.sweep_counts(
        price.tolist(), sign.tolist(), sweep.tolist(), ranges, ticks_per_row=height
    )
    got = zip(cells.bar_id.tolist(), cells.price_tick.tolist(), cells.n_bid.tolist(),
              cells.n_ask.tolist(), cells.n_unsigned.tolist(), strict=True)  # fmt: skip
    assert {(bar, row): tuple(counts) for bar, row, *counts in got} == expected


def test_broken_contracts_are_named():
    with pytest.raises(ValueError, match="k must not be negative"):
        binomial_tail([-1], [3])
    with pytest.raises(ValueError, match="p must lie in"):
        benjamini_hochberg(np.array([0.5, 1.5]), np.array([0, 0]))
    with pytest.raises(ValueError, match="false_discovery_rate must be"):
        significant_imbalances(
            counted([{1: (1, 1)}]), ticks_per_row=1, gap_policy="zero", false_discovery_rate=0.0
        )
    with pytest.raises(ValueError, match="sweep must be non-decreasing"):
        sweep_footprint([1, 1], [1, 1], [1, 1], [1, 0], bars_of([(0, 0, 2)]), ticks_per_row=1)
    with pytest.raises(ValueError, match="false_discovery_rate must be at most 1, got 5"):
        significant_imbalances(
            counted([{1: (1, 1)}]), ticks_per_row=1, gap_policy="zero", false_discovery_rate=5
        )
    with pytest.raises(ValueError, match="n must be at most 2"):
        binomial_tail([1], [2**31 + 1])
    assert len(benjamini_hochberg(np.empty(0), [])) == 0


@pytest.mark.parametrize(
    ("qty", "message"),
    [
        ([5, -2], "qty_lots must be positive, got -2 at position 1"),
        ([5, 0], "qty_lots must be positive, got 0 at position 1"),
        ([2**62] * 5, "qty_lots may overflow int64"),  # five of them wrap to 2**62
    ],
)
def test_bad_fills_do_not_hide_in_the_sum_of_their_sweep(qty, message):
    n = len(qty)
    with pytest.raises(ValueError, match=message):
        sweep_footprint([5] * n, qty, [1] * n, [0] * n, bars_of([(0, 0, n)]), ticks_per_row=1)


@needs_jit
def test_recorded_trades_counted_by_fill_look_more_significant_than_they_are(test_data):
    ts, price, qty, sign = recorded_trades(test_data, 200_000)
    index = time_bars(ts, 60_000_000_000)
    sweep = assign_sweeps(ts, np.arange(len(ts)), price, sign)
    rule = {"ticks_per_row": 1, "gap_policy": "zero", "false_discovery_rate": 0.05}
    shares = {}
    for name, cells in (
        ("fills", footprint(price, qty, sign, index, ticks_per_row=1)),
        ("sweeps", sweep_footprint(price, qty, sign, sweep, index, ticks_per_row=1)),
    ):
        got = significant_imbalances(cells, **rule)
        shares[name] = int((got.is_buy | got.is_sell).sum())
    assert 0 < shares["sweeps"] < shares["fills"]
