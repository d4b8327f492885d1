import hashlib
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from orderflow_core.alignment import quote_at_trade
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.level_outcomes import LevelOutcomes, level_lift, level_outcomes
from orderflow_core.market_facts import (
    sign_autocorrelation,
    tail_exponent,
    time_weighted_spread,
    volatility_signature,
)
from orderflow_core.planted import IMPACT_ORDERS, RESTING, EpisodeKind, PlantSettings
from orderflow_core.simulator import SECOND_NS, SimulatorSettings, simulate
from orderflow_core.size_law import SizeLaw
from orderflow_core.sweeps import assign_sweeps
from orderflow_core.tick_rules import tick_rule

ROOT = Path(__file__).resolve().parents[2]
BUSY = PlantSettings(metaorders=600.0, icebergs=900.0, bursts=900.0, spoofs=1400.0, levels=2000.0)
SHORT = SimulatorSettings(
    duration_s=900.0,
    plant=replace(BUSY, metaorder_children=(10, 40), iceberg_s=30.0, level_s=60.0),
)
TINY = SimulatorSettings(
    duration_s=120.0,
    plant=PlantSettings(
        metaorders=9000.0, metaorder_children=(5, 9), icebergs=9000.0, iceberg_s=9.0, bursts=9000.0,
        burst_horizon_s=9.0, spoofs=9000.0, levels=9000.0, level_s=9.0,
    ),
)  # fmt: skip
QUIET = PlantSettings(metaorders=0.0, icebergs=0.0, bursts=0.0, spoofs=0.0, levels=0.0)


@pytest.fixture(scope="module")
def market():
    return simulate(SHORT, seed=11)


@pytest.fixture(scope="module")
def compiled():
    import numba

    if numba.config.DISABLE_JIT:
        pytest.skip("whole days need compiled kernels")


@pytest.fixture(scope="module")
def day(compiled):
    return simulate(SimulatorSettings(), seed=1)


def arrays_of(bundle):
    for item in fields(bundle):
        value = getattr(bundle, item.name)
        if isinstance(value, np.ndarray):
            yield item.name, value
        else:
            yield from ((f"{item.name}.{name}", a) for name, a in arrays_of(value))


def test_the_same_seed_gives_the_same_market_and_another_gives_another(market):
    again, other = simulate(SHORT, seed=11), simulate(SHORT, seed=12)
    for (name, a), (_, b) in zip(arrays_of(market), arrays_of(again), strict=True):
        assert a.tobytes() == b.tobytes(), name
    assert not np.array_equal(market.trades.price_ticks[:100], other.trades.price_ticks[:100])


def digest(found):
    content = hashlib.sha256()
    for name, values in arrays_of(found):
        content.update(f"{name} {values.dtype} {values.shape}".encode())
        content.update(values.tobytes())
    return content.hexdigest()


_WITHOUT_JIT = """
from tests.core.test_simulator import TINY, digest
from orderflow_core.simulator import simulate
print(digest(simulate(TINY, seed=7)))
"""


