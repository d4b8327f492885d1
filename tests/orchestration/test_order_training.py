"""What the models of orders read of the store, and which tasks the settings name."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from models.order_rows import ORDER_COLUMNS, PAST_COLUMNS
from models.tasks import Task
from models.train import walk_forward
from orchestration.config import Settings
from orchestration.defs.features import tables
from orchestration.defs.features.order_tables import order_labels
from orchestration.defs.training.assets import leak_checks
from orchestration.defs.training.order_datasets import label_task, load_order_dataset
from orchestration.defs.training.orders import order_tasks, sizing_metadata
from orchestration.tracking.promotion import decide
from tests.models.order_markets import SECOND, drawn_orders
from tests.orchestration.rows import NS_PER_S, classified, no_gaps, raw_quotes

TRADES = classified(
    (1, 101, 2, 1), (2, 101, 3, 1), (3, 100, 4, -1), (4, 101, 5, 1), (5, 100, 1, -1)
)
QUOTES = raw_quotes(ts=[s * NS_PER_S for s in (0, 3, 9)], bid=[100, 99, 100], ask=[101, 100, 101])
SETTINGS = tables.feature_settings(row_ticks=1, min_lots=2, bar_seconds=1, bucket_lots=3)


def test_sizes_are_learnt_from_impacts(store):
    symbol, day = "order training", date(2024, 8, 8)
    features = tables.features(TRADES, no_gaps(), QUOTES, settings=SETTINGS)
    labels = order_labels(
        features, TRADES, QUOTES, no_gaps(), tasks=("impact_1s", "slippage"),
        session_end_ns=3600 * NS_PER_S, latency_ns=0, tick_steps=1,
    )  # fmt: skip
    with store.publish(symbol, day, run_id="test", code_version="1") as publication:
        publication.write("research.features", features)
        publication.write("research.labels", labels)
        publication.commit()
    read = (store, symbol, [day])
    impact, sizing = (
        load_order_dataset(*read, Task(name), store.snapshot(), max_rows=100)
        for name in ("impact_1s", "sizing_1s")
    )
    assert impact.digest() == sizing.digest()
    assert impact.names[-len(PAST_COLUMNS) - 2 :] == (*ORDER_COLUMNS, *PAST_COLUMNS)
    assert impact.decision_id.tolist() == [1, 2, 3, 4]
    columns = dict(zip(impact.names, impact.features.T, strict=True))
    assert columns["order_sign"].tolist() == [1, -1, 1, -1]
    np.testing.assert_allclose(np.exp(columns["order_log_lots"]), [3, 4, 5, 1])
    # The sweep before each order had its side, the other one, the other one, the other one.
    assert columns["order_past_1"].tolist() == [1, -1, -1, -1]
    thin = load_order_dataset(*read, Task("impact_1s"), store.snapshot(), max_rows=1)
    assert len(thin) < 4


def test_settings_name_the_tasks():
    def named(subject, *names):
        config = Settings(order_tasks=names) if names else Settings()
        return [task.name for task in order_tasks(config, subject)]

    assert named("impact", "impact_5s", "slippage", "impact_60s") == ["impact_5s", "impact_60s"]
    assert named("sizing", "impact_5s", "slippage", "impact_60s") == ["sizing_5s", "sizing_60s"]
    assert named("slippage", "impact_5s", "slippage") == ["slippage"]
    assert named("fill", "impact_5s", "slippage") == []
    assert named("markout", "markout_1s", "markout_60s") == ["markout_1s", "markout_60s"]
    assert named("markout") == []  # none by default
    assert [label_task(Task(n)) for n in ("sizing_5s", "fill_5s")] == ["impact_5s", "fill_5s"]


def test_a_sizing_says_what_each_rung_would_have_allowed():
    found = walk_forward(
        drawn_orders(1500), Task("sizing_1s"), n_folds=2, embargo_ns=SECOND, n_boot=50
    )
    said = sizing_metadata(found, Settings())
    assert set(said) == {"allowed_by_naive", "allowed_by_linear", "allowed_by_lightgbm"}
    assert "asked 0.75" in said["allowed_by_linear"]


def test_an_orders_feature_that_peeks_bars_the_promotion():
    task, rows = Task("impact_1s"), drawn_orders(1500)
    features = rows.features.copy()
    features[:, rows.names.index("noise")] = rows.label
    peeking = replace(rows, features=features)
    found = walk_forward(peeking, task, n_folds=2, embargo_ns=SECOND, n_boot=50)
    assert decide(found, None, {}).promote
    barred = decide(found, None, leak_checks(task, peeking))
    assert not barred.promote
    assert "no feature but order_sign, order_log_lots foretells too much" in barred.reason
    assert "newest 1,500 decisions (noise does)" in barred.reason
    assert all(leak_checks(task, rows).values())


def test_a_probability_between_the_levels_is_refused():
    with pytest.raises(ValueError, match="sizing_probability"):
        Settings(sizing_probability=0.8)
