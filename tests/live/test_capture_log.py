"""The capture log: order in the names, nothing lost to a kill, numbers that go on."""

import os

import pytest

from orchestration.live.capture_log import (
    CaptureLog,
    LogPolicy,
    count_lines,
    lines_newest_first,
    segments_of,
)
from orchestration.live.feeds import FEEDS
from tests.live.market import FIRST, T0_NS, bridge_log, bridge_ticks

S = 1_000_000_000


def write(log, first, n, *, step_ns=S // 10):
    for i in range(first, first + n):
        log.append(T0_NS + i * step_ns, b"%d message %d" % (T0_NS + i * step_ns, i))


def test_segments_follow_each_other_by_the_numbers_of_their_lines(tmp_path):
    log = CaptureLog(tmp_path, LogPolicy(segment_s=1), first_line=1)
    for i in range(35):
        write(log, i, 1)
        if log.is_due(T0_NS + i * S // 10):
            log.cut().seal()
    log.cut().seal()
    assert [s.first_line for s in segments_of(tmp_path)] == [1, 12, 23, 34]
    assert [count_lines(s.path) for s in segments_of(tmp_path)] == [11, 11, 11, 2]
    assert {s.path.parent.name for s in segments_of(tmp_path)} == {"2025-03-19"}
    assert next(lines_newest_first(tmp_path)).endswith(b"message 34")
    assert CaptureLog(tmp_path, LogPolicy())._next_line == 36


def test_a_segment_ends_by_its_size_too(tmp_path):
    log = CaptureLog(tmp_path, LogPolicy(segment_bytes=100), first_line=1)
    write(log, 0, 2)
    assert not log.is_due(T0_NS)
    write(log, 2, 2)
    assert log.is_due(T0_NS)
    log.cut().seal()


def test_what_a_killed_process_left_is_sealed_as_it_stands(tmp_path):
    left = tmp_path / "2025-03-19" / f"{7:020d}.open"
    left.parent.mkdir()
    left.write_bytes(b"1 message 0\n2 message 1\n3 message 2\n1742367600 torn")
    again = CaptureLog(tmp_path, LogPolicy())
    (segment,) = segments_of(tmp_path)
    assert segment.path.read_bytes().endswith(b"message 2\n1742367600 torn")
    assert again._next_line == 11  # the torn line has a number of its own
    assert next(lines_newest_first(tmp_path)).endswith(b"message 2")


def test_an_empty_leftover_goes(tmp_path):
    (tmp_path / "2025-03-19").mkdir()
    (tmp_path / "2025-03-19" / f"{5:020d}.open").touch()
    CaptureLog(tmp_path, LogPolicy())
    assert not list(tmp_path.glob("*/*"))


def test_synced_lines_are_in_the_file_before_the_segment_ends(tmp_path):
    log = CaptureLog(tmp_path, LogPolicy(), first_line=1)
    write(log, 0, 2)
    (path,) = tmp_path.glob("*/*.open")
    assert os.path.getsize(path) == 0
    log.sync()
    assert path.read_bytes().count(b"\n") == 2
    log.cut().seal()


def test_a_new_log_begins_at_the_clock(tmp_path):
    log = CaptureLog(tmp_path, LogPolicy())
    write(log, 0, 1)
    open_segment = log.cut()
    assert open_segment.first_line > 1_700_000_000_000_000
    open_segment.seal()


def test_a_line_end_inside_a_line_is_refused(tmp_path):
    with pytest.raises(ValueError, match="line end"):
        CaptureLog(tmp_path, LogPolicy()).append(T0_NS, b"two\nlines")


@pytest.mark.parametrize(
    "policy", [{"segment_s": 0}, {"segment_s": 11}, {"segment_bytes": 0}, {"sync_ms": 0}]
)
def test_a_policy_outside_its_domain_is_refused(policy):
    with pytest.raises(ValueError, match=next(iter(policy))):
        LogPolicy(**policy)


def test_a_client_goes_on_after_the_last_whole_record():
    lines = bridge_log(bridge_ticks(30)).splitlines()
    found = FEEDS["kinetick"].resume_from(reversed([*lines, b"1742367600 {torn"]))
    assert found["after"] == FIRST + 29
    assert FEEDS["kinetick"].resume_from([b"", b"x"]) == {}
    frame = b'1 {"stream":"btcusdt@trade","data":{"e":"trade","E":5,"s":"BTCUSDT","t":77,"p":"1"}}'
    assert FEEDS["binance"].resume_from([frame]) == {"after": 77}


def test_a_hole_between_two_segments_is_where_the_client_goes_on(tmp_path):
    """A power cut took the end of the first segment and spared the second."""
    lines = bridge_log(bridge_ticks(30)).splitlines(keepends=True)
    folder = tmp_path / "2025-03-19"
    folder.mkdir()
    (folder / f"{1:020d}.log").write_bytes(b"".join(lines[:10]) + lines[10][:9])
    (folder / f"{16:020d}.log").write_bytes(b"".join(lines[15:]))
    found = FEEDS["kinetick"].resume_from(lines_newest_first(tmp_path))
    assert found["after"] == FIRST + 8  # the hello is the first line


def test_a_cut_segment_is_out_of_the_process_before_the_next_line(tmp_path):
    log = CaptureLog(tmp_path, LogPolicy(), first_line=1)
    write(log, 0, 3)
    cut = log.cut()
    assert cut.path.read_bytes().count(b"\n") == 3
    write(log, 3, 1)
    log.sync()
    log.cut().seal()
    cut.seal()
    assert [s.first_line for s in segments_of(tmp_path)] == [1, 4]
