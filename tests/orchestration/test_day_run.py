"""The day job in this process, on a market that we made."""

from datetime import date, timedelta

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from orchestration import runtime
from orchestration.definitions import defs
from orchestration.defs import publishing
from orchestration.defs.day_asset import day_asset
from orchestration.defs.ingest.assets import TABLES
from orchestration.defs.inputs import DayReader
from orchestration.defs.training.assets import MIN_ROWS
from orchestration.errors import IngestRefused, RunFailed
from orchestration.ingest import ingest
from orchestration.partitions import daily_by_symbol, partition_key, symbol_and_day
from orchestration.pipeline import run_jobs
from orchestration.quality.outcome import CheckOutcome, rule
from orchestration.sources import SOURCES, SourceError
from tests.captures import DAY_START_MS, write_capture
from tests.orchestration.conftest import SYMBOL, date_of

DAY_TABLES = {
    "raw.trades",
    "raw.quotes",
    "raw.gaps",
    "raw.quarantine",
    "flow.classified_trades",
    "flow.bars",
    "flow.footprint",
    "flow.volume_profile",
    "flow.events",
    "research.features",
    "research.labels",
}


def hashes(store, day):
    return {table: store.content_hash(table, SYMBOL, day) for table in DAY_TABLES}


def test_a_run_of_the_day_publishes_every_table(ran, store):
    assert {one.table for one in ran.made} == DAY_TABLES
    for one in ran.made:
        (row,) = store.published(one.table, SYMBOL, ran.day)
        assert (one.rows, one.partition) == (row.rows, str(partition_key(SYMBOL, ran.day)))
    assert sum(one.elapsed_s for one in ran.made) > 0


def test_published_rows_name_the_run_and_what_they_were_made_of(ran, store):
    (row,) = store.published("flow.bars", SYMBOL, ran.day)
    assert row.run_id == next(one.run_id for one in ran.made if one.table == "flow.bars")
    assert [(i.table, i.trading_day, i.hash) for i in row.inputs] == [
        (table, ran.day, store.content_hash(table, SYMBOL, ran.day))
        for table in ("flow.classified_trades", "raw.gaps")
    ]


def test_volume_is_the_same_in_every_table(ran, store):
    def total(table, *columns):
        rows = store.read(table, SYMBOL, ran.day)
        return sum(int(rows[column].to_numpy().sum()) for column in columns)

    cells = ("bid_lots", "ask_lots", "unsigned_lots")
    traded = total("raw.trades", "qty_lots")
    assert traded > 0
    assert total("flow.classified_trades", "qty_lots") == traded
    assert total("flow.bars", "volume_lots") == traded
    assert total("flow.bars", "buy_lots", "sell_lots", "unsigned_lots") == traded
    assert total("flow.footprint", *cells) == traded
    assert total("flow.volume_profile", *cells) == traded


def test_a_second_run_publishes_nothing_new(ran, store):
    before, snapshot = hashes(store, ran.day), store.snapshot()
    again = run_jobs(SYMBOL, [ran.day], jobs=("day",))
    assert {one.table for one in again} == DAY_TABLES
    assert store.snapshot() == snapshot
    assert hashes(store, ran.day) == before
    assert store.orphans() == []


def test_a_further_task_makes_the_labels_stale_and_anew(ran, store, monkeypatch):
    def rows(_):
        return None

    def version():
        make = day_asset(
            "research.labels", group="features", deps=[], terms=lambda c: c.label_terms
        )
        (said,) = make(rows).code_versions_by_key.values()
        return said

    before, earlier = hashes(store, ran.day), version()
    wanted = "direction_20,direction_20t,direction_10s,barrier_10s"
    with monkeypatch.context() as further:
        further.setenv("ORDERFLOW_DIRECTION_TASKS", wanted)
        runtime.settings.cache_clear()
        assert version() != earlier
        run_jobs(SYMBOL, [ran.day], jobs=("day",), tables=["research.labels"])
        (row,) = store.published("research.labels", SYMBOL, ran.day)
        assert wanted.replace(",", " ") in row.code_version
        tasks = store.read("research.labels", SYMBOL, ran.day)["task"].unique().to_pylist()
        assert set(wanted.split(",")) <= set(tasks)
    runtime.settings.cache_clear()
    run_jobs(SYMBOL, [ran.day], jobs=("day",), tables=["research.labels"])
    assert hashes(store, ran.day) == before


def test_a_run_records_checks_and_what_one_wants_to_see(ran):
    instance = runtime.dagster_instance()
    key = publishing.asset_key("flow.footprint")
    (record,) = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=key, asset_partitions=[str(partition_key(SYMBOL, ran.day))]
        ),
        limit=1,
    ).records
    metadata = record.asset_materialization.metadata
    assert metadata["dagster/row_count"].value > 0
    assert metadata["dagster/table_name"].value == "flow.footprint"
    assert "data:image/png;base64," in metadata["footprint"].value
    names = [column.name for column in metadata["dagster/column_schema"].value.columns]
    assert {"price_tick", "bid_lots", "ask_lots"} <= set(names)
    assert "numba" in metadata["versions"].value


