import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from orchestration.definitions import defs, weekly_retraining
from orchestration.defs.publishing import asset_key
from orchestration.partitions import partition_key
from orchestration.pipeline import JOBS
from orchestration.storage.tables import TABLES
from tests.orchestration.conftest import date_of
from tests.orchestration.graph import GOLDEN, describe

SUNDAY = datetime(2024, 8, 11, 3, tzinfo=UTC)


def test_definitions_load():
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_the_golden_one():
    # After a wanted change: python -m tests.orchestration.graph, and read the difference.
    assert describe(defs) == GOLDEN.read_text(encoding="utf-8")


def test_every_table_is_an_asset_with_a_blocking_contract():
    graph = defs.resolve_asset_graph()
    for table in TABLES:
        checks = {
            check.name: graph.get(check).blocking
            for check in graph.get(asset_key(table)).check_keys
        }
        assert checks["contract"], table
    tables = {asset_key(table) for table in TABLES}
    assert {key.path[0] for key in graph.get_all_asset_keys() - tables} == {"models"}


def test_the_jobs_of_a_run_make_every_asset_once():
    made = [
        key for job in JOBS for key in defs.resolve_job_def(job).asset_layer.executable_asset_keys
    ]
    assert len(made) == len(set(made))
    assert set(made) == set(defs.resolve_asset_graph().get_all_asset_keys())


def test_no_asset_reads_one_that_a_later_job_makes():
    graph = defs.resolve_asset_graph()
    known = set()
    for job in JOBS:
        made = set(defs.resolve_job_def(job).asset_layer.executable_asset_keys)
        known |= made
        for key in made:
            assert graph.get(key).parent_keys <= known, key


def test_assets_refuse_misspelt_partitions():
    with pytest.raises(dg.DagsterUnknownPartitionError):
        defs.resolve_job_def("day").execute_in_process(
            partition_key="BTCUSDT|2024-13-01", instance=dg.DagsterInstance.ephemeral()
        )


def materialized(instance, *keys):
    for key in keys:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(asset_key("research.features"), partition=key)
        )


def weekly(instance, at=SUNDAY):
    return weekly_retraining(dg.build_schedule_context(instance, scheduled_execution_time=at))


def test_weekly_schedule_skips_where_nothing_has_features(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        skipped = weekly(instance)
    assert isinstance(skipped, dg.SkipReason)
    assert "features" in skipped.skip_message


def test_weekly_schedule_asks_for_one_training_a_symbol(tmp_path):
    days = [date_of(n) for n in range(3)]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        materialized(instance, *(partition_key("BTCUSDT", day) for day in days))
        materialized(instance, partition_key("ETHUSDT", days[0]))
        asked = weekly(instance)
    assert [(run.partition_key, run.run_key) for run in asked] == [
        ("BTCUSDT", "BTCUSDT:2024-W32"),
        ("ETHUSDT", "ETHUSDT:2024-W32"),
    ]


def test_weekly_schedule_asks_again_the_next_week_only(tmp_path):
    # A run key that was seen is not run again: the key must change with the week and not before.
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        materialized(instance, partition_key("ES", date_of(0)))
        keys = [weekly(instance, SUNDAY + timedelta(days=n))[0].run_key for n in (0, 0, 7)]
    assert keys[0] == keys[1] != keys[2]


_EVALUATE = """
import sys
from datetime import UTC, datetime
import dagster as dg
from orchestration.definitions import weekly_retraining
with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    at = datetime(2024, 8, 11, 3, tzinfo=UTC)
    weekly_retraining(dg.build_schedule_context(instance, scheduled_execution_time=at))
print(sorted({"chdb", "mlflow", "clickhouse_connect", "psycopg"} & set(sys.modules)))
"""


def test_weekly_schedule_opens_neither_store_nor_registry(tmp_path):
    # The daemon must never hold the embedded store: it would lock every run out.
    command = [sys.executable, "-c", _EVALUATE, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
