import struct
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources import dukascopy
from orchestration.sources.day_split import split_by_day
from orchestration.sources.dukascopy import api, bi5
from orchestration.sources.dukascopy.api import parse_answer, parse_log
from orchestration.sources.dukascopy.bi5 import Hour, hour_of, parse_bi5
from orchestration.sources.dukascopy.codes import LISTINGS, api_code, listing_of
from orchestration.sources.dukascopy.quotes import Sizes
from orchestration.sources.records import SourceError
from tests.sources.cases import PERP, column, reasons, require_whole
from tests.sources.dukascopy_cases import (
    BTCUSD,
    EURUSD,
    FOLDER,
    START_MS,
    made,
    ticks,
    without_origin,
)
from tests.sources.dukascopy_server import answer, pack, records
from tests.sources.dukascopy_server import bi5 as packed

NAME = f"{FOLDER}/12h_ticks.bi5"


def hour(rows, name=NAME, instrument=EURUSD):
    batch = parse_bi5(made(packed(rows), name), instrument)
    require_whole(batch)
    return batch


def reply(body: bytes, name="answer.json", instrument=EURUSD):
    batch = parse_answer(made(body, name), instrument)
    require_whole(batch)
    return batch


# -- names and points --------------------------------------------------------------------------


def test_codes_of_both_services():
    assert api_code("EURUSD") == "EUR-USD"
    assert api_code("USA500IDXUSD") == "USA500.IDX-USD"
    assert api_code("AAPLUSUSD") == "AAPL.US-USD"
    assert api_code("BUNDTREUR") == "BUND.TR-EUR"
    assert len({entry.api_code for entry in LISTINGS.values()}) == len(LISTINGS)
    with pytest.raises(ValueError, match="is no code"):
        api_code("EUR/USD")


@pytest.mark.parametrize(
    ("code", "point"),
    [
        ("EURUSD", "0.00001"), ("USDTRY", "0.00001"), ("GBPJPY", "0.001"), ("XAUUSD", "0.001"),
        ("EURHUF", "0.001"), ("USA500IDXUSD", "0.001"), ("AAPLUSUSD", "0.001"),
        ("GASCMDUSD", "0.0001"), ("VOLIDXUSD", "0.01"), ("BTCUSD", "0.1"),
    ],
)  # fmt: skip
def test_points(code, point):
    entry = LISTINGS[code]
    assert entry.point == Decimal(point)
    assert 0 < entry.low < entry.high


def test_an_instrument_that_is_not_listed_or_of_another_venue():
    with pytest.raises(SourceError, match=r"'XYZUSD' is not in the table .* known are AAPLUSUSD"):
        listing_of(replace(EURUSD, venue_symbol="XYZUSD"))
    for read in (parse_bi5, parse_answer, parse_log):
        with pytest.raises(SourceError, match="is of venue 'binance_um'"):
            read(made(b"", NAME), PERP)


# -- which hour a file is of -------------------------------------------------------------------


def test_months_of_files_count_from_zero():
    # 2024-03-02 12:00 UTC.
    path = Path("any/XAUUSD/2024/02/02/12h_ticks.bi5")
    assert hour_of(path) == Hour(code="XAUUSD", start_ms=1_709_380_800_000)
    assert bi5.file_path("XAUUSD", 1_709_380_800_000) == "XAUUSD/2024/02/02/12h_ticks.bi5"
    assert api.hour_path("XAU-USD", 1_709_380_800_000) == "XAU-USD/2024/3/2/12"
    assert api.hour_of(Path("XAU-USD/2024/3/2/12.json")).start_ms == 1_709_380_800_000


