"""BACKUP and RESTORE as docs/operations.md says: the manifest first, then the tables."""

import shutil

import pytest

from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, NEXT_DAY, cluster_config, publish, serving
from tests.storage.rows import sample_rows

BARS, TRADES = TABLES["flow.bars"], TABLES["raw.trades"]
DATABASES = "DATABASE raw, DATABASE flow, DATABASE research, DATABASE backtest"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.xml").write_text(cluster_config(tmp_path / "backups"))
    return tmp_path


def test_a_backup_of_a_store_at_work_comes_back_whole(folder):
    options = ("--config", str(folder / "config.xml"))
    with serving(folder / "one", *options) as server, Store.open(url=server.url()) as store:
        publish(store, "ES", {"raw.trades": sample_rows(TRADES, 5_000)}, unit="u")
        publish(store, "ES", {"flow.bars": sample_rows(BARS, 40)})
        server.command("BACKUP DATABASE meta TO File('day/manifest')")
        # What is published between the two is in the tables only: unpublished rows after RESTORE.
        publish(store, "ES", {"flow.bars": sample_rows(BARS, 50)}, day=NEXT_DAY)
        server.command(f"BACKUP {DATABASES} TO File('day/tables')")
        kept = {name: store.content_hash(name, "ES", DAY) for name in ("raw.trades", "flow.bars")}
    shutil.rmtree(folder / "one")
    with serving(folder / "other", *options) as server:
        server.command("RESTORE DATABASE meta FROM File('day/manifest')")
        server.command(f"RESTORE {DATABASES} FROM File('day/tables')")
        with Store.open(url=server.url()) as store:
            assert store.verify(deep=True) == []
            assert {name: store.content_hash(name, "ES", DAY) for name in kept} == kept
            assert store.published(day=NEXT_DAY) == []
            assert store.vacuum(min_age_s=0) == {"flow.bars": 50}
            # It goes on as the store that was lost would have.
            assert publish(store, "ES", {"flow.bars": sample_rows(BARS, 40)}) == []
            assert (
                len(publish(store, "ES", {"flow.bars": sample_rows(BARS, 50)}, day=NEXT_DAY)) == 1
            )
