"""Files of one day without ids of the venue: put together by their times, or refused."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from orchestration.errors import IngestRefused
from orchestration.ingest import ingest
from orchestration.instruments import load_instruments
from orchestration.sources import bitstamp, iqfeed, lean
from orchestration.sources.emini import read_emini
from orchestration.sources.files import read_file
from orchestration.storage.tables import table_named
from tests.captures import write_lines
from tests.sources.cases import BITSTAMP
from tests.sources.iqfeed_cases import EQUITY, tick

HEADER = "DateTime,Price,Volume"
# Two trades a minute but for minute 7, whose stamp three share.
MINUTES = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 8, 9, 9]
ROWS = [f"2013-09-03 10:{m:02d}:00.083,{1640 + i % 4 / 4},{1 + i}" for i, m in enumerate(MINUTES)]


@pytest.fixture
def es(request):
    """ES under a name of the test's own: all tests share one store."""
    name = f"no ids {request.node.name}"
    return replace(load_instruments()["ES"], symbol=name, day_rule="utc")


@pytest.fixture
def take(store, es, tmp_path):
    def take(rows, known=es):
        path = tmp_path / f"{abs(hash(tuple(rows)))}.csv"
        write_lines(path, [HEADER, *rows])
        return ingest(store, [read_emini(path, known)], known, run_id="test")

    return take


def content(store, known, name="raw.trades"):
    columns = [c.name for c in table_named(name).payload if c.is_hashed]
    return store.read(name, known.symbol, columns=columns).to_pylist()


def sizes(store, known):
    return store.read("raw.trades", known.symbol)["qty_lots"].to_pylist()


def test_files_that_do_not_overlap_are_the_day_in_any_order(store, es, take):
    parts = [ROWS[:4], ROWS[4:12], ROWS[12:]]
    found = []
    for number, order in enumerate((parts, parts[::-1])):
        known = replace(es, symbol=f"{es.symbol} {number}")
        for part in (*order, order[0]):  # a repetition changes nothing
            snapshot = store.snapshot()
            summary = take(part, known)
            assert (summary.stored, summary.quarantined) == (len(part), 0)
        assert store.snapshot() == snapshot
        assert sizes(store, known) == list(range(1, 22))
        found.append((content(store, known), content(store, known, "raw.gaps")))
    assert all(one == found[0] for one in found)
    trades, gaps = found[0]
    assert [row["trade_id"] for row in trades] == list(range(1, 22))
    # Nobody knows whether something is missing between two files: no window spans it.
    assert [(g["kind"], g["reason"]) for g in gaps] == [("trade", "between_files")] * 2
    assert [g["start_ns"] for g in gaps] == [trades[3]["ts_event_ns"], trades[11]["ts_event_ns"]]


@pytest.mark.parametrize(("first", "second", "n_known"), [
    (slice(0, 12), slice(8, 21), 4),  # the end of one is the beginning of the other
    (slice(8, 21), slice(0, 12), 4),
    (slice(0, 21), slice(6, 12), 6),  # one lies within the other
    (slice(0, 21), slice(14, 17), 3),  # within one stamp
    (slice(6, 12), slice(0, 21), 6),
    (slice(0, 15), slice(13, 21), 2),  # cut between trades of one stamp, at both ends
    (slice(0, 16), slice(11, 15), 4),
])  # fmt: skip
def test_files_that_agree_where_they_overlap(store, es, take, first, second, n_known):
    take(ROWS[first])
    summary = take(ROWS[second])
    assert summary.quarantined == n_known
    assert store.read("raw.quarantine", es.symbol)["reason"].to_pylist() == ["duplicate"] * n_known
    covered = sorted({*range(*first.indices(21)), *range(*second.indices(21))})
    assert sizes(store, es) == [i + 1 for i in covered]
    assert store.read("raw.gaps", es.symbol).num_rows == 0
    for part in (first, second):
        snapshot = store.snapshot()
        take(ROWS[part])
        assert store.snapshot() == snapshot, part


def changed(rows, at):
    return [*rows[:at], rows[at].replace(",164", ",165"), *rows[at + 1 :]]