@given(st.integers(0, 4_102_444_799_000 // 3_600_000))
def test_paths_of_hours_go_back_and_forth(n):
    start = n * 3_600_000
    assert hour_of(Path(bi5.file_path("EURUSD", start))) == Hour(code="EURUSD", start_ms=start)
    path = Path(f"{api.hour_path('EUR-USD', start)}.json")
    assert api.hour_of(path) == Hour(code="EUR-USD", start_ms=start)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("12h_ticks.bi5", "nothing but the path says which hour"),
        ("EURUSD/2024/2/04/12h_ticks.bi5", "nothing but the path"),
        ("EURUSD/2024/12/04/12h_ticks.bi5", "month must be in 1..12; its month counts from 00"),
        ("EURUSD/2024/01/30/12h_ticks.bi5", "its month counts from 00 for January"),  # February
        ("EURUSD/2024/02/04/24h_ticks.bi5", "hour must be in 0..23"),
        ("GBPUSD/2024/02/04/12h_ticks.bi5", "is of GBPUSD, not of EURUSD"),
        ("EURUSD/2024/02/04/BID_candles_min_1.bi5", "nothing but the path"),
    ],
)
def test_paths_that_say_no_hour(name, message):
    with pytest.raises(SourceError, match=message):
        hour(ticks(3), name)


def test_paths_of_answers():
    body = answer(ticks(3), START_MS)
    assert reply(body, "EUR-USD/2024/3/4/12.json").stored == 3
    with pytest.raises(SourceError, match=r"is of GBP-USD, not of EUR-USD"):
        reply(body, "GBP-USD/2024/3/4/12.json")
    with pytest.raises(SourceError, match="its path names no hour"):
        reply(body, "EUR-USD/2024/13/4/12.json")


# -- content -------------------------------------------------------------------------------------


def test_a_record_by_hand():
    # The vendor's record of 2019-02-04 00:00:00.994 UTC: ask 1.14545, bid 1.14543.
    raw = struct.pack(">IIIff", 994, 114545, 114543, 1.0, 2.06)
    batch = parse_bi5(made(pack(raw), "EURUSD/2019/01/04/00h_ticks.bi5"), EURUSD)
    assert column(batch.quotes, "ts_event_ns") == [1_549_238_400_994_000_000]
    assert column(batch.quotes, "ts_recv_ns") == [1_549_238_400_994_000_000]
    assert column(batch.quotes, "quote_id") == [1_549_238_400_994_000]
    assert (column(batch.quotes, "ask_ticks"), column(batch.quotes, "bid_ticks")) == ([114545], [114543])  # fmt: skip
    assert (column(batch.quotes, "ask_lots"), column(batch.quotes, "bid_lots")) == ([1_000_000], [2_060_000])  # fmt: skip
    assert batch.counts == {"quote_proxy": 1}
    assert (batch.source, batch.n_lines, batch.other) == ("dukascopy", 1, {})
    assert not len(batch.trades)


def test_quotes_are_typed_as_a_proxy_of_order_flow():
    assert dukascopy.RECORD_TYPE == "quote_proxy"
    assert hour(ticks(7)).counts["quote_proxy"] == reply(answer(ticks(7), START_MS)).stored == 7


def test_file_and_answer_of_an_hour_are_the_same_quotes():
    rows = ticks(500)
    one, other = hour(rows), reply(answer(rows, START_MS))
    assert one.stored == 500
    assert without_origin(one.quotes).equals(without_origin(other.quotes))


def test_hours_without_quotes_give_no_batch(tmp_path):
    path = tmp_path / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    empty = tmp_path / "empty.json"
    empty.write_bytes(answer([], START_MS))
    assert b"null" in empty.read_bytes()
    assert dukascopy.read([path, empty], EURUSD) == []


def test_sizes_are_put_on_the_grid_and_counted():
    sizes = Sizes(Decimal("0.01"))
    values = [
        "1.48",
        "1.485",
        "1.475",
        "0.001",
        "0",
        "-3.001",
        "nan",
        "1e400000",
        "1e999999999",
        "1e-99",
    ]
    texts = sizes.texts(values, np.arange(len(values)))
    assert list(texts) == [
        "1.48",
        "1.48",
        "1.48",
        "0.01",
        "0",
        "-3.00",
        "nan",
        "1e400000",
        "1e999999999",
        "1e-99",
    ]
    assert sizes.n_rounded == 4
    batch = reply(answer([(1, 249_215, 248_494, 1.487, 13.0)], START_MS, "0.1"), instrument=BTCUSD)
    assert batch.counts == {"quote_proxy": 1, "rounded_sizes": 1}
    assert column(batch.quotes, "ask_lots") == [149]


