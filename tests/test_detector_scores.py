"""The scoring of detectors, small and seeded: the matching, the intervals, and what holds at any size."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import detector_scores as scores
from benchmarks.detectors import (
    AGGRESSIVE,
    BY_REFILL,
    MS,
    Alarms,
    detectors,
    orders,
    right,
    seen,
    shifted,
    tally,
)
from orderflow_core.planted import HIDDEN, EpisodeKind, PlantSettings
from orderflow_core.simulator import SECOND_NS, SimulatorSettings, simulate

BUSY = SimulatorSettings(
    duration_s=5400.0,
    plant=PlantSettings(
        metaorders=100.0, icebergs=300.0, bursts=100.0, levels=100.0, level_s=300.0
    ),
)


@pytest.fixture(scope="module")
def market():
    return simulate(BUSY, seed=21)


def alarm(ts, side, low, high, to=None):
    columns = (ts, ts if to is None else to, side, low, high)
    return Alarms(
        **dict(
            zip(
                ("from_ns", "to_ns", "side", "low_ticks", "high_ticks"),
                (np.array([v], np.int64) for v in columns),
                strict=True,
            )
        )
    )


def test_an_alarm_is_right_about_an_episode_of_its_side_time_and_price(market):
    own = market.episodes
    i = int(np.flatnonzero((own.kind == EpisodeKind.ICEBERG) & (own.executed_lots > 0))[0])
    when, side, price = int(own.start_ns[i]) + SECOND_NS, int(own.side[i]), int(own.price_ticks[i])

    def is_right(*what, kinds=HIDDEN, **more):
        return bool(right(alarm(*what, **more), market, kinds)[0, i])

    assert is_right(when, side, price, price)
    assert is_right(when, side, price - 3, price)
    assert is_right(int(own.end_ns[i]), side, price, price)
    assert not is_right(when, -side, price, price)
    assert not is_right(when, side, price + 1, price + 9)
    assert not is_right(int(own.end_ns[i]) + 1, side, price, price)
    # A bar is an interval: it is right if the episode begins before it ends.
    assert is_right(int(own.start_ns[i]) - SECOND_NS, side, price, price, to=when)
    assert not is_right(int(own.start_ns[i]) - SECOND_NS, side, price, price)
    assert not is_right(when, side, price, price, kinds=AGGRESSIVE)


def test_a_tally_counts_alarms_once_and_episodes_once(market):
    own = market.episodes
    counts = np.isin(own.kind, HIDDEN) & (4 * own.executed_lots >= own.planned_lots)
    i = int(np.flatnonzero(counts)[0])
    one = alarm(int(own.start_ns[i]), int(own.side[i]), int(own.price_ticks[i]), 10**6)
    three = Alarms(**{n: np.repeat(getattr(one, n), 3) for n in Alarms.__slots__})
    others = tally(one, market, HIDDEN)
    assert tally(three, market, HIDDEN).tolist() == [3, 3, others[2], counts.sum()]
    assert 1 <= others[2] < counts.sum()
    away = shifted(one, market, 1)
    assert (away.from_ns - one.from_ns).tolist() == [1]


def test_f1_and_intervals():
    # 3 of 4 alarms right, 2 of 4 episodes found: 2 * .75 * .5 / 1.25 = 0.6.
    assert scores.f1(np.array([3, 4, 2, 4])) == pytest.approx(0.6)
    assert scores.f1(np.zeros(4)) == 0.0
    days = np.array([[1, 2, 1, 2], [2, 2, 1, 2]])
    value, low, high = scores.bootstrap(days, scores.ratio(0, 1))
    # Draws of two days: 2/4, 3/4, 4/4.
    assert (value, low, high) == (0.75, 0.5, 1.0)
    assert scores.share(days, 0, 1) == "0.750 (0.500-1.000)"
    # 2 of 2 and 0 of 2: 0.025 ** (1 / 2) = 0.158.
    assert scores.share(np.array([[1, 1], [1, 1]]), 0, 1) == "1.000 (0.158-1.000)"
    assert scores.share(np.array([[0, 1], [0, 1]]), 0, 1) == "0.000 (0.000-0.842)"
    # Nothing in two days: the exact bound, log(40) / 48 hours.
    assert scores.false_alarms(np.zeros(2), 24.0) == "0 (below 0.0769)"
    assert scores.false_alarms(np.array([24, 72]), 24.0) == "2 (1-3)"


def test_planted_truth_is_found_again_on_days_that_were_not_chosen_on(market):
    chosen = scores.choose(list(detectors()), BUSY, [1021])
    assert len(chosen) == len({d.name for d, _ in chosen})
    null = simulate(BUSY.without_episodes(), seed=21)
    found, nothing = seen(market), seen(null)
    sums, false = {}, {}
    for d, name in chosen:
        sums[d.name] = tally(d.settings[name](found), market, d.kinds)
        false[d.name] = len(d.settings[name](nothing))
    by_refill = sums[BY_REFILL]
    assert by_refill[3] > 10
    assert by_refill[0] > 0.9 * by_refill[1]
    assert by_refill[2] > 0.7 * by_refill[3]
    assert false[BY_REFILL] <= 1
    at_price = sums["absorption at a price (preset A)"]
    assert scores.f1(by_refill) > scores.f1(at_price) + 0.2
    stacked = next((d, n) for d, n in chosen if d.name == "stacked imbalance")
    alarms = stacked[0].settings[stacked[1]](found)
    by_chance = tally(shifted(alarms, market, 1800 * SECOND_NS), market, AGGRESSIVE)
    assert sums["stacked imbalance"][0] > by_chance[0]
    sweeps = orders(market, found, None)
    assert sweeps[0] > 0.99 * max(sweeps[1], sweeps[3])


def test_planted_lags_and_faults_are_found(market):
    short = replace(BUSY, duration_s=900.0)
    small = simulate(short, seed=22)
    assert scores.found_lag(small, 50) == 50
    planted, refused, wanted = scores.found_faults(small, seed=22)
    assert planted == refused == wanted == 20 * 7
    assert int(small.trades.ts_event_ns[0]) // MS > 0
