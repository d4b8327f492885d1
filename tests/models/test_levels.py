"""Levels: lift over random ones, on planted levels and on a null market; rows and rungs."""

from dataclasses import fields, replace

import numpy as np
import pytest

from models.config import LadderConfig
from models.datasets import Dataset
from models.levels import (
    NaiveLevel,
    fit_naive,
    touch_columns,
    touch_lift,
)
from models.rung import Training
from models.tasks import Task
from models.train import walk_forward
from orderflow_core.bars import time_bar_index
from orderflow_core.labels_levels import hold_labels, random_levels
from orderflow_core.level_features import KIND_NAMES, LEVEL_NAMES
from orderflow_core.level_rows import level_rows, rows_of
from orderflow_core.level_touches import HoldRule
from orderflow_core.live_levels import LevelKind, LiveLevels
from orderflow_core.planted import EpisodeKind, PlantSettings
from orderflow_core.simulator import SimulatorSettings, simulate
from orderflow_core.types import TradeArrays
from tests.core.test_level_touches import LEVEL_RULES

SECOND = 1_000_000_000
HOLD = HoldRule(turn_ticks=2, pass_ticks=2, horizon_ns=300 * SECOND)
QUIET = PlantSettings(metaorders=0.0, icebergs=0.0, bursts=0.0, spoofs=0.0, levels=0.0)
PLANTED = replace(QUIET, levels=600.0, level_s=300.0, level_distance=(2, 4))


@pytest.fixture
def compiled():
    import numba

    if numba.config.DISABLE_JIT:
        pytest.skip("whole markets need compiled kernels")


def test_lift_is_the_difference_of_the_rates():
    cells = np.repeat(np.arange(40), 3)
    held = np.tile([1.0, 1.0, 0.0], 40)
    others = np.tile([1.0, 0.0, np.nan], 40)
    got = touch_lift((cells * 10, held), (cells * 10 + 9, others), cell_ns=10)
    assert (got.n, got.n_random, got.rate, got.random_rate) == (120, 80, 2 / 3, 0.5)
    # Every cell has the same rates: the difference does not vary from block to block.
    assert (got.lift.value, got.lift.low, got.lift.high) == pytest.approx((1 / 6,) * 3)
    # 40 cells in blocks of 7, the square root rounded up.
    assert (got.n_cells, got.n_blocks) == (40, 5)


def test_touches_of_one_stretch_count_as_one():
    # Each touch a hundred times: the interval stays what it was.
    rng = np.random.default_rng(0)
    t0, held, others = np.arange(60), rng.integers(0, 2, 60) * 1.0, rng.integers(0, 2, 60) * 1.0
    once = touch_lift((t0, held), (t0, others), cell_ns=1)
    many = touch_lift(
        (np.repeat(t0, 100), np.repeat(held, 100)), (t0, others), cell_ns=1
    )  # fmt: skip
    assert many.n == 100 * once.n
    assert (many.lift.low, many.lift.high) == pytest.approx((once.lift.low, once.lift.high))
    assert once.lift.low < once.lift.value < once.lift.high


def test_without_touches_there_is_no_lift():
    nothing = np.empty(0, np.int64), np.empty(0)
    some = np.arange(9), np.ones(9)
    for pair in ((nothing, some), (some, nothing), (nothing, nothing)):
        got = touch_lift(*pair, cell_ns=5)
        assert np.isnan([got.lift.value, got.lift.low, got.lift.high]).all()


def mid_at(market, ts_ns):
    at = np.maximum(np.searchsorted(market.quotes.ts_event_ns, ts_ns) - 1, 0)
    return (market.quotes.bid_ticks + market.quotes.ask_ticks)[at] / 2


def planted_levels(market, truth, planted_in):
    """The planted levels, or in another market prices as far from its mid."""
    own = truth.kind == EpisodeKind.LEVEL
    away = mid_at(market, truth.start_ns[own]) - mid_at(planted_in, truth.start_ns[own])
    price = truth.price_ticks[own] + np.rint(away).astype(np.int64)
    ts = market.trades.ts_event_ns
    first, end = np.searchsorted(ts, truth.start_ns[own]), np.searchsorted(ts, truth.end_ns[own])
    return LiveLevels(
        kind=np.full(len(price), int(LevelKind.RULE)), low_tick=price, high_tick=price,
        sign=truth.side[own], first_idx=first, end_idx=end,
    )  # fmt: skip


