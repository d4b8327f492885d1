"""Files into the raw tables: every record is accounted for, days are published one by one."""

import json
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from orchestration.arrays import depth_updates, without_depth
from orchestration.errors import IngestRefused
from orchestration.ingest import day_tables, ingest, publish_day, read_source
from orchestration.ingest_summary import iso_utc, summary_json
from orchestration.instruments import load_instruments
from orchestration.live.raw_segments import RawSegments
from orchestration.sources.capture import read_capture
from orchestration.sources.records import SourceError
from orchestration.storage.tables import table_named
from orderflow_core.level_book import follow_book
from tests.captures import DAY_START_MS, capture_lines, write_lines
from tests.orchestration.conftest import date_of

N = 60
RAW = ("raw.trades", "raw.quotes", "raw.gaps", "raw.quarantine")
DAY_0, DAY_1 = date_of(0), date_of(1)


@pytest.fixture
def known(request):
    """BTCUSDT under a name of the test's own: all tests share one store."""
    return replace(load_instruments()["BTCUSDT"], symbol=f"ingest {request.node.name}")


def take(store, known, path):
    return ingest(store, [read_capture(path, known)], known, run_id="test")


def stored_rows(store, known, table):
    return store.read(table, known.symbol).num_rows


def test_every_record_is_stored(store, known, tmp_path):
    summary = take(store, known, write_lines(tmp_path / "a.gz", capture_lines(n_trades=N)))
    assert (summary.offered, summary.stored, summary.quarantined) == (2 * N, 2 * N, 0)
    assert stored_rows(store, known, "raw.trades") == N
    assert stored_rows(store, known, "raw.quotes") == N
    assert summary.days == (DAY_0,)