def test_a_tiny_market_is_the_same_with_and_without_compiled_kernels(compiled):
    found = simulate(TINY, seed=7)
    assert len(found.trades) > 50
    assert set(found.episodes.kind) == set(EpisodeKind)
    plain = subprocess.run(
        [sys.executable, "-c", _WITHOUT_JIT], env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert plain.stdout.strip() == digest(found)


def test_a_whole_day_equals_itself(day):
    assert digest(simulate(SimulatorSettings(), seed=1)) == digest(day)


def test_ticks_are_those_of_a_market(market):
    trades, quotes = market.trades, market.quotes
    assert len(trades) > 500
    assert (np.diff(trades.ts_event_ns) >= 0).all()
    assert (np.diff(quotes.ts_event_ns) >= 0).all()
    assert np.array_equal(trades.trade_id, np.arange(1, len(trades) + 1))
    assert set(np.unique(trades.sign)) == {-1, 1}
    assert trades.qty_lots.min() > 0
    assert (quotes.bid_ticks < quotes.ask_ticks).all()
    assert min(quotes.bid_lots.min(), quotes.ask_lots.min()) > 0
    end = SHORT.start_ns + int(SHORT.duration_s * SECOND_NS)
    assert SHORT.start_ns <= quotes.ts_event_ns[0] <= trades.ts_event_ns[0]
    assert trades.ts_event_ns[-1] < end


def test_each_order_begins_at_the_quote_before_it_and_walks_away_from_it(market):
    trades, quotes = market.trades, market.quotes
    first = np.flatnonzero(np.diff(market.order_id, prepend=-1))
    before = np.searchsorted(market.quote_order_id, market.order_id[first]) - 1
    side = trades.sign[first]
    best = np.where(side > 0, quotes.ask_ticks[before], quotes.bid_ticks[before])
    assert np.array_equal(trades.price_ticks[first], best)
    steps = np.diff(trades.price_ticks) * trades.sign[1:]
    same = np.diff(market.order_id) == 0
    assert (steps[same] >= 0).all()
    assert (np.diff(trades.sign)[same] == 0).all()


def test_depth_begins_with_the_best_quote(market):
    quotes = market.quotes
    at = np.searchsorted(quotes.ts_event_ns, market.depth_ns, side="right") - 1
    shown = (quotes.bid_ticks, quotes.bid_lots, quotes.ask_ticks, quotes.ask_lots)
    for column, values in enumerate(shown):
        assert np.array_equal(market.depth[:, 0, column], values[at])
    assert (np.diff(market.depth[:, :, 0], axis=1) < 0).all()
    assert (np.diff(market.depth[:, :, 2], axis=1) > 0).all()


def test_executed_lots_are_the_fills_that_carry_the_number(market):
    episodes, lots = market.episodes, market.trades.qty_lots
    for i in range(len(episodes)):
        rests = episodes.kind[i] in RESTING
        number = market.maker_episode if rests else market.taker_episode
        own = number == i + 1
        assert lots[own].sum() == episodes.executed_lots[i]
        assert episodes.executed_lots[i] <= episodes.planned_lots[i]
        if not own.any():
            continue
        ts, sign = market.trades.ts_event_ns[own], market.trades.sign[own]
        assert episodes.start_ns[i] <= ts[0] <= ts[-1] <= episodes.end_ns[i]
        assert (sign == (-1 if rests else 1) * episodes.side[i]).all()
        if rests:
            assert (market.trades.price_ticks[own] == episodes.price_ticks[i]).all()
    assert set(episodes.kind) == set(EpisodeKind)


def test_an_iceberg_absorbs_more_than_it_ever_shows(market):
    icebergs = np.flatnonzero(market.episodes.kind == EpisodeKind.ICEBERG)
    beyond = 0
    for i in icebergs:
        own = market.maker_episode == i + 1
        shown = int(market.episodes.planned_lots[i] * SHORT.plant.iceberg_shown)
        assert market.trades.qty_lots[own].max(initial=0) <= shown
        beyond += market.episodes.executed_lots[i] > 2 * shown
    assert beyond >= len(icebergs) // 3 > 0


def test_a_level_rests_where_the_truth_says_and_holds(market):
    episodes, trades = market.episodes, market.trades
    levels = np.flatnonzero(episodes.kind == EpisodeKind.LEVEL)
    assert len(levels) > 3
    least, most = SHORT.plant.level_distance
    quotes = market.quotes
    for i in levels:
        side, price = episodes.side[i], episodes.price_ticks[i]
        inside = (trades.ts_event_ns >= episodes.start_ns[i]) & (
            trades.ts_event_ns < episodes.end_ns[i]
        )
        # The reference never passes it, and market makers quote on its side of it.
        assert (side * (market.reference_ticks[inside] - price) >= 0).all()
        assert 0 < episodes.shown_lots[i] < episodes.planned_lots[i]
        at = np.searchsorted(quotes.ts_event_ns, episodes.start_ns[i])
        best = quotes.bid_ticks[at] if side > 0 else quotes.ask_ticks[at]
        assert least - 3 <= (best - price) * side <= most + 3
    # Episodes do not overlap each other.
    assert (episodes.start_ns[levels][1:] > episodes.end_ns[levels][:-1]).all()


def outcomes_of_levels(settings, seed):
    """Outcomes at the planted levels, and at rows as far from the mid on the other side."""
    found = simulate(settings, seed=seed)
    own, quotes, ts = found.episodes, found.quotes, found.trades.ts_event_ns
    at = np.searchsorted(quotes.ts_event_ns, own.start_ns) - 1
    other = quotes.bid_ticks[at] + quotes.ask_ticks[at] - own.price_ticks
    first, end = np.searchsorted(ts, own.start_ns), np.searchsorted(ts, own.end_ns)
    for ticks in (own.price_ticks, other):
        yield level_outcomes(
            found.trades.price_ticks, ts, ticks, first, end,
            ticks_per_row=1, turn_ticks=2, pass_ticks=2, horizon_ns=300 * SECOND_NS,
        )  # fmt: skip


def test_planted_levels_turn_the_price_more_often_than_random_ones(compiled):
    plant = replace(QUIET, levels=600.0, level_s=300.0, level_distance=(2, 4))
    settings = SimulatorSettings(duration_s=7200.0, plant=plant)
    days = zip(*(outcomes_of_levels(settings, seed) for seed in range(4)), strict=True)
    levels, others = (
        LevelOutcomes(**{f.name: np.concatenate([getattr(d, f.name) for d in side]) for f in fields(LevelOutcomes)})
        for side in days
    )  # fmt: skip
    lift = level_lift(levels, others)
    assert lift.n_touched > 25
    assert lift.n_passed <= 2
    assert lift.low > 0.1


def test_a_spoof_is_shown_and_taken_back(market):
    episodes = market.episodes
    spoofs = np.flatnonzero(episodes.kind == EpisodeKind.SPOOF)
    assert len(spoofs)
    assert episodes.executed_lots[spoofs].sum() < 0.05 * episodes.planned_lots[spoofs].sum()
    seen = 0
    for i in spoofs:
        column = 0 if episodes.side[i] > 0 else 2
        inside = (market.depth_ns >= episodes.start_ns[i]) & (market.depth_ns < episodes.end_ns[i])
        rows = market.depth[inside]
        at_price = rows[..., column] == episodes.price_ticks[i]
        seen += bool((rows[..., column + 1][at_price] >= episodes.planned_lots[i]).any())
    assert seen > 0.8 * len(spoofs)


def test_fewer_episodes_leave_the_own_flow_as_it_is():
    calm = simulate(SHORT.without_episodes(), seed=11)
    fewer = simulate(replace(SHORT, plant=replace(SHORT.plant, spoofs=0.0)), seed=11)
    assert not len(calm.episodes)
    assert not calm.taker_episode.any()
    for kind in (EpisodeKind.METAORDER, EpisodeKind.ICEBERG, EpisodeKind.BURST):
        a, b = (
            m.episodes.start_ns[m.episodes.kind == kind] for m in (simulate(SHORT, seed=11), fewer)
        )
        assert np.array_equal(a, b)


def moves(market, kind, start, end):
    """Change of the mid between two times of each episode of a kind, signed by its side."""
    quotes, own = market.quotes, np.flatnonzero(market.episodes.kind == kind)
    mid = (quotes.bid_ticks + quotes.ask_ticks) / 2
    at = [np.searchsorted(quotes.ts_event_ns, t[own]) - 1 for t in (start, end)]
    return own, (mid[at[1]] - mid[at[0]]) * market.episodes.side[own]


def test_impact_grows_with_the_square_root_of_what_was_worked(day):
    plant = replace(QUIET, metaorders=150.0)
    found = simulate(SimulatorSettings(plant=plant, news_ticks=0.05, surprise_ticks=0.05), seed=2)
    episodes = found.episodes
    own, move = moves(
        found, EpisodeKind.METAORDER, episodes.start_ns, episodes.end_ns + 2 * SECOND_NS
    )
    lots = episodes.executed_lots[own].astype(float)
    planted = plant.impact_ticks * np.sqrt(
        lots / (IMPACT_ORDERS * SimulatorSettings().market_size.median)
    )
    groups = np.array_split(np.argsort(lots), 6)
    size, seen = (np.array([v[g].mean() for g in groups]) for v in (lots, move))
    exponent = np.polyfit(np.log(size), np.log(seen), 1)[0]
    assert 0.4 < exponent < 0.6
    assert seen.mean() == pytest.approx(np.mean([planted[g].mean() for g in groups]), rel=0.15)
    assert np.allclose(np.abs(episodes.kept_ticks / episodes.peak_ticks), plant.impact_kept)


def test_price_follows_informed_bursts_and_turns_at_icebergs():
    plant = replace(QUIET, bursts=1400.0, icebergs=1400.0, iceberg_s=20.0)
    own = {EpisodeKind.BURST: [], EpisodeKind.ICEBERG: []}
    for seed in range(2):
        found = simulate(
            replace(SHORT, plant=plant, news_ticks=0.05, surprise_ticks=0.05), seed=seed
        )
        for kind, sample in own.items():
            _, move = moves(found, kind, found.episodes.end_ns, found.episodes.moved_until_ns)
            sample += move.tolist()
    for kind, sample in own.items():
        error = np.std(sample) / np.sqrt(len(sample))
        assert len(sample) > 15
        assert np.mean(sample) > 4 * error, kind


def test_figures_lie_where_recorded_markets_lie(day):
    trades, quotes = day.trades, day.quotes
    first = np.flatnonzero(np.diff(day.order_id, prepend=-1))
    lots = np.add.reduceat(trades.qty_lots, first)
    mean, share = time_weighted_spread(quotes.ts_event_ns, quotes.bid_ticks, quotes.ask_ticks)
    before = quote_at_trade(trades.ts_event_ns[first], quotes)
    mid = (before.bid_ticks + before.ask_ticks)[before.is_known]
    memory = sign_autocorrelation(trades.sign[first], np.array([1, 10]))
    volatility = volatility_signature(mid, np.array([1, 10, 100]))
    # Ranges of the recorded perpetuals in docs/simulator.md, a little widened.
    assert 1.0 <= mean <= 1.2
    assert share > 0.9
    assert 0.9 < tail_exponent(lots) < 1.7
    assert 0.2 < memory[0] < 0.5
    assert memory[1] > 0.03
    assert 0.7 < volatility[0] / volatility[1] < 1.0
    assert 0.85 < volatility[2] / volatility[1] < 1.5
    assert 2.0 < len(trades) / len(first) < 4.5


def test_sweeps_and_sides_are_found_again(day):
    trades, quotes = day.trades, day.quotes
    sweep = assign_sweeps(
        trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign, max_id_step=1
    )
    true = np.cumsum(np.diff(day.order_id, prepend=-1) != 0) - 1
    # Two orders within a nanosecond on one side look like one: hardly ever.
    assert (np.diff(sweep) == np.diff(true)).mean() > 0.9999
    sign, _ = tick_rule(trades.price_ticks)
    assert 0.7 < (sign == trades.sign).mean() < 0.999
    scored = lag_sweep(
        trades.ts_event_ns, trades.price_ticks, quotes, trades.sign, [0, 100_000_000, SECOND_NS]
    )
    assert scored.best_lag_ns == 0
    assert scored.accuracy[0] > 0.999


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration_s": 0.0}, "horizon_s"),
        ({"same_side": 1.0}, "radius"),
        ({"first_ticks": 0}, "first_ticks"),
        ({"depth_every_s": 0.0}, "depth_every_s"),
        ({"start_ns": -1}, "start_ns"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        simulate(replace(SHORT, **changes), seed=1)
    with pytest.raises(ValueError, match="seed"):
        simulate(SHORT, seed=-1)


def test_settings_outside_their_domain_are_named():
    law = SimulatorSettings().market_size
    for bundle, name, value in (
        (law, "median", 0.0), (law, "spread", -1.0), (law, "tail_share", 1.5),
        (law, "tail_exponent", 0.0), (SHORT, "reach_share", -0.1), (SHORT, "reach_ticks", -1),
        (SHORT, "distance_exponent", 0.0), (SHORT, "news_ticks", np.nan), (BUSY, "spoofs", -1.0),
        (BUSY, "impact_ticks", np.inf), (BUSY, "burst_orders", -2),
        (BUSY, "metaorder_children", (9, 3)), (BUSY, "metaorder_children", (0, 3)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=name):
            replace(bundle, **{name: value})


def test_sizes_follow_their_law():
    rng = np.random.default_rng(4)
    sizes = SizeLaw(median=1e6, spread=1.0, tail_share=0.0, tail_exponent=1.0).draw(100_000, rng)
    # Median and standard deviation of the logarithm, each within four standard errors.
    assert np.median(np.log(sizes)) == pytest.approx(np.log(1e6), abs=4 * 1.2533 / 316)
    assert np.log(sizes).std() == pytest.approx(1.0, abs=4 / np.sqrt(2e5))
    heavy = SizeLaw(median=1e6, spread=0.0, tail_share=1.0, tail_exponent=1.5).draw(100_000, rng)
    assert tail_exponent(heavy) == pytest.approx(1.5, abs=4 * 1.5 / np.sqrt(5000))
    assert (
        SizeLaw(median=0.01, spread=1.0, tail_share=0.0, tail_exponent=1.0).draw(9, rng).min() == 1
    )
