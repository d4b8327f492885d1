import numpy as np
import pytest

from orderflow_core.hawkes import hawkes_arrivals
from tests.naive import hawkes as naive

BASE = np.array([0.5, 0.3])
BRANCHING = np.array([[0.4, 0.2], [0.1, 0.3]])
DECAY, WEIGHT = np.array([20.0, 0.5]), np.array([0.6, 0.4])


def arrivals(horizon_s, seed=7, **changes):
    given = {"base_rate": BASE, "branching": BRANCHING, "decay": DECAY, "weight": WEIGHT} | changes
    return hawkes_arrivals(**given, horizon_s=horizon_s, rng=np.random.default_rng(seed))


def test_equals_the_naive_sum_over_all_earlier_events():
    rng = np.random.default_rng(7)
    n = 1 << 17  # a block of the product
    draws = list(zip(rng.standard_exponential(n).tolist(), rng.random(n).tolist(), strict=True))
    expected = naive.hawkes_arrivals(BASE, BRANCHING, DECAY, WEIGHT, 100.0, draws)
    found = arrivals(100.0)
    assert len(found) == len(expected) > 50
    assert found.component.tolist() == [kind for _, kind, _ in expected]
    np.testing.assert_allclose(found.time_s, [t for t, _, _ in expected], rtol=1e-9)
    np.testing.assert_allclose(found.intensity, [r for _, _, r in expected], rtol=1e-9)


def test_mean_rates_are_those_of_theory():
    horizon = 40_000.0
    expected = BASE @ np.linalg.inv(np.eye(2) - BRANCHING)
    found = arrivals(horizon)
    counts = np.bincount(found.component)
    # A linear Hawkes process is over-dispersed by at most (1 - radius)^-2 = (1 - .5)^-2 = 4.
    assert (np.abs(counts / horizon - expected) < 4 * np.sqrt(4 * expected / horizon)).all()
    # The recorded intensities are honest: their sums over time equal the counts.
    assert (np.diff(found.time_s) > 0).all()


def test_without_branching_it_is_a_poisson_process():
    found = arrivals(5_000.0, branching=np.zeros((2, 2)))
    assert (found.intensity == BASE).all()
    gaps = np.diff(found.time_s)
    assert abs(gaps.mean() - 1 / 0.8) < 4 / 0.8 / np.sqrt(len(gaps))
    assert abs(gaps.std() / gaps.mean() - 1) < 0.06


def test_the_same_draws_give_the_same_events_and_a_longer_time_only_adds():
    short, long = arrivals(50.0), arrivals(90.0)
    n = len(short)
    assert np.array_equal(long.time_s[:n], short.time_s)
    assert np.array_equal(long.intensity[:n], short.intensity)
    assert long.time_s[n] >= 50.0
    assert not np.array_equal(arrivals(50.0, seed=8).time_s, short.time_s)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"branching": np.array([[1.0, 0.0], [0.0, 0.1]])}, "radius"),
        ({"branching": np.eye(3)}, "square"),
        ({"branching": -BRANCHING}, "branching"),
        ({"base_rate": np.zeros(2)}, "base_rate"),
        ({"base_rate": np.array([np.nan, 1.0])}, "base_rate"),
        ({"decay": np.array([0.0, 1.0])}, "decay"),
        ({"decay": np.array([1.0])}, "one length"),
        ({"weight": np.array([0.6, 0.6])}, "sum to 1"),
        ({"horizon_s": 0.0}, "horizon_s"),
    ],
)
def test_bad_processes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        arrivals(**{"horizon_s": 1.0} | changes)
