from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bootstrap import (
    Blocks,
    _kept_variance,
    _widening,
    estimate,
    label_overlap,
    mean_columns,
    plan_blocks,
    ratio,
    resampled_totals,
)
from tests.naive import evaluate as naive


def plan(n_rows, block_len, n_boot=200, seed=0):
    return Blocks(
        n_rows=n_rows,
        label_overlap=1,
        block_len=block_len,
        n_blocks=n_rows // block_len,
        n_boot=n_boot,
        seed=seed,
    )


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=30))
def test_label_overlap_equals_the_loop(intervals):
    t0 = np.array(sorted(start for start, _ in intervals), np.int64)
    t1 = t0 + np.array([length for _, length in intervals], np.int64)
    assert label_overlap(t0, t1) == naive.label_overlap(t0.tolist(), t1.tolist())


def test_label_overlap_of_touching_labels():
    # [0,5) [5,10) touch and do not overlap; three equal times overlap each other though empty
    assert label_overlap(np.array([0, 5]), np.array([5, 10])) == 1
    assert label_overlap(np.array([7, 7, 7]), np.array([7, 7, 7])) == 3


def test_block_length_is_the_overlap_or_the_root_of_the_rows():
    t0 = np.arange(400, dtype=np.int64)
    # horizon 50: 49 rows before, itself, 49 after
    assert plan_blocks(t0, t0 + 50).label_overlap == 99
    assert plan_blocks(t0, t0 + 50).block_len == 99
    assert plan_blocks(t0, t0 + 50).n_blocks == 4
    assert plan_blocks(t0, t0 + 2).block_len == 20
    assert plan_blocks(t0, t0 + 1000).block_len == 400
    with pytest.raises(ValueError, match="must not be empty"):
        plan_blocks(t0[:0], t0[:0])


@pytest.mark.parametrize(("n_rows", "block_len"), [(7, 3), (6, 3), (5, 5), (9, 1)])
def test_resampled_totals_equal_the_loop(n_rows, block_len):
    rows = np.random.default_rng(1).normal(size=(n_rows, 2))
    blocks = plan(n_rows, block_len, n_boot=20, seed=3)
    n_draws = -(-n_rows // block_len)
    starts = np.random.default_rng(3).integers(0, n_rows, (20, n_draws))
    expected = [naive.block_totals(rows.tolist(), drawn, block_len) for drawn in starts.tolist()]
    np.testing.assert_allclose(resampled_totals(rows, blocks), expected, atol=1e-12)


def test_resampling_refuses_another_number_of_rows():
    with pytest.raises(ValueError, match="must have the plan's 5 rows, got 4"):
        resampled_totals(np.zeros((4, 1)), plan(5, 2))


def test_chunks_do_not_change_the_draws(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    whole = resampled_totals(rows, plan(50, 4))
    monkeypatch.setattr("models.bootstrap._CHUNK_ROWS", 100)
    np.testing.assert_array_equal(resampled_totals(rows, plan(50, 4)), whole)


def test_interval_of_overlapping_losses_covers_and_one_of_single_rows_does_not():
    """Sums of 20 neighbours: 95 % intervals must hold the truth about 95 times in 100."""
    rng = np.random.default_rng(5)
    covered = {1: 0, 39: 0}
    for seed in range(150):
        noise = rng.normal(size=1200 + 19)
        loss = np.convolve(noise, np.ones(20), mode="valid")
        for block_len in covered:
            found = estimate(
                mean_columns(loss), ratio, plan(1200, block_len, n_boot=200, seed=seed)
            )
            covered[block_len] += found.low <= 0 <= found.high
    assert covered[39] >= 0.88 * 150
    assert covered[1] <= 0.60 * 150


def test_interval_and_p_value_agree_and_centre_on_the_value():
    loss = np.random.default_rng(2).normal(0.2, 1, 900)
    found = estimate(mean_columns(loss), ratio, plan(900, 30, n_boot=500))
    assert found.value == pytest.approx(loss.mean())
    assert found.low < found.value < found.high
    assert found.low > 0
    assert found.p_value < 0.05
    mirrored = estimate(mean_columns(-loss), ratio, plan(900, 30, n_boot=500))
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_few_blocks_widen_the_interval_and_one_block_has_none():
    loss = np.random.default_rng(2).normal(size=100)
    assert np.isnan(estimate(mean_columns(loss), ratio, plan(100, 60)).low)
    # t with 1 degree of freedom: 12.706 / 1.96 * sqrt(2) = 9.17 times the plain interval
    assert _widening(plan(2, 1)) == pytest.approx(12.7062 / 1.95996 * np.sqrt(2), rel=1e-4)
    assert _widening(plan(10_000, 1)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("label_len", "block_len"), [(1, 1), (1, 7), (2, 3), (20, 39), (20, 90)])
def test_variance_that_blocks_keep_equals_the_sum_over_lags(label_len, block_len):
    lags = np.arange(1 - label_len, label_len)
    shared = 1 - np.abs(lags) / label_len
    kept = (shared * (1 - np.abs(lags) / block_len)).sum() / shared.sum()
    assert _kept_variance(2 * label_len - 1, block_len) == pytest.approx(kept, rel=1e-12)


def coverage(n_rows, label_len, n_cases):
    """Share of 95 % intervals that hold the mean, of moves over the next ``label_len`` rows."""
    rng = np.random.default_rng(5)
    t0 = np.arange(n_rows, dtype=np.int64)
    blocks = plan_blocks(t0, t0 + label_len, n_boot=300)
    held = 0
    for seed in range(n_cases):
        path = np.concatenate([[0.0], np.cumsum(rng.normal(size=n_rows + label_len - 1))])
        move = path[label_len:] - path[:-label_len]
        found = estimate(mean_columns(move), ratio, replace(blocks, seed=seed))
        held += found.low <= 0 <= found.high
    return blocks.n_blocks, held / n_cases


@pytest.mark.parametrize(
    ("n_rows", "label_len", "n_blocks", "n_cases", "slack"),
    [
        (1287, 50, 13, 1000, 0.014),  # two standard errors of the share
        (10_100, 51, 100, 500, 0.02),
        pytest.param(1287, 50, 13, 8000, 0.007, marks=pytest.mark.soak),
        pytest.param(10_100, 51, 100, 8000, 0.007, marks=pytest.mark.soak),
    ],
)
def test_planned_intervals_of_overlapping_labels_cover_what_they_say(
    n_rows, label_len, n_blocks, n_cases, slack
):
    found, share = coverage(n_rows, label_len, n_cases)
    assert found == n_blocks
    assert share == pytest.approx(0.95, abs=slack)


def test_undefined_statistic_has_no_interval():
    found = estimate(np.zeros((20, 2)), ratio, plan(20, 2))
    assert np.isnan([found.value, found.low, found.high, found.p_value]).all()
