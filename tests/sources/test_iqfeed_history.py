import hashlib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources import iqfeed
from orchestration.sources.day_split import split_by_day
from orchestration.sources.files import read_file
from orchestration.sources.iqfeed.eastern import ZONE, eastern_ns, in_order, nearest
from orchestration.sources.iqfeed.history import parse_history, read_history, unzipped
from orchestration.sources.iqfeed.ticks import Ticks
from orchestration.sources.records import SourceError
from tests.sources.cases import column, reasons, require_whole, source_file
from tests.sources.fuzzing import N_MUTANTS, mutate, n_mutants, survey
from tests.sources.iqfeed_cases import EQUITY, T0_NS, parse, tick

TICK = "2018-04-17 17:51:22.123456,96.0700,1061909,0,0.0000,0.0000,4145784264,O,19,143A"


def test_a_tick_in_full():
    trades, quotes = parse([tick(1) + ",", "!ENDMSG!,"])
    ns = T0_NS + 1_000_001_000  # 09:30:01.000001
    row = {
        "ts_event_ns": ns, "ts_recv_ns": ns, "trade_id": 20210330000000001, "venue_id": "11:1",
        "price_ticks": 100_100, "qty_lots": 100, "native_sign": 1, "is_market": 1,
        "is_outside_session": 0, "source": "iqfeed", "unit": "0" * 64, "line": 1,
    }  # fmt: skip
    assert trades.trades.to_pylist() == [row]
    assert trades.other == {"end": 1}
    assert quotes.quotes.to_pylist() == [
        {
            "ts_event_ns": ns - 1, "ts_recv_ns": ns - 1, "ts_source": 0,
            "quote_id": 20210330000000001, "bid_ticks": 100_000, "bid_lots": 0,
            "ask_ticks": 100_100, "ask_lots": 0, "source": "iqfeed", "unit": "0" * 64 + "-quotes",
            "line": 1,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("request_id", ["", "XYZ,"])
@pytest.mark.parametrize(
    ("row", "sign"),
    [("LH," + TICK + ",2,17", -1), (TICK + ",2,17", -1), (TICK + ",1,17", 1), (TICK + ",3,17", 0),
     (TICK + ",0,17", 0), (TICK, 0), (TICK + ",2,17,", -1), (TICK + ",", 0)],
)  # fmt: skip
def test_each_protocol_with_and_without_request_id(request_id, row, sign):
    (trades,) = parse([request_id + row])
    # 17:51:22 in April is 21:51:22 UTC.
    assert column(trades.trades, "ts_event_ns") == [1_524_001_882_123_456_000]
    assert column(trades.trades, "native_sign") == [sign]
    assert column(trades.trades, "venue_id") == ["19:4145784264"]
    assert column(trades.trades, "is_market") == [0]  # 3A: out of sequence
    assert trades.counts["without_end"] == 1


@pytest.mark.parametrize("token", ["4", "true", "B", "-1", "01", " 1", "1.0"])
def test_a_malformed_aggressor_is_no_side(token):
    trades, _ = parse([tick(1), tick(2, aggressor=token), tick(3)])
    assert reasons(trades) == {2: "malformed"}
    assert column(trades.quarantine, "detail")[0].startswith(f"aggressor {token!r}")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (tick(2, q=0), "out_of_range"),
        (tick(2, p="0.0000"), "out_of_range"),
        (tick(2, p="-10.01"), "out_of_range"),
        (tick(2, p="10.00001"), "off_grid"),
        (tick(2, p="10,01"), "malformed"),
        (tick(2, basis="X"), "malformed"),
        (tick(2, conditions="0"), "malformed"),
        (tick(2, conditions="0102030405"), "malformed"),
        (tick(2, time="24:00:00.000000"), "malformed"),
        (tick(2, time="09:60:00.000000"), "malformed"),
        (tick(2, time="09:30:60.000000"), "malformed"),
        (tick(2, day="2021-02-30"), "malformed"),
        ("2021-03-14 02:30:00.000000" + tick(2)[26:], "malformed"),  # skipped in spring
        (tick(2, time="09:29:59.000000"), "time_inversion"),
        (tick(1), "duplicate"),
        ("OTHER," + tick(2), "malformed"),
        (tick(2).rsplit(",", 1)[0], "malformed"),
        (tick(2).replace(",100,", ",{long.MaxValue},", 1), "malformed"),
        ("garbage", "malformed"),
    ],
)
def test_a_damaged_tick_is_one_offered_and_one_refused(row, reason):
    trades, _ = parse([tick(1), row, tick(3), tick(4), "!ENDMSG!,"])
    assert reasons(trades) == {2: reason}
    assert trades.offered == 4
    assert column(trades.quarantine, "record") == [row]