def test_single_precision_gives_the_decimal_back():
    sizes = [0.1, 2.06, 4.37, 3196.25, 1e-06, 1.3e-05, 13.37]
    raw = b"".join(struct.pack(">IIIff", i, 3, 2, s, s) for i, s in enumerate(sizes))
    found, which = bi5._units(np.frombuffer(raw, bi5.TICK)["ask_size"])
    assert [Decimal(found[i]) for i in which] == [Decimal(str(s)) * 1_000_000 for s in sizes]


def test_crossed_and_locked_quotes_are_stored_and_counted():
    batch = hour([(1, 108_000, 108_001, 1e4, 1e4), (2, 108_000, 108_000, 1e4, 1e4)])
    assert batch.counts == {"quote_proxy": 2, "crossed_quotes": 1, "locked_quotes": 1}


# -- damage --------------------------------------------------------------------------------------

GOOD = [(100, 108_002, 108_000, 1e4, 1e4), (900, 108_003, 108_000, 1e4, 1e4)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ((3_600_000, 108_002, 108_000, 1e4, 1e4), "malformed"),
        ((500, 0, 108_000, 1e4, 1e4), "out_of_range"),
        ((500, 108_002, 0, 1e4, 1e4), "out_of_range"),
        ((500, 108_002, 108_000, 0.0, 1e4), "out_of_range"),
        ((500, 108_002, 108_000, 1e4, -1e4), "out_of_range"),
        ((500, 108_002, 108_000, float("nan"), 1e4), "malformed"),
        ((500, 108_002, 108_000, 1e4, float("inf")), "malformed"),
        ((50, 108_002, 108_000, 1e4, 1e4), "time_inversion"),
        (GOOD[0], "duplicate"),
    ],
)
def test_a_damaged_record_is_one_offered_and_one_refused(bad, reason):
    batch = hour([GOOD[0], bad, GOOD[1]])
    assert reasons(batch) == {2: reason}
    assert column(batch.quotes, "line") == [1, 3]
    (shown,) = column(batch.quarantine, "record")
    assert shown.split(",")[:3] == [str(value) for value in bad[:3]]
    # It is filed with the day of its file.
    assert [len(part.quarantine) for part in split_by_day(batch, EURUSD).values()] == [1]


def test_quotes_of_one_millisecond_keep_the_order_of_the_feed():
    second = (100, 108_001, 108_000, 1e4, 1e4)
    batch = hour([GOOD[0], second, GOOD[1]])
    first = (START_MS + 100) * 1000
    assert column(batch.quotes, "quote_id") == [first, first + 1, (START_MS + 900) * 1000]
    assert column(batch.quotes, "ask_ticks") == [108_002, 108_001, 108_003]


def test_more_quotes_than_a_millisecond_has_ids_for():
    rows = [(5, 108_002 + i, 108_000, 1e4, 1e4) for i in range(1_002)]
    batch = hour(rows)
    assert (batch.stored, reasons(batch)) == (1_000, {1_001: "malformed", 1_002: "malformed"})


def test_a_price_between_two_steps_of_the_instrument():
    coarse = replace(EURUSD, price_step=Decimal("0.0001"), tick_size=Decimal("0.0001"))
    assert reasons(hour([(1, 108_010, 108_000, 1e4, 1e4), GOOD[0]], instrument=coarse)) == {
        2: "off_grid"
    }


def test_another_point_or_instrument_shows_in_the_price():
    with pytest.raises(SourceError, match=r"its median bid 107\.\d* lies outside \[0\.6, 2\]"):
        hour([(ms, a * 100, b * 100, av, bv) for ms, a, b, av, bv in ticks(20)])
    with pytest.raises(SourceError, match="the point of its prices is another"):
        reply(answer(ticks(20), START_MS, "1.0E-3"))