def test_damaged_records_are_quarantined_with_line_and_reason(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    # Line 2 is the first trade, line 6 the third: off the 0.01 grid, and half a line.
    lines[1] = lines[1].replace('"p":"', '"p":"0').replace('","q"', '7","q"')
    lines[5] = lines[5][: len(lines[5]) // 2]
    summary = take(store, known, write_lines(tmp_path / "a.gz", lines))
    assert (summary.offered, summary.stored, summary.quarantined) == (2 * N, 2 * N - 2, 2)
    rows = store.read("raw.quarantine", known.symbol)
    assert list(zip(rows["line"].to_pylist(), rows["reason"].to_pylist(), strict=True)) == [
        (2, "off_grid"),
        (6, "malformed"),
    ]
    assert rows["record"][1].as_py() == lines[5]


def test_other_frames_are_counted_by_kind_and_not_offered(store, known, tmp_path):
    foreign = capture_lines(n_trades=2, symbol="ETHUSDT")
    depth = json.dumps({"stream": "btcusdt@depth", "data": {"e": "depthUpdate", "s": "BTCUSDT"}})
    lines = [*capture_lines(n_trades=N), *foreign, f"{DAY_START_MS * 10**6} {depth}"]
    summary = take(store, known, write_lines(tmp_path / "a.gz", lines))
    assert summary.offered == summary.stored == 2 * N
    assert sum(summary.other.values()) == 5


def test_the_same_file_again_changes_nothing(store, known, tmp_path):
    path = write_lines(tmp_path / "a.gz", capture_lines(n_trades=N))
    first = take(store, known, path)
    snapshot, published = store.snapshot(), store.published(symbol=known.symbol)
    again = take(store, known, path)
    assert again == first
    assert (store.snapshot(), store.published(symbol=known.symbol)) == (snapshot, published)


def test_the_same_records_in_another_file_are_duplicates(store, known, tmp_path):
    # 80 trades with their quotes are 160 lines: the second file repeats the 40 lines 81 to 120.
    lines = capture_lines(n_trades=80)
    take(store, known, write_lines(tmp_path / "a.gz", lines[:120]))
    summary = take(store, known, write_lines(tmp_path / "b.gz", lines[80:]))
    assert (summary.offered, summary.stored, summary.quarantined) == (80, 40, 40)
    rows = store.read("raw.quarantine", known.symbol)
    assert set(rows["reason"].to_pylist()) == {"duplicate"}
    assert sorted(rows["kind"].to_pylist()) == ["quote"] * 20 + ["trade"] * 20
    # Trade ids count from 1000: line 81 is the quote of trade 1040, line 82 the trade.
    first = min(zip(rows["line"].to_pylist(), rows["record"].to_pylist(), strict=True))
    assert first == (1, "quote_id=401")
    assert store.read("raw.trades", known.symbol)["trade_id"].to_pylist() == [*range(1000, 1080)]
    # The file that came first keeps its rows when it comes again.
    snapshot = store.snapshot()
    assert take(store, known, tmp_path / "a.gz").quarantined == 0
    assert store.snapshot() == snapshot


def test_two_files_in_any_order_hold_the_rows_of_one(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    take(store, known, write_lines(tmp_path / "whole.gz", lines))
    halves = replace(known, symbol=f"{known.symbol} halves")
    take(store, halves, write_lines(tmp_path / "late.gz", lines[N:]))
    take(store, halves, write_lines(tmp_path / "early.gz", lines[:N]))
    for table in RAW[:2]:
        columns = [c.name for c in table_named(table).payload if c.is_hashed]
        whole, parts = (store.read(table, s.symbol, columns=columns) for s in (known, halves))
        assert whole.equals(parts), table


def trade_gaps(store, known, day=None):
    rows = store.read("raw.gaps", known.symbol, day, where={"kind": "trade"})
    return [(g["first_missing_id"], g["n_missing"]) for g in rows.to_pylist()]


def hashed_gaps(store, known):
    # The hash itself covers the symbol's name, which differs between the ways of a test.
    columns = [c.name for c in table_named("raw.gaps").payload if c.is_hashed]
    return store.read("raw.gaps", known.symbol, columns=["trading_day", *columns]).to_pylist()


def named(known, text):
    return replace(known, symbol=f"{known.symbol} {text}")


@pytest.mark.parametrize("source", ["trade", "aggTrade"])
def test_a_hole_between_two_files_is_a_gap_whatever_their_order(store, known, tmp_path, source):
    # Trades 1000 to 1059, a quote and a trade each; lines 41 to 80 are lost: 1020 to 1039.
    lines = capture_lines(n_trades=N)
    if source == "aggTrade":
        lines = [
            line.replace("@trade", "@aggTrade").replace('"e":"trade"', '"e":"aggTrade"')
            .replace('"t":', '"f":1,"l":2,"a":').replace('"X":"MARKET",', "")
            for line in lines
        ]  # fmt: skip
    early, late = [*lines[:20], "wss://stream", *lines[20:40]], lines[80:]
    whole = write_lines(tmp_path / "whole.gz", early + late)
    first, second = (
        write_lines(tmp_path / "first.gz", early), write_lines(tmp_path / "second.gz", late)
    )  # fmt: skip
    contents = []
    for text, paths in {"one": [whole], "two": [first, second], "late": [second, first]}.items():
        mine = named(known, text)
        for path in (*paths, *paths):  # a repetition changes nothing
            take(store, mine, path)
        assert trade_gaps(store, mine) == [(1020, 20)]
        kinds = store.read("raw.gaps", mine.symbol)["kind"].to_pylist()
        assert kinds == ["quote", "trade"]  # the reconnect after line 20 is kept
        contents.append(hashed_gaps(store, mine))
    assert contents[0] == contents[1] == contents[2]


def test_a_file_that_fills_a_hole_takes_its_gap_away(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    take(store, known, write_lines(tmp_path / "holed.gz", lines[:40] + lines[80:]))
    assert trade_gaps(store, known) == [(1020, 20)]
    take(store, known, write_lines(tmp_path / "part.gz", lines[40:60]))
    assert trade_gaps(store, known) == [(1030, 10)]
    take(store, known, write_lines(tmp_path / "rest.gz", lines[60:80]))
    assert trade_gaps(store, known) == []


def test_a_hole_at_midnight_is_a_gap_on_both_days(store, known, tmp_path):
    # The first day's ids end at 1059, the second's begin at 1060: 1055 to 1064 are lost.
    today, tomorrow = capture_lines(n_trades=N)[:-10], capture_lines(n_trades=N, day=1)[10:]
    whole = write_lines(tmp_path / "whole.gz", today + tomorrow)
    first, second = (
        write_lines(tmp_path / "first.gz", today), write_lines(tmp_path / "second.gz", tomorrow)
    )  # fmt: skip
    contents = []
    for text, paths in {"one": [whole], "two": [first, second], "late": [second, first]}.items():
        mine = named(known, text)
        for path in paths:
            take(store, mine, path)
        assert trade_gaps(store, mine, DAY_0) == trade_gaps(store, mine, DAY_1) == [(1055, 10)]
        contents.append(hashed_gaps(store, mine))
    assert contents[0] == contents[1] == contents[2]


def test_a_hole_over_a_day_without_trades_reaches_the_days_beside_it(store, known, tmp_path):
    # Ids 1000 to 1059 on the first day, 1120 to 1179 on the third: the second is lost whole.
    first = write_lines(tmp_path / "first.gz", capture_lines(n_trades=N))
    third = write_lines(tmp_path / "third.gz", capture_lines(n_trades=N, day=2))
    last_day = DAY_1 + timedelta(days=1)
    for text, paths in {"in turn": [first, third], "late": [third, first]}.items():
        mine = named(known, f"over {text}")
        for path in paths:
            take(store, mine, path)
        assert trade_gaps(store, mine, DAY_0) == trade_gaps(store, mine, last_day) == [(1060, N)]


def test_another_content_under_a_known_id_is_a_conflict(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    take(store, known, write_lines(tmp_path / "a.gz", lines))
    first = store.published("raw.trades", known.symbol)[0].unit
    changed = [lines[0], lines[1].replace('"q":"', '"q":"1'), lines[2].replace('"A":"', '"A":"1')]
    summary = take(store, known, write_lines(tmp_path / "b.gz", changed))
    assert (summary.offered, summary.stored, summary.quarantined) == (3, 0, 3)
    rows = store.read("raw.quarantine", known.symbol).to_pylist()
    assert [(r["kind"], r["reason"]) for r in rows] == [
        ("quote", "duplicate"), ("trade", "conflict"), ("quote", "conflict"),
    ]  # fmt: skip
    assert rows[0]["detail"] == f"unit {first} has published this quote_id"
    assert rows[1]["detail"] == f"unit {first} has published this trade_id with another content"
    assert store.read("raw.trades", known.symbol).num_rows == N


def test_a_record_out_of_order_among_other_units_is_refused(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    take(store, known, write_lines(tmp_path / "a.gz", lines[:40] + lines[44:]))
    # Line 42 is trade 1020: an hour late it comes after its successors, line 44 is in order.
    late = json.loads(lines[41].split(" ", 1)[1])
    late["data"]["T"] += 3_600_000
    text = f"{lines[41].split(' ', 1)[0]} {json.dumps(late, separators=(',', ':'))}"
    summary = take(store, known, write_lines(tmp_path / "b.gz", [text]))
    assert (summary.offered, summary.stored, summary.quarantined) == (1, 0, 1)
    assert store.read("raw.quarantine", known.symbol)["reason"].to_pylist() == ["time_inversion"]
    assert take(store, known, write_lines(tmp_path / "c.gz", lines[40:44])).stored == 4
    assert trade_gaps(store, known) == []


def test_a_file_of_known_records_tells_the_day_and_its_hash(store, known, tmp_path):
    lines = capture_lines(n_trades=N)
    first = take(store, known, write_lines(tmp_path / "a.gz", lines))
    again = take(store, known, write_lines(tmp_path / "b.dat", lines))
    assert (again.stored, again.quarantined, again.days) == (0, 2 * N, (DAY_0,))
    told = [summary_json(s, store, known.symbol)["hash"] for s in (first, again)]
    assert told[0] == told[1] == store.content_hash_days("raw.trades", known.symbol, [DAY_0])


def test_the_same_content_is_read_once_in_one_call(known, tmp_path):
    path = write_lines(tmp_path / "a.dat", capture_lines(n_trades=N))
    copy = write_lines(tmp_path / "copy.dat", capture_lines(n_trades=N))
    batches = read_source("capture", [path, path, copy], known, tmp_path)
    assert [batch.offered for batch in batches] == [2 * N]


def test_a_file_without_the_symbol_is_refused_by_name(known, tmp_path):
    path = write_lines(tmp_path / "a.gz", capture_lines(n_trades=3, symbol="ETHUSDT"))
    with pytest.raises(SourceError, match=r"a\.gz: holds no record of .*only: 6 other_symbol"):
        read_source("capture", [path], known, tmp_path)


def test_each_day_of_a_file_is_published_by_itself(store, known, tmp_path):
    lines = capture_lines(n_trades=N) + capture_lines(n_trades=N, day=1)
    heard = []
    batch = read_capture(write_lines(tmp_path / "a.gz", lines), known)
    summary = ingest(
        store, [batch], known, run_id="test", on_day=lambda made: heard.append(made.day)
    )
    assert summary.days == tuple(heard) == (DAY_0, DAY_1)
    seqs = {row.seq: row.trading_day for row in store.published(symbol=known.symbol)}
    assert sorted(seqs.values()) == [DAY_0, DAY_1]
    for day in heard:
        assert {row.table for row in store.published(None, known.symbol, day)} == set(RAW)
        assert store.read("raw.trades", known.symbol, day).num_rows == N


def test_an_interrupted_ingest_keeps_whole_days_only(store, known, tmp_path):
    lines = capture_lines(n_trades=N) + capture_lines(n_trades=N, day=1)
    batch = read_capture(write_lines(tmp_path / "a.gz", lines), known)

    def stop(made):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(store, [batch], known, run_id="test", on_day=stop)
    assert {row.trading_day for row in store.published(symbol=known.symbol)} == {DAY_0}
    assert ingest(store, [batch], known, run_id="test").days == (DAY_0, DAY_1)


def test_a_day_that_breaks_its_contract_is_refused_whole(store, known, tmp_path):
    batch = read_capture(write_lines(tmp_path / "a.gz", capture_lines(n_trades=N)), known)
    (made,) = day_tables(store, batch, known)
    backwards = made.tables["raw.trades"].take(pa.array(range(N)[::-1]))
    broken = replace(made, tables=made.tables | {"raw.trades": backwards})
    with pytest.raises(
        IngestRefused, match=r"2024-08-08 was not published: raw\.trades: time never"
    ):
        publish_day(store, known.symbol, broken, run_id="test")
    assert store.published(symbol=known.symbol) == []
    assert store.orphans() == []


def test_a_corrupt_file_publishes_nothing(store, known, tmp_path):
    path = write_lines(tmp_path / "a.gz", capture_lines(n_trades=N))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"a\.gz: ends inside its gzip stream, at byte"):
        take(store, known, path)
    assert store.published(symbol=known.symbol) == []


def test_summary_tells_range_and_hash_of_all_days(store, known, tmp_path):
    lines = capture_lines(n_trades=N) + capture_lines(n_trades=N, day=1)
    summary = take(store, known, write_lines(tmp_path / "a.gz", lines))
    told = summary_json(summary, store, known.symbol)
    assert told["days"] == ["2024-08-08", "2024-08-09"]
    assert told["hash"] == store.content_hash_days("raw.trades", known.symbol, [DAY_0, DAY_1])
    assert told["offered"] == told["stored"] + told["quarantined"]
    first = store.read("raw.quotes", known.symbol, DAY_0)["ts_event_ns"][0].as_py()
    last = store.read("raw.trades", known.symbol, DAY_1)["ts_event_ns"][-1].as_py()
    assert (told["first"], told["last"]) == (iso_utc(first), iso_utc(last))


def test_summary_tells_findings_and_missing_ids_by_hour(store, known, tmp_path):
    # Ids 1000 to 1059 of a minute at 00 h, then 1120 to 1179 a day later: 1020 to 1039 and 1060 to 1119 lack.
    lines = capture_lines(n_trades=N) + capture_lines(n_trades=N, day=2)
    lines = lines[:40] + lines[80:]
    lines[2] = lines[2].replace('"b":"', '"b":"9')  # the second quote's bid, far above its ask
    path = write_lines(tmp_path / "a.gz", lines)
    told = summary_json(take(store, known, path), store, known.symbol)
    assert told["counts"] == {"crossed_quotes": 1, "quote_jumps": 2}
    assert told["missing_ids"] == {"2024-08-08T00:00Z": 80}  # the hole over midnight once
    again = take(store, known, write_lines(tmp_path / "b.gz", capture_lines(n_trades=N)[40:80]))
    assert summary_json(again, store, known.symbol)["missing_ids"] == {"2024-08-08T00:00Z": 60}


def test_a_file_without_records_of_the_symbol_stores_nothing(store, known, tmp_path):
    path = write_lines(tmp_path / "a.gz", capture_lines(n_trades=3, symbol="ETHUSDT"))
    summary = take(store, known, path)
    assert (summary.offered, summary.days, summary.first_ns) == (0, (), None)
    assert summary_json(summary, store, known.symbol)["first"] is None


@pytest.mark.parametrize(
    ("ts_ns", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00.000000Z"),
        # 1723075200 s = 2024-08-08 00:00:00; microseconds unless there are nanoseconds.
        (1_723_075_200_000_001_000, "2024-08-08T00:00:00.000001Z"),
        (1_723_075_200_000_000_001, "2024-08-08T00:00:00.000000001Z"),
    ],
)
def test_times_are_written_with_all_their_digits(ts_ns, text):
    assert iso_utc(ts_ns) == text


def book_lines(first, last, *, at=0, skip=()):
    """Updates of one id each that set a bid, a snapshot in front where ``at`` is its id."""
    ms = DAY_START_MS + 1000
    lines = []
    if at:
        body = {"lastUpdateId": at, "T": ms + at, "bids": [["60000.00", "1.000"]], "asks": []}
        frame = {"stream": "btcusdt@depthSnapshot", "data": body}
        lines.append(f"{(ms + at) * 10**6} {json.dumps(frame)}")
    for i in range(first, last + 1):
        if i in skip:
            continue
        body = {"e": "depthUpdate", "E": ms + i, "T": ms + i, "s": "BTCUSDT", "U": i, "u": i,
                "pu": i - 1, "b": [["59999.00", f"{i}.000"]], "a": []}  # fmt: skip
        lines.append(f"{(ms + i) * 10**6} {json.dumps({'stream': 'btcusdt@depth', 'data': body})}")
    return lines


def test_a_live_segment_counts_refused_updates_of_the_book_apart(store, known, tmp_path):
    # One trade without its end, one update between two steps of the price.
    lines = capture_lines(n_trades=N)
    lines[1] = lines[1][: len(lines[1]) // 2]
    lines += [text.replace("59999.00", "59999.001") for text in book_lines(5, 5)]
    batch = read_capture(write_lines(tmp_path / "a.gz", [*lines, *book_lines(1, 4, at=1)]), known)
    assert (batch.quarantined, batch.depth_quarantined) == (1, 1)
    raw = RawSegments(store=store, instrument=known, run_id="test")
    (stored,) = raw.publish([batch])
    assert stored.n_quarantined == 1
    assert store.read("raw.quarantine", known.symbol).num_rows == 2


def depth_gaps(store, known):
    rows = store.read("raw.gaps", known.symbol).to_pylist()
    return [(r["reason"], r["first_missing_id"]) for r in rows if r["kind"] == "depth"]


def test_a_book_is_stored_with_an_account_of_its_own(store, known, tmp_path):
    lines = capture_lines(n_trades=N) + book_lines(5, 20, at=4)
    lines.append(lines[-1])  # once more
    lines.append(lines[-1].replace('"59999.00"', '"59999.001"').replace('"u": 20', '"u": 21'))
    summary = take(store, known, write_lines(tmp_path / "a.gz", lines))
    assert (summary.offered, summary.stored, summary.quarantined) == (2 * N, 2 * N, 0)
    assert (summary.depth_offered, summary.depth_stored, summary.depth_quarantined) == (19, 17, 2)
    rows = store.read("raw.quarantine", known.symbol).to_pylist()
    assert [(r["kind"], r["reason"]) for r in rows] == [
        ("depth", "duplicate"),
        ("depth", "off_grid"),
    ]
    told = summary_json(summary, store, known.symbol)
    assert told["depth"] == {"offered": 19, "stored": 17, "quarantined": 2}
    assert len(told["hashes"]["raw.depth"]) == 64
    depth = depth_updates(store.read("raw.depth", known.symbol))
    made = follow_book(depth, n_levels=2)
    assert made.depth.bid_lots[:, 1].tolist() == [0, *[1000 * i for i in range(5, 21)]]
    assert depth_gaps(store, known) == []


def test_a_day_without_a_book_has_no_part_of_that_table(store, known, tmp_path):
    take(store, known, write_lines(tmp_path / "a.gz", capture_lines(n_trades=N)))
    assert store.published("raw.depth", known.symbol, DAY_0) == []


def test_two_files_of_one_book_in_any_order_give_one_day(store, known, tmp_path):
    market = capture_lines(n_trades=4)
    first = write_lines(tmp_path / "a.txt", market[:4] + book_lines(5, 20, at=4))
    second = write_lines(tmp_path / "b.txt", market[4:] + book_lines(15, 40))
    other = replace(known, symbol=known.symbol + " reversed")
    take(store, known, first)
    assert depth_gaps(store, known) == []
    summary = take(store, known, second)
    # 15 to 20 came with the first file.
    assert (summary.depth_offered, summary.depth_stored, summary.depth_quarantined) == (26, 20, 6)
    take(store, other, second)
    assert depth_gaps(store, other) == [("no_snapshot", 0)]
    take(store, other, first)
    assert depth_gaps(store, known) == depth_gaps(store, other) == []
    names = ["ts_event_ns", "first_id", "last_id", "is_snapshot", "side", "price_ticks", "qty_lots"]
    rows = [store.read("raw.depth", s.symbol, columns=names) for s in (known, other)]
    assert rows[0].equals(rows[1])


def test_a_missing_update_is_a_gap_until_another_file_has_it(store, known, tmp_path):
    lines = capture_lines(n_trades=4) + book_lines(5, 40, at=4, skip={12, 13})
    take(store, known, write_lines(tmp_path / "a.txt", lines))
    assert depth_gaps(store, known) == [("missing_updates", 12)]
    take(store, known, write_lines(tmp_path / "b.txt", book_lines(11, 14)))
    assert depth_gaps(store, known) == []
    contradicting = [line.replace('"12.000"', '"7.000"') for line in book_lines(12, 12)]
    late = [line.replace('"u": 13', '"u": 99') for line in book_lines(13, 13)]
    summary = take(store, known, write_lines(tmp_path / "c.txt", contradicting + late))
    assert (summary.depth_stored, summary.depth_quarantined) == (0, 2)
    rows = store.read("raw.quarantine", known.symbol).to_pylist()
    assert sorted(r["reason"] for r in rows) == [
        "duplicate", "duplicate", "duplicate", "time_inversion",
    ]  # fmt: skip


def test_gaps_of_the_book_part_no_window_of_trades(store, known, tmp_path):
    lines = capture_lines(n_trades=N) + book_lines(5, 40)
    take(store, known, write_lines(tmp_path / "a.txt", lines))
    gaps = store.read("raw.gaps", known.symbol)
    assert len(gaps) == 1
    assert len(without_depth(gaps)) == 0
