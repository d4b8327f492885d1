from dataclasses import replace

import numpy as np
import pytest

from models.interval import fit_interval, load_interval
from models.tasks import LEVELS, Task
from tests.models.synthetic import SECOND, TASKS, synthetic

RETURN, MOVE, DIRECTION, SLIPPAGE = (
    TASKS[kind] for kind in ("return", "move", "direction", "slippage")
)


def rows(label, horizon_s=1):
    """Decisions a second apart, whose outcomes are known ``horizon_s`` later."""
    data = synthetic("return", n=len(label))
    return replace(data, label=np.array(label, float), t1_ns=data.t0_ns + horizon_s * SECOND)


def test_value_golden():
    # residuals 1..19 about a forecast of 10; n + 1 = 20: the 1st and the 19th leave 5 % each
    found = fit_interval(RETURN, rows(np.arange(1, 20) + 10), np.full(19, 10.0))
    assert found.bounds(np.array([0.0, 5.0]), 0.9)[0].tolist() == [1, 6]
    assert found.bounds(np.array([0.0, 5.0]), 0.9)[1].tolist() == [19, 24]
    # 80 %: 2nd and 18th
    low, high = found.bounds(np.array([0.0]), 0.8)
    assert (low[0], high[0]) == (2, 18)
    # more than 19 rows can promise: the extremes
    low, high = found.bounds(np.array([0.0]), 0.99)
    assert (low[0], high[0]) == (1, 19)


def test_labels_that_overlap_make_tails_further_out():
    label = np.random.default_rng(0).normal(size=400)
    apart, shared = (
        fit_interval(RETURN, rows(label, horizon), np.zeros(400)) for horizon in (1, 20)
    )
    assert apart.n_effective == 400
    assert 20 < shared.n_effective < 22  # 419 seconds of twenty-second labels
    near, far = (found.bounds(np.zeros(1), 0.8) for found in (apart, shared))
    assert far[0] < near[0] < 0 < near[1] < far[1]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_outcomes_like_the_held_ones_are_covered_as_often_as_asked(coverage):
    """Over many draws of 99 held rows and one new row: at least the coverage, and not much more."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        label = rng.exponential(size=100)
        found = fit_interval(RETURN, rows(label[:99]), np.zeros(99))
        low, high = found.bounds(np.zeros(1), coverage)
        inside += low[0] <= label[99] <= high[0]
    # 100 outcomes and tails in steps of 1/400: exact up to 2/100
    assert coverage - 0.025 < inside / 2000 < coverage + 0.045


def test_quantiles_are_widened_to_cover():
    label = np.random.default_rng(0).normal(size=3000)
    narrow = np.tile(np.array(LEVELS) - 0.5, (3000, 1))  # -.45 to .45, holds a third
    held, new = rows(label[:1500]), label[1500:]
    low, high = fit_interval(SLIPPAGE, held, narrow[:1500]).bounds(narrow[1500:], 0.9)
    assert ((low <= new) & (new <= high)).mean() == pytest.approx(0.9, abs=0.02)
    assert (low <= high).all()


def test_frequency_golden():
    # 100 rows of one forecast, 20 events, each its own block pair: Wilson at 90 %
    label = np.tile([1.0, 0, 0, 0, 0], 20)
    found = fit_interval(MOVE, rows(label), np.full(100, 0.3))
    assert found.share.tolist() == [0.2]
    assert found.n_effective[0] == 100  # even in every block: no more than the rows
    low, high = found.bounds(np.array([0.1, 0.9]), 0.9)
    z = 1.6448536269514722
    centre = (0.2 + z * z / 200) / (1 + z * z / 100)
    reach = z * np.sqrt(0.2 * 0.8 / 100 + z * z / 40000) / (1 + z * z / 100)
    np.testing.assert_allclose(low, centre - reach)
    np.testing.assert_allclose(high, centre + reach)


def test_events_that_come_in_spells_rest_on_fewer_rows():
    spells = np.repeat(np.random.default_rng(0).random(40) < 0.3, 50).astype(float)
    alone = np.random.default_rng(1).permutation(spells)
    forecast = np.full(2000, 0.3)
    spread, single = (
        fit_interval(MOVE, rows(label, 50), forecast).n_effective[0] for label in (spells, alone)
    )
    assert spread < 100 < 1000 < single


def test_frequency_interval_holds_the_true_probability():
    rng = np.random.default_rng(2)
    inside = total = 0
    for _ in range(60):
        p = rng.uniform(0.05, 0.6, 600)
        label = (rng.random(600) < p).astype(float)
        found = fit_interval(MOVE, rows(label), p)
        # forecasts of a bin differ: the interval is of their mean frequency
        low, high = found.bounds(p, 0.9)
        bins = np.searchsorted(found.edges, p, side="right")
        for number in range(len(found.share)):
            inside += low[bins == number][0] <= p[bins == number].mean() <= high[bins == number][0]
            total += 1
    assert 0.84 < inside / total < 0.97


def test_three_classes_bound_the_expected_sign():
    rng = np.random.default_rng(3)
    up = rng.uniform(0.1, 0.7, 3000)
    p = np.column_stack([0.8 - up, np.full(3000, 0.2), up])
    label = (rng.random(3000)[:, None] > p.cumsum(axis=1)).sum(axis=1) - 1.0
    low, high = fit_interval(DIRECTION, rows(np.minimum(label, 1)), p).bounds(p, 0.9)
    sign = p[:, 2] - p[:, 0]
    assert ((low > -1) & (high < 1) & (low < high)).all()
    assert ((low - 0.05 <= sign) & (sign <= high + 0.05)).mean() > 0.9


def test_json_reads_back_to_the_same_bounds():
    label = np.random.default_rng(0).normal(size=200)
    p = np.full(200, 0.4)
    for task, outcome in ((RETURN, label), (MOVE, (label > 0).astype(float))):
        found = fit_interval(task, rows(outcome), p)
        again = load_interval(found.to_json())
        np.testing.assert_array_equal(again.bounds(p, 0.7), found.bounds(p, 0.7))
    with pytest.raises(ValueError, match="conformal or frequency"):
        load_interval({"kind": "guess"})


def test_wrong_arguments_are_refused():
    held = rows(np.zeros(30))
    with pytest.raises(ValueError, match="must have shape"):
        fit_interval(Task("slippage"), held, np.zeros(30))
    with pytest.raises(ValueError, match="at least one row"):
        fit_interval(RETURN, held.take(slice(0, 0)), np.zeros(0))
    for coverage in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            fit_interval(RETURN, held, np.zeros(30)).bounds(np.zeros(1), coverage)
