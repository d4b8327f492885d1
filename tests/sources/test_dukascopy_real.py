"""Recorded hours of Dukascopy, read in full."""

import lzma
import struct
from decimal import Decimal

import pytest

from orchestration.sources import dukascopy
from orchestration.sources.dukascopy.bi5 import Hour, parse_bi5, unpack
from orchestration.sources.files import read_file
from orchestration.sources.records import SourceError
from tests.sources.cases import column, require_whole
from tests.sources.dukascopy_cases import (
    BTCUSD,
    EURUSD,
    GBPJPY,
    GBPUSD,
    checksum,
    made,
    without_origin,
)
from tests.sources.dukascopy_server import answer

MS = 1_000_000
GBPJPY_DAYS = ("02", "04", "05", "06", "07", "09", "10", "11", "12", "13", "14", "16", "17", "18", "19")  # fmt: skip


@pytest.fixture(scope="module")
def folder(test_data):
    return test_data / "dukascopy"


def read_all(paths, instrument):
    batches = dukascopy.read(sorted(paths), instrument)
    for batch in batches:
        require_whole(batch)
        assert batch.counts == {"quote_proxy": batch.stored}
    return batches


def summary(batches):
    return (
        len(batches),
        sum(b.offered for b in batches),
        sum(b.quarantined for b in batches),
        min(b.first_ns for b in batches) // MS,
        max(b.last_ns for b in batches) // MS,
        checksum(batches),
    )


def test_a_day_of_eurusd(folder):
    day = folder / "dukascopy-node" / "EURUSD" / "2019" / "01" / "04"
    assert summary(read_all(day.glob("*.bi5"), EURUSD)) == (
        24, 136_741, 0, 1_549_238_400_994, 1_549_324_797_992,
        "76863fdd4dba7b7cd188408b03240f44e77ade147956dc7fd5c396f63a34cc96",
    )  # fmt: skip


def test_two_hours_of_btcusd(folder):
    day = folder / "dukascopy-node" / "BTCUSD" / "2023" / "01" / "20"
    assert summary(read_all(day.glob("*.bi5"), BTCUSD)) == (
        2, 14_716, 0, 1_676_894_400_084, 1_676_901_599_233,
        "f2cc9d5239abd0698d78fca06b44ff65fe5c0d7d88ff4c854940728e04b5d3cc",
    )  # fmt: skip


def test_weeks_of_gbpjpy(folder):
    month = folder / "ninety47" / "GBPJPY" / "2012" / "11"
    paths = [path for day in GBPJPY_DAYS for path in (month / day).glob("*.bi5")]
    assert len(paths) == 290
    assert summary(read_all(paths, GBPJPY)) == (
        290, 757_468, 0, 1_354_485_620_449, 1_355_961_597_667,
        "3182838ae76d2cdef2f7464877324f9d02c7bf03c87dd5da8e48f6a6ef697303",
    )  # fmt: skip


def test_another_copy_of_a_day_and_its_unpacked_hours(folder):
    day = folder / "ninety47" / "compressed" / "GBPJPY" / "2012" / "11" / "03"
    batches = read_all(day.glob("*.bi5"), GBPJPY)
    assert summary(batches) == (
        24, 58_953, 0, 1_354_492_801_883, 1_354_579_199_629,
        "723b34580d55feb7612e8811fbc130eff1ae8fe9dc9402e4ff97c9d5c5a7bb2d",
    )  # fmt: skip
    for hour in ("12", "13"):
        raw = folder / "ninety47" / "raw" / "GBPJPY" / "2012" / "11" / "03" / f"{hour}h_ticks.bin"
        path = day / f"{hour}h_ticks.bi5"
        assert unpack(path, path.read_bytes()) == raw.read_bytes()
        (unpacked,), (packed,) = (dukascopy.read([p], GBPJPY) for p in (raw, path))
        assert without_origin(unpacked.quotes).equals(without_origin(packed.quotes))


