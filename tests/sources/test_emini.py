from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.instruments import load_instruments
from orchestration.sources.day_split import split_by_day
from orchestration.sources.emini import HEADER, local_times, parse_emini, read_emini
from orchestration.sources.records import SourceError
from tests.sources.cases import ES, column, reasons, require_whole, source_file

CHICAGO = "America/Chicago"


def parse(*rows: str, end: str = "\n"):
    batch = parse_emini(source_file("\n".join([HEADER.decode(), *rows]) + end), ES)
    require_whole(batch)
    return batch


ROW = "2013-09-02 17:00:00.026,1640.25,8"


def test_a_row_in_full():
    row = parse(ROW).trades.to_pylist()[0]
    # 17:00 Chicago in summer = 22:00 UTC; 2013-09-02 22:00Z = 1378159200 s.
    ns = 1_378_159_200_026_000_000
    assert row == {
        "ts_event_ns": ns, "ts_recv_ns": ns, "trade_id": 1, "venue_id": "", "price_ticks": 6561,
        "qty_lots": 8, "native_sign": 0, "is_market": 1, "is_outside_session": 0,
        "source": "samples", "unit": "0" * 64, "line": 2,
    }  # fmt: skip


def test_equal_rows_are_trades_of_their_own():
    batch = parse(ROW, ROW, ROW)
    assert column(batch.trades, "trade_id") == [1, 2, 3]
    assert not batch.quarantined
    assert not len(batch.gaps)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2013-09-02 17:00:00.026,1640.26,8", "off_grid"),
        ("2013-09-02 17:00:00.026,1640.25,8.5", "off_grid"),
        ("2013-09-02 17:00:00.026,1640.25,0", "out_of_range"),
        ("2013-09-02 17:00:00.026,-1,8", "out_of_range"),
        ("2013-09-02 17:00:00.026,1640.25", "malformed"),
        ("2013-09-02 17:00:00.026,1640.25,8,9", "malformed"),
        ("2013-09-02 17:00:00.026,1640.25,", "malformed"),
        ("2013-09-02 17:00:00,1640.25,8", "malformed"),
        ("2013-09-02T17:00:00.026,1640.25,8", "malformed"),
        ("2013-13-02 17:00:00.026,1640.25,8", "malformed"),
        ("2013-02-30 17:00:00.026,1640.25,8", "malformed"),
        ("2013-09-02 24:00:00.026,1640.25,8", "malformed"),
        ("2013-09-02 17:60:00.026,1640.25,8", "malformed"),
        ("2013-09-02 17:00:60.026,1640.25,8", "malformed"),
        ("2013-09-02 17:00:0\x00.026,1640.25,8", "malformed"),
        ("2013-03-10 02:30:00.000,1640.25,8", "malformed"),  # skipped by the clock change
        ("9999-12-31 23:59:59.999,1640.25,8", "malformed"),
        ("1950-01-01 00:00:00.000,1640.25,8", "malformed"),
        ("1990-01-01 00:00:00.000,1640.25,8", "out_of_range"),
        ("2013-09-02 16:59:59.999,1640.25,8", "time_inversion"),
        ("garbage", "malformed"),
        (" ", "malformed"),
    ],
)
def test_a_damaged_row_is_one_offered_and_one_refused(row, reason):
    batch = parse(ROW, row, ROW)
    assert reasons(batch) == {3: reason}
    assert column(batch.trades, "trade_id") == [1, 3]
    assert column(batch.quarantine, "record") == [row]


def test_a_last_row_without_line_end_may_be_cut_and_is_refused():
    assert reasons(parse(ROW, ROW, end="")) == {3: "truncated"}
    assert reasons(parse(ROW, ROW[:20], end="")) == {3: "truncated"}
    assert parse(ROW, "", "").other == {"header": 1, "blank": 2}


@pytest.mark.parametrize("text", ["", "a,b,c\n", "DateTime,Price\n", "DateTime,Price,Volume,\n"])
def test_another_file_is_refused(text):
    with pytest.raises(SourceError, match="line 1 must be 'DateTime,Price,Volume'"):
        parse_emini(source_file(text), ES)


@given(st.integers(0, 37 * 365 * 86_400), st.integers(0, 999))
def test_local_times_agree_with_zoneinfo(seconds, milli):
    local = datetime.fromtimestamp(978_307_200 + seconds, UTC).replace(tzinfo=None)
    text = f"{local:%Y-%m-%d %H:%M:%S}.{milli:03d}".encode()
    utc = local.replace(tzinfo=ZoneInfo(CHICAGO)).astimezone(UTC)
    exists = utc.astimezone(ZoneInfo(CHICAGO)).replace(tzinfo=None) == local
    ts, is_time = local_times([text, b"x", text], CHICAGO)
    assert is_time.tolist() == [exists, False, exists]
    if exists:
        assert ts[0] == ts[2] == int(utc.timestamp()) * 10**9 + milli * 10**6


def test_the_hour_that_autumn_repeats_means_its_first_pass():
    # 2013-11-03 01:30 happens at 06:30Z (daylight time) and again at 07:30Z.
    ts, _ = local_times([b"2013-11-03 01:30:00.000"], CHICAGO)
    assert ts[0] == int(datetime(2013, 11, 3, 6, 30, tzinfo=UTC).timestamp()) * 10**9


def test_recorded_sample(test_data):
    es = load_instruments()["ES"]
    batch = read_emini(test_data / "emini_mlfinpy" / "tick_data.csv.gz", es)
    require_whole(batch)
    assert (batch.offered, batch.stored, batch.quarantined) == (500_000, 500_000, 0)
    assert batch.other == {"header": 1}
    assert batch.first_ns == 1_378_072_800_083_000_000  # 2013-09-01 22:00:00.083Z
    assert batch.last_ns == 1_378_234_304_578_000_000  # 2013-09-03 18:51:44.578Z
    assert batch.counts == {}  # none of it lies outside a session
    days = split_by_day(batch, es)
    assert {day: len(part.trades) for day, part in days.items()} == {
        date(2013, 9, 2): 55_799,
        date(2013, 9, 3): 444_201,
    }
    trades = batch.trades
    assert np.array_equal(trades["trade_id"].to_numpy(), np.arange(1, 500_001))
    rows = np.column_stack(
        [trades[c].to_numpy() for c in ("ts_event_ns", "price_ticks", "qty_lots")]
    )
    repeats = len(rows) - len(np.unique(rows, axis=0))
    assert repeats == 305_809  # exact repeats are trades, none is dropped
    assert int(trades["qty_lots"].to_numpy().sum()) == 1_844_058  # awk agrees
