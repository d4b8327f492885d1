import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.market_facts import (
    sign_autocorrelation,
    tail_exponent,
    time_weighted_spread,
    volatility_signature,
)
from tests.naive import market_facts as naive

INTEGERS = st.lists(st.integers(1, 10**6), max_size=60)


@given(INTEGERS, st.floats(0.01, 0.99))
def test_tail_equals_the_naive_one(sizes, share):
    found = tail_exponent(np.array(sizes, np.int64), share)
    assert found == pytest.approx(naive.tail_exponent(sizes, share), nan_ok=True)


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=40))
def test_memory_of_signs_equals_the_naive_one(signs):
    found = sign_autocorrelation(np.array(signs, np.int8), np.array([1, 2, 7]))
    expected = [naive.sign_autocorrelation(signs, lag) for lag in (1, 2, 7)]
    assert found == pytest.approx(expected, nan_ok=True, abs=1e-9)


@given(INTEGERS)
def test_signature_equals_the_naive_one(mid):
    found = volatility_signature(np.array(mid, np.int64), np.array([1, 2, 7]))
    expected = [naive.volatility_signature(mid, lag) for lag in (1, 2, 7)]
    assert found == pytest.approx(expected, nan_ok=True)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_spread_equals_the_naive_one(rows):
    waits, bid, ask = np.array(rows, np.int64).reshape(-1, 3).T
    ts = np.cumsum(waits)
    found = time_weighted_spread(ts, bid, ask, 2)
    expected = naive.time_weighted_spread(ts.tolist(), bid.tolist(), ask.tolist(), 2)
    assert found == pytest.approx(expected, nan_ok=True)


def test_a_pareto_tail_is_found_again():
    rng = np.random.default_rng(3)
    sizes = (1e6 * rng.random(200_000) ** (-1 / 1.4)).astype(np.int64)
    # Standard error of Hill: exponent / root of the 10,000 in the tail.
    assert tail_exponent(sizes) == pytest.approx(1.4, abs=4 * 1.4 / 100)


def test_the_tail_by_hand_and_without_a_tail():
    # Largest half of 1, 2, 4, 8: ln(8/2) + ln(4/2) = 3 ln 2; 2 / (3 ln 2) = .9618.
    assert tail_exponent(np.array([8, 1, 4, 2]), 0.5) == pytest.approx(2 / (3 * np.log(2)))
    assert np.isnan(tail_exponent(np.array([5, 5, 5, 5]), 0.5))
    assert np.isnan(tail_exponent(np.array([5, 6, 7]), 0.5))
    assert np.isnan(tail_exponent(np.array([], np.int64)))


def test_a_random_walk_is_flat_a_bounce_falls_and_a_trend_rises():
    lags = np.array([1, 16])
    rng = np.random.default_rng(5)
    walk = 2 * np.cumsum(rng.choice([-1, 1], 100_000))
    assert volatility_signature(walk, lags) == pytest.approx([1.0, 1.0], rel=0.05)
    bounce = volatility_signature(2 * (np.arange(1000) % 2), lags)
    assert bounce[0] == 1.0
    assert bounce[1] == 0.0
    # Up a tick a step: 16 ticks in 16 steps, over root 16.
    assert volatility_signature(2 * np.arange(1000), lags).tolist() == [1.0, 4.0]


def test_independent_signs_have_no_memory():
    sign = np.random.default_rng(6).choice([-1, 1], 100_000)
    assert (np.abs(sign_autocorrelation(sign, np.array([1, 10, 100]))) < 4 / np.sqrt(1e5)).all()


def test_bad_input_is_named():
    for share in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="share"):
            tail_exponent(np.array([1, 2]), share)
    with pytest.raises(ValueError, match="sizes"):
        tail_exponent(np.array([0, 2]))
    with pytest.raises(ValueError, match="lags"):
        sign_autocorrelation(np.array([1]), np.array([0]))
    with pytest.raises(ValueError, match="sign"):
        sign_autocorrelation(np.array([2]), np.array([1]))
    with pytest.raises(TypeError, match="mid"):
        volatility_signature(np.array([0.5]), np.array([1]))
    with pytest.raises(ValueError, match="ts_ns"):
        time_weighted_spread(np.array([2, 1]), np.array([1, 1]), np.array([1, 1]))
    with pytest.raises(ValueError, match="one length"):
        time_weighted_spread(np.array([2]), np.array([1, 1]), np.array([1, 1]))
