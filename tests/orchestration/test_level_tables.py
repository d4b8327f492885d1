"""Touches of levels as labels and as rows to learn from, on a made day."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from models.datasets import assemble
from models.tasks import Task
from orchestration.arrays import column
from orchestration.config import Settings
from orchestration.defs.features import level_tables, tables
from orchestration.defs.flow.event_rows import SCHEMA, event_rows
from orchestration.defs.training.level_lift import lift_over_random
from orchestration.instruments import load_instruments
from orchestration.storage.tables import TABLES
from orderflow_core.level_features import LEVEL_NAMES
from tests.orchestration.rows import NS_PER_S, classified, gaps, no_gaps, raw_quotes
from tests.storage.conftest import publish

TASK = "level_60s"
TERMS = level_tables.level_terms(
    Settings(level_turn_rows=2, level_pass_rows=3, bar_seconds=10, imbalance_min_lots=2),
    load_instruments()["ES"],
)
NAKED = event_rows("naked_poc", ts_event_ns=[1], price_tick=[5012])
NO_QUOTES = raw_quotes(ts=[], bid=[], ask=[])


@pytest.fixture(scope="module")
def trades():
    rng = np.random.default_rng(4)
    step = rng.choice([-1, 0, 1], 1500)
    price, lots = 5000 + np.cumsum(step), rng.geometric(0.2, 1500)
    sign = np.where(step == 0, rng.choice([-1, 1], 1500), step)
    seconds = np.cumsum(rng.integers(0, 3, 1500)) + 1
    return classified(*zip(*(x.tolist() for x in (seconds, price, lots, sign)), strict=True))


def labels(trades, holes=None, events=NAKED):
    return level_tables.level_labels(
        trades, holes or no_gaps(), events, tasks=[TASK], terms=TERMS
    )  # fmt: skip


def features(trades, holes=None, events=NAKED):
    holes = holes or no_gaps()
    made = tables.features(
        trades, holes, NO_QUOTES,
        settings=tables.feature_settings(row_ticks=1, min_lots=2, bar_seconds=10, bucket_lots=50),
    )  # fmt: skip
    return made, level_tables.level_features(trades, holes, events, made, task=TASK, terms=TERMS)


def test_terms_are_in_rows_of_the_symbol():
    assert (TERMS.turn_ticks, TERMS.pass_ticks) == (2, 3)
    config = Settings(footprint_row_ticks_by_symbol={"ES": 5})
    terms = level_tables.level_terms(config, load_instruments()["ES"])
    assert (terms.rules.ticks_per_row, terms.turn_ticks) == (5, 20)
    assert terms.hold("level_300s").horizon_ns == 300 * NS_PER_S
    with pytest.raises(ValueError, match="level_tasks must be level_<seconds>s, got 'return_60s'"):
        terms.hold("return_60s")


def test_each_label_has_what_was_known_at_its_touch(trades):
    made = labels(trades)
    assert set(made["clock"].to_pylist()) == {"level"}
    assert set(made["task"].to_pylist()) == {TASK}
    stored, table = features(trades)
    table["trading_day"] = np.zeros(len(table["t0_ns"]), np.int64)
    names = [name for name in table if name not in ("t0_ns", "decision_id", "trading_day")]
    label_table = {n: column(made, n) for n in ("t0_ns", "t1_ns", "decision_id", "label")}
    rows = assemble(table, label_table, names=names)
    assert rows.n_orphan_labels == 0
    assert len(rows) > 50
    assert set(rows.label) == {0.0, 1.0}
    assert rows.names[: len(LEVEL_NAMES)] == LEVEL_NAMES
    # Several levels are touched by one sweep: a time may come more than once, a key does not.
    assert len(np.unique(rows.t0_ns)) < len(rows) == len(np.unique(rows.decision_id))
    # The decision's own features are those of the sweep that touched, turned by the side.
    at = np.searchsorted(column(stored, "t0_ns"), rows.t0_ns, side="right") - 1
    side = rows.features[:, names.index("level_side")]
    is_single = np.isin(rows.t0_ns, column(stored, "t0_ns")[np.diff(column(stored, "t0_ns"), prepend=0) > 0])  # fmt: skip
    unique = is_single & (np.bincount(column(stored, "t0_ns") // NS_PER_S)[rows.t0_ns // NS_PER_S] == 1)  # fmt: skip
    cvd = rows.features[:, names.index("cvd_lots_x_side")]
    assert unique.sum() > 10
    assert (cvd[unique] == (side * column(stored, "cvd_lots")[at])[unique]).all()
    again = assemble(table, label_table, names=names)
    assert again.digest() == rows.digest()


def test_no_label_looks_over_a_gap(trades):
    whole = column(labels(trades), "t0_ns")
    end = int(whole[len(whole) // 2]) + 30 * NS_PER_S
    made = labels(trades, gaps((end + 1, end + 2)))
    t0, t1 = column(made, "t0_ns"), column(made, "t1_ns")
    is_known = ~np.isnan(column(made, "label"))
    near = (t0 <= end) & (t0 > end - 60 * NS_PER_S)
    assert near.any()
    assert not is_known[near].any()
    assert is_known[t0 < end - 70 * NS_PER_S].all()
    assert not ((t0 <= end) & (t1 > end)).any()


def test_naked_levels_come_from_the_days_events(trades):
    _, table = features(trades)
    assert table["level_is_naked_poc"].sum() > 0
    _, without = features(trades, events=SCHEMA.empty_table())
    assert without["level_is_naked_poc"].sum() == 0


def test_a_day_without_trades_has_no_rows():
    none = classified()
    made = labels(none)
    assert made.num_rows == 0
    assert made.column_names == labels(none).column_names
    _, table = features(none)
    assert {len(values) for values in table.values()} == {0}


def test_training_makes_the_touches_again_and_refuses_labels_of_others(store, trades):
    from models.tasks import Task
    from orchestration.defs.training.level_rows import (
        LEVEL_TABLES,
        StaleLabelsError,
        load_level_dataset,
    )

    terms = level_tables.level_terms(Settings(), load_instruments()["ES"])
    day, other = date(2024, 8, 8), date(2024, 8, 9)
    _, _, events, stored, labels_of = LEVEL_TABLES
    made = level_tables.level_labels(trades, no_gaps(), NAKED, tasks=["level_300s"], terms=terms)
    late = np.flatnonzero(~np.isnan(column(made, "label")))[-1]
    moved = column(made, "decision_id").copy()
    moved[late] += 1000
    at = made.schema.get_field_index("decision_id")
    stale = made.set_column(at, "decision_id", pa.array(moved))
    known, _ = features(trades)
    for when, rows in ((day, made), (other, stale)):
        with store.publish("ES", when, run_id="test", code_version="1") as publication:
            publication.write("flow.classified_trades", trades)
            publication.write(
                "raw.gaps", TABLES["raw.gaps"].arrow_schema().empty_table(), unit="test"
            )
            publication.write(events, NAKED)
            publication.write(stored, known)
            publication.write(labels_of, rows)
            publication.commit()
    task, snapshot = Task("level_300s"), store.snapshot()
    got = load_level_dataset(store, "ES", [day], task, snapshot)
    assert len(got) + got.n_null_labels == made.num_rows
    assert len(got) > 5
    assert set(got.trading_day) == {19943}
    assert not np.isnan(got.features[:, got.names.index("sweep_lots")]).any()
    assert load_level_dataset(store, "ES", [day], task, snapshot).digest() == got.digest()
    assert len(load_level_dataset(store, "ES", [], task, snapshot)) == 0
    with pytest.raises(StaleLabelsError, match="1 labels of level_300s on 2024-08-09"):
        load_level_dataset(store, "ES", [other], task, snapshot)


def test_the_lift_compares_the_stored_labels_with_random_levels(trades, store):
    config = Settings(level_turn_rows=2, level_pass_rows=3, bar_seconds=10, imbalance_min_lots=2)
    known, day = replace(load_instruments()["ES"], symbol="LIFT"), date(1970, 1, 1)
    tables_of_day = {
        "flow.classified_trades": trades, "raw.gaps": TABLES["raw.gaps"].arrow_schema().empty_table(),
        "flow.events": NAKED,
    }  # fmt: skip
    publish(store, known.symbol, tables_of_day, day=day, unit="file")
    terms = {"config": config, "snapshot": store.snapshot()}
    found = lift_over_random(store, known, [day], Task(TASK), **terms)
    label = column(labels(trades), "label")
    label = label[~np.isnan(label)]
    assert found.n == len(label)
    assert found.rate == pytest.approx(label.mean())
    assert found.n_random > found.n > 50
    assert found.lift.value == pytest.approx(found.rate - found.random_rate)
    # Levels of a random walk mean nothing.
    assert found.lift.low < 0 < found.lift.high
    again = lift_over_random(store, known, [day], Task(TASK), **terms)
    assert again == found
    none = lift_over_random(store, known, [], Task(TASK), **terms)
    assert (none.n, none.n_random) == (0, 0)