def test_two_contents_under_one_tick_id_are_a_conflict():
    trades, _ = parse([tick(1), tick(2), tick(3, tick_id=2, total=200), tick(4)])
    assert reasons(trades) == {2: "conflict", 3: "conflict"}
    # Another center counts its own ticks, and so does another day.
    trades, _ = parse([tick(1), tick(2, tick_id=1, center=5), tick(1, day="2021-03-31")])
    assert trades.quarantined == 0
    assert column(trades.trades, "trade_id") == [
        20210330000000001, 20210330000000002, 20210331000000001,
    ]  # fmt: skip


def test_a_settlement_is_no_trade_and_an_average_price_is_no_order():
    rows = [tick(1), tick(2, basis="S"), tick(3, basis="O", conditions="8705"), "!ENDMSG!,"]
    trades, _ = parse(rows)
    assert trades.other == {"settlement": 1, "end": 1}
    assert column(trades.trades, "is_market") == [1, 0]


def test_total_volume_shows_what_is_missing():
    rows = [tick(1), tick(2), tick(5), tick(6, total=550)]
    trades, _ = parse(rows)
    # From 200 to 500 with a size of 100: 200 shares, ticks 3 and 4, are missing between.
    ts = column(trades.trades, "ts_event_ns")
    assert trades.gaps.to_pylist() == [
        {"kind": "trade", "start_ns": ts[1], "end_ns": ts[2], "first_missing_id": 0,
         "n_missing": 2, "reason": "missing_volume", "source": "iqfeed", "unit": "0" * 64}
    ]  # fmt: skip
    # From 500 to 550 with a size of 100: the feed disagrees with itself, nothing is missing.
    assert trades.counts["total_volume_disagrees"] == 1
    assert trades.counts["missing_tick_ids"] == 2


def test_total_volume_begins_anew_each_day():
    # More than a day's last total is no growth either: what a day misses at its start is not known.
    late = [tick(7, day="2021-04-01"), tick(8, day="2021-04-01")]
    rows = [tick(1), tick(2), tick(1, day="2021-03-31"), tick(2, day="2021-03-31"), *late]
    trades, _ = parse(rows)
    assert trades.counts == {"without_end": 1}
    assert not len(trades.gaps)


def test_newest_first_is_the_same_as_oldest_first():
    rows = [tick(i, time="09:30:00.000001" if i < 3 else "") for i in range(1, 9)]
    for forward, back in zip(parse(rows), parse(rows[::-1]), strict=True):
        for a, b in ((forward.trades, back.trades), (forward.quotes, back.quotes)):
            assert a.drop_columns(["line"]).equals(b.drop_columns(["line"]))
    # All at one time: the total volume tells the direction.
    equal = [tick(i, time="09:30:00.000001") for i in range(1, 9)]
    assert column(parse(equal[::-1])[0].trades, "line") == list(range(8, 0, -1))


def test_without_quote_there_is_no_quote():
    trades, quotes = parse([tick(1), tick(2, bid="0.0000", ask="0.0000"), tick(3, bid="0.0000")])
    assert trades.stored == 3
    assert quotes.other == {"no_quote": 1}
    assert reasons(quotes) == {3: "out_of_range"}


