"""Orders of the simulated market: the planted exponent is found, no skill where orders tell nothing."""

from dataclasses import replace

import numpy as np
import pytest

from models.config import LadderConfig, TreesConfig
from models.tasks import Task
from models.train import walk_forward
from orderflow_core.impact import fit_impact_law
from orderflow_core.planted import EpisodeKind
from orderflow_core.simulator import SECOND_NS, SimulatorSettings, simulate
from tests.models.order_markets import simulated_orders

HOUR_S = 3600.0


def metaorders(settings, seeds):
    """(executed lots, signed move of the mid in ticks) of each planted metaorder, day by day."""
    rows = []
    for seed in seeds:
        market = simulate(settings, seed=seed)
        own, quotes = market.episodes, market.quotes
        is_meta = own.kind == EpisodeKind.METAORDER
        edges = own.start_ns[is_meta], own.end_ns[is_meta] + 2 * SECOND_NS
        at = [np.maximum(np.searchsorted(quotes.ts_event_ns, ns) - 1, 0) for ns in edges]
        mid2 = quotes.bid_ticks + quotes.ask_ticks
        move = (mid2[at[1]] - mid2[at[0]]) * own.side[is_meta] / 2
        rows.append(np.column_stack([own.executed_lots[is_meta], move]))
    return np.concatenate(rows)


def found_law(settings, seeds):
    lots, move = metaorders(settings, seeds).T
    return fit_impact_law(move, np.ones(len(move)), lots / lots.max(), n_blocks=20)


def test_planted_exponent_lies_in_its_interval():
    usual = SimulatorSettings()
    plant = replace(usual.without_episodes().plant, metaorders=240.0)
    calm = replace(usual, duration_s=12 * HOUR_S, news_ticks=0.05, surprise_ticks=0.05, plant=plant)
    law = found_law(calm, range(2))
    assert law.is_identified
    assert law.exponent_low < 0.5 < law.exponent_high
    assert law.exponent_high - law.exponent_low < 0.3


@pytest.mark.soak
def test_planted_exponent_lies_in_its_interval_in_the_usual_market():
    law = found_law(SimulatorSettings(), range(2000, 2012))
    assert law.n_rows > 500
    assert law.exponent_low < 0.5 < law.exponent_high
    assert law.exponent_high - law.exponent_low < 0.3


def dumb_market(hours):
    # Nothing is planted and orders tell nothing: within seconds nothing is left of one.
    usual = SimulatorSettings(duration_s=hours * HOUR_S)
    return replace(usual.without_episodes(), surprise_ticks=0.0)


@pytest.mark.parametrize(
    ("hours", "seeds"), [(4, (5,)), pytest.param(24, range(3), marks=pytest.mark.soak)]
)
def test_a_market_whose_orders_tell_nothing_has_no_impact_to_learn(hours, seeds):
    config = LadderConfig(trees=TreesConfig(n_trees=30))
    shown = 0
    for seed in seeds:
        found = walk_forward(
            simulated_orders(dumb_market(hours), seed=seed, max_rows=20_000),
            Task("impact_10s"), n_folds=2, embargo_ns=60 * SECOND_NS, n_boot=300, config=config,
        )  # fmt: skip
        shown += found.comparison("lightgbm", "naive").beats
    assert shown <= len(seeds) // 3
