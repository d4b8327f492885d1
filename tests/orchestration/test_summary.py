"""What a run came to, and how a terminal shows it."""

import io
from datetime import date

import numpy as np
import pytest
from rich.console import Console

from models.tasks import Task
from orchestration.charts.scores import direction_text
from orchestration.pipeline import Materialized
from orchestration.quarantine import Chosen, quarantined
from orchestration.sources.records import QUARANTINE, table
from orchestration.summary import session_levels, stage_rows
from orchestration.terminal import ingest_table, model_tables, quarantine_table, summary_tables

DAY = date(2024, 8, 8)


def shown(*tables):
    text = io.StringIO()
    for one in tables:
        Console(width=160, file=text).print(one)
    return text.getvalue()


def made(name, *, rows, elapsed_s, partition="BTCUSDT|2024-08-08"):
    return Materialized(table=name, partition=partition, rows=rows, elapsed_s=elapsed_s, run_id="r")


def test_stages_add_up_over_their_partitions_in_the_order_of_the_graph():
    found = stage_rows(
        [
            made("flow.bars", rows=3, elapsed_s=0.5),
            made("flow.events", rows=1, elapsed_s=0.25),
            made("flow.bars", rows=4, elapsed_s=0.125, partition="BTCUSDT|2024-08-09"),
            made("models.direction", rows=None, elapsed_s=1.0),
        ]
    )
    assert found == [
        {"table": "flow.bars", "partitions": 2, "rows": 7, "seconds": 0.625},
        {"table": "flow.events", "partitions": 1, "rows": 1, "seconds": 0.25},
        {"table": "models.direction", "partitions": 1, "rows": 0, "seconds": 1.0},
    ]
    assert stage_rows([]) == []


def event(ts, kind, tick):
    return {
        "ts_event_ns": ts, "kind": kind, "bar_id": -1, "price_tick": tick, "sign": 0,
        "qty_lots": 1, "value": 1.0,
    }  # fmt: skip


@pytest.fixture
def levels(home, store):
    """Levels of a day in the store; what is no level of the session stands among them."""
    import pyarrow as pa

    rows = [
        event(5, "stacked_buy", 1),
        event(9, "session_poc", 6_000_000),
        event(9, "session_val", 5_999_990),
        event(9, "session_vah", 6_000_050),
    ]
    day = date(2013, 2, 1)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    with store.publish("BTCUSDT", day, run_id="test", code_version="1") as publication:
        publication.write("flow.events", pa.table(columns | {"sign": np.zeros(4, np.int8)}))
        publication.commit()
    return day


def test_levels_of_a_session_are_prices(levels, store):
    assert session_levels(store, "BTCUSDT", levels) == {
        "day": "2013-02-01", "poc": 60000.0, "val": 59999.9, "vah": 60000.5,
    }  # fmt: skip


def test_a_day_without_levels_says_none(home, store):
    found = session_levels(store, "BTCUSDT", date(2013, 2, 2))
    assert (found["poc"], found["val"], found["vah"]) == (None, None, None)


def test_quarantine_shows_the_first_records_and_counts_all(store):
    columns = {
        "kind": ["trade"] * 3, "ts_recv_ns": np.arange(3), "reason": ["malformed"] * 3,
        "detail": ["found [/b]"] * 3, "record": ["{"] * 3, "source": "capture", "unit": "u" * 64,
        "line": np.array([7, 8, 9]),
    }  # fmt: skip
    with store.publish("quarantine", DAY, run_id="test", code_version="1") as publication:
        publication.write("raw.quarantine", table(QUARANTINE, columns, 3), unit="u" * 64)
        publication.commit()
    found = quarantined(store, "quarantine", Chosen())
    rows, total = found.slice(0, 2).to_pylist(), found.num_rows
    assert (total, [row["line"] for row in rows]) == (3, [7, 8])
    assert rows[0]["reason"] == "malformed"
    assert rows[0]["trading_day"] == DAY
    text = shown(quarantine_table(rows, total))
    assert "2 of 3 records" in text
    assert "found [/b]" in text  # text of a damaged record, no markup


def test_a_run_with_nothing_trained_says_so():
    summary = {
        "stages": [{"table": "flow.bars", "partitions": 1, "rows": 1234, "seconds": 1.5}],
        "classification": [
            {"day": "2024-08-08", "trades": 5000, "sweeps": 4000, "unsigned_share": 0.001}
        ],
        "levels": [{"day": "2024-08-08", "poc": 60000.0, "val": None, "vah": 60000.5}],
        "models": [],
        "notes": ["models.direction S: too little data"],
        "backtest": {},
    }
    text = shown(*summary_tables(summary))
    for part in ("1,234", "5,000", "0.100%", "60,000.5", "no model is registered", "no backtest"):
        assert part in text, part


def test_a_run_of_days_alone_says_nothing_of_models():
    summary = {
        "stages": [], "classification": [], "levels": [], "models": None, "notes": [],
        "backtest": None,
    }  # fmt: skip
    text = shown(*summary_tables(summary))
    assert "model" not in text
    assert "backtest" not in text


def test_a_model_without_champion_says_why():
    score = {"rung": "naive", "metric": "log_loss", "value": 0.9, "low": 0.8, "high": 1.0,
             "base": None, "beats_below": ""}  # fmt: skip
    model = {"name": "orderflow-direction_20-BTCUSDT", "version": 2, "rung": "naive",
             "task": "direction_20", "aliases": ["challenger"], "reason": "no rung beats naive",
             "run_id": "r", "run_url": "http://127.0.0.1:5000/#/runs/r",
             "scores": [score, score | {"metric": "brier"}]}  # fmt: skip
    text = shown(*model_tables([model]))
    for part in ("version 2", "champion: none", "no rung beats naive", "[0.8000, 1.0000]"):
        assert part in text, part
    assert "brier" not in text
    champion = shown(*model_tables([model | {"aliases": ["champion"]}]))
    assert "champion: none" not in champion


@pytest.mark.parametrize(
    "task", ["direction_20", "move_60s", "return_60s", "slippage", "level_300s"]
)
def test_a_model_of_any_family_shows_the_loss_that_decides(task):
    score = {"rung": "naive", "metric": Task(task).loss, "value": 0.7531, "low": 0.8, "high": 1.0,
             "base": None, "beats_below": ""}  # fmt: skip
    model = {"name": "orderflow", "version": 2, "rung": "naive", "aliases": [], "reason": "",
             "scores": [score]}  # fmt: skip
    assert "0.7531" in shown(*model_tables([model]))
    assert direction_text(Task(task).loss) == "lower is better"


def test_an_ingest_shows_what_became_of_every_record():
    result = {"offered": 3000, "stored": 2999, "quarantined": 1, "first": "a", "last": "b",
              "hash": "f" * 64, "days": ["2024-08-08"], "other": {"depth": 12},
              "counts": {"crossed_quotes": 1234},
              "missing_ids": {"2024-08-08T01:00Z": 5, "2024-08-08T03:00Z": 70}}  # fmt: skip
    text = shown(ingest_table("BTCUSDT", result))
    for part in ("3,000", "2,999", "f" * 64, "other: depth", "12", "stored: crossed quotes", "1,234",
                 "75 in 2 hours, most in 2024-08-08T03:00Z: 70"):  # fmt: skip
        assert part in text, part
