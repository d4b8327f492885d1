"""A published day cut short: what was known at a decision, and every outcome known by then, stays."""

import numpy as np
import pyarrow.compute as pc
import pytest

from models.leaks import truncation_leaks
from orchestration import runtime
from orchestration.arrays import column
from orchestration.defs.features import label_rows, order_tables, tables
from tests.orchestration.conftest import SYMBOL

READ = ("flow.classified_trades", "raw.gaps", "raw.quotes")


@pytest.fixture(scope="module")
def day(ran):
    return {name: ran.tables[name] for name in READ}


@pytest.fixture(scope="module")
def made(ran, day):
    """Features and labels as the assets make them, of what was known before a time."""
    config, known = runtime.settings(), runtime.instrument(SYMBOL)
    settings = tables.feature_settings(
        row_ticks=config.row_ticks(known), min_lots=config.imbalance_min_lots,
        bar_seconds=config.bar_seconds, bucket_lots=config.bucket_lots(known),
    )  # fmt: skip
    terms = label_rows.LabelTerms(
        tasks=config.label_tasks, n_sigmas=config.move_sigmas,
        sigma_window_s=config.sigma_window_seconds, without_quotes=config.mid_without_quotes,
        direction_costs=config.direction_costs,
    )  # fmt: skip
    session_end_ns = known.trading_day_window(ran.day)[1]

    def make(end_ns):
        trades, gaps, quotes = day.values()
        trades, quotes = (
            rows.filter(pc.less(rows["ts_event_ns"], end_ns)) for rows in (trades, quotes)
        )
        gaps = gaps.filter(pc.less(gaps["end_ns"], end_ns))
        features = tables.features(trades, gaps, quotes, settings=settings)
        read = (features, trades, quotes, gaps)
        labels = label_rows.labels(
            *read, session_end_ns=session_end_ns, instrument=known, terms=terms
        )
        of_orders = order_tables.order_labels(
            *read, tasks=config.order_tasks, session_end_ns=session_end_ns,
            latency_ns=round(config.latency_ms * 1_000_000), tick_steps=known.tick_steps,
        )  # fmt: skip
        return features, (labels, of_orders)

    return make


@pytest.fixture(scope="module")
def cuts(day):
    ts = np.sort(column(day["flow.classified_trades"], "ts_event_ns"))
    return [int(ts[len(ts) * share // 8]) + 1 for share in (3, 5, 7)]


def columns_of(features):
    return {name: column(features, name) for name in features.column_names if name != "clock"}


END_NS = 2**62


def test_the_published_features_are_those_of_the_cut_day(ran, made, cuts):
    stored = columns_of(ran.tables["research.features"])
    again = columns_of(made(END_NS)[0])
    for name, values in again.items():
        np.testing.assert_array_equal(values, stored[name])
    assert truncation_leaks(lambda end_ns: columns_of(made(end_ns)[0]), END_NS, cuts) == ()


def test_a_feature_of_the_next_decision_is_found(made, cuts):
    def build(end_ns):
        found = columns_of(made(end_ns)[0])
        return found | {"peeks": np.append(found["return_1s_ticks"][1:], np.nan)}

    assert truncation_leaks(build, END_NS, cuts) == ("peeks",)


def known_labels(tables_of_labels):
    """Return (time of the outcome, label) by task and decision, of outcomes that are known."""
    found = {}
    for table in tables_of_labels:
        keys = zip(
            table["task"].to_pylist(), column(table, "t0_ns").tolist(),
            column(table, "decision_id").tolist(), strict=True,
        )  # fmt: skip
        outcomes = zip(
            column(table, "t1_ns").tolist(), column(table, "label").tolist(), strict=True
        )
        found |= {k: o for k, o in zip(keys, outcomes, strict=True) if not np.isnan(o[1])}
    return found


def test_labels_known_by_a_time_do_not_hang_on_what_follows(made, cuts):
    whole = known_labels(made(END_NS)[1])
    assert {task for task, _, _ in whole} >= {"direction_20", "impact_10s"}
    for cut_ns in cuts:
        part = known_labels(made(cut_ns)[1])
        assert 0 < len(part) < len(whole)
        assert {key: whole.get(key) for key in part} == part
        assert max(t1_ns for t1_ns, _ in part.values()) < cut_ns