def labelled(trades, levels):
    """(decision times, labels) of the touches, those left out that were decided at once."""
    terms = {"start_idx": np.zeros(1, np.int64), "ticks_per_row": 1}
    sweep = np.arange(len(trades))
    rows = rows_of(trades, sweep, levels, **terms, hold=HOLD)
    found = hold_labels(
        trades.price_ticks, trades.ts_event_ns, rows.levels, rows.touches, rows.end_idx,
        start_idx=[0], rule=HOLD,
    )  # fmt: skip
    return found.t0_ns, np.where(found.is_open, found.label, np.nan)


def against_random(trades, levels, seed, n_each=10):
    index = time_bar_index(trades.ts_event_ns, 30 * SECOND)
    others = random_levels(
        levels, trades.price_ticks, index,
        start_idx=[0], ticks_per_row=1, n_each=n_each, seed=seed,
    )  # fmt: skip
    return labelled(trades, levels), labelled(trades, others)


def joined(days):
    """Days one after the other: (times, labels)."""
    return tuple(
        (
            np.concatenate([day[side][0] + i * 86_400 * SECOND for i, day in enumerate(days)]),
            np.concatenate([day[side][1] for day in days]),
        )
        for side in (0, 1)
    )


def lifts_of_planted_levels(seeds, hours):
    """Lift of the planted levels, and of as many prices as far from the mid of a null market."""
    own, null = [], []
    for seed in seeds:
        settings = SimulatorSettings(duration_s=3600.0 * hours, plant=PLANTED)
        market = simulate(settings, seed=seed)
        empty = simulate(replace(settings, plant=QUIET), seed=seed)
        truth = market.episodes
        own.append(against_random(market.trades, planted_levels(market, truth, market), seed))
        null.append(against_random(empty.trades, planted_levels(empty, truth, market), seed))
    return [touch_lift(*joined(days), cell_ns=HOLD.horizon_ns) for days in (own, null)]


def test_planted_levels_beat_random_ones_and_prices_of_a_null_market_do_not(compiled):
    planted, null = lifts_of_planted_levels(range(2), hours=2)
    assert min(planted.n, null.n) > 25
    assert planted.lift.low > 0.1
    assert null.lift.low < 0 < null.lift.high


@pytest.mark.soak
def test_planted_levels_beat_random_ones_on_many_markets(compiled):
    planted, null = lifts_of_planted_levels(range(20), hours=3)
    assert min(planted.n, null.n) > 400
    assert planted.lift.low > 0.2
    assert planted.beats
    assert not null.beats
    assert null.lift.low < 0 < null.lift.high


def walk(seed, n):
    """A walk without memory; sides follow its steps, sizes know nothing."""
    rng = np.random.default_rng(seed)
    step = rng.choice([-1, 0, 1], n, p=[0.25, 0.5, 0.25])
    side = np.where(step == 0, rng.choice([-1, 1], n), step)
    return TradeArrays(
        ts_event_ns=np.cumsum(rng.exponential(SECOND, n).astype(np.int64)),
        trade_id=np.arange(n), price_ticks=100_000 + np.cumsum(step),
        qty_lots=rng.geometric(0.1, n), sign=side.astype(np.int8),
    )  # fmt: skip


def found_levels(trades):
    index = time_bar_index(trades.ts_event_ns, 30 * SECOND)
    rules = replace(LEVEL_RULES, ticks_per_row=1)
    return level_rows(
        trades, np.arange(len(trades)), index,
        start_idx=[0], naked_poc_tick=trades.price_ticks[0] + np.array([-10, 10]), rules=rules, hold=HOLD,
    ).levels  # fmt: skip


def test_levels_that_are_found_in_a_walk_without_memory_have_no_lift(compiled):
    days = []
    for seed in range(6):
        trades = walk(seed, 8_000)
        days.append(against_random(trades, found_levels(trades), seed, n_each=3))
    found = touch_lift(*joined(days), cell_ns=HOLD.horizon_ns)
    assert found.n > 1000
    assert found.lift.low < 0 < found.lift.high
    assert found.lift.high - found.lift.low < 0.15


@pytest.mark.soak
def test_levels_that_are_found_on_null_markets_have_no_lift(compiled):
    days = []
    settings = SimulatorSettings(duration_s=7200.0, plant=QUIET)
    for seed in range(10, 26):
        trades = simulate(settings, seed=seed).trades
        days.append(against_random(trades, found_levels(trades), seed, n_each=5))
    found = touch_lift(*joined(days), cell_ns=HOLD.horizon_ns)
    assert found.n > 1000
    assert found.lift.low < 0 < found.lift.high


