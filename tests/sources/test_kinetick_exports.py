"""NinjaTrader's text exports: variants, damage, zones, repeated blocks, pairs of Bid and Ask."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources import kinetick
from orchestration.sources.kinetick import ReadSettings
from orchestration.sources.kinetick.clock import to_utc
from orchestration.sources.kinetick.exports import inside_sign
from orchestration.sources.kinetick.names import counterpart, export_name, is_contract_of
from orchestration.sources.kinetick.repeats import repeated_rows
from orchestration.sources.records import SourceError
from tests.sources.cases import ES, column, reasons, require_whole, source_file

YM = replace(
    ES, symbol="YM", venue_symbol="YM", price_step=Decimal(1), tick_size=Decimal(1),
    contract_value=Decimal(5),
)  # fmt: skip
MES = replace(ES, symbol="MES", venue_symbol="MES", contract_value=Decimal(5))
FIVE = "20250319 070000 0520000;5997.25;5997.00;5997.25;3"


def parse(*rows: str, end: str = "\n", name: str = "export.txt", settings=None, instrument=ES):
    file = source_file("\n".join(rows) + end, name)
    batch = kinetick.parse_file(file, instrument, settings or ReadSettings())
    require_whole(batch)
    return batch


def utc_ns(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 10**9


# -- the real files ------------------------------------------------------------------------------


def digest(batch) -> str:
    columns = ("ts_event_ns", "trade_id", "price_ticks", "qty_lots", "native_sign")
    rows = np.column_stack([batch.trades[c].to_numpy().astype(np.int64) for c in columns])
    return hashlib.sha256(np.ascontiguousarray(rows, "<i8").tobytes()).hexdigest()


def test_recorded_tick_lines(test_data):
    batch = kinetick.read([test_data / "ninjatrader" / "quoted_tick_lines.txt"], YM)[0]
    require_whole(batch)
    assert (batch.offered, batch.stored, batch.quarantined, batch.n_lines) == (3, 3, 0, 3)
    # 0520000 counts 100 ns: 52 ms after 2025-03-19 07:00:00Z = 1742367600 s.
    assert column(batch.trades, "ts_event_ns") == [
        1_742_367_600_052_000_000, 1_742_367_601_464_000_000, 1_742_367_601_520_000_000,
    ]  # fmt: skip
    assert column(batch.trades, "price_ticks") == [41971, 41970, 41970]
    assert column(batch.trades, "native_sign") == [1, 1, 1]  # each at its ask
    assert digest(batch) == "421d4974e32b19ba765fa58726e069e2542978f48611884841341f4243f1e32d"


def test_recorded_lines_of_the_help_page(test_data):
    batch = kinetick.read([test_data / "ninjatrader" / "quoted_tick_lines_helpguide.txt"], ES)[0]
    require_whole(batch)
    assert (batch.offered, batch.stored, batch.n_lines) == (4, 4, 4)
    assert (batch.first_ns, batch.last_ns) == (
        utc_ns(2006, 11, 7, 0, 4, 31), utc_ns(2006, 11, 7, 0, 5, 37),
    )  # fmt: skip
    assert column(batch.trades, "price_ticks") == [5532, 5533, 5533, 5533]
    assert column(batch.trades, "qty_lots") == [1, 25, 36, 14]
    assert column(batch.trades, "native_sign") == [0, 0, 0, 0]
    assert digest(batch) == "751b09ef994963235b278bb86e36240c3e0320bb91ba18a86b00ec7888133a4d"


def test_recorded_minute_bars_are_refused(test_data):
    path = test_data / "ninjatrader" / "MES 09-25.Last.txt"
    with pytest.raises(SourceError, match="line 1 is a minute bar"):
        kinetick.read([path], MES)
    with pytest.raises(SourceError, match="named after MES 09-25, and ES is ES at the venue"):
        kinetick.read([path], ES)


# -- variants ------------------------------------------------------------------------------------


def test_a_row_in_full():
    row = parse("", FIVE).trades.to_pylist()[0]
    ns = 1_742_367_600_052_000_000
    assert row == {
        "ts_event_ns": ns, "ts_recv_ns": ns, "trade_id": 2, "venue_id": "", "price_ticks": 23989,
        "qty_lots": 3, "native_sign": 1, "is_market": 1, "is_outside_session": 0,
        "source": "kinetick", "unit": "0" * 64, "line": 2,
    }  # fmt: skip


CROSSED = ("5997.50;5997.00", "5997.00;5996.75")


@pytest.mark.parametrize(
    ("quote", "sign"),
    [
        ("5997.00;5997.25", 1),
        ("5997.25;5997.50", -1),
        ("5996.75;5997.00", 1),  # beyond the ask
        ("5997.50;5997.75", -1),  # below the bid
        ("5997.00;5997.50", 0),  # inside
        ("5997.25;5997.25", 0),  # locked at the price: both rules hold
        ("5997.00;5997.00", 1),  # locked below the price
        ("5997.50;5997.00", 0),  # crossed
        ("5997.00;5996.75", 0),  # crossed, the price above both
        (";", 0),
        (";5997.25", 1),
        ("5997.25;", -1),
        ("0;5997.25", 1),
        ("0;0", 0),
    ],
)
def test_the_sign_follows_from_the_inside_quote(quote, sign):
    batch = parse(f"20250319 070000 0520000;5997.25;{quote};3")
    assert column(batch.trades, "native_sign") == [sign]
    assert batch.counts == ({"trades_with_crossed_quote": 1} if quote in CROSSED else {})


@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9))
def test_mirrored_prices_mirror_the_sign(price, bid, ask):
    # Prices mirrored about 10, bid and ask exchanged; 0 stays "no quote".
    def mirror(x):
        return 20 - x if x else 0

    one = inside_sign(*(np.array([x]) for x in (price, bid, ask)))
    other = inside_sign(*(np.array([x]) for x in (mirror(price), mirror(ask), mirror(bid))))
    assert one[0] == -other[0]


def test_stamps_with_and_without_fraction_and_both_line_ends():
    batch = parse("20061107 000431;1383.00;1\r", "20061107 000431 0000001;1383.25;25\r")
    assert np.diff(batch.trades["ts_event_ns"].to_numpy()).tolist() == [100]


@pytest.mark.parametrize(
    ("row", "detail"),
    [
        ("20250612 040100;6062.5;6062.5;6062.25;6062.5;14", "line 1 is a minute bar"),
        ("20250612;6062.5;6062.5;6062.25;6062.5;14", "line 1 is a daily bar"),
        ("20250612 040100;6062.5;14;1", "line 1 has 4 fields, a tick has 3 or 5, a bar 6"),
        ("DateTime,Price,Volume", "holds no row of a NinjaTrader text export"),
        ("", "holds no row of a NinjaTrader text export"),
    ],
)
def test_bars_and_other_files_are_refused(row, detail):
    with pytest.raises(SourceError, match=detail):
        parse(row, row)


def test_one_stray_bar_does_not_condemn_the_ticks():
    bar = "20250612 040100;6062.5;6062.5;6062.25;6062.5;14"
    assert reasons(parse(FIVE, bar, FIVE)) == {2: "malformed"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("20250319 070000 0520000;5997.26;5997.00;5997.25;3", "off_grid"),
        ("20250319 070000 0520000;5997.25;5997.01;5997.25;3", "off_grid"),
        ("20250319 070000 0520000;5997.25;5997.00;x;3", "malformed"),
        ("20250319 070000 0520000;y;5997.00;x;3", "malformed"),
        ("20250319 070000 0520000;y;5997.00;5997.25;z", "malformed"),
        ("20250319 070000 0520000;5997.25;5997.00;5997.25;0", "out_of_range"),
        ("20250319 070000 0520000;5997.25;5997.00;5997.25;-3", "out_of_range"),
        ("20250319 070000 0520000;0;5997.00;5997.25;3", "out_of_range"),
        ("20250319 070000 0520000;5997.25;5997.00;5997.25;", "malformed"),
        ("20250319 070000 0520000;5997.25;3", "malformed"),
        ("20250319 070000 052000;5997.25;5997.00;5997.25;3", "malformed"),
        ("20250319 070000.0520000;5997.25;5997.00;5997.25;3", "malformed"),
        ("20250319 076000 0520000;5997.25;5997.00;5997.25;3", "malformed"),
        ("20250319 240000 0520000;5997.25;5997.00;5997.25;3", "malformed"),
        ("20250229 070000 0520000;5997.25;5997.00;5997.25;3", "malformed"),
        ("19990319 070000 0520000;5997.25;5997.00;5997.25;3", "out_of_range"),
        ("20250319 065959 9999999;5997.25;5997.00;5997.25;3", "time_inversion"),
        ("20250319 070000 0520000;5997,25;5997.00;5997.25;3", "malformed"),
        ("garbage", "malformed"),
        (" ", "malformed"),
    ],
)
def test_a_damaged_row_is_one_offered_and_one_refused(row, reason):
    batch = parse(FIVE, FIVE, row, FIVE)
    assert reasons(batch) == {3: reason}
    assert column(batch.trades, "trade_id") == [1, 2, 4]
    assert column(batch.quarantine, "record") == [row]


def test_a_last_row_without_line_end_is_truncated():
    assert reasons(parse(FIVE, FIVE, end="")) == {2: "truncated"}
    assert reasons(parse(FIVE, FIVE[:20], end="")) == {2: "truncated"}


def test_the_decimal_mark_is_that_of_most_prices():
    local = FIVE.replace(".", ",")
    batch = parse(local, local, FIVE)
    assert column(batch.trades, "price_ticks") == [23989, 23989]
    assert reasons(batch) == {3: "malformed"}
    assert reasons(parse(FIVE, FIVE, local)) == {3: "malformed"}
    both = "20250319 070000 0520000;5.997,25;5997,00;5997,25;3"
    assert reasons(parse(local, local, both)) == {3: "malformed"}


# -- zones and the halt ---------------------------------------------------------------------------


def test_a_trade_in_the_halt_refuses_the_file_and_names_zones_that_fit():
    # 21:30Z in March is 16:30 in Chicago; read as Chicago time it would be 21:30 there.
    row = "20250319 213000 0000000;5997.25;5997.00;5997.25;3"
    with pytest.raises(SourceError, match=r"line 2: 1 of 2 trades.*not UTC.*America/Chicago"):
        parse(FIVE, row)
    # 15:59:59 and 17:00:00 Chicago are not in it.
    parse("20250319 205959 9999999;5997.25;5997.00;5997.25;3")
    parse("20250319 220000 0000000;5997.25;5997.00;5997.25;3")
    assert parse(FIVE, row, settings=ReadSettings(check_halt=False)).stored == 2
    for halt in ("16:31-17:00", ""):
        assert parse(FIVE, row, instrument=replace(ES, daily_halt=halt)).stored == 2
    assert parse(row, settings=ReadSettings(export_timezone="America/Chicago")).stored == 1


def test_a_zone_that_lacks_an_hour_of_the_file_does_not_fit():
    # 02:30 on 2025-03-09 exists neither in New York nor in Chicago.
    rows = [f"{stamp};5997.25;1" for stamp in ("20250309 023000", "20250310 213000")]
    with pytest.raises(SourceError, match=r"not UTC\. Zones.*Europe/Berlin") as error:
        parse(*rows)
    assert "America" not in str(error.value).split("Zones")[1]


@given(
    st.integers(0, 37 * 365 * 86_400),
    st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
)
def test_local_times_agree_with_zoneinfo(seconds, name):
    local = datetime.fromtimestamp(978_307_200 + seconds, UTC).replace(tzinfo=None)
    utc = local.replace(tzinfo=ZoneInfo(name)).astimezone(UTC)
    there = utc.astimezone(ZoneInfo(name)).replace(tzinfo=None) == local
    wall = np.array([(978_307_200 + seconds) * 10**9])
    ts, exists = to_utc(wall, name)
    assert exists.tolist() == [there]
    assert ts[0] == (int(utc.timestamp()) * 10**9 if there else 0)


def test_the_hour_that_autumn_repeats_changes_pass_where_stamps_run_back():
    # 2025-11-02: 01:00-01:59 in New York happens at 05:xxZ and again at 06:xxZ.
    rows = [f"20251102 {t};5997.25;1" for t in ("013000", "015900", "010000", "013000", "020000")]
    batch = parse(*rows, settings=ReadSettings(export_timezone="America/New_York"))
    start = utc_ns(2025, 11, 2)
    minutes = [(ts - start) // 60_000_000_000 for ts in column(batch.trades, "ts_event_ns")]
    assert minutes == [330, 359, 360, 390, 420]
    # Nothing runs back: the first pass.
    batch = parse(rows[0], rows[4], settings=ReadSettings(export_timezone="America/New_York"))
    assert batch.first_ns == start + 330 * 60_000_000_000


def test_the_hour_that_spring_skips_is_refused():
    row = "20250309 023000;5997.25;1"
    zone = ReadSettings(export_timezone="America/New_York")
    batch = parse("20250309 013000;5997.25;1", row, settings=zone)
    assert reasons(batch) == {2: "malformed"}


# -- repeated blocks -------------------------------------------------------------------------------


def block(n: int, start: int = 0) -> list[str]:
    return [f"20250319 0700{start + i // 2:02d} 0000000;5997.25;{1 + i % 3}" for i in range(n)]


def test_equal_rows_are_trades_of_their_own():
    row = "20250319 070000 0520000;5997.25;3"
    batch = parse(row, row, row)
    assert column(batch.trades, "trade_id") == [1, 2, 3]
    assert not batch.quarantined


@pytest.mark.parametrize("copies", [1, 2])
def test_a_repeated_block_is_refused_as_duplicate(copies):
    rows = block(10)
    batch = parse(*rows, *rows * copies, *block(4, start=30))
    assert reasons(batch) == dict.fromkeys(range(11, 11 + 10 * copies), "duplicate")
    assert batch.stored == 14
    assert batch.counts == {"repeated_block_rows": 10 * copies}
    assert "repeats line 1 in a block" in column(batch.quarantine, "detail")[0]


def test_a_block_repeated_later_and_rows_that_only_run_back():
    rows = block(10)
    batch = parse(*rows, *block(4, start=30), *rows[3:7], *block(4, start=40))
    assert reasons(batch) == dict.fromkeys(range(15, 19), "duplicate")
    stray = "20250319 070001 0000000;5998.25;9"
    assert reasons(parse(*rows, stray, *block(4, start=30))) == {11: "time_inversion"}


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30), st.data())
def test_a_planted_block_is_found_and_nothing_else(steps, data):
    ts = np.cumsum(steps)
    rows = [b"%d;%d" % (t, i) for i, t in enumerate(ts)]
    first = data.draw(st.integers(0, len(rows) - 1))
    end = data.draw(st.integers(first + 1, len(rows)))
    at = data.draw(st.integers(end, len(rows)))
    planted = rows[:at] + rows[first:end] + rows[at:]
    times = np.concatenate([ts[:at], ts[first:end], ts[at:]])
    found = repeated_rows(planted, times)
    if ts[first] < ts[at - 1]:
        assert found == {at + k: first + k for k in range(end - first)}
    else:  # the clock does not run back: it cannot be told
        assert not found
    assert not repeated_rows(rows, ts)


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "contract", "side"),
    [
        ("ES 03-24.Last.txt", "ES 03-24", "Last"),
        ("MSFT.Bid.txt", "MSFT", "Bid"),
        ("BRK.B.Bid.txt", "BRK.B", "Bid"),
        ("ES ##-##.Last.txt", "ES ##-##", "Last"),
        ("NQ 03-26 Tick.Last (1).txt", "NQ 03-26", "Last"),
        ("ES 03-24.ask.TXT.gz", "ES 03-24", "Ask"),
    ],
)
def test_names_of_exports(name, contract, side):
    found = export_name(Path(name))
    assert found is not None
    assert (found.contract, found.side) == (contract, side)


def test_names_of_others_and_counterparts():
    assert export_name(Path("ticks.txt")) is None
    assert counterpart(Path("a/ES 03-24.Bid (1).txt")) == Path("a/ES 03-24.Ask (1).txt")
    assert counterpart(Path("ES 03-24.Ask.txt")) == Path("ES 03-24.Bid.txt")
    assert is_contract_of("ES 03-24", ES)
    assert not is_contract_of("MES 03-24", ES)
    dated = replace(ES, venue_symbol="ES 03-24")
    assert is_contract_of("es 03-24", dated)
    assert not is_contract_of("ES 06-24", dated)


def test_files_are_never_fetched(tmp_path):
    with pytest.raises(SourceError, match="must be named"):
        kinetick.fetch(ES, tmp_path)


def test_a_stretch_of_hours_is_one_conversion_each():
    # Two days around the change of clocks, a row a minute: local time and back.
    start = datetime(2025, 11, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=i) for i in range(2 * 1440)]
    zone = ZoneInfo("America/Chicago")
    wall = [int(m.astimezone(zone).replace(tzinfo=UTC).timestamp()) * 10**9 for m in moments]
    ts, exists = to_utc(np.array(wall), "America/Chicago")
    assert exists.all()
    assert ts.tolist() == [int(m.timestamp()) * 10**9 for m in moments]
