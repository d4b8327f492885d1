"""Rejected records: listed, exported, and tried again after what refused them was mended."""

import json
from dataclasses import replace
from decimal import Decimal

import pyarrow.compute as pc
import pytest
from pyarrow import csv, parquet

from orchestration.errors import IngestRefused
from orchestration.ingest import ingest, replay_unit
from orchestration.instruments import load_instruments
from orchestration.quarantine import Chosen, export, quarantined, replay
from orchestration.sources import generic, kinetick
from orchestration.sources.capture import read_capture
from orchestration.sources.column_map import ColumnMap
from tests.captures import capture_lines, write_lines
from tests.orchestration.conftest import date_of

N = 60
DAY = date_of(0)
ALL = Chosen()


@pytest.fixture
def known(request):
    """BTCUSDT under a name of the test's own: all tests share one store."""
    return replace(load_instruments()["BTCUSDT"], symbol=f"replay {request.node.name}")


def take(store, known, path):
    return ingest(store, [read_capture(path, known)], known, run_id="test")


def try_again(store, known, *paths, chosen=ALL):
    return replay(store, known, chosen, paths=paths, run_id="test").as_json()


def damaged(lines):
    """Trade 1000 off the grid of sizes, 1002 cut, 1004 a copy of 1003, 1006 of size zero."""
    lines = list(lines)
    lines[1] = lines[1].replace('"q":"', '"q":"0.0005","Q":"')
    lines[5] = lines[5][: len(lines[5]) // 2]
    lines[9] = lines[7]
    lines[13] = lines[13].replace('"q":"', '"q":"0","Q":"')
    return lines


def refused(store, known):
    rows = quarantined(store, known.symbol, ALL)
    return list(zip(rows["line"].to_pylist(), rows["reason"].to_pylist(), strict=True))


def test_what_stays_damaged_stays(store, known, tmp_path):
    take(store, known, write_lines(tmp_path / "a.gz", damaged(capture_lines(n_trades=N))))
    before = refused(store, known)
    assert before == [(2, "off_grid"), (6, "malformed"), (10, "duplicate"), (14, "out_of_range")]
    snapshot = store.snapshot()
    found = try_again(store, known)
    assert (found["tried"], found["stored"], found["still"]) == (4, 0, 4)
    assert (store.snapshot(), refused(store, known)) == (snapshot, before)


def test_filters(store, known, tmp_path):
    take(store, known, write_lines(tmp_path / "a.gz", damaged(capture_lines(n_trades=N))))
    for chosen, n in (
        (Chosen(reasons=("duplicate", "off_grid")), 2),
        (Chosen(source="capture"), 4),
        (Chosen(source="binance"), 0),
        (Chosen(day=DAY), 4),
        (Chosen(day=date_of(1)), 0),
    ):
        assert quarantined(store, known.symbol, chosen).num_rows == n, chosen


def test_exports_hold_source_line_reason_and_text(store, known, tmp_path):
    lines = damaged(capture_lines(n_trades=N))
    take(store, known, write_lines(tmp_path / "a.gz", lines))
    rows = quarantined(store, known.symbol, ALL)
    for name in ("q.csv", "q.jsonl", "q.parquet"):
        export(rows, tmp_path / name)
    read = csv.read_csv(tmp_path / "q.csv").to_pylist()
    told = [json.loads(line) for line in (tmp_path / "q.jsonl").read_text().splitlines()]
    kept = parquet.read_table(tmp_path / "q.parquet").to_pylist()
    for found in (read, told, kept):
        assert [row["line"] for row in found] == [2, 6, 10, 14]
        assert [row["record"] for row in found] == [lines[i] for i in (1, 5, 9, 13)]
        assert {row["source"] for row in found} == {"capture"}
        assert found[1]["reason"] == "malformed"
        assert len(found[0]["unit"]) == 64
    with pytest.raises(ValueError, match=r"q\.xlsx must end in one of \.csv"):
        export(rows, tmp_path / "q.xlsx")
    assert sorted(p.name for p in tmp_path.glob("*q*")) == ["q.csv", "q.jsonl", "q.parquet"]


def test_records_that_pass_now_are_a_correction_of_their_unit(store, known, tmp_path):
    # The lot was half of what the venue trades: sizes of half a lot were off the grid.
    half = '"q":"0.0005","Q":"'
    lines = capture_lines(n_trades=N)
    for i in (1, 5, 119):
        lines[i] = lines[i].replace('"q":"', half)
    path = write_lines(tmp_path / "a.gz", lines)
    take(store, known, path)
    (unit,) = {row.unit for row in store.published("raw.trades", known.symbol)}
    assert refused(store, known) == [(2, "off_grid"), (6, "off_grid"), (120, "off_grid")]
    gaps = store.read("raw.gaps", known.symbol).num_rows
    finer = replace(known, lot_step=Decimal("0.0001"))
    found = try_again(store, finer, chosen=Chosen(reasons=("off_grid",)))
    assert (found["tried"], found["stored"], found["still"]) == (3, 3, 0)
    assert found["days"] == [DAY.isoformat()]
    assert refused(store, known) == []
    rows = store.read("raw.trades", known.symbol)
    assert rows["trade_id"].to_pylist() == list(range(1000, 1000 + N))
    corrected = rows.filter(pc.equal(rows["unit"], replay_unit(unit)))
    assert corrected["line"].to_pylist() == [2, 6, 120]
    assert store.read("raw.gaps", known.symbol).num_rows <= gaps
    # Again: nothing to do, nothing published.
    snapshot = store.snapshot()
    assert try_again(store, finer)["tried"] == 0
    assert store.snapshot() == snapshot
    # The file itself, read anew, takes the correction's place.
    summary = take(store, finer, path)
    assert (summary.stored, summary.quarantined) == (2 * N, 0)
    assert store.read("raw.trades", known.symbol).num_rows == N
    assert {row.unit for row in store.published("raw.trades", known.symbol) if row.rows} == {unit}


def test_a_correction_in_two_steps_holds_both(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    lines[1] = lines[1].replace('"q":"', '"q":"0.0005","Q":"')
    lines[5] = lines[5].replace('"q":"', '"q":"0.00005","Q":"')
    take(store, known, write_lines(tmp_path / "a.gz", lines))
    for step, left in (("0.0001", [(6, "off_grid")]), ("0.00001", [])):
        assert try_again(store, replace(known, lot_step=Decimal(step)))["stored"] == 1
        assert refused(store, known) == left
    assert store.read("raw.trades", known.symbol)["trade_id"].to_pylist() == [
        *range(1000, 1000 + N)
    ]


def test_another_grid_of_prices_is_refused(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    lines[1] = lines[1].replace('"p":"', '"p":"60000.001","P":"')
    take(store, known, write_lines(tmp_path / "a.gz", lines))
    assert refused(store, known) == [(2, "off_grid")]
    with pytest.raises(IngestRefused, match="every file must be ingested again"):
        try_again(store, replace(known, price_step=Decimal("0.001"), tick_size=Decimal("0.1")))
    assert refused(store, known) == [(2, "off_grid")]


def test_a_mended_column_map_needs_the_file(store, known, tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    rows = [f"{i},{1_723_075_200_000 + i},60000.1,0.002,{'BS'[i % 2]}" for i in range(40)]
    rows[7] = rows[7].replace(",S", ",short")
    rows[20] = rows[20].replace(",B", ",long")
    path.write_text("\n".join(["id,ts,p,q,side", *rows, ""]))
    first = ColumnMap(time="ts", price="p", qty="q", side="side", id="id", buy=("B",), sell=("S",))
    mended = replace(first, buy=("B", "long"), sell=("S", "short"))
    assert ingest(store, generic.read([path], known, maps=[first]), known, run_id="t").stored == 38
    maps = {"now": [mended]}
    monkeypatch.setattr(generic, "column_maps", lambda *_: maps["now"])
    assert try_again(store, known)["needs_file"] == {_unit(store, known): 2}
    found = try_again(store, known, path)
    assert (found["stored"], found["still"], found["needs_file"]) == (2, 0, {})
    stored = store.read("raw.trades", known.symbol)
    assert stored["trade_id"].to_pylist() == list(range(40))
    assert stored["native_sign"].to_pylist() == [1, -1] * 20


def _unit(store, known):
    return next(row.unit for row in store.published("raw.trades", known.symbol) if row.rows)


def test_records_without_ids_are_published_anew_with_their_file(store, tmp_path, request):
    mes = replace(load_instruments()["MES"], symbol=f"replay {request.node.name}", day_rule="utc")
    rows = [f"20250319 07{i:02d}00 {i:07d};5997.25;5997;5997.25;{1 + i}\n" for i in range(20)]
    rows[5] = rows[5].replace(";5997.25;5997;", ";5997.35;5997;")
    path = tmp_path / "MES 06-25.Last.txt"
    path.write_text("".join(rows))
    assert ingest(store, kinetick.read([path], mes), mes, run_id="t").quarantined == 1
    finer = replace(mes, price_step=Decimal("0.05"))
    # The text alone does not say after which trade it comes.
    assert try_again(store, finer)["needs_file"] == {_unit(store, mes): 1}
    assert quarantined(store, mes.symbol, ALL).num_rows == 1
    assert try_again(store, finer, path)["stored"] == 1
    stored = store.read("raw.trades", mes.symbol)
    assert stored["trade_id"].to_pylist() == list(range(1, 21))
    # The whole unit counts the finer steps now.
    assert set(stored["price_ticks"].to_pylist()) == {119_945, 119_947}
    snapshot = store.snapshot()
    assert try_again(store, finer, path)["tried"] == 0
    assert store.snapshot() == snapshot


def test_the_venue_s_record_may_have_come_by_another_file_meanwhile(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    bad = list(lines)
    bad[1] = bad[1].replace('"q":"', '"q":"0.0005","Q":"')
    take(store, known, write_lines(tmp_path / "bad.gz", bad))
    take(store, known, write_lines(tmp_path / "good.gz", lines[1:2]))
    finer = replace(known, lot_step=Decimal("0.0001"))
    found = try_again(store, finer)
    assert (found["stored"], found["still"]) == (0, 1)  # it contradicts what is stored by now
    assert store.read("raw.trades", known.symbol).num_rows == N
