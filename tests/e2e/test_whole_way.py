"""From recorded frames to a report, each step a command."""

import struct
from html.parser import HTMLParser
from pathlib import Path

from tests.e2e.conftest import DAYS, N_TRADES
from tests.e2e.instrument import SYMBOL

DAY_TABLES = (
    "raw.trades", "raw.quotes", "raw.gaps", "raw.quarantine", "flow.classified_trades", "flow.bars",
    "flow.footprint", "flow.volume_profile", "flow.events", "research.features", "research.labels",
)  # fmt: skip
JUDGED = ("research.predictions", "backtest.direction_signal", "backtest.direction_summary")
TASKS = {"direction_20", "impact_10s", "markout_10s", "return_60s", "sizing_10s"}
SPARSE = {"move_60s"}  # two days of 900 trades may be too few to judge it by
MODELS = {
    f"models.{name}"
    for name in (
        "direction",
        "return",
        "move",
        "levels",
        "impact",
        "slippage",
        "markout",
        "sizing",
        "fill",
        "adverse",
    )
}


def test_ingest_accounts_for_every_record(whole_way):
    told = whole_way.ingest.json
    assert told["offered"] == told["stored"] + told["quarantined"] == 4 * N_TRADES
    assert (told["days"], told["quarantined"], told["other"]) == (list(DAYS), 0, {})
    assert told["first"].startswith("2024-08-08T00:00:0")
    assert set(told) >= {"offered", "stored", "quarantined", "first", "last", "hash", "hashes"}
    assert len(told["hash"]) == 64


def test_a_run_publishes_every_table_of_every_day(whole_way):
    told = whole_way.run.json
    stages = {stage["table"]: stage for stage in told["stages"]}
    for table in (*DAY_TABLES, *JUDGED):
        assert stages[table]["partitions"] == 2, table
        for day in DAYS:
            assert f"{table} {SYMBOL} {day}" in whole_way.first["hashes"], table
    assert stages["raw.trades"]["rows"] == stages["flow.classified_trades"]["rows"] == 2 * N_TRADES
    assert {s for s in stages if s.startswith("models.")} == MODELS
    assert whole_way.first["problems"] == []
    assert whole_way.first["orphans"] == 0


def test_a_run_tells_levels_models_and_backtest(whole_way):
    told = whole_way.run.json
    assert [level["day"] for level in told["levels"]] == list(DAYS)
    for level in told["levels"]:
        # The trades lie about 60000: steps of 0.1, as the user's own file says.
        assert 59_900 < level["val"] <= level["poc"] <= level["vah"] < 60_100
    for day in told["classification"]:
        assert day["trades"] == N_TRADES
        assert day["unsigned_share"] == 0
    assert TASKS <= {model["task"] for model in told["models"]} <= TASKS | SPARSE
    assert {"net result", "shuffled signal", "terms"} <= set(told["backtest"])


def test_a_second_run_of_a_day_changes_nothing(whole_way):
    assert whole_way.again.json["days"] == [DAYS[0]]
    assert {stage["table"] for stage in whole_way.again.json["stages"]} >= set(DAY_TABLES)
    assert whole_way.second == whole_way.first


def test_the_same_training_is_registered_once(whole_way):
    before, after = (
        [(m["name"], m["version"], m["run_id"]) for m in told.json["models"]]
        for told in (whole_way.run, whole_way.again)
    )
    assert after == before
    assert {version for _, version, _ in after} == {1}


def test_classify_scores_rules_on_a_market_where_quotes_tell_all(ask):
    told = ask("classify", "--symbol", SYMBOL, "--day", DAYS[0], "--json").json
    assert (told["n_trades"], told["join"]) == (N_TRADES, "strict")
    assert told["rules"]["lee_ready"]["fill"]["accuracy"] == 1.0
    tick = told["rules"]["tick"]["fill"]
    assert tick["low"] <= tick["accuracy"] <= tick["high"] < 1


def test_models_names_every_rung_and_why_there_is_a_champion_or_none(ask):
    models = ask("models", "--symbol", SYMBOL, "--json").json["models"]
    assert TASKS <= {model["task"] for model in models} <= TASKS | SPARSE
    for model in models:
        assert {score["rung"] for score in model["scores"]} >= {"naive", "linear", "lightgbm"}
        assert model["reason"]
        assert ("champion" in model["aliases"]) == model["promoted"]


class Page(HTMLParser):
    """Collects what a page would load from elsewhere."""

    def __init__(self):
        super().__init__()
        self.loads = []

    def handle_starttag(self, tag, attrs):
        named = {"src", "href"} if tag == "link" else {"src"}
        values = [value or "" for name, value in attrs if name in named]
        self.loads += [value for value in values if not value.startswith("data:")]


def test_the_report_is_one_page_that_loads_nothing(ask, whole_way):
    path = Path(ask("report", "--symbol", SYMBOL, "--json").json["path"])
    assert path.is_relative_to(whole_way.home)
    text = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.loads == []
    for part in (SYMBOL, *DAYS, whole_way.ingest.json["hash"], "champion", "delta turnaround"):
        assert part in text, part


def test_a_chart_is_a_small_picture(ask, tmp_path):
    target = tmp_path / "new folder" / "footprint.png"
    told = ask("chart", "--symbol", SYMBOL, "--day", DAYS[1], "--out", str(target), "--json").json
    assert told == {"path": str(target)}
    png = target.read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 300
    assert height > 100


def test_doctor_finds_no_problem(ask, whole_way):
    told = ask("doctor", "--json").json
    assert told["problems"] == []
    assert told["settings"]["direction_tasks"] == "direction_20"
    assert told["store"]["symbols"] == [SYMBOL]
    assert told["store"]["manifest"] == whole_way.second["snapshot"]
    assert len(TASKS) <= told["registered_models"] <= len(TASKS | SPARSE)
    assert {SYMBOL, "BTCUSDT", "ES"} <= set(told["instruments"])


def test_a_person_gets_a_table(ask):
    assert "Quarantine: 0 of 0 records" in ask("quarantine", "--symbol", SYMBOL).out


def test_json_leaves_standard_error_to_warnings_of_ours(whole_way):
    for finished in (whole_way.ingest, whole_way.run, whole_way.again):
        assert finished.err == "", finished.arguments
