"""The process that the crash test kills: publishes days in a loop, and says how far it is.

Run as ``python -m tests.storage.publish_days STORE``, the folder of an embedded store or a server's url. Each pass replaces every day by its next
version. All tables of one publication carry the version in their values, so a reader that saw two
publications mixed would see two versions.
"""

import json
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES
from tests.storage.rows import sample_rows

SYMBOL = "ES"
DAYS = [date(2013, 9, 29) + timedelta(days=k) for k in range(4)]  # over the end of a month
VERSIONS = (1, 2)
N_TRADES = 10_000
UNITS = ("a", "b")
# Table -> the column that carries the version.
VERSIONED = {
    "raw.trades": "ts_recv_ns",
    "flow.events": "bar_id",
    "research.features": "decision_id",
}


def tell(step: str) -> None:
    sys.stdout.write(f"{step}\n")
    sys.stdout.flush()


def rows_of(name: str, day: date, version: int, part: int = 0) -> pa.Table:
    n = N_TRADES if name == "raw.trades" else N_TRADES // 10 + version
    rows = sample_rows(TABLES[name], n, seed=day.toordinal() * 10 + version)
    at = rows.column_names.index(VERSIONED[name])
    rows = rows.set_column(at, VERSIONED[name], pa.array([version] * n))
    return rows.slice(part * n // 2, n // 2) if name == "raw.trades" else rows


def publish_day(store: Store, day: date, version: int) -> None:
    with store.publish(SYMBOL, day, run_id="crash", code_version=str(version)) as publication:
        for part, unit in enumerate(UNITS):
            publication.write("raw.trades", rows_of("raw.trades", day, version, part), unit=unit)
            tell("staged")
        for name in ("flow.events", "research.features"):
            publication.write(name, rows_of(name, day, version))
            tell("staged")
        publication.audit()
        tell("audited")
        publication.commit()
        tell("published")


def check_whole(store: Store) -> dict[str, int]:
    """Return the version that each published day shows; fail where it shows two or half of one."""
    seen = {}
    for day in DAYS:
        versions = set()
        for name, column in VERSIONED.items():
            found = store.read(name, SYMBOL, day, columns=[column]).column(column)
            versions |= set(found.unique().to_pylist()) or {0}
            if versions != {0}:
                n = N_TRADES if name == "raw.trades" else N_TRADES // 10 + max(versions)
                assert len(found) == n, f"{name} {day}: {len(found)} rows of {n}"
        assert len(versions) == 1, f"{day}: publications {versions} are visible together"
        seen[day.isoformat()] = versions.pop()
    return seen


def main(where: str) -> None:
    target = {"url": where} if "://" in where else {"path": Path(where)}
    with Store.open(**target, memory_gb=2) as store:
        seen = check_whole(store)
        assert store.verify() == []
        tell("open " + json.dumps({"seen": seen, "orphans": len(store.orphans())}))
        for version in VERSIONS:
            for day in DAYS:
                if seen[day.isoformat()] <= version:
                    publish_day(store, day, version)
        removed = store.vacuum()
        assert store.orphans() == []
        assert store.verify(deep=True) == []
        assert set(check_whole(store).values()) == {VERSIONS[-1]}
        hashes = {name: store.content_hash_days(name, SYMBOL, DAYS) for name in VERSIONED}
        tell("done " + json.dumps({"removed": removed, "hashes": hashes}))


if __name__ == "__main__":
    main(sys.argv[1])
