"""What the only writer of a store remembers of the manifest is what the manifest says."""

from datetime import timedelta
from functools import partial

import numpy as np
import pytest

from orchestration.storage import known_rows
from orchestration.storage.known_rows import Asked, KnownRows
from orchestration.storage.manifest import Manifest, ManifestRow, current
from orchestration.storage.tables import TABLES
from tests.storage.conftest import DAY, publish
from tests.storage.rows import sample_rows

DAYS = [DAY + timedelta(days=k) for k in range(3)]


def row(seq, table, symbol, day, *, replaces=()):
    return ManifestRow(
        seq=seq, table=table, symbol=symbol, trading_day=day, generation=seq, replaces=replaces,
        unit="", rows=1, hash="", inputs=(), code_version="1", run_id="r", published_at=seq,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_any_question_is_answered_as_by_all_rows(seed, monkeypatch):
    monkeypatch.setattr(known_rows, "MAX_ROWS", 25)
    rng = np.random.default_rng(seed)
    known, every, reads = KnownRows(), [], []

    def pick(values):
        return values[rng.integers(len(values))]

    def read(asked):
        reads.append(asked)
        return [r for r in every if asked.has(r)]

    def last_seq():
        return max([r.seq for r in every], default=0)

    for seq in range(1, 60):
        if rng.random() < 0.4:
            new = row(seq, pick(["a", "b"]), pick(["S", "T"]), pick(DAYS))
            known.begin()
            every.append(new)
            known.add([new], {"seq": seq})
        days = pick([None, tuple(DAYS[:1]), tuple(DAYS[1:])])
        asked = Asked(pick([None, "a", "b"]), pick(["S", "T"]), days)
        assert known.rows(asked, partial(read, asked)) == [r for r in every if asked.has(r)]
        assert known.number("seq", last_seq) == last_seq()
    assert 0 < len(reads) < 59


def test_an_answer_that_was_read_while_rows_were_appended_is_not_kept():
    known, asked = KnownRows(), Asked("a", "S", None)
    new = row(1, "a", "S", DAY)

    def read():
        known.begin()  # another thread appends just now
        known.add([new], {})
        return []

    assert known.rows(asked, read) == []
    assert known.rows(asked, lambda: [new]) == [new]


def test_a_list_that_was_handed_out_is_the_callers_own():
    known, asked = KnownRows(), Asked("a", "S", None)
    known.rows(asked, lambda: [row(1, "a", "S", DAY)]).clear()
    known.rows(asked, list).clear()
    assert len(known.rows(asked, list)) == 1


def test_an_embedded_store_that_remembers_answers_as_its_tables(embedded_store, symbol):
    engine = embedded_store._engine
    asked_anew = Manifest(engine.connection)
    trades, quotes = (sample_rows(TABLES[name], 5) for name in ("raw.trades", "raw.quotes"))
    snapshots = [embedded_store.snapshot()]
    for step, unit in enumerate(["u", "v", "u", "w"]):
        for day in DAYS[: 1 + step % 2]:
            embedded_store.published(symbol=symbol, day=day)
            tables = {"raw.trades": trades.slice(step % 2), "raw.quotes": quotes}
            publish(embedded_store, symbol, tables, day=day, unit=unit, code_version=str(step))
            snapshots.append(embedded_store.snapshot())
        for day in DAYS:
            mine = engine.manifest.current_of_unit(symbol, day, "u")
            assert mine == asked_anew.current_of_unit(symbol, day, "u")
            for name in (None, "raw.trades", "raw.gaps"):
                for snapshot in (None, *snapshots):
                    found = embedded_store.published(name, symbol, day, snapshot=snapshot)
                    rows = asked_anew.rows(table=name, symbol=symbol, days=[day], snapshot=snapshot)
                    assert found == current(rows)
    assert embedded_store.snapshot() == asked_anew.last_seq() > snapshots[0]
    assert engine.manifest.last_generation() == asked_anew.last_generation()
    assert {r.unit for r in embedded_store.published("raw.trades", symbol)} == {"u", "v", "w"}
