"""The propagator: oracle, planted kernels under signs that remember, a forecast without the future."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.propagator import (
    Propagator,
    expected_move,
    fit_propagator,
    lagged_mean,
    solve_propagator,
)
from tests.naive import impact as naive

N_LAGS = 20


def remembering_signs(n, rng, stay=0.75):
    """Signs whose correlation is (2 * stay - 1) ** lag."""
    return np.cumprod(np.where(rng.random(n) < stay, 1.0, -1.0))


def market(n=60_000, *, noise=0.0, seed=0, stay=0.75):
    """Orders whose move of 1 decays as (1 + lag) ** -0.4, and the moves that they make together."""
    rng = np.random.default_rng(seed)
    sign = remembering_signs(n, rng, stay)
    kernel = (1.0 + np.arange(N_LAGS + 1)) ** -0.4
    step = np.diff(kernel, prepend=0.0)
    move = np.convolve(sign, step)[:n] + noise * rng.normal(size=n)
    return sign, move, kernel


@st.composite
def series(draw):
    n = draw(st.integers(0, 25))
    number = st.floats(-2, 2, allow_nan=False)
    flow = draw(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=n, max_size=n))
    move = draw(st.lists(number, min_size=n, max_size=n))
    starts = sorted({0, *draw(st.lists(st.integers(0, max(n - 1, 0)), max_size=3))}) if n else []
    return np.array(flow, float), np.array(move, float), np.array(starts, np.int64)


@given(series(), st.integers(0, 6))
def test_lagged_mean_agrees_with_the_obvious_loop(drawn, n_lags):
    flow, move, starts = drawn
    got = lagged_mean(flow, move, starts, n_lags=n_lags)
    wanted = naive.lagged_mean(flow, move, starts, n_lags=n_lags)
    np.testing.assert_allclose(got, wanted, atol=1e-12)


@given(series(), st.integers(1, 6), st.integers(1, 5))
def test_expected_move_agrees_with_the_obvious_loop(drawn, n_lags, n_ahead):
    flow, _, starts = drawn
    rng = np.random.default_rng(n_lags)
    step, forecast = rng.normal(size=n_lags + 1), rng.normal(size=n_lags) / n_lags
    model = Propagator(
        correlation=step, response=step, step=step, kernel=step, forecast=forecast, n_orders=1
    )
    got = expected_move(model, flow, starts, n_ahead=n_ahead)
    wanted = naive.expected_move(step, forecast, flow, starts, n_ahead=n_ahead)
    np.testing.assert_allclose(got, wanted, atol=1e-9)
    if len(flow):
        part = expected_move(model, flow[:-1], starts[starts < len(flow) - 1], n_ahead=n_ahead)
        np.testing.assert_allclose(part, got[:-1], atol=1e-12)  # what comes later changes nothing


def test_solution_agrees_with_elimination():
    correlation = 0.8 ** np.arange(9)
    response = np.random.default_rng(2).normal(size=9)
    got = solve_propagator(correlation, response)
    np.testing.assert_allclose(got, naive.solve_propagator(correlation, response), rtol=1e-9)


def test_fit_agrees_with_the_obvious_loop():
    flow, move, _ = market(300, noise=0.3)
    starts = np.array([0, 120])
    found = fit_propagator(flow, move, starts, n_lags=4)
    response, kernel = naive.fit_propagator(flow, move, starts, n_lags=4)
    np.testing.assert_allclose(found.response, response)
    np.testing.assert_allclose(found.kernel, kernel)


def test_planted_kernel_is_found_where_the_response_is_not_it():
    flow, move, kernel = market(noise=1.0)
    found = fit_propagator(flow, move, [0], n_lags=N_LAGS)
    np.testing.assert_allclose(found.kernel, kernel, atol=0.06)
    # The response holds what later orders of the same side did: more than one order does.
    assert found.response[5] > kernel[5] + 0.1
    np.testing.assert_allclose(found.correlation[:4], 0.5 ** np.arange(4), atol=0.02)
    assert found.forecast[0] == pytest.approx(0.5, abs=0.02)


def test_expected_move_has_skill_and_is_right_on_average():
    flow, move, _ = market(noise=1.0)
    model = fit_propagator(flow[:30_000], move[:30_000], [0], n_lags=N_LAGS)
    for n_ahead in (1, 3):
        forecast = expected_move(model, flow, [0], n_ahead=n_ahead)[30_000:-n_ahead]
        coming = np.convolve(move, np.ones(n_ahead), "valid")[1:][30_000:]
        slope = (forecast * coming).sum() / (forecast**2).sum()
        assert slope == pytest.approx(1, abs=0.15)
        assert np.corrcoef(forecast, coming)[0, 1] > 0.08


def test_signs_that_tell_nothing_are_expected_to_move_nothing():
    rng = np.random.default_rng(5)
    flow, move = remembering_signs(20_000, rng, 0.5), rng.normal(size=20_000)
    model = fit_propagator(flow[:10_000], move[:10_000], [0], n_lags=N_LAGS)
    forecast = expected_move(model, flow, [0], n_ahead=1)[10_000:-1]
    assert abs(np.corrcoef(forecast, move[10_001:])[0, 1]) < 0.03


def test_other_side_is_the_mirror_image():
    flow, move, _ = market(2_000, noise=0.5)
    one = fit_propagator(flow, move, [0], n_lags=5)
    other = fit_propagator(-flow, -move, [0], n_lags=5)
    np.testing.assert_allclose(one.kernel, other.kernel)


def test_constant_flow_is_no_error():
    one = np.ones(50)
    found = fit_propagator(one, one, [0], n_lags=3)
    assert np.isfinite(found.kernel).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"flow": np.full(9, np.nan)}, ValueError, "flow must be finite"),
        ({"move": np.full(9, np.inf)}, ValueError, "move must be finite"),
        ({"move": np.ones(8)}, ValueError, "one length"),
        ({"flow": np.ones(9, np.int8)}, TypeError, "flow must hold floats"),
        ({"session_start_idx": [1]}, ValueError, "must start at 0"),
        ({"n_lags": 9}, ValueError, "more orders than n_lags=9"),
        ({"n_lags": 0}, ValueError, "n_lags"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    good = {"flow": np.ones(9), "move": np.ones(9), "session_start_idx": [0], "n_lags": 2}
    with pytest.raises(error, match=message):
        fit_propagator(**(good | change))