def test_a_decisions_features_are_turned_to_where_price_came_from():
    level = np.zeros((2, len(LEVEL_NAMES)))
    level[:, LEVEL_NAMES.index("level_side")] = [1, -1]
    names, columns = touch_columns(level, np.array([[2.0, 3.0], [2.0, np.nan]]), ["sweep_sign", "sweep_lots"])  # fmt: skip
    assert names == (*LEVEL_NAMES, "sweep_sign_x_side", "sweep_lots")
    assert np.array_equal(columns[:, :-2], level)
    assert np.array_equal(columns[:, -2:], [[2, 3], [-2, np.nan]], equal_nan=True)


def rows(kinds, held):
    n = len(kinds)
    t0 = np.arange(n)
    features = np.column_stack([np.array(kinds) == kind for kind in LevelKind]).astype(float)
    return Dataset(
        features=features, names=tuple(KIND_NAMES.values()), label=np.array(held, float),
        t0_ns=t0, t1_ns=t0 + 1, decision_id=t0, trading_day=np.zeros(n, np.int64),
    )  # fmt: skip


def test_the_naive_rung_is_the_hold_rate_of_the_kind():
    # Overall (4 + 1) / (8 + 2) = 1/2. Zones: (3 + 2/2) / (4 + 2); points of control (1 + 1) / 6.
    train = rows([1, 1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 0, 1, 0, 0, 0])
    training = Training(
        task=Task("level_300s"), rows=train, embargo_ns=1, config=LadderConfig(), seed=0
    )
    model = fit_naive(training).predictor
    features = rows([1, 2, 5, 0], [0, 0, 0, 0]).features
    assert model.predict(features) == pytest.approx([4 / 6, 2 / 6, 0.5, 0.5])
    again = NaiveLevel.from_json(model.to_json(), model.texts())
    assert again == model
    bare = replace(train, features=train.features[:, :1], names=("level_is_zone",))
    with pytest.raises(ValueError, match=r"level_is_poc.* for the naive rung"):
        fit_naive(replace(training, rows=bare))


def mixed_rows(seeds, hours=3.0):
    """Touches of planted levels among those of random ones, which a model has to tell apart."""
    parts = []
    for number, seed in enumerate(seeds):
        market = simulate(SimulatorSettings(duration_s=3600.0 * hours, plant=PLANTED), seed=seed)
        trades, start = market.trades, np.zeros(1, np.int64)
        index = time_bar_index(trades.ts_event_ns, 30 * SECOND)
        planted = planted_levels(market, market.episodes, market)
        others = random_levels(
            planted, trades.price_ticks, index, start_idx=[0], ticks_per_row=1, n_each=3, seed=seed
        )
        levels = LiveLevels(
            **{f.name: np.concatenate([getattr(planted, f.name), getattr(others, f.name)]) for f in fields(LiveLevels)}
        )  # fmt: skip
        made = rows_of(
            trades, np.arange(len(trades)), levels, start_idx=start, ticks_per_row=1, hold=HOLD
        )
        found = hold_labels(
            trades.price_ticks, trades.ts_event_ns, levels, made.touches, made.end_idx,
            start_idx=start, rule=HOLD,
        )  # fmt: skip
        at = np.flatnonzero(found.is_open & ~np.isnan(found.label))
        later = number * 86_400 * SECOND
        parts.append(
            Dataset(
                features=made.values[at], names=LEVEL_NAMES, label=found.label[at],
                t0_ns=found.t0_ns[at] + later, t1_ns=found.t1_ns[at] + later, decision_id=at,
                trading_day=np.full(len(at), number),
            )
        )  # fmt: skip
    names = ("features", "label", "t0_ns", "t1_ns", "decision_id", "trading_day")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Dataset(names=LEVEL_NAMES, **arrays)


def aucs(dataset):
    found = walk_forward(
        dataset, Task("level_300s"), n_folds=4, embargo_ns=60 * SECOND, seed=7, n_boot=500
    )
    return {
        rung: next(score for score in found.scores[rung] if score.metric == "auc")
        for rung in ("linear", "lightgbm")
    }


def test_models_tell_planted_levels_from_random_ones_and_learn_nothing_from_noise(compiled):
    dataset = mixed_rows(range(24))
    assert len(dataset) > 2000
    for rung, score in aucs(dataset).items():
        assert score.low > 0.53, rung
    rng = np.random.default_rng(1)
    noise = replace(dataset, label=rng.permutation(dataset.label))
    for rung, score in aucs(noise).items():
        assert score.low < 0.5 < score.high, rung