@pytest.mark.parametrize("n", [1, 5, 60, 1440])
def test_candles_are_no_ticks(n):
    raw = b"".join(
        struct.pack(">5If", 60 * i, 108_000 + i, 108_002, 107_000, 110_000, 3.5) for i in range(n)
    )
    with pytest.raises(SourceError, match=f"holds {n} candles, not ticks"):
        parse_bi5(made(pack(raw), NAME), EURUSD)
    if n > 5:
        damaged = bytearray(raw)
        damaged[30:34] = b"\xff" * 4
        with pytest.raises(SourceError, match="candles"):
            parse_bi5(made(pack(bytes(damaged)), NAME), EURUSD)


def test_a_length_that_is_no_multiple_of_a_record():
    raw = records(ticks(10))[:-7]
    with pytest.raises(SourceError, match=r"unpacks to 193 bytes, which is no multiple of 20"):
        parse_bi5(made(pack(raw), NAME), EURUSD)
    # An unpacked file has no length of its own: its last record was cut.
    batch = parse_bi5(made(raw, NAME.replace("bi5", "bin")), EURUSD)
    require_whole(batch)
    assert (batch.offered, batch.stored, reasons(batch)) == (10, 9, {10: "truncated"})
    assert column(batch.quarantine, "record") == [records(ticks(10))[180:193].hex()]


def test_damaged_lzma_is_refused_whole():
    good = packed(ticks(300))
    middle = len(good) // 2
    cases = {
        "is a damaged LZMA file": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        f"ends inside its LZMA stream, at byte {middle}": good[:middle],
        f"something else after the LZMA stream, at byte {len(good)}": good + b"tail",
    }
    for message, data in cases.items():
        with pytest.raises(SourceError, match=message) as caught:
            parse_bi5(made(data, NAME), EURUSD)
        assert NAME in str(caught.value)
    with pytest.raises(SourceError, match="is a damaged LZMA file"):
        parse_bi5(made(b"<html>not here</html>", NAME), EURUSD)


def test_a_header_that_asks_for_too_much():
    good = packed(ticks(3))
    memory = good[:1] + b"\xff\xff\xff\x7f" + good[5:]
    with pytest.raises(SourceError, match="Memory usage limit"):
        parse_bi5(made(memory, NAME), EURUSD)
    with pytest.raises(SourceError, match=r"unpacks to \d+ bytes or more"):
        parse_bi5(made(pack(bytes(bi5.MAX_UNPACKED_BYTES + 20)), NAME), EURUSD)


def test_a_file_that_turns_into_noise_is_refused():
    noise = np.random.default_rng(1).bytes(20 * 100)
    with pytest.raises(SourceError, match=r"of 200 records cannot be quotes .* is record 10[12]: "):
        parse_bi5(made(pack(records(ticks(100)) + noise), NAME), EURUSD)


def test_kinds_of_files_are_told_apart(tmp_path):
    rows = ticks(5)
    files = {
        NAME: packed(rows), NAME.replace("bi5", "bin"): records(rows),
        "EUR-USD/2024/3/4/12.json": answer(rows, START_MS), "answer": answer(rows, START_MS),
        "live.log": b"%d " % START_MS + answer(rows, START_MS) + b"\n",
    }  # fmt: skip
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        (batch,) = dukascopy.read([path], EURUSD)
        assert batch.stored == 5, name
    other = tmp_path / "notes.txt"
    other.write_bytes(b"hello")
    with pytest.raises(SourceError, match=r"notes\.txt: nothing but the path says"):
        dukascopy.read([other], EURUSD)


def test_the_source_has_no_files_of_its_own(tmp_path):
    with pytest.raises(SourceError, match="files must be named"):
        dukascopy.fetch(EURUSD, tmp_path)


def test_times_are_utc_in_every_season():
    for name, start in (("EURUSD/2024/02/31/01h_ticks.bi5", 1_711_846_800_000),
                        ("EURUSD/2024/09/27/01h_ticks.bi5", 1_729_990_800_000)):  # fmt: skip
        batch = hour(ticks(1), name)
        assert column(batch.quotes, "ts_event_ns") == [(start + 100) * 1_000_000]
