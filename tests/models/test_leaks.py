"""A feature that peeks is planted, and the harness must find it."""

from dataclasses import replace

import numpy as np
import pytest

from models.leaks import implausible_features, may_foretell, truncation_leaks
from models.order_rows import ORDER_COLUMNS
from models.tasks import Task
from orderflow_core.simulator import SimulatorSettings
from tests.models.order_markets import drawn_orders, simulated_orders
from tests.models.synthetic import SECOND, TASKS, synthetic


def with_column(data, name, values):
    features = data.features.copy()
    features[:, data.names.index(name)] = values
    return replace(data, features=features)


@pytest.mark.parametrize("kind", TASKS)
def test_a_feature_that_is_the_outcome_is_found(kind):
    peeking = synthetic(kind, strength=0.3, peek=True)
    (found,) = implausible_features(peeking)
    assert found.name == "noise_1"
    assert found.skill > 0.99
    assert found.lagged_skill < 0.5


def rare(two_sided, share, seed=0, n=4000):
    """An event in the largest moves, or their sign with all others flat; and the move itself."""
    data = synthetic("return", n=n, seed=seed)
    move = data.label
    is_large = np.abs(move) > np.quantile(np.abs(move), 1 - share)
    label = is_large * (np.ones(len(data)) if two_sided else np.sign(move))
    return replace(data, label=label.astype(np.float64)), move


@pytest.mark.parametrize("share", [0.03, 0.1, 0.5])
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_future_return_is_found_however_rare_the_event(two_sided, share):
    data, move = rare(two_sided, share)
    (found,) = implausible_features(with_column(data, "noise_2", move))
    assert found.name == "noise_2"
    assert found.skill > 0.99
    blurred = move + 0.3 * move.std() * np.random.default_rng(1).normal(size=len(data))
    (found,) = implausible_features(with_column(data, "noise_2", blurred))
    assert found.name == "noise_2"


@pytest.mark.parametrize("share", [0.0025, 0.01, 0.03, 0.5])
@pytest.mark.parametrize("two_sided", [True, False])
def test_chance_convicts_no_feature_of_a_rare_event(two_sided, share):
    """Few outcomes, each shared by several rows of slow features."""
    for seed in range(12):
        data, _ = rare(two_sided, share, seed=seed)
        assert implausible_features(data) == ()


def test_a_feature_that_sees_half_of_the_outcome_is_found():
    data = synthetic("return")
    rng = np.random.default_rng(1)
    blurred = data.label + data.label.std() * rng.normal(size=len(data))
    (found,) = implausible_features(with_column(data, "noise_2", blurred))
    assert found.name == "noise_2"
    assert 0.6 < found.skill < 0.8


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("kind", TASKS)
def test_honest_features_are_not_suspected(kind, strength):
    assert implausible_features(synthetic(kind, strength=strength)) == ()


def test_a_level_that_foretells_a_level_is_not_suspected():
    """Strong, slow and honest: yesterday's level says as much as today's."""
    data = synthetic("return")
    level = np.sin(np.arange(len(data)) / 500)
    slow = replace(with_column(data, "noise_2", level), label=100 * level + data.label)
    assert implausible_features(slow) == ()


def suspects(data, task):
    return [found.name for found in implausible_features(data, may_foretell(Task(task)))]


@pytest.mark.parametrize("task", ["impact_1s", "sizing_1s", "slippage", "markout_1s", "adverse_1s"])
def test_an_orders_feature_that_peeks_is_found(task):
    data = drawn_orders(2000, noise=10.0)
    assert suspects(data, task) == []
    assert suspects(with_column(data, "noise", data.label), task) == ["noise"]
    filled = replace(data, label=(data.label > 0).astype(np.float64))
    assert suspects(with_column(filled, "noise", data.label), "fill_1s") == ["noise"]


def test_what_an_order_is_asked_about_may_foretell_and_a_level_may_not():
    """An order comes after the decision, so that its side and size are no knowledge; a level is known."""
    rng = np.random.default_rng(2)
    data = drawn_orders(2000)
    told = replace(data, label=with_noise(data, "order_log_lots", rng))
    assert suspects(told, "impact_1s") == []
    assert suspects(told, "level_60s") == ["order_log_lots"]
    assert set(may_foretell(Task("fill_1s"))) == set(ORDER_COLUMNS)
    told = replace(data, label=with_noise(data, "spread_ticks", rng))
    assert suspects(told, "slippage") == []
    assert suspects(told, "impact_1s") == ["spread_ticks"]


def with_noise(data, name, rng):
    values = data.features[:, data.names.index(name)]
    return values + 0.3 * values.std() * rng.normal(size=len(data))


@pytest.mark.parametrize("side", ["order_sign", "level_side"])
def test_a_level_turned_to_the_rows_side_is_not_suspected(side):
    """It is as good of the row before of the same side, and the opposite of one of the other side."""
    data = synthetic("return")
    level = np.sin(np.arange(len(data)) / 500)
    sign = np.random.default_rng(3).choice([-1.0, 1.0], len(data))
    turned = with_column(with_column(data, "noise_1", sign), "noise_2", sign * level)
    names = tuple(side if name == "noise_1" else name for name in data.names)
    turned = replace(turned, names=names, label=sign * 100 * level + data.label)
    assert implausible_features(turned) == ()


def test_orders_of_a_simulated_market_raise_no_alarm():
    data = simulated_orders(SimulatorSettings(duration_s=1800.0), seed=0)
    assert len(data) > 500
    assert suspects(data, "impact_10s") == []


def build_from(price, *, peeks):
    """Rows of a price path, one a second; with ``peeks`` one column is centred on its row."""

    def build(end_ns):
        known = price[: -(-end_ns // SECOND)]
        past = np.concatenate([[0.0], np.cumsum(known)])
        rows = np.arange(len(known))
        centred = np.array([known[max(0, i - 2) : i + 3].mean() for i in rows])
        return {
            "t0_ns": rows * SECOND,
            "decision_id": rows,
            "trading_day": np.zeros(len(rows), np.int64),
            "mean": past[1:] / (rows + 1),
            "change": np.concatenate([[np.nan], np.diff(known)]),
            "smooth": centred if peeks else past[1:],
        }

    return build


def test_cutting_the_data_short_finds_the_centred_window_and_nothing_else():
    price = np.random.default_rng(0).normal(size=300)
    cuts = [100 * SECOND, 200 * SECOND + 1]
    assert truncation_leaks(build_from(price, peeks=True), 300 * SECOND, cuts) == ("smooth",)
    assert truncation_leaks(build_from(price, peeks=False), 300 * SECOND, cuts) == ()
    with pytest.raises(ValueError, match="leave decisions"):
        truncation_leaks(build_from(price, peeks=False), 300 * SECOND, [0])


def test_decisions_that_depend_on_later_data_are_found():
    honest = build_from(np.random.default_rng(0).normal(size=300), peeks=False)

    def build(end_ns):
        rows = honest(end_ns)
        kept = rows["decision_id"] < len(rows["decision_id"]) - 5  # known only afterwards
        return {name: values[kept] for name, values in rows.items()}

    assert truncation_leaks(build, 300 * SECOND, [100 * SECOND]) == ("decision_id",)
