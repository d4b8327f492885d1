"""What a training's card takes from the store."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from models.economics import Economics, Untraded, target_lots
from models.tasks import Task
from models.train import walk_forward
from orchestration import runtime
from orchestration.defs.backtest.tables import market_path, rules
from orchestration.defs.training.judging import Market, judged, mid_proxy, traded
from orderflow_core.backtest.engine import run_signal
from tests.models.synthetic import synthetic
from tests.orchestration.conftest import SYMBOL

N = 600


@pytest.fixture(scope="module")
def market(ran, store):
    return Market(
        store=store,
        instrument=runtime.instrument(SYMBOL),
        days=[ran.day],
        snapshot=store.snapshot(),
        config=runtime.settings(),
    )


@pytest.fixture(scope="module")
def found(ran, store, market):
    """A training whose decisions lie within the day's trades."""
    trades = store.read("flow.classified_trades", SYMBOL, ran.day)
    first, last = (int(trades["ts_event_ns"][i].as_py()) for i in (0, trades.num_rows - 1))
    step = (last - first) // (N + 20)
    data = synthetic("direction", strength=0.3, n=N)
    t0_ns = first + np.arange(N) * step
    data = replace(
        data,
        t0_ns=t0_ns,
        t1_ns=t0_ns + 10 * step,
        trading_day=np.full(N, (ran.day - date(1970, 1, 1)).days),
    )
    return walk_forward(data, Task("direction_20"), n_folds=3, embargo_ns=step, n_boot=100)


def test_the_out_of_fold_signal_is_traded_on_the_stored_market(found, market, ran, store):
    value = traded(found, market, n_trials=9)
    assert isinstance(value, Economics)
    assert (value.n_days, value.n_trials, value.rung) == (1, 9, found.candidate)
    known, config = market.instrument, market.config
    path = market_path(
        store.read("flow.classified_trades", SYMBOL, ran.day),
        store.read("raw.quotes", SYMBOL, ran.day),
        known,
    )
    target = target_lots(
        found.task,
        found.predictions[found.candidate],
        min_edge=config.signal_threshold,
        min_return_bp=0,
    )
    t0_ns = found.dataset.t0_ns[found.row_idx]
    # what comes before the first signal changes no fill of it
    alone = run_signal(path, t0_ns, target, rules(known, known.trading_day_window(ran.day), config))
    assert value.net_pnl == pytest.approx(alone.net_pnl)
    assert value.n_fills == len(alone.fill_ts_ns) > 0


def test_what_cannot_be_traded_says_why(found, market):
    inverse = replace(market, instrument=runtime.instrument("BTCUSD_PERP"))
    assert "inverse" in traded(found, inverse, n_trials=1).reason
    no_days = replace(market, days=[])
    assert isinstance(traded(found, no_days, n_trials=1), Untraded)


def test_the_learning_curve_is_made_where_it_is_asked_for(found, market):
    assert judged(found, market, n_trials=1, log=str).learning == ()
    said = []
    wanted = replace(market, config=market.config.model_copy(update={"learning_curve": True}))
    assert judged(found, wanted, n_trials=1, log=said.append).learning
    assert said[-1] == "learning curve, point 12 of 12"


def test_combinatorial_paths_are_made_where_they_are_asked_for(found, market):
    assert judged(found, market, n_trials=1, log=str).paths is None
    said = []
    wanted = replace(market, config=market.config.model_copy(update={"combinatorial": True}))
    paths = judged(found, wanted, n_trials=1, log=said.append).paths
    assert (paths.n_folds, len(paths.losses["linear"])) == (15, 5)
    assert set(paths.losses) == {"base_rate", *found.rungs}
    assert said == ["combinatorial paths: 6 groups, 2 of them judged at a time"]


def test_the_mid_of_the_labels_is_named(market, store, ran):
    labels = store.read("research.labels", SYMBOL, ran.day, where={"task": "direction_20"})
    assert mid_proxy(market, "direction_20") == labels["mid_proxy"][0].as_py()
    assert mid_proxy(market, "direction_7") == ""
