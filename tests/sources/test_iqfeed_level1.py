import asyncio
import dataclasses

import numpy as np
import pytest

from orchestration.sources import iqfeed
from orchestration.sources.iqfeed.level1 import SELECTED
from orchestration.sources.iqfeed.logs import parse_log, read_log
from orchestration.sources.iqfeed.stream import messages
from orchestration.sources.iqfeed.wire import FeedError, FeedRefused, Settings
from orchestration.sources.records import SourceError
from tests.sources.cases import column, reasons, source_file
from tests.sources.fuzzing import N_MUTANTS, survey
from tests.sources.iqfeed_cases import EQUITY, T0_NS, logged, parse_stream, update
from tests.sources.iqfeed_server import Level1Server, running

NAMES = "S,CURRENT UPDATE FIELDNAMES," + ",".join(SELECTED)
SECOND = 1_000_000_000


def test_an_update_in_full():
    trades, quotes = parse_stream([NAMES, update(1, "Cba")])
    ns, recv = T0_NS + SECOND + 1000, T0_NS + SECOND + SECOND // 2
    assert trades.trades.to_pylist() == [
        {
            "ts_event_ns": ns, "ts_recv_ns": recv, "trade_id": 20210330000000001,
            "venue_id": "11:1", "price_ticks": 100_100, "qty_lots": 100, "native_sign": -1,
            "is_market": 1, "is_outside_session": 0, "source": "iqfeed", "unit": "0" * 64,
            "line": 2,
        }
    ]  # fmt: skip
    assert quotes.quotes.to_pylist() == [
        {
            "ts_event_ns": ns, "ts_recv_ns": recv, "ts_source": 0, "quote_id": 2,
            "bid_ticks": 100_000, "bid_lots": 300, "ask_ticks": 100_100, "ask_lots": 400,
            "source": "iqfeed", "unit": "0" * 64 + "-quotes", "line": 2,
        }
    ]  # fmt: skip


def test_only_c_e_and_o_are_trades():
    contents = ["C", "E", "O", "ba", "b", "s", "cv", "Ohlv", "a"]
    log = [NAMES, *(update(i, text) for i, text in enumerate(contents, 1))]
    trades, quotes = parse_stream(log)
    assert column(trades.trades, "line") == [2, 3, 4, 9]
    assert column(quotes.quotes, "line") == [5, 6, 10]
    assert trades.other == {"control": 1, "quote": 3, "update_of_neither": 2}
    assert quotes.other == {"control": 1, "trade": 4, "update_of_neither": 2}


def test_everything_else_is_counted_by_kind():
    log = [
        "S,KEY,(not kept)", NAMES, "F,XYZ,5,65.6", "P,XYZ,1", update(1, "C"), "T,20210330 09:30:06",
        update(2, "C", symbol="ABC"), "R,XYZ,X,1.23", "N,DTN,123", "n,ABC", "C,XYZ,I", "",
    ]  # fmt: skip
    data = logged(log).replace("505000000000 \n", "\n")
    (trades,) = parse_stream(data[: data.rindex("1617")] + "\n")
    assert trades.other == {
        "blank": 1, "clock": 1, "control": 2, "correction_without_detail": 1, "fundamental": 1,
        "news": 1, "other_symbol": 1, "regional": 1, "summary": 1, "unknown_symbol": 1,
    }  # fmt: skip
    assert trades.stored == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (update(2, "Ca", aggressor="4"), "malformed"),
        (update(2, "C", q=0), "out_of_range"),
        (update(2, "C", p="10.00001"), "off_grid"),
        (update(2, "C1"), "malformed"),
        (update(2, ""), "malformed"),
        (update(2, "C") + "1,2,", "malformed"),
        (update(2, "C", time="9:30:02"), "malformed"),
        (update(2, "C", date="2021-03-30"), "malformed"),
        (update(2, "C").replace(",01,2,", ",1,2,"), "malformed"),
        (update(2, "C").replace(",01,2,", ",01,x,"), "malformed"),
        (update(2, "C", date="02/30/2021"), "malformed"),
        (update(2, "C", time="09:29:00"), "time_inversion"),
        (update(1, "C"), "duplicate"),
        ("Q,\x00YZ,1,2", "malformed"),
        ("X,XYZ,1,2", "malformed"),
        ("C,XYZ,Z,03/30/2021,09:30:02.000001,10.01,100,5,01,11", "malformed"),
    ],
)
def test_a_damaged_message_is_one_offered_and_one_refused(row, reason):
    trades = parse_stream([NAMES, update(1, "C"), row, update(3, "C")])[0]
    assert reasons(trades) == {3: reason}
    assert trades.offered == 3


