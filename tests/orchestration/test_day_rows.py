"""A version of orders, of levels or of windows is asked about the rows that its training would be made of."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.footprint_days import BAR_CLOCK, TASK, publish_days
from models.datasets import assemble
from models.footprint_windows import WindowTerms
from models.ladder import fit_rung
from models.order_rows import order_dataset
from models.tasks import Task
from models.train import DEFAULT_CONFIG
from orchestration.arrays import column
from orchestration.config import Settings
from orchestration.defs.features import tables
from orchestration.defs.features.order_tables import order_labels
from orchestration.defs.inference.day_rows import Day, rows_of_day, with_day_windows
from orchestration.defs.inference.registered import check_after_training, score_registered
from orchestration.defs.training.datasets import arrays_of
from orchestration.footprint_batches import with_windows
from orchestration.instruments import load_instruments
from orderflow_core.features import ALL_FEATURES
from tests.orchestration import test_level_tables as level_day
from tests.orchestration.rows import NS_PER_S, classified, no_gaps, raw_quotes
from tests.orchestration.test_research_tables import ONE

DAY = date(1970, 1, 1)
trades = level_day.trades  # the made day of levels, as a fixture


def day_of(known, config, **published):
    named = {name.replace("__", "."): rows for name, rows in published.items()}
    return Day(instrument=known, day=DAY, config=config, read=named.__getitem__)


@pytest.fixture(scope="module")
def orders():
    rng = np.random.default_rng(2)
    seconds = np.arange(1, 221)
    sign = rng.choice([-1, 1], 220)
    made = zip(seconds, 100 + (sign > 0), rng.integers(1, 6, 220), sign, strict=True)
    traded = classified(*(tuple(int(x) for x in row) for row in made))
    quotes = raw_quotes(ts=[s * NS_PER_S for s in (0, 100, 210)], bid=[100] * 3, ask=[101] * 3)
    settings = tables.feature_settings(row_ticks=1, min_lots=2, bar_seconds=1, bucket_lots=3)
    features = tables.features(traded, no_gaps(), quotes, settings=settings)
    labels = order_labels(
        features, traded, quotes, no_gaps(), tasks=("impact_5s", "fill_5s"),
        session_end_ns=3600 * NS_PER_S, latency_ns=0, tick_steps=1,
    )  # fmt: skip
    return day_of(ONE, Settings(), research__features=features, research__labels=labels)


@pytest.mark.parametrize("task", ["impact_5s", "sizing_5s", "fill_5s"])
def test_rows_of_orders_are_those_of_training_and_orders_without_outcome(orders, task):
    rows = rows_of_day(Task(task), orders)
    labels = orders.read("research.labels")
    own = labels.filter(
        pa.array([name == task.replace("sizing", "impact") for name in labels["task"].to_pylist()])
    )
    names = [feature.name for feature in ALL_FEATURES]
    features = arrays_of(orders.read("research.features"))
    features["trading_day"] = np.zeros(len(features["t0_ns"]), np.int64)
    trained = order_dataset(features, arrays_of(own), names=names)
    assert 0 < len(trained) < len(rows) == own.num_rows
    at = np.searchsorted(rows.decision_id, trained.decision_id)
    assert rows.names == trained.names
    np.testing.assert_array_equal(rows.features[at], trained.features)
    np.testing.assert_array_equal(rows.t1_ns[at], trained.t1_ns)


def test_an_order_without_a_side_is_no_row_and_no_error(orders):
    labels = orders.read("research.labels")
    sign = column(labels, "order_sign").copy()
    unsigned = np.flatnonzero([name == "impact_5s" for name in labels["task"].to_pylist()])[40]
    sign[unsigned] = 0
    at = labels.column_names.index("order_sign")
    read = {
        "research.features": orders.read("research.features"),
        "research.labels": labels.set_column(at, "order_sign", pa.array(sign)),
    }
    rows = rows_of_day(Task("impact_5s"), replace(orders, read=read.__getitem__))
    whole = rows_of_day(Task("impact_5s"), orders)
    gone = column(labels, "decision_id")[unsigned]
    assert rows.decision_id.tolist() == [i for i in whole.decision_id.tolist() if i != gone]


def test_a_model_of_orders_predicts_those_after_its_training(orders):
    task = Task("impact_5s")
    rows = rows_of_day(task, orders)
    rows = replace(rows, label=np.sin(np.arange(len(rows))))
    model = fit_rung(
        task, "naive", rows.take(slice(0, 130)), embargo_ns=NS_PER_S, config=DEFAULT_CONFIG, seed=1
    )
    described = {
        "task": task.name, "model_version": "m/1", "train_end_ns": model.train_end_ns,
        "embargo_ns": NS_PER_S,
    }  # fmt: skip
    found = score_registered(described, "champion", lambda: model, orders)
    later = rows.take(rows.t0_ns > model.train_end_ns + NS_PER_S)
    assert 0 < len(later) < len(rows) - 130
    np.testing.assert_array_equal(column(found.rows, "decision_id"), later.decision_id)
    np.testing.assert_array_equal(column(found.rows, "value"), model.predict_rows(later))
    assert set(found.rows["clock"].to_pylist()) == {"sweep"}
    assert check_after_training([found]).passed
    other = score_registered(described | {"task": "impact_7s"}, "champion", lambda: model, orders)
    assert (other.rows.num_rows, other.note) == (0, "this day has no row of impact_7s")


def test_rows_of_levels_are_those_of_training_and_touches_without_outcome(trades):
    config = Settings(level_turn_rows=2, level_pass_rows=3, bar_seconds=10, imbalance_min_lots=2)
    features, table = level_day.features(trades)
    labels = level_day.labels(trades)
    day = day_of(
        load_instruments()["ES"], config, research__features=features, research__labels=labels,
        flow__classified_trades=trades, raw__gaps=no_gaps(), flow__events=level_day.NAKED,
    )  # fmt: skip
    rows = rows_of_day(Task(level_day.TASK), day)
    names = [name for name in table if name not in ("t0_ns", "decision_id")]
    table["trading_day"] = np.zeros(len(table["t0_ns"]), np.int64)
    keys = {name: column(labels, name) for name in ("t0_ns", "t1_ns", "decision_id", "label")}
    trained = assemble(table, keys, names=names)
    place = {key: i for i, key in enumerate(rows.decision_id.tolist())}
    at = np.array([place[key] for key in trained.decision_id.tolist()])
    assert 0 < len(trained) <= len(rows) <= len(table["t0_ns"])
    assert rows.names == trained.names
    np.testing.assert_array_equal(rows.features[at], trained.features)
    np.testing.assert_array_equal(rows.t1_ns[at], trained.t1_ns)


def test_touches_that_their_own_sweep_decided_are_not_asked_about():
    # Jumps of up to 8 ticks go through levels, which are passed at 3.
    rng = np.random.default_rng(4)
    step = rng.choice([-8, -1, 0, 1, 8], 800)
    sign = np.where(step == 0, 1, np.sign(step))
    made = zip(range(1, 801), 5000 + np.cumsum(step), rng.geometric(0.2, 800), sign, strict=True)
    jumps = classified(*(tuple(int(x) for x in row) for row in made))
    features, table = level_day.features(jumps)
    labels = level_day.labels(jumps)
    day = day_of(
        load_instruments()["ES"],
        Settings(level_turn_rows=2, level_pass_rows=3, bar_seconds=10, imbalance_min_lots=2),
        research__features=features, research__labels=labels, flow__classified_trades=jumps,
        raw__gaps=no_gaps(), flow__events=level_day.NAKED,
    )  # fmt: skip
    rows = rows_of_day(Task(level_day.TASK), day)
    assert 0 < labels.num_rows < len(table["t0_ns"])
    assert sorted(rows.decision_id.tolist()) == sorted(column(labels, "decision_id").tolist())


def test_windows_are_those_of_training(store):
    known = replace(load_instruments()["BTCUSDT"], symbol="WINDOWS OF A DAY")
    [day] = publish_days(store, known.symbol, 1, 18_000)
    read = {
        name: store.read(name, known.symbol, day)
        for name in ("flow.footprint", "flow.bars", "raw.gaps", "research.labels")
    }
    labels = arrays_of(read["research.labels"])
    asked = Day(instrument=known, day=day, config=Settings(), read=read.__getitem__)
    rows = assemble(
        {"t0_ns": labels["t0_ns"], "decision_id": labels["decision_id"],
         "trading_day": np.full(len(labels["t0_ns"]), (day - DAY).days)},
        {**labels, "label": np.zeros(len(labels["t0_ns"]))}, names=(),
    )  # fmt: skip
    trained = with_windows(rows, store, known, bar_clock=BAR_CLOCK, snapshot=store.snapshot())
    assert 0 < len(trained) < len(rows)
    found = with_day_windows(rows, trained.windows.terms, asked)
    np.testing.assert_array_equal(found.decision_id, trained.decision_id)
    few = slice(0, 3)
    for ours, theirs in zip(
        found.windows.take(few).read(), trained.windows.take(few).read(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    none = with_day_windows(rows, WindowTerms(clock="time:60s", ticks_per_row=1), asked)
    assert len(none) == 0
    higher = replace(
        asked, read=lambda name: _higher(read[name]) if name == "flow.footprint" else read[name]
    )
    assert len(with_day_windows(rows, trained.windows.terms, higher)) == 0
    assert TASK in set(read["research.labels"]["task"].to_pylist())


def _higher(cells):
    at = cells.column_names.index("ticks_per_row")
    return cells.set_column(at, "ticks_per_row", pa.array(column(cells, "ticks_per_row") * 2))
