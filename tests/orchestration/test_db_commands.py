"""``orderflow db``: what a script reads of it, and what a person sees."""

import json
import time
from datetime import date, datetime

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.db_commands import _ns
from tests.orchestration.rows import raw_trades
from tests.storage.conftest import publish
from tests.storage.test_answers import day_tables

SYMBOL, DAY = "db commands", date(2024, 8, 8)


def _publish(store, version, n):
    with store.publish(SYMBOL, DAY, run_id=f"run {version}", code_version=version) as publication:
        ids = list(range(1, n + 1))
        rows = raw_trades(ts=ids, trade_id=ids, price=[5] * n, native=[1] * n)
        publication.write("raw.trades", rows, unit="u")
        (row,) = publication.commit()
    return row


@pytest.fixture(scope="module")
def published(home, store):
    return [_publish(store, version, n) for version, n in (("1", 3), ("2", 4))]


def _run(*arguments):
    return CliRunner().invoke(app, ["db", *arguments])


def _json(*arguments):
    done = _run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_status_and_migrate_name_tables_and_migrations(published):
    found = _json("status")
    trades = next(table for table in found["tables"] if table["table"] == "raw.trades")
    assert trades["rows"] >= 4
    assert trades["replaced_rows"] >= 3
    assert [m["version"] for m in found["migrations"]] == list(
        range(1, len(found["migrations"]) + 1)
    )
    assert "raw.trades" in _run("status").stdout
    assert _json("migrate")["applied"][0] == "0001_tables"


def test_history_lists_every_publication_of_a_day(published):
    arguments = ("history", "-s", SYMBOL, "--table", "raw.trades", "--day", "2024-08-08")
    found = _json(*arguments)["history"]
    assert [(row["rows"], row["run_id"]) for row in found] == [(3, "run 1"), (4, "run 2")]
    assert "run 2" in _run(*arguments).stdout


def test_an_exported_earlier_state_and_the_newest_come_back(published, store, tmp_path):
    first = published[0]
    chosen = ("export", "-s", SYMBOL, "--table", "raw.trades", "--out", str(tmp_path))
    assert _json(*chosen)["rows"] == 4
    assert _json(*chosen, "--from", "2024-08-08", "--to", "2024-08-08")["rows"] == 4
    assert _json("import", str(tmp_path)) == {"published": 0, "rows": 0}
    assert store.snapshot_at(first.published_at) == first.seq
    # Whole seconds are what the option can say: before the first publication nothing was there.
    before = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(first.published_at // 10**9 - 1))
    assert _json(*chosen, "--as-of", "9999-01-01")["rows"] == 4
    done = _run(*chosen, "--as-of", before)
    assert done.exit_code == 1
    assert f"{SYMBOL}: none of raw.trades is published" in str(done.exception)


def test_ranges_and_tables_that_are_not_there_are_named(published, tmp_path):
    chosen = ("export", "-s", SYMBOL, "--out", str(tmp_path))
    assert _run(*chosen, "--table", "raw.nothing").exit_code == 2
    assert _run(*chosen, "--from", "2030-01-01").exit_code == 1
    assert not list(tmp_path.iterdir())


def test_retain_keeps_what_was_replaced_within_the_days(published, store):
    assert _json("retain", "--days", "1")["removed"].get("raw.trades", 0) == 0
    assert len(store.read("raw.trades", SYMBOL, DAY, snapshot=published[0].seq)) == 3
    for days in ("0", "99999999"):
        assert _run("retain", "--days", days).exit_code == 2
    for hours in ("-1", "1e300", "nan"):
        assert _run("vacuum", "--min-age-h", hours).exit_code == 2


def test_times_without_a_zone_are_utc():
    assert _ns(datetime.fromisoformat("1970-01-02")) == 86_400 * 10**9


def test_pages_are_stored_once(home, store):
    publish(store, "BTCUSDT", day_tables(date(1999, 5, 5), 1), day=date(1999, 5, 5))
    assert _json("pages", "-s", "BTCUSDT")["pages"] > 10
    assert "0 pages stored" in _run("pages", "-s", "BTCUSDT").stdout