def test_the_same_records_give_the_same_rows_whatever_the_clock_said(
    home, store, unused_day, tmp_path, monkeypatch
):
    # Taken in at noon of their own day, as a morning's recording is: the last sweep is closed by
    # the end of the file then too.
    n = unused_day()
    noon = (DAY_START_MS + n * 86_400_000 + 43_200_000) * 1_000_000
    path = write_capture(tmp_path / "a.gz", n_trades=50, day=n)
    known = runtime.instrument(SYMBOL)
    with monkeypatch.context() as clock:
        clock.setattr("orchestration.storage.publication.time.time_ns", lambda: noon)
        ingest(store, SOURCES["capture"].read([path], known), known, run_id="test")
    (raw,) = store.published("raw.trades", SYMBOL, date_of(n))
    assert raw.published_at == noon
    run_jobs(SYMBOL, [date_of(n)], jobs=("day",))
    sweep = store.read("flow.classified_trades", SYMBOL, date_of(n))["sweep"].to_numpy()
    (features,) = store.published("research.features", SYMBOL, date_of(n))
    assert features.rows == sweep.max() + 1


def test_profiles_of_earlier_days_are_inputs_of_the_events(ran, store):
    reader = DayReader(
        store=store, symbol=SYMBOL, day=ran.day + timedelta(days=1), snapshot=store.snapshot()
    )
    rows = reader.earlier("flow.volume_profile", 1)
    assert rows["trading_day"].unique().to_pylist() == [ran.day]
    (profile,) = store.published("flow.volume_profile", SYMBOL, ran.day)
    assert reader.used == [profile]
    assert reader.draft(0.0, "1", {}).inputs == (profile,)
    first = DayReader(store=store, symbol=SYMBOL, day=date(1980, 1, 1), snapshot=store.snapshot())
    assert first.earlier("flow.volume_profile", 20).num_rows == 0
    assert first.used == []


def failing_source(error):
    """A source that finds its files itself and fails, and counts how often it was asked."""
    asked = []

    def read_source(*_):
        asked.append(1)
        raise error

    return read_source, asked


@pytest.mark.parametrize(
    "error", [SourceError("a.csv", "line 3 has no price"), IngestRefused("two files of one day")]
)
def test_what_no_retry_can_heal_fails_at_once_and_in_its_own_words(
    home, unused_day, monkeypatch, error
):
    read_source, asked = failing_source(error)
    monkeypatch.setattr("orchestration.ingest.read_source", read_source)
    with pytest.raises(RunFailed, match=str(error)):
        run_jobs("ES", [date_of(unused_day())], jobs=("day",))
    assert asked == [1]


def test_too_little_data_is_said_and_leaves_nothing_to_judge(ran, store):
    made = {one.table: one for one in run_jobs(SYMBOL, [ran.day], jobs=("training", "judging"))}
    for name in ("models.direction", "models.return", "models.move", "models.levels"):
        assert "too little data" in made[name].note
        assert made[name].rows < MIN_ROWS
    assert "none is registered" in made["research.predictions"].note
    assert "said nothing of this day's rows" in made["backtest.direction_signal"].note
    # Published and empty is not the same as never run.
    for table in (
        "research.predictions",
        "backtest.direction_signal",
        "backtest.direction_summary",
    ):
        (row,) = store.published(table, SYMBOL, ran.day)
        assert row.rows == 0
    # What a table was made of is what its asset says that it reads.
    graph = defs.resolve_asset_graph()
    for row in store.published(symbol=SYMBOL, day=ran.day):
        declared = graph.get(publishing.asset_key(row.table)).parent_keys
        assert {publishing.asset_key(i.table) for i in row.inputs} <= declared, row.table


def test_a_day_without_raw_rows_fails_and_says_what_comes_first(home, store):
    nothing = date(2013, 1, 1)
    with pytest.raises(RunFailed, match=r"raw\.trades holds no published rows of BTCUSDT on 2013"):
        run_jobs(SYMBOL, [nothing], jobs=("day",))
    assert store.days("flow.bars", SYMBOL) == [
        d for d in store.days("flow.bars", SYMBOL) if d != nothing
    ]