def test_without_field_names_their_number_tells():
    default = "Q,XYZ,322.9100,13,16:53:16.164236,11,37620407,322.8700,100,323.0000,3300,312.6000,"
    default += "318.4000,312.1900,308.9500,Ob,8717"
    evening = T0_NS + 26_597 * SECOND  # 16:53:17 in New York
    for line, sign in ((default + ",2,17", -1), (default + ",1,17,", 1), (default, 0)):
        trades, quotes = parse_stream(logged([line], first_ns=evening))
        assert column(trades.trades, "native_sign") == [sign]
        # No date: the receipt's day. 16:53:16 is 20:53:16 UTC.
        assert column(trades.trades, "ts_event_ns") == [evening - SECOND + 164_236_000]
        # No time of the quote either: that of its receipt.
        assert column(quotes.quotes, "ts_source") == [1]
        assert column(quotes.quotes, "ts_event_ns") == [evening + SECOND // 2]


def test_a_time_without_date_belongs_to_the_day_nearest_to_its_receipt():
    midnight = T0_NS + 52_200 * SECOND  # 2021-03-31 00:00 in New York
    line = "Q,XYZ,10.01,100,23:59:59.900000,11,100,10.00,100,10.01,100,,,,,C,01,1,30"
    trades = parse_stream(logged([line], first_ns=midnight))[0]
    assert column(trades.trades, "ts_event_ns") == [midnight - SECOND // 10]


def test_the_double_hour_is_told_apart_by_the_receipt():
    # 2021-11-07 05:30Z and 06:30Z are both 01:30 in New York.
    times = []
    for first_ns in (1_636_263_000 * SECOND, 1_636_266_600 * SECOND):
        line = update(1, "C", time="01:30:00.200000", date="11/07/2021")
        (trades,) = parse_stream(logged([line], first_ns=first_ns))
        times += column(trades.trades, "ts_event_ns")
        assert times[-1] == first_ns + SECOND // 5
    assert times[1] - times[0] == 3600 * SECOND


def test_the_hour_that_spring_skips_is_no_time():
    # 2021-03-14 07:30Z is 03:30 in New York; 02:30 does not exist there.
    first_ns = 1_615_707_000 * SECOND
    good = update(1, "Cb", time="03:30:00.100000", date="03/14/2021")
    bad = update(2, "Cb", time="02:30:01.100000", date="03/14/2021")
    trades, quotes = parse_stream(logged([good, bad], first_ns=first_ns))
    assert reasons(trades) == reasons(quotes) == {2: "malformed"}
    assert trades.first_ns == first_ns + SECOND // 10


def test_corrections():
    delete = "C,XYZ,X,03/30/2021,09:30:02.000002,10.01,100,2,01,11"
    insert = "C,XYZ,I,03/30/2021,09:30:01.500000,10.00,50,9,8801,11"
    unknown = delete.replace(",2,01,11", ",77,01,11")
    log = [NAMES, *(update(i, "C") for i in (1, 2, 3)), delete, insert, unknown, update(4, "C")]
    (trades,) = parse_stream(log)
    assert reasons(trades) == {3: "conflict"}
    assert column(trades.quarantine, "detail") == ["the venue withdrew it on line 5"]
    # What was withdrawn is no hole in the total volume, nor is what was inserted.
    assert trades.counts == {"withdrawals_of_unknown_trades": 1}
    # The inserted trade stands where its time belongs.
    assert column(trades.trades, "venue_id") == ["11:1", "11:9", "11:3", "11:4"]
    assert column(trades.trades, "qty_lots") == [100, 50, 100, 100]
    assert trades.other["withdrawal"] == 2


def test_a_trade_inserted_again_under_its_id_stands():
    delete = "C,XYZ,X,03/30/2021,09:30:02.000002,10.01,100,2,01,11"
    log = [update(1, "C"), update(2, "C"), delete, delete.replace(",X,", ",I,"), update(3, "C")]
    (trades,) = parse_stream(log)
    assert reasons(trades) == {2: "conflict"}
    assert column(trades.trades, "line") == [1, 4, 5]


def test_a_lost_connection_is_a_gap_of_the_quotes():
    for mark in ("S,CURRENT PROTOCOL,6.2", "S,SERVER DISCONNECTED", "S,SERVER RECONNECT FAILED"):
        log = [NAMES, update(1, "b"), update(2, "a"), mark, update(4, "ba")]
        trades, quotes = parse_stream(log)
        (gap,) = quotes.gaps.to_pylist()
        ts = column(quotes.quotes, "ts_event_ns")
        assert (gap["kind"], gap["reason"]) == ("quote", "reconnect")
        assert (gap["start_ns"], gap["end_ns"]) == (ts[1], ts[2])
        assert not len(trades.gaps)


def test_a_cut_log_loses_its_last_line_only():
    trades = parse_stream(logged([NAMES, update(1, "C"), update(2, "C")])[:-1])[0]
    assert reasons(trades) == {3: "truncated"}


def test_recorded_lines(test_data):
    # Lines out of two clients' tests, each with the default fields of its time.
    folder = test_data / "iqfeed" / "level1"
    lines = (folder / "mathpaquette_l1_lines.txt").read_text().splitlines()
    aapl = dataclasses.replace(EQUITY, symbol="AAPL", venue_symbol="AAPL")
    trades, quotes = parse_stream(lines, aapl)
    assert trades.n_lines == 14
    assert trades.other == {"fundamental": 2, "quote": 2, "regional": 1, "summary": 5}
    # One update is cut to 6 fields, one has 20 of some other selection.
    assert reasons(trades) == {9: "malformed", 10: "malformed"}
    # The trades: the only update with an O, and the inserted one, whose time is the later of day.
    names = ["price_ticks", "qty_lots", "venue_id", "native_sign"]
    assert [list(row.values()) for row in trades.trades.select(names).to_pylist()] == [
        [3_229_100, 13, "11:0", -1],
        [1_833_600, 13, "17:101123", 0],
    ]
    assert column(quotes.quotes, "bid_ticks") == [3_226_800, 3_226_800]
    assert column(quotes.quotes, "ask_lots") == [100, 100]
    legacy = (folder / "arnonmoscona_l1_lines_2010_legacy.txt").read_text().splitlines()
    intel = dataclasses.replace(EQUITY, symbol="INTC", venue_symbol="INTC")
    (batch,) = parse_stream([line for line in legacy if line], intel)
    assert batch.other == {"summary": 1, "other_symbol": 5}
    assert set(reasons(batch).values()) == {"malformed"}
    assert "fields, has 11" in column(batch.quarantine, "detail")[0]


# -- damage ------------------------------------------------------------------------------------------


def made_log() -> bytes:
    log = ["S,CURRENT PROTOCOL,6.2", NAMES]
    for i in range(1, 25):
        log.append(update(i, ("C", "ba", "Eb", "O")[i % 4], aggressor=str(i % 4)))
        if i % 8 == 0:
            log.append(f"T,20210330 09:30:{i}")
    return logged(log, step_ns=SECOND).encode()


def test_mutants_lose_nothing():
    data = made_log()
    assert all(batch.quarantined == 0 for batch in parse_stream(data))
    found = survey(
        "iqfeed level 1 log", data, lambda mutant: parse_log(source_file(mutant), EQUITY), EQUITY,
        n=N_MUTANTS, seed=41,
    )  # fmt: skip
    assert found.read > N_MUTANTS * 9 // 10


def test_noise_is_refused(tmp_path):
    rng = np.random.default_rng(5)
    path = tmp_path / "noise"
    for n in (1, 10, 1000, 100_000):
        path.write_bytes(rng.bytes(n))
        with pytest.raises(SourceError):
            iqfeed.read([path], EQUITY)


# -- the live client ---------------------------------------------------------------------------------


def streamed(server: Level1Server, n_trades: int, **more) -> list[tuple[int, bytes]]:
    """What the client yields until it has seen so many trades."""

    async def run():
        kept: list[tuple[int, bytes]] = []
        async with running(server):
            settings = Settings(
                level1_port=server.port, time_scale=0.001,
                **({"connect_timeout_s": 1000, "stale_s": 100} | more),
            )  # fmt: skip
            async for recv_ns, line in messages(EQUITY, settings):
                kept.append((recv_ns, line))
                if sum(text.startswith(b"Q,") for _, text in kept) >= n_trades:
                    break
        for task in server.tasks:
            task.cancel()
        return kept

    return asyncio.run(run())


def test_a_stream_becomes_a_log_and_the_log_trades(tmp_path):
    script = ["F,XYZ,5", "P,XYZ,1", *(update(i, "Cba") for i in range(1, 9))]
    server = Level1Server(scripts=[script], piece=5, end="\n")
    clock = iter(range(T0_NS, T0_NS + 3600 * SECOND, SECOND))
    kept = streamed(server, 8, clock=lambda: next(clock))
    assert server.commands == [
        "S,SET PROTOCOL,6.2", "S,SET CLIENT NAME,orderflow", "S,CONNECT",
        "S,SELECT UPDATE FIELDS," + ",".join(SELECTED[1:]), "wXYZ",
    ]  # fmt: skip
    path = tmp_path / "level1.log"
    path.write_bytes(b"".join(b"%d %s\n" % message for message in kept))
    trades, quotes = iqfeed.read([path], EQUITY)
    assert (trades.stored, trades.quarantined, quotes.stored) == (8, 0, 8)
    assert [b.trades.equals(trades.trades) for b in read_log(path, EQUITY)] == [True, False]
    assert b"TOKEN" not in path.read_bytes()
    assert [recv for recv, _ in kept] == sorted(recv for recv, _ in kept)


@pytest.mark.parametrize("fault", ["!close", "!stale", "!quiet"])
def test_a_dead_connection_is_opened_again(fault):
    # Hung up; everything stands still; messages come but the clock has stopped.
    first = [update(1, "C"), update(2, "C"), fault]
    server = Level1Server(scripts=[first, [update(2, "C"), update(4, "C")]])
    kept = streamed(server, 4, stale_s=50)
    assert server.n_connections == 2
    data = "".join(f"{T0_NS + i} {line.decode()}\n" for i, (_, line) in enumerate(kept))
    (trades,) = parse_stream(data)
    # The repeated trade is a duplicate; the missing one shows in the total volume.
    assert column(trades.trades, "venue_id") == ["11:1", "11:2", "11:4"]
    assert list(reasons(trades).values()) == ["duplicate"]
    assert column(trades.gaps, "reason") == ["missing_volume"]


def test_the_server_lost_and_found_again():
    script = [update(1, "C"), "S,SERVER DISCONNECTED", "S,SERVER CONNECTED"]
    server = Level1Server(scripts=[script, [update(2, "C")]])
    streamed(server, 2)
    assert server.n_connections == 1
    assert server.commands[-3:] == ["wXYZ", "S,CONNECT", "wXYZ"]


def test_a_server_that_stays_lost_makes_a_new_connection():
    script = [update(1, "C"), "S,SERVER DISCONNECTED"]  # the gateway's own clock goes on
    server = Level1Server(scripts=[script, [update(2, "C")]])
    streamed(server, 2, reply_timeout_s=20)
    assert server.n_connections == 2


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("n,XYZ", "does not know the symbol"),
        ("S,SYMBOL LIMIT REACHED,XYZ", "limit of symbols is reached"),
        ("E,!SYNTAX_ERROR!,", "SYNTAX_ERROR"),
    ],
)
def test_refusals_end_the_stream(line, text):
    with pytest.raises(FeedRefused, match=text):
        streamed(Level1Server(scripts=[[line]]), 1)


def test_another_symbols_refusal_is_not_ours():
    script = ["n,ABC", "S,SYMBOL LIMIT REACHED,ABC", update(1, "C")]
    assert streamed(Level1Server(scripts=[script]), 1)


def test_a_feed_that_never_lives_is_given_up():
    server = Level1Server(scripts=[["!close"]] * 3)
    with pytest.raises(FeedError, match="hung up"):
        streamed(server, 1, retries=2)
    assert server.n_connections == 3


def test_another_protocol_is_refused():
    with pytest.raises(FeedRefused, match=r"speaks protocol '6\.0'"):
        streamed(Level1Server(protocol="6.0"), 1)
