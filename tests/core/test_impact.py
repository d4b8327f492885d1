"""The law of impact: oracle, planted laws with orders that the price went against, intervals."""

import numpy as np
import pytest

from orderflow_core.impact import fit_impact_law, law_impact
from tests.naive import impact as naive


def planted(exponent, *, n=20_000, prefactor=0.7, noise=1.0, seed=0):
    """Orders with heavy-tailed sizes, a volatility that wanders, noise larger than most impacts."""
    rng = np.random.default_rng(seed)
    share = np.minimum(1e-4 * (1 - rng.random(n)) ** -1.0, 0.5)
    volatility = np.exp(0.5 * np.sin(np.arange(n) / 900))
    impact = law_impact(prefactor, exponent, volatility, share)
    return impact + noise * volatility * rng.normal(size=n) * 0.05, volatility, share


def test_agrees_with_the_obvious_search():
    impact, volatility, share = planted(0.5, n=200, noise=0.2)
    law = fit_impact_law(impact, volatility, share, n_blocks=10, n_boot=10)
    prefactor, exponent = naive.fit_impact_law(
        impact.tolist(), volatility.tolist(), share.tolist(), exponents=np.linspace(0, 1.5, 301)
    )
    assert law.exponent == pytest.approx(exponent, abs=5e-3)
    assert law.prefactor == pytest.approx(prefactor, rel=2e-2)
    wanted = naive.law_impact(0.7, 0.4, volatility, share)
    np.testing.assert_allclose(law_impact(0.7, 0.4, volatility, share), wanted)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.8])
def test_planted_exponent_lies_in_its_interval(exponent):
    impact, volatility, share = planted(exponent)
    assert (impact < 0).mean() > 0.1  # whose logarithm nobody can take
    law = fit_impact_law(impact, volatility, share)
    assert law.is_identified
    assert law.exponent_low < exponent < law.exponent_high
    assert law.exponent_high - law.exponent_low < 0.25
    assert law.prefactor_low < 0.7 < law.prefactor_high


def test_logarithms_of_single_orders_would_bend_the_law():
    impact, volatility, share = planted(0.5)
    is_positive = impact > 0
    bent = np.polyfit(np.log(share[is_positive]), np.log((impact / volatility)[is_positive]), 1)[0]
    ours = fit_impact_law(impact, volatility, share).exponent
    assert bent < 0.4 < ours < 0.6


@pytest.mark.parametrize(
    ("n_cases", "least"), [(40, 33), pytest.param(400, 365, marks=pytest.mark.soak)]
)
def test_interval_covers_and_estimate_is_centred(n_cases, least):
    laws = [
        fit_impact_law(*planted(0.5, n=2_000, seed=seed), n_blocks=20, n_boot=200)
        for seed in range(n_cases)
    ]
    covered = sum(law.exponent_low <= 0.5 <= law.exponent_high for law in laws)
    assert least <= covered <= n_cases
    mean, error = np.mean([law.exponent for law in laws]), np.std([law.exponent for law in laws])
    assert abs(mean - 0.5) < 3 * error / np.sqrt(n_cases)


def test_no_impact_has_no_exponent():
    rng = np.random.default_rng(3)
    n = 5_000
    share = rng.uniform(1e-4, 0.1, n)
    law = fit_impact_law(rng.normal(size=n), np.ones(n), share)
    assert not law.is_identified
    assert law.prefactor_low < 0 < law.prefactor_high
    assert (law.exponent_low, law.exponent_high) == (0.0, 1.5)


def test_units_cancel():
    impact, volatility, share = planted(0.5, n=1_000)
    one = fit_impact_law(impact, volatility, share, n_boot=50)
    other = fit_impact_law(impact * 100, volatility * 100, share, n_boot=50)
    assert other.exponent == pytest.approx(one.exponent)
    assert other.prefactor == pytest.approx(one.prefactor)
    mirrored = fit_impact_law(-impact, volatility, share, n_boot=50)
    assert mirrored.exponent == pytest.approx(one.exponent)
    assert mirrored.prefactor == pytest.approx(-one.prefactor)
    assert not mirrored.is_identified


def test_a_weight_is_so_many_orders_and_equal_weights_are_none():
    impact, volatility, share = planted(0.5, n=600, noise=0.5)
    orders = (impact, volatility, share)
    one = fit_impact_law(*orders, n_boot=50)
    assert fit_impact_law(*orders, n_boot=50, weight=np.ones(600)) == one
    times = np.random.default_rng(1).integers(1, 5, 600)
    weighed = fit_impact_law(*orders, n_boot=50, weight=times.astype(np.float64))
    repeated = fit_impact_law(*(np.repeat(column, times) for column in orders), n_boot=50)
    assert weighed.exponent == pytest.approx(repeated.exponent, rel=1e-9)
    assert weighed.prefactor == pytest.approx(repeated.prefactor, rel=1e-9)
    assert weighed.exponent != pytest.approx(one.exponent, rel=1e-3)


def test_exponent_at_the_edge_of_the_range_stays_there():
    share = np.linspace(0.01, 1, 200)
    law = fit_impact_law(share**2, np.ones(200), share, exponent_range=(0.0, 1.0), n_boot=20)
    assert law.exponent == 1.0
    assert law.exponent_high == 1.0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"impact": np.full(20, np.nan)}, ValueError, "impact must be finite"),
        ({"volatility": np.zeros(20)}, ValueError, "volatility must be positive"),
        ({"size_share": np.full(20, -1.0)}, ValueError, "size_share must be positive"),
        ({"size_share": np.ones(3)}, ValueError, "one length"),
        ({"weight": np.zeros(20)}, ValueError, "weight must be positive"),
        ({"impact": np.ones(20, np.int64)}, TypeError, "impact must hold floats"),
        ({"exponent_range": (1.0, 1.0)}, ValueError, "exponent_range"),
        ({"n_blocks": 9}, ValueError, "n_blocks"),
        ({"n_blocks": 21}, ValueError, "at least n_blocks=21 orders"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    good = {"impact": np.ones(20), "volatility": np.ones(20), "size_share": np.ones(20)}
    with pytest.raises(error, match=message):
        fit_impact_law(**(good | {"n_blocks": 10} | change))