def repeated_ids(n=20):
    """Trades in time order of which two have one id: their contract holds, their order does not."""
    ids = np.arange(n)
    ids[-1] = 3
    label = pa.array(["test"] * n).dictionary_encode()
    return pa.table(
        {
            "ts_event_ns": 1_000_000_000 * (1 + np.arange(n)),
            "ts_recv_ns": 1_000_000_000 * (1 + np.arange(n)),
            "trade_id": ids,
            "venue_id": [str(i) for i in ids],
            "price_ticks": 100 + np.arange(n) % 3,
            "qty_lots": np.ones(n, np.int64),
            "native_sign": np.ones(n, np.int8),
            "is_market": np.ones(n, np.int8),
            "is_outside_session": np.zeros(n, np.int8),
            "source": label,
            "line": np.arange(n),
        }
    )


@pytest.fixture
def broken_day(home, store, unused_day):
    """A day whose trades were published past the gate, with one id twice."""
    from orchestration.sources.records import GAPS, QUARANTINE, QUOTES

    day = date_of(unused_day())
    with store.publish("ETHUSDT", day, run_id="past the gate", code_version="1") as publication:
        publication.write("raw.trades", repeated_ids(), unit="test")
        for table, schema in (("quotes", QUOTES), ("gaps", GAPS), ("quarantine", QUARANTINE)):
            publication.write(
                f"raw.{table}", schema.empty_table().drop_columns(["unit"]), unit="test"
            )
        publication.commit()
    return day


def run_assets(instance, day, *tables):
    return defs.resolve_job_def("day").execute_in_process(
        partition_key=partition_key("ETHUSDT", day),
        instance=instance,
        asset_selection=[publishing.asset_key(table) for table in tables],
        raise_on_error=False,
    )


def test_a_failed_blocking_check_publishes_nothing_and_records_no_materialization(
    broken_day, store
):
    snapshot, published = store.snapshot(), store.published(symbol="ETHUSDT")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_assets(instance, broken_day, "flow.classified_trades")
    assert not result.success
    assert result.get_asset_materialization_events() == []
    assert (store.snapshot(), store.published(symbol="ETHUSDT")) == (snapshot, published)
    assert store.orphans() == []
    found = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert found == {
        "contract": True,
        "equals_live": True,
        "order": False,
        "volume_conserved": True,
    }


def test_what_reads_a_table_whose_check_failed_is_not_run(broken_day, store):
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_assets(instance, broken_day, "flow.classified_trades", "flow.bars")
    assert not result.success
    assert {e.step_key for e in result.all_events if e.is_step_start} == {"classified_trades"}
    assert store.published("flow.bars", "ETHUSDT", broken_day) == []


def test_a_failed_blocking_check_of_raw_rows_records_no_materialization(broken_day):
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_assets(instance, broken_day, *TABLES)
    assert not result.success
    assert result.get_asset_materialization_events() == []


def test_a_failed_run_names_the_check_and_what_it_found(broken_day):
    with pytest.raises(
        RunFailed, match=r"raw\.trades: order \(ids never .* no id twice: found 1\)"
    ):
        run_jobs("ETHUSDT", [broken_day], jobs=("day",))


def one_table_asset(*, passed, is_blocking):
    """An asset that publishes one profile row and has one check with the given result."""

    @dg.multi_asset(
        specs=[publishing.asset_spec("flow.volume_profile", "flow", "One row.")],
        check_specs=publishing.check_specs("flow.volume_profile", "mood", blocking=is_blocking),
        partitions_def=daily_by_symbol,
    )
    def profile(context: dg.AssetExecutionContext) -> publishing.Events:
        symbol, day = symbol_and_day(context)
        names = ("price_tick", "bid_lots", "ask_lots", "unsigned_lots", "ticks_per_row")
        mood = CheckOutcome(
            name="mood", passed=passed, blocking=is_blocking, rows=(rule("good", passed, "bad"),)
        )
        draft = publishing.Draft(
            symbol=symbol,
            day=day,
            code_version="1",
            tables={"flow.volume_profile": pa.table({name: [1] for name in names})},
            outcomes={"flow.volume_profile": [mood]},
            is_blocking=is_blocking,
            started=0.0,
        )
        yield from publishing.publish(context, runtime.open_store(), draft)

    return profile


@pytest.mark.parametrize(
    ("passed", "is_blocking", "is_published"),
    [(True, True, True), (False, True, False), (False, False, True)],
)
def test_only_a_blocking_failure_keeps_rows_unpublished(
    home, store, unused_day, passed, is_blocking, is_published
):
    day = date_of(unused_day())
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [one_table_asset(passed=passed, is_blocking=is_blocking)],
            instance=instance,
            partition_key=partition_key("ETHUSDT", day),
            raise_on_error=False,
        )
    assert result.success is is_published
    assert len(store.published("flow.volume_profile", "ETHUSDT", day)) == is_published
    assert len(result.get_asset_materialization_events()) == is_published
    (mood,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "mood")
    assert mood.passed is passed
    assert (mood.severity is dg.AssetCheckSeverity.ERROR) is is_blocking