@pytest.mark.parametrize(("first", "second"), [
    (ROWS[:12], changed(ROWS[6:], 3)),  # one record differs
    (ROWS[:12], [*ROWS[6:9], *ROWS[10:]]),  # one is missing, in the middle
    (ROWS[::2], ROWS[1::2]),  # interleaved
    (ROWS[:15], ROWS[15:]),  # only a stamp in common: the same record, or the next one?
])  # fmt: skip
def test_files_that_cannot_be_told_apart_are_refused(store, es, take, first, second):
    take(first)
    snapshot = store.snapshot()
    with pytest.raises(IngestRefused, match="nobody can tell which records are the same"):
        take(second)
    assert store.snapshot() == snapshot


def test_a_third_file_is_held_against_both(store, es, take):
    take(ROWS[4:12])
    take(ROWS[:18])  # holds the first within it
    summary = take(ROWS[6:])
    assert (summary.stored, summary.quarantined) == (3, 12)
    assert sizes(store, es) == list(range(1, 22))


def test_what_two_files_cover_together_is_known_to_a_later_one(store, es, take):
    take(ROWS[8:16])
    take(ROWS[:12])  # stored up to row 8: the rest of it is the first file's
    take(ROWS[17:])
    (gap,) = store.read("raw.gaps", es.symbol).to_pylist()
    assert gap["reason"] == "between_files"
    summary = take(ROWS[4:10])
    assert (summary.stored, summary.quarantined) == (0, 6)
    assert store.read("raw.gaps", es.symbol).num_rows == 1


def test_a_refused_day_refuses_the_whole_file(store, es, take):
    take(ROWS[:12])
    snapshot = store.snapshot()
    early = [row.replace("2013-09-03", "2013-09-02") for row in ROWS[:4]]
    with pytest.raises(IngestRefused):
        take([*early, *changed(ROWS[6:], 3)])
    assert store.snapshot() == snapshot


def test_replies_of_iqfeed_that_overlap(store, tmp_path, request):
    known = replace(EQUITY, symbol=f"no ids {request.node.name}")
    lines = [tick(i) + "," for i in range(1, 40)]
    found = []
    for text, parts in {"a": (lines[:25], lines[15:]), "b": (lines[15:], lines[:25])}.items():
        mine = replace(known, symbol=f"{known.symbol} {text}")
        for i, part in enumerate(parts):
            path = write_lines(tmp_path / f"{text}{i}.txt", [*part, "!ENDMSG!,"])
            summary = ingest(store, iqfeed.read([path], mine), mine, run_id="t")
        assert summary.quarantined == 20  # ten ticks, each a trade and a quote
        trades = store.read("raw.trades", mine.symbol)
        assert trades["venue_id"].to_pylist() == [f"11:{i}" for i in range(1, 40)]
        assert trades["trade_id"].to_pylist() == [20210330000000000 + i for i in range(1, 40)]
        assert store.read("raw.quotes", mine.symbol).num_rows == 39
        found.append((content(store, mine), content(store, mine, "raw.quotes")))
    assert found[0] == found[1]


def test_ids_that_are_the_venue_s_but_order_nothing_are_left_alone(store, tmp_path, request):
    known = replace(BITSTAMP, symbol=f"no ids {request.node.name}")
    header = bitstamp.TRADES_HEADER.decode()
    rows = [f"{900 + i},{1_777_000_000_000 + i},{1_777_000_000_000 + i},100.0,0.5,1,2,buy"
            for i in range(8)]  # fmt: skip
    for number, part in enumerate((rows[:4], rows[4:])):
        path = write_lines(tmp_path / f"trades{number}.csv", [header, *part])
        batch = bitstamp.parse_trades(read_file(path), known)
        if not number:
            ingest(store, [batch], known, run_id="t")
            continue
        with pytest.raises(IngestRefused, match="this market's ids order no records"):
            ingest(store, [batch], known, run_id="t")


def test_contracts_of_one_zip_are_symbols_of_their_own(store, test_data, request):
    path = test_data / "lean/future/comex/tick/gc/20131007_trade.zip"
    step = Decimal("0.1")
    gold = replace(
        load_instruments()["ES"], venue="comex", price_step=step, tick_size=step, day_rule="utc",
        timezone="America/New_York",
    )  # fmt: skip
    n_stored = {}
    for month in ("201312", "201402"):
        known = replace(gold, symbol=f"GC {month} {request.node.name}", venue_symbol=f"GC{month}")
        summary = ingest(store, lean.read([path], known), known, run_id="t")
        assert summary.offered == summary.stored + summary.quarantined
        n_stored[month] = summary.stored
        assert set(store.days("raw.trades", known.symbol)) <= {date(2013, 10, 7), date(2013, 10, 8)}
    assert n_stored["201312"] > n_stored["201402"] > 0
