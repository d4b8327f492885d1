"""No space: the error says so, what is published stays readable, and with space again all goes on."""

import os
import resource
import subprocess
from contextlib import suppress

import pytest

from orchestration.storage.errors import StoreCorruptError, StoreFullError
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, in_own_process, publish
from tests.storage.rows import sample_rows

TRADES = TABLES["raw.trades"]


def _trades(store, n, version):
    rows = {"raw.trades": sample_rows(TRADES, n, seed=n)}
    return publish(store, "ES", rows, unit="u", code_version=version)


def _fill(folder):
    with (folder / "filler").open("ab", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass


def _fill_before_the_commit(disk, store):
    with store.publish("ES", DAY, run_id="r", code_version="2") as publication:
        publication.write("raw.trades", sample_rows(TRADES, 6_000), unit="u")
        publication.audit()
        _fill(disk)
        publication.commit()


def _require_old(store, old):
    assert store.published("raw.trades", "ES") == old
    assert len(store.read("raw.trades", "ES", DAY)) == old[0].rows
    assert [problem for problem in store.verify(deep=True) if problem.table == "raw.trades"] == []


def _full_disk(disk):
    said = []
    with Store.open(path=disk / "store") as store:
        old = _trades(store, 5_000, "1")
        with pytest.raises(StoreFullError) as at_commit:
            _fill_before_the_commit(disk, store)
        said.append(str(at_commit.value))
        _require_old(store, old)
        # A small insert goes by a file, a large one from memory.
        for n in (6_000, 20_000):
            with pytest.raises(StoreFullError) as at_write:
                _trades(store, n, "2")
            said.append(str(at_write.value))
        _require_old(store, old)
    _fill(disk)  # what closing the store gave back
    with Store.open(path=disk / "store") as store:  # also while the disk is full
        _require_old(store, old)
        (disk / "filler").unlink()
        store.vacuum()
        assert store.orphans() == []
        (new,) = _trades(store, 20_000, "2")
        assert len(store.read("raw.trades", "ES", DAY)) == new.rows == 20_000
        assert store.verify(deep=True) == []
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk, which needs root")
@pytest.mark.timeout(90)
def test_a_full_disk_is_named_and_harms_nothing_published(tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)], check=True)
    try:
        said = in_own_process(_full_disk, tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert len(said) == 3
    for message in said:
        assert message.startswith(f"the disk or quota of {tmp_path / 'store'}")
        assert " is full (0 MB free): " in message
        assert "free space and run again" in message


def _quota(folder):
    """A limit on the size of files, which the system enforces as it does a quota."""
    said = []
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store.open(path=folder) as store:
        old = _trades(store, 5_000, "1")
        # The second one the engine takes and cuts without a word: the audit reads it back.
        for n, limit, error in (
            (6_000, 20_000, StoreFullError),
            (50_000, 300_000, StoreCorruptError),
        ):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(error) as refused:
                _trades(store, n, "2")
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            said.append(str(refused.value))
            assert store.published("raw.trades", "ES") == old
            assert len(store.read("raw.trades", "ES", DAY)) == 5_000
    # The cut rows stand in the way of removals until the store is opened again.
    with Store.open(path=folder) as store:
        store.vacuum()
        assert store.orphans() == []
        _trades(store, 50_000, "2")
        assert store.verify(deep=True) == []
    return said


def test_a_quota_is_named_and_rows_that_it_cut_are_refused(tmp_path):
    full, cut = in_own_process(_quota, tmp_path / "store")
    assert " is full (" in full
    assert "File too large" in full
    assert cut.startswith(f"raw.trades ES {DAY}: wrote 50000 rows that cannot be read back: ")
