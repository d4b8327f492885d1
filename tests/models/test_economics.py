from dataclasses import replace

import numpy as np
import pytest

from models.economics import TradingDay, Untraded, _trade, economic_value, target_lots
from models.tasks import Task
from models.train import walk_forward
from orderflow_core.backtest.costs import Costs
from orderflow_core.backtest.engine import Rules, run_signal
from orderflow_core.backtest.fills import MarketPath
from tests.models.synthetic import SECOND, synthetic

N = 2100
DIRECTION, RETURN = Task("direction_10"), Task("return_10s")


def costs(fee=0.0):
    return Costs(taker_fee=fee, fee_per_contract=0.0, slippage_ticks=0)


def day(number, mid, fee=0.0, half_spread=1):
    """The day's market: one quote a decision, half a second before it."""
    n_day = N // 3
    first = number * n_day
    ts_ns = (first + np.arange(n_day, dtype=np.int64)) * SECOND - SECOND // 2
    ticks = mid[first : first + n_day]
    market = MarketPath(
        ts_ns=ts_ns, bid_ticks=ticks - half_spread, ask_ticks=ticks + half_spread, is_quoted=True
    )
    rules = Rules(
        latency_ns=0,
        costs=costs(fee),
        tick_value=1.0,
        contracts_per_lot=1.0,
        session_start_ns=int(ts_ns[0]),
        session_end_ns=int(ts_ns[-1]) + 1,
        mark_interval_ns=10 * SECOND,
    )
    return TradingDay(trading_day=number, market=market, rules=rules)


@pytest.fixture(scope="module")
def planted():
    data = synthetic("return", strength=0.6, n=N)
    data = replace(data, trading_day=np.arange(N) * 3 // N)
    return walk_forward(data, RETURN, n_folds=4, embargo_ns=SECOND, seed=1, n_boot=200)


@pytest.fixture(scope="module")
def mid(planted):
    """A price whose move over the next ten seconds is ten times the label, in ticks."""
    label = planted.dataset.label
    steps = np.zeros(N)
    for i in range(N - 10):  # label[i] = x[i+10] - x[i]
        steps[i + 10] = steps[i] + 10 * label[i]
    return np.round(steps).astype(np.int64) + 100_000


def value(found, days, **keywords):
    terms = {"min_edge": 0.1, "min_return_bp": 0.5, "n_trials": 5, "n_null": 25} | keywords
    return economic_value(found, "linear", days, **terms)


def test_a_planted_signal_earns_and_beats_its_shuffles(planted, mid):
    found = value(planted, [day(number, mid) for number in range(3)])
    assert found.net_pnl > 0
    assert found.earns == "yes"
    assert found.p_shuffled < 0.05
    assert found.fees == 0
    assert found.net_pnl == pytest.approx(found.gross_pnl)
    assert found.crossing_cost > 0
    assert found.p_above_best_of_trials <= found.p_above_zero


def test_the_totals_are_those_of_the_days(planted, mid):
    days = [day(number, mid) for number in range(3)]
    found = value(planted, days)
    rows = planted.dataset.take(planted.row_idx)
    target = target_lots(RETURN, planted.predictions["linear"], min_edge=0, min_return_bp=0.5)
    net = 0.0
    for each in days:
        own = rows.trading_day == each.trading_day
        net += run_signal(each.market, rows.t0_ns[own], target[own], each.rules).net_pnl
    assert found.net_pnl == pytest.approx(net)
    assert (found.n_days, found.n_signals) == (3, len(rows))


def test_each_day_is_shuffled_by_itself(mid):
    """The same market and signal on two days: the days' shuffles must not move together."""
    one = day(1, mid)
    t0_ns, target = one.market.ts_ns[:-1] + 1, np.where(np.arange(699) % 50 < 25, 1, -1)
    first, again, other, later_seed = (
        _trade(each, t0_ns, target, 200, seed).null_mark_pnl
        for each, seed in ((one, 1), (one, 1), (replace(one, trading_day=2), 1), (one, 2))
    )
    np.testing.assert_array_equal(first, again)
    assert np.ptp(first) > 0
    for changed in (other, later_seed):
        assert (
            abs(np.corrcoef(first, changed)[0, 1]) < 0.25
        )  # 3.5 standard errors of no correlation


def test_fees_turn_the_result(planted, mid):
    free = value(planted, [day(number, mid) for number in range(3)])
    dear = value(planted, [day(number, mid, fee=0.01) for number in range(3)])
    assert dear.gross_pnl == pytest.approx(free.gross_pnl)
    assert dear.net_pnl == pytest.approx(dear.gross_pnl - dear.fees)
    assert dear.net_pnl < 0
    assert dear.earns == "no"


def test_a_forecast_without_information_is_not_shown_to_earn(planted, mid):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=len(planted.row_idx))
    blind = replace(planted, predictions={**planted.predictions, "linear": noise})
    found = value(blind, [day(number, mid, half_spread=0) for number in range(3)])
    assert found.earns == "not shown"
    assert found.p_shuffled > 0.05


def test_what_forecasts_no_direction_is_not_traded(planted, mid):
    move = replace(planted, task=replace_task("impact_10s"))
    found = value(move, [day(0, mid)])
    assert isinstance(found, Untraded)
    assert "impact_10s forecasts no direction" in found.reason
    assert "no day" in value(planted, []).reason


def replace_task(name):
    """A task of another family, whether or not its ladder is installed here."""
    task = object.__new__(Task)
    object.__setattr__(task, "name", name)
    return task


@pytest.mark.parametrize(
    ("task", "prediction", "wanted"),
    [
        (DIRECTION, [[0.25, 0.375, 0.375], [0.375, 0.375, 0.25], [0.3, 0.35, 0.35], [1, 0, 0]], [1, -1, 0, -1]),
        (RETURN, [0.5, -0.5, 0.49, 0.0], [1, -1, 0, 0]),
    ],
)  # fmt: skip
def test_targets(task, prediction, wanted):
    found = target_lots(task, np.array(prediction), min_edge=0.125, min_return_bp=0.5)
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("down", "up", "wanted"),
    [
        (0.25, 0.75, 1),
        (0.75, 0.25, -1),
        (0.375, 0.625, 1),  # the threshold itself counts
        (0.625, 0.375, -1),
        (0.376, 0.625, 0),
        (0.5, 0.5, 0),
        (np.nan, np.nan, 0),  # no forecast, no position
    ],
)
def test_an_edge_is_traded_from_the_threshold_on(down, up, wanted):
    forecast = np.array([[down, 1 - down - up, up]])
    found = target_lots(DIRECTION, forecast, min_edge=0.25, min_return_bp=0)
    assert found.tolist() == [wanted]


def test_without_a_threshold_the_sign_decides_and_a_tie_is_flat():
    forecast = np.array([[0.3, 0.3, 0.4], [0.4, 0.3, 0.3], [0.3, 0.4, 0.3]])
    found = target_lots(DIRECTION, forecast, min_edge=0, min_return_bp=0)
    assert found.tolist() == [1, -1, 0]


def test_a_forecast_of_nothing_is_never_traded():
    assert target_lots(RETURN, np.zeros(3), min_edge=0, min_return_bp=0).tolist() == [0, 0, 0]
