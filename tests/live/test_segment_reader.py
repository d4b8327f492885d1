"""A segment is read as if inside the whole log: cut anywhere, the records are those of the file."""

import random

import pyarrow as pa
import pytest

from orchestration.live.capture_log import Segment
from orchestration.live.feeds import FEEDS
from orchestration.live.segment_reader import ReaderState, read_segment
from orchestration.sources.records import SourceError
from tests.live.logs import LOGS, read_all, segments
from tests.sources.cases import ES, source_file


def content(batches, name, *, without=("unit",)):
    rows = pa.concat_tables([getattr(batch, name) for batch in batches]).to_pylist()
    return [{k: v for k, v in row.items() if k not in without} for row in rows]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", sorted(LOGS))
def test_segments_give_the_records_of_the_whole_log(name, seed, tmp_path):
    make, instrument = LOGS[name]
    data = make(seed)
    whole = FEEDS[name].parse(source_file(data), instrument)
    parts = segments(FEEDS[name], data, tmp_path, random.Random(seed))
    assert len(parts) > 3
    found = read_all(name, instrument, parts)
    line = ("unit", "line") if name == "dukascopy" else ("unit",)  # whose lines are records
    assert content(found, "trades", without=line) == content(whole, "trades", without=line)
    quotes, expected = (content(b, "quotes", without=line) for b in (found, whole))
    if name == "dukascopy":  # each answer begins with the last quote of the one before
        seen = set()
        quotes = [q for q in quotes if not (q["quote_id"] in seen or seen.add(q["quote_id"]))]
        for row in (*quotes, *expected):
            row.pop("ts_recv_ns")
    assert quotes == expected
    assert len(quotes) > 10
    gaps = [sorted(content(b, "gaps"), key=str) for b in (found, whole)]
    if name == "binance":  # its trades' gaps are found over the day, not by the reader
        gaps = [[gap for gap in some if gap["kind"] == "quote"] for some in gaps]
    assert gaps[0] == gaps[1]
    if name != "dukascopy":
        refused = [content(b, "quarantine", without=line) for b in (found, whole)]
        assert refused[0] == refused[1]
        assert sum(b.offered for b in found) == sum(b.offered for b in whole)


def test_a_torn_last_line_is_quarantined_and_the_next_segment_goes_on(tmp_path):
    make, instrument = LOGS["kinetick"]
    lines = make(1).splitlines(keepends=True)
    first, second = tmp_path / f"{1:020d}.log", tmp_path / f"{12:020d}.log"
    first.write_bytes(b"".join(lines[:10]) + lines[10][:-20])
    second.write_bytes(b"".join(lines[10:20]))
    parts = [Segment(path=first, first_line=1), Segment(path=second, first_line=12)]
    found = read_all("kinetick", instrument, parts)
    assert content(found, "quarantine")[0]["reason"] == "truncated"
    assert content(found, "quarantine")[0]["line"] == 11
    assert sum(len(b.trades) + len(b.quotes) for b in found) == 19  # one of the lines is a hello
    assert [row["line"] for row in content(found, "trades")] == sorted(
        row["line"] for row in content(found, "trades")
    )


def test_a_segment_of_damage_alone_is_kept_line_by_line(tmp_path):
    path = tmp_path / f"{1:020d}.log"
    path.write_bytes(b"17423\n\nnothing")
    read = read_segment(FEEDS["kinetick"], ES, Segment(path=path, first_line=1), ReaderState())
    (batch,) = read.batches
    assert (batch.offered, batch.stored, batch.other) == (2, 0, {"blank": 1})
    assert content([batch], "quarantine")[0]["record"] == "17423"
    assert [row["reason"] for row in content([batch], "quarantine")] == ["malformed", "truncated"]
    assert read.state.done_through == 3


def test_a_damaged_state_says_what_to_do(tmp_path):
    (tmp_path / "reader.json").write_text('{"version": 1, "done_through": 4}')
    with pytest.raises(SourceError, match="move it away"):
        ReaderState.load(tmp_path)