def test_replies_without_ticks():
    (batch,) = parse(["R1,E,!NO_DATA!,,", "R1,!ENDMSG!,"])
    assert (batch.offered, batch.other) == (0, {"no_data": 1, "end": 1})
    for text in (
        "E,!SYNTAX_ERROR!,,",
        "R1,E,Unauthorized user ID.,",
        "E,Invalid number of parameters.,,",
    ):
        with pytest.raises(SourceError, match="line 2: the feed refused the request"):
            parse_history(source_file([tick(1), text]), EQUITY)


def test_a_last_line_without_end_is_cut():
    text = "\n".join([tick(1), tick(2)])
    trades, quotes = parse(text)
    assert reasons(trades) == {2: "truncated"}
    assert quotes.other == {"refused_tick": 1}
    assert parse(text + "\n!ENDMSG!,")[0].quarantined == 0


def ns(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 10**9


def test_the_double_hour_of_november():
    # 2021-11-07: 01:00 to 02:00 happens from 05:00Z on and again from 06:00Z on.
    clocks = ["00:59:59", "01:10:00", "01:50:00", "01:05:00", "01:55:00", "02:00:00"]
    rows = [tick(i, time=t, day="2021-11-07") for i, t in enumerate(clocks, 1)]
    wanted = [ns(2021, 11, 7, h, m, s) for h, m, s in
              [(4, 59, 59), (5, 10, 0), (5, 50, 0), (6, 5, 0), (6, 55, 0), (7, 0, 0)]]  # fmt: skip
    for lines in (rows, rows[::-1]):
        trades, _ = parse(lines)
        assert column(trades.trades, "ts_event_ns") == wanted
        assert "times_in_repeated_hour" not in trades.counts
    # Without a step back nothing tells which pass it was: the first, and it is said.
    trades, _ = parse(rows[:3])
    assert column(trades.trades, "ts_event_ns") == wanted[:3]
    assert trades.counts["times_in_repeated_hour"] == 2


def test_a_receipt_tells_the_two_passes_apart():
    first, second = eastern_ns(["2021-11-07 01:30:00"] * 2)
    recv = np.array([ns(2021, 11, 7, 5, 30, 1), ns(2021, 11, 7, 6, 29, 59)])
    assert nearest(first, second, recv).tolist() == [ns(2021, 11, 7, 5, 30), ns(2021, 11, 7, 6, 30)]


@given(st.integers(0, 37 * 365 * 86_400), st.integers(0, 999_999))
def test_eastern_times_agree_with_zoneinfo(seconds, micro):
    utc = datetime.fromtimestamp(946_684_800 + seconds, UTC)
    local = utc.astimezone(ZONE)
    first, second = eastern_ns(
        [f"{local:%Y-%m-%d %H:%M:%S}.{micro:06d}", f"{local:%Y-%m-%d %H:%M:%S}"]
    )
    want = (946_684_800 + seconds) * 10**9
    assert (second if local.fold else first).tolist() == [want + micro * 1000, want]
    assert in_order(first[:1], second[:1])[0][0] == first[0]


# -- recorded files ----------------------------------------------------------------------------------

TRADES = ("ts_event_ns", "trade_id", "price_ticks", "qty_lots", "native_sign", "is_market")
QUOTES = ("ts_event_ns", "quote_id", "bid_ticks", "ask_ticks")


def checksum(rows, names) -> str:
    data = hashlib.sha256()
    for name in names:
        data.update(rows[name].to_numpy().astype("<i8").tobytes())
    return data.hexdigest()[:16]


RECORDED = {
    "ticks_oldest.zip": {
        "offered": 32_627, "first": 1_614_589_200_028_010_000, "last": 1_614_819_512_254_017_000,
        "odd": {"trades_without_order": 28}, "quotes": {"locked_quotes": 720}, "days": [11_015, 11_637, 9_975],
        "volume": 4_810_873 + 6_612_776 + 4_813_134, "sums": ("34fc8ded4f707c0e", "cdb717a07b8c1190"),
    },
    "ticks_oldest60.zip": {
        "offered": 27_986, "first": 1_585_745_457_663_329_000, "last": 1_585_956_248_172_206_000,
        "odd": {"trades_without_order": 37, "price_jumps": 88}, "days": [2_487, 21_753, 3_746],
        "quotes": {"crossed_quotes": 49, "locked_quotes": 425, "quote_jumps": 6},
        "volume": 788_593 + 8_885_529 + 1_231_824, "sums": ("2b36505631bbcae4", "91d48862d369456a"),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_days(test_data, name):
    golden = RECORDED[name]
    trades, quotes = read_history(test_data / "iqfeed" / "csharp" / name, EQUITY)
    for batch in (trades, quotes):
        require_whole(batch)
    assert (trades.offered, trades.stored) == (golden["offered"], golden["offered"] - 12)
    assert set(reasons(trades).values()) == {"out_of_range"}  # sizes of 0: official prices
    assert trades.other == {"end": 1}
    assert trades.counts == golden["odd"]  # volume and ids are whole
    assert (trades.first_ns, trades.last_ns) == (golden["first"], golden["last"])
    days = split_by_day(trades, EQUITY)
    assert [part.offered for part in days.values()] == golden["days"]
    # The last total volume of each day, as the feed counted it.
    assert int(trades.trades["qty_lots"].to_numpy().sum()) == golden["volume"]
    assert set(column(trades.trades, "native_sign")) == {0}
    assert (quotes.offered, quotes.stored) == (golden["offered"], golden["offered"])
    assert quotes.counts == golden["quotes"]
    assert (checksum(trades.trades, TRADES), checksum(quotes.quotes, QUOTES)) == golden["sums"]


def test_recorded_ticks_newest_first(test_data):
    file = unzipped(read_file(test_data / "iqfeed" / "csharp" / "ticks_oldest.zip"))
    *rows, end, _ = file.data.split(b"\n")
    newest = replace(file, data=b"\n".join([*rows[::-1], end, b""]))
    for a, b in zip(parse_history(file, EQUITY), parse_history(newest, EQUITY), strict=True):
        assert a.trades.drop_columns(["line"]).equals(b.trades.drop_columns(["line"]))
        assert a.quotes.drop_columns(["line"]).equals(b.quotes.drop_columns(["line"]))


def test_recorded_ticks_of_2010(test_data):
    data = (test_data / "iqfeed" / "arnonmoscona" / "bp_HTT_response.txt").read_bytes()
    trades, quotes = parse(data.replace(b"__DATE__", b"2010-06-01"))  # the recording hides it
    assert (trades.stored, trades.quarantined, trades.other) == (679, 0, {"end": 1})
    assert (quotes.stored, quotes.counts) == (679, {"locked_quotes": 167})
    # From total volume 15,690,011 before the first tick to 15,858,463 after the last.
    assert int(trades.trades["qty_lots"].to_numpy().sum()) == 15_858_463 - 15_690_011
    assert trades.first_ns == ns(2010, 6, 1, 13, 40)
    assert trades.last_ns == ns(2010, 6, 1, 13, 40, 10)
    assert column(trades.trades, "venue_id")[0] == "136972"
    found = (checksum(trades.trades, TRADES), checksum(quotes.quotes, QUOTES))
    assert found == ("643dbdb771e40971", "72d5468b8f11c8f8")


def test_recorded_protocol_lines(test_data):
    path = test_data / "iqfeed" / "csharp" / "tick_protocol_lines_from_tests.txt"
    lines = path.read_bytes().splitlines()
    found = [parse(line + b"\n") for line in lines if b"{" not in line]
    assert [column(b.trades, "qty_lots") for (b,) in found] == [[1_061_909]] * 6
    (unexpanded,) = [line for line in lines if b"{" in line]
    (batch,) = parse(unexpanded + b"\n")  # its size was never filled in
    assert reasons(batch) == {1: "malformed"}


# -- damage ------------------------------------------------------------------------------------------


def made_history() -> bytes:
    rows = ["R1,LH," + tick(i, aggressor=str(i % 4), center=5 + i % 2) + "," for i in range(1, 50)]
    return "".join(row + "\r\n" for row in [*rows, "R1,!ENDMSG!,"]).encode()


def test_mutants_lose_nothing():
    data = made_history()
    assert all(batch.quarantined == 0 for batch in parse(data))
    found = survey(
        "iqfeed history", data, lambda mutant: parse_history(source_file(mutant), EQUITY), EQUITY,
        n=N_MUTANTS, seed=31,
    )  # fmt: skip
    assert found.read > N_MUTANTS * 9 // 10


@pytest.mark.parametrize("name", RECORDED)
def test_mutants_of_recorded_ticks(test_data, name):
    data = unzipped(read_file(test_data / "iqfeed" / "csharp" / name)).data
    lines = data.splitlines(keepends=True)

    def mutate_a_piece(_, rng):
        start = int(rng.integers(len(lines) - 50))
        return mutate(b"".join(lines[start : start + 50]), rng)

    survey(
        f"recorded iqfeed {name}", b"", lambda mutant: parse_history(source_file(mutant), EQUITY),
        EQUITY, n=n_mutants(4), seed=32, mutate=mutate_a_piece,
    )  # fmt: skip


def test_damaged_zip_files_are_refused_or_read_whole(tmp_path):
    path = tmp_path / "ticks.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ticks.csv", made_history())
    packed = path.read_bytes()
    whole = iqfeed.read([path], EQUITY)[0].trades.drop_columns(["unit"])
    rng = np.random.default_rng(33)
    n_refused = 0
    for _ in range(n_mutants(4)):
        path.write_bytes(b"PK\x03\x04" + mutate(packed[4:], rng))
        try:
            batches = iqfeed.read([path], EQUITY)
        except SourceError:
            n_refused += 1
            continue
        assert batches[0].trades.drop_columns(["unit"]).equals(whole)
    assert n_refused > n_mutants(4) // 4
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a", "b"):
            archive.writestr(name, tick(1))
    with pytest.raises(SourceError, match="must hold one file of ticks, holds 2"):
        iqfeed.read([path], EQUITY)


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("DateTime,Price,Volume\n2013-09-02 17:00:00.026,1640.25,8\n")
    with pytest.raises(SourceError, match="holds no readable record of XYZ: all 2 are damaged"):
        iqfeed.read([path], EQUITY)


# -- ticks taken at once --------------------------------------------------------------------------


def sorted_ticks(lines, *, at_once):
    """What becomes of lines: columns, damage and everything else, or the feed's refusal."""
    ticks = Ticks()
    taken = ticks.take_plain(lines) if at_once else np.zeros(len(lines), np.bool_)
    try:
        for i in np.flatnonzero(~taken).tolist():
            ticks.take(i + 1, lines[i], "file")
    except SourceError as error:
        return str(error), 0
    return {
        "columns": {name: list(values) for name, values in ticks.columns().items()},
        "damaged": ticks.damaged,
        "other": ticks.other,
    }, int(taken.sum())


FORMS = {
    "6.1": lambda i: tick(i) + ",",
    "6.1 without the last comma": tick,
    "6.0": lambda i: ",".join(tick(i).split(",")[:10]) + ",",
    "6.2": lambda i: f"LH,{tick(i)},",
    "6.2 with request": lambda i: f"R{i // 25},LH,{tick(i)},",
    "6.1 with request": lambda i: f"R1,{tick(i)},",
    "some by themselves": lambda i: tick(i, p="\xe9" if i == 9 else "10.01", basis="CS"[i == 7]),
}


@pytest.mark.parametrize("form", FORMS)
def test_ticks_taken_at_once_are_those_taken_one_by_one(form):
    whole = [FORMS[form](i) for i in range(1, 40)] + ["!ENDMSG!,"]
    data = "\n".join(whole).encode("latin-1")
    rng = np.random.default_rng(5)
    found, n_taken = sorted_ticks(data.split(b"\n"), at_once=True)
    assert found == sorted_ticks(data.split(b"\n"), at_once=False)[0]
    assert n_taken == 39
    for _ in range(100):
        lines = mutate(data, rng).split(b"\n")
        assert sorted_ticks(lines, at_once=True)[0] == sorted_ticks(lines, at_once=False)[0]
