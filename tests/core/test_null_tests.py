"""Hit rates against shuffled signs: oracle, planted truth, noise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.null_tests import future_moves, hit_rate
from tests.core import closed_bar_cases
from tests.naive import null_tests as naive


def moves_of(bars, n_bars, target, stop):
    return future_moves(
        bars["high"],
        bars["low"],
        bars["close"],
        bars["starts"],
        n_bars=n_bars,
        target_ticks=target,
        stop_ticks=stop,
    )


def walk(n, seed):
    """A path of one price a bar."""
    price = 1_000 + np.cumsum(np.random.default_rng(seed).choice([-1, 1], n))
    return {"high": price, "low": price, "close": price, "starts": np.array([0])}


@given(closed_bar_cases.bars(), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_moves_equal_the_obvious_loop(bars, n_bars, target, stop):
    found = moves_of(bars, n_bars, target, stop)
    expected = naive.future_moves(
        *(bars[name].tolist() for name in ("high", "low", "close")),
        bars["starts"].tolist() or [0],
        n_bars=n_bars,
        target=target,
        stop=stop,
    )
    columns = (found.is_up_hit, found.is_down_hit, found.up_known_bar, found.down_known_bar)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


@given(st.data(), closed_bar_cases.bars(), st.integers(1, 4))
def test_rate_equals_the_obvious_loop(data, bars, n_bars):
    n = len(bars["close"])
    signs = data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
    moves = moves_of(bars, n_bars, 1, 1)
    found = hit_rate(np.array(signs, np.int8), moves, n_null=20)
    kept = naive.scored_signals(signs, moves.up_known_bar.tolist(), n_bars)
    assert found.n_signals == sum(s != 0 for s in signs)
    assert found.hits.n == len(kept)
    if kept:
        hits = [(moves.is_up_hit if signs[i] > 0 else moves.is_down_hit)[i] for i in kept]
        assert found.hits.value == sum(hits) / len(kept)
        assert found.hits.low <= found.hits.value <= found.hits.high
        assert found.null_low <= found.null_mean + 1e-9
        assert 0 < found.p_more <= 1
        assert 0 < found.p_less <= 1
    else:
        assert math.isnan(found.p_more)
        assert math.isnan(found.null_mean)


def test_a_move_counts_once_its_horizon_is_over():
    # A bar's own move is known no later than its horizon, and changes with no later bar.
    bars = closed_bar_cases.seeded_bars(7, 300)
    whole = moves_of(bars, 10, 4, 4)
    for known, hit in (
        (whole.up_known_bar, whole.is_up_hit),
        (whole.down_known_bar, whole.is_down_hit),
    ):
        scored = np.flatnonzero(known >= 0)
        assert ((known[scored] > scored) & (known[scored] <= scored + 10)).all()
        for i in scored[::25].tolist():
            now = i + 11
            part = {name: bars[name][:now] for name in ("high", "low", "close")}
            part["starts"] = bars["starts"][bars["starts"] < now]
            prefix = moves_of(part, 10, 4, 4)
            same = prefix.is_up_hit if hit is whole.is_up_hit else prefix.is_down_hit
            assert same[i] == hit[i]


def test_target_stop_and_tie_by_hand():
    # Close 10, target 2, stop 2. Bar 1 spans 8..12: both reached, so no hit either way.
    # Bar 2 from its close 11: bar 3 spans 11..13: up hit; down's stop at 13 too.
    # Bar 3 from its close 12, horizon 1: bar 4 spans 11..13: neither, no hit.
    found = future_moves(
        [10, 12, 11, 13, 13],
        [10, 8, 11, 11, 11],
        [10, 11, 11, 12, 12],
        [0],
        n_bars=1,
        target_ticks=2,
        stop_ticks=2,
    )
    assert found.is_up_hit.tolist() == [False, False, True, False, False]
    assert found.is_down_hit.tolist() == [False, False, False, False, False]
    assert found.up_known_bar.tolist() == [1, 2, 3, 4, -1]
    assert found.is_scored.tolist() == [True] * 4 + [False]


def test_signals_within_a_horizon_count_once():
    # Horizon 3: of signals at 0, 1, 3, 5, 6 those at 0, 3 and 6 count.
    bars = walk(12, 1)
    moves = moves_of(bars, 3, 1, 5)
    sign = np.zeros(12, np.int8)
    sign[[0, 1, 3, 5, 6]] = 1
    found = hit_rate(sign, moves, n_null=10)
    assert (found.n_signals, found.hits.n) == (5, 3)
    assert found.hits.value == moves.is_up_hit[[0, 3, 6]].mean()
    # One sign only has no other order.
    assert found.p_more == found.p_less == 1.0
    assert found.null_mean == found.hits.value


def test_signals_that_see_the_future_beat_the_null():
    bars = walk(4_000, 2)
    moves = moves_of(bars, 10, 2, 2)
    ahead = np.sign(np.append(bars["close"][2:] - bars["close"][:-2], [0, 0])).astype(np.int8)
    found = hit_rate(ahead, moves, n_null=999)
    assert found.hits.value > 0.95
    assert found.p_more == 0.001  # (1 + 0) / (1 + 999)
    assert found.p_less == 1.0
    assert found.null_high < found.hits.low
    against = hit_rate(-ahead, moves, n_null=999)
    assert against.p_less == 0.001


def test_noise_is_not_mistaken_for_skill():
    # Under the null p is about uniform: of 200 seeds about 20 fall at or below 0.1; 36 or more has
    # odds of 4e-4.
    moves = moves_of(walk(1_500, 3), 5, 2, 2)
    p = []
    for seed in range(200):
        sign = np.random.default_rng(seed).choice([-1, 0, 1], 1_500).astype(np.int8)
        p.append(hit_rate(sign, moves, n_null=199).p_more)
    assert sum(value <= 0.1 for value in p) < 36
    assert 0.42 < np.mean(p) < 0.62


def test_a_drift_is_no_skill():
    # Price rises 3 of 4 steps. Signals that buy 3 of 4 times at random hit often, as the null does.
    rng = np.random.default_rng(4)
    price = 1_000 + np.cumsum(rng.choice([-1, 1], 4_000, p=[0.25, 0.75]))
    bars = {"high": price, "low": price, "close": price, "starts": np.array([0])}
    sign = rng.choice([-1, 1], 4_000, p=[0.25, 0.75]).astype(np.int8)
    found = hit_rate(sign, moves_of(bars, 10, 2, 2))
    assert found.hits.low > 0.5
    assert found.p_more > 0.05


def test_the_null_is_that_of_really_shuffled_signs():
    # Mean and spread of the drawn counts against those of signs shuffled one by one.
    rng = np.random.default_rng(5)
    bars, n = walk(900, 6), 900
    moves = moves_of(bars, 3, 1, 2)
    sign = rng.choice([-1, 1], n, p=[0.3, 0.7]).astype(np.int8)
    found = hit_rate(sign, moves, n_null=20_000)
    kept = naive.scored_signals(sign.tolist(), moves.up_known_bar.tolist(), 3)
    up, down = moves.is_up_hit[kept].tolist(), moves.is_down_hit[kept].tolist()
    hits = naive.shuffled_hits(up, down, int((sign[kept] > 0).sum()), 2_000, 1)
    share = np.array(hits) / len(kept)
    assert found.null_mean == pytest.approx(share.mean(), abs=4 * share.std() / math.sqrt(2_000))
    low, high = np.quantile(share, (0.025, 0.975))
    assert (found.null_low, found.null_high) == pytest.approx((low, high), abs=0.006)


def test_the_same_seed_gives_the_same_null():
    moves = moves_of(walk(300, 8), 2, 1, 1)
    sign = np.tile([1, -1, 0], 100).astype(np.int8)
    assert hit_rate(sign, moves, seed=3) == hit_rate(sign, moves, seed=3)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"high_ticks": [1.0, 2.0]}, TypeError, "high_ticks"),
        ({"close_ticks": [1, 3]}, ValueError, r"close_ticks must lie .* 3 outside of \[2, 2\]"),
        ({"low_ticks": [1]}, ValueError, "one length"),
        ({"n_bars": 0}, ValueError, "n_bars must be positive"),
        ({"target_ticks": 0}, ValueError, "target_ticks must be positive"),
        ({"stop_ticks": -1}, ValueError, "stop_ticks must be positive"),
        ({"stop_ticks": 2**62}, ValueError, "may overflow"),
        ({"session_start_bar": []}, ValueError, "session_start_bar must start at 0"),
    ],
)
def test_errors_name_the_argument(changed, error, text):
    arguments = {
        "high_ticks": [1, 2],
        "low_ticks": [1, 2],
        "close_ticks": [1, 2],
        "session_start_bar": [0],
        "n_bars": 1,
        "target_ticks": 1,
        "stop_ticks": 1,
    }
    with pytest.raises(error, match=text):
        future_moves(**{**arguments, **changed})


def test_rate_errors_and_empty_input():
    moves = moves_of(walk(3, 1), 1, 1, 1)
    with pytest.raises(ValueError, match="sign must be in"):
        hit_rate([2, 0, 0], moves)
    with pytest.raises(ValueError, match="one length"):
        hit_rate([1], moves)
    with pytest.raises(ValueError, match="n_null must be at least 1"):
        hit_rate([1, 0, 0], moves, n_null=0)
    none = {name: np.empty(0, np.int64) for name in ("high", "low", "close", "starts")}
    nothing = hit_rate([], moves_of(none, 1, 1, 1))
    assert nothing.hits.n == 0
    assert math.isnan(nothing.p_less)