def test_an_hour_without_quotes(folder):
    path = folder / "ninety47" / "GBPJPY" / "2012" / "11" / "01" / "00h_ticks.bi5"
    assert path.read_bytes() == b""
    assert dukascopy.read([path], GBPJPY) == []


@pytest.mark.parametrize(
    ("name", "instrument", "n", "first"),
    [
        ("00h_ticks.bi5", EURUSD, 1_751, (202, 113_193, 113_196, 4_370_000, 1_000_000)),
        ("GBP_USD_tick.bi5", GBPUSD, 2_737, (76, 130_544, 130_560, 1_120_000, 1_000_000)),
    ],
)
def test_hours_whose_date_nobody_wrote_down(folder, name, instrument, n, first):
    path = folder / "dukascopy-node" / name
    with pytest.raises(SourceError, match="nothing but the path says which hour"):
        dukascopy.read([path], instrument)
    start = 1_600_000_000 // 3600 * 3_600_000
    batch = parse_bi5(
        read_file(path), instrument, Hour(code=instrument.venue_symbol, start_ms=start)
    )
    require_whole(batch)
    assert (batch.stored, batch.quarantined) == (n, 0)
    names = ("bid_ticks", "ask_ticks", "bid_lots", "ask_lots")
    found = (batch.first_ns // MS - start, *(column(batch.quotes, name)[0] for name in names))
    assert found == first


def test_a_plain_reader_finds_the_same(folder):
    # Nothing of ours: struct and Decimal.
    path = folder / "dukascopy-node" / "BTCUSD" / "2023" / "01" / "20" / "12h_ticks.bi5"
    rows = list(struct.iter_unpack(">IIIff", lzma.decompress(path.read_bytes())))
    (batch,) = dukascopy.read([path], BTCUSD)
    start = 1_676_894_400_000
    assert column(batch.quotes, "ts_event_ns") == [(start + ms) * MS for ms, *_ in rows]
    assert column(batch.quotes, "ask_ticks") == [ask for _, ask, *_ in rows]
    assert column(batch.quotes, "bid_ticks") == [bid for _, _, bid, *_ in rows]
    units = [(round(Decimal(a) * 10**6), round(Decimal(b) * 10**6)) for *_, a, b in rows]
    assert column(batch.quotes, "ask_lots") == [100 * a for a, _ in units]
    assert column(batch.quotes, "bid_lots") == [100 * b for _, b in units]


def test_a_recorded_hour_in_the_form_of_the_api(folder):
    path = folder / "dukascopy-node" / "EURUSD" / "2019" / "01" / "04" / "12h_ticks.bi5"
    rows = struct.iter_unpack(">IIIff", lzma.decompress(path.read_bytes()))
    ticks = [(ms, a, b, 1e4 * round(100 * av), 1e4 * round(100 * bv)) for ms, a, b, av, bv in rows]
    body = answer(ticks, 1_549_281_600_000)
    answered = dukascopy.parse(made(body, "EUR-USD/2019/2/4/12.json"), EURUSD)
    (packed,) = dukascopy.read([path], EURUSD)
    assert answered.stored == len(ticks) > 5_000
    assert without_origin(answered.quotes).equals(without_origin(packed.quotes))


NOT_TICKS = {
    "00/BID_candles_hour_1.bi5": 744, "19/BID_candles_min_1.bi5": 1440,
    "2022/BID_candles_day_1.bi5": 365, "EURUSD_2019_01_05/BID_candles_min_1.bi5": 1440,
    "BTC.bi5": 1440, "USDHKD.bi5": 1440, "test.bi5": 1440, "test_2.bi5": 1440, "test_3.bi5": 1440,
}  # fmt: skip


@pytest.mark.parametrize(("name", "n"), NOT_TICKS.items())
def test_recorded_candles_are_refused(folder, name, n):
    data = (folder / "not_ticks" / name).read_bytes()
    with pytest.raises(SourceError, match=f"holds {n} candles, not ticks"):
        dukascopy.parse(made(data, "EURUSD/2019/01/05/00h_ticks.bi5"), EURUSD)
