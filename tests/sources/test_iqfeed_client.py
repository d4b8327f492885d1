import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import date

import pytest

from orchestration.sources import iqfeed
from orchestration.sources.iqfeed.lookup import fetch_day_async, open_lookup
from orchestration.sources.iqfeed.wire import (
    FeedError,
    FeedRefused,
    Settings,
    require_symbol,
    without_secrets,
)
from orchestration.sources.records import SourceError
from tests.sources.cases import column
from tests.sources.iqfeed_cases import EQUITY, T0_NS, tick
from tests.sources.iqfeed_server import LookupServer, running

SECOND = 1_000_000_000
TICKS = [tick(i) for i in range(1, 41)] + [tick(i, day="2021-03-31") for i in range(1, 6)]
DAY = date(2021, 3, 30)


def settings(server, **more) -> Settings:
    patience = {"connect_timeout_s": 500, "reply_timeout_s": 100, "requests_per_s": 1000}
    return Settings(
        lookup_port=server.port, level1_port=server.port, time_scale=0.001, **(patience | more)
    )


def with_server(server: LookupServer, ask: Callable[[LookupServer], Awaitable]):
    async def run():
        async with running(server):
            return await ask(server)

    return asyncio.run(run())


def asked(server: LookupServer, what: str, *values, **named):
    async def ask(server):
        async with open_lookup(settings(server)) as lookup:
            return await getattr(lookup, what)("XYZ", *values, **named)

    return with_server(server, ask)


def rows_of(lines: list[bytes]) -> list[str]:
    return [line.decode().split(",", 2)[2].rstrip(",") for line in lines[:-1]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("piece", [0, 1, 7])
@pytest.mark.parametrize("comma", ["", ","])
def test_a_reply_in_any_segments(end, piece, comma):
    server = LookupServer(ticks=TICKS, end=end, piece=piece, comma=comma)
    lines = asked(server, "last_ticks", 7)
    assert rows_of(lines) == TICKS[-7:]
    assert lines[-1] == b"R1,!ENDMSG!,"
    assert server.commands == [
        "S,SET PROTOCOL,6.2", "S,SET CLIENT NAME,orderflow", "HTX,XYZ,7,1,R1,",
    ]  # fmt: skip


def test_the_three_requests():
    server = LookupServer(ticks=TICKS)
    assert rows_of(asked(server, "last_days", 1)) == TICKS[40:]
    assert rows_of(asked(server, "last_days", 2, max_ticks=3)) == TICKS[:3]
    # [09:30:02, 09:30:05): the feed includes its last second, so it is asked up to 09:30:04.
    lines = asked(server, "range", T0_NS + 2 * SECOND, T0_NS + 5 * SECOND)
    assert rows_of(lines) == TICKS[1:4]
    assert server.commands[-1] == "HTT,XYZ,20210330 093002,20210330 093004,,,,1,R1,"
    assert server.commands.count("S,CONNECT") == 0  # this port needs no log-in


def test_older_protocols_are_taken_where_they_can_be_read():
    server = LookupServer(ticks=TICKS, protocol="6.1")
    lines = asked(server, "last_ticks", 2)
    assert lines[0].startswith(b"R1,2021-03-31")
    with pytest.raises(FeedRefused, match=r"the feed speaks protocol '5.1', not 6.2 or 6.1"):
        asked(LookupServer(ticks=TICKS, protocol="5.1"), "last_ticks", 2)


@pytest.mark.parametrize(
    ("protocol", "error", "text"),
    [
        ("6.2\r\n" + "x" * (1 << 20), FeedError, "without a line end"),
        ("", FeedRefused, "the feed speaks protocol ''"),
    ],
)
def test_odd_greetings(protocol, error, text):
    with pytest.raises(error, match=text):
        asked(LookupServer(protocol=protocol), "last_ticks", 1)


def test_a_gateway_that_says_nothing_is_given_up():
    class Mute(LookupServer):
        async def say(self, writer, lines):  # noqa: ARG002
            return

    with pytest.raises(FeedError, match="sent nothing for 30 s"):
        with_server(Mute(), lambda server: opened(server, connect_timeout_s=30))


def test_a_gateway_that_refuses_the_protocol():
    class Old(LookupServer):
        async def say(self, writer, lines):  # noqa: ARG002
            await super().say(writer, ["E,!SYNTAX_ERROR!,,"])

    with pytest.raises(FeedRefused, match="refused the protocol: E,!SYNTAX_ERROR!"):
        with_server(Old(), opened)


async def opened(server, **more) -> None:
    async with open_lookup(settings(server, **more)):
        pass


def test_one_id_is_asked_once_at_a_time():
    async def ask(server):
        async with open_lookup(settings(server)) as lookup:
            span = (T0_NS, T0_NS + 9 * SECOND)
            first = asyncio.create_task(lookup.range("XYZ", *span, request="D1"))
            await asyncio.sleep(0)
            with pytest.raises(ValueError, match="request 'D1' is under way already"):
                await lookup.range("XYZ", *span, request="D1")
            return await first

    assert rows_of(with_server(LookupServer(ticks=TICKS), ask)) == TICKS[:8]


def test_two_replies_interleaved():
    async def ask(server):
        async with open_lookup(settings(server)) as lookup:
            return await asyncio.gather(lookup.last_ticks("XYZ", 5), lookup.last_ticks("XYZ", 9))

    few, many = with_server(LookupServer(ticks=TICKS, pair_up=True, piece=11), ask)
    assert (rows_of(few), rows_of(many)) == (TICKS[-5:], TICKS[-9:])


def test_no_data_is_an_empty_answer(tmp_path):
    lines = asked(LookupServer(), "last_ticks", 5)
    assert lines == [b"R1,E,!NO_DATA!,,", b"R1,!ENDMSG!,"]

    async def ask(server):
        return await fetch_day_async(EQUITY, DAY, cache_dir=tmp_path, settings=settings(server))

    assert with_server(LookupServer(), ask) == []
    assert list(tmp_path.rglob("*.txt")) == []


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("syntax", "!SYNTAX_ERROR!"),
        ("unauthorized", "Unauthorized user ID."),
        ("unauthorized_without_end", "Unauthorized user ID."),
    ],
)
def test_refusals_are_not_asked_again(tmp_path, fault, text):
    server = LookupServer(ticks=TICKS, faults=[fault])

    async def ask(server):
        return await fetch_day_async(EQUITY, DAY, cache_dir=tmp_path, settings=settings(server))

    with pytest.raises(FeedRefused, match=text) as refused:
        with_server(server, ask)
    assert "HTT,XYZ,20210330 000000,20210330 235959" in str(refused.value)
    assert server.n_connections == 1


def test_a_refused_request_leaves_the_connection_usable():
    server = LookupServer(ticks=TICKS, faults=["unauthorized", "late"])

    async def ask(server):
        async with open_lookup(settings(server)) as lookup:
            with pytest.raises(FeedRefused):
                await lookup.last_ticks("XYZ", 5)
            return await lookup.last_ticks("XYZ", 5), lookup.n_strays

    lines, n_strays = with_server(server, ask)
    assert rows_of(lines) == TICKS[-5:]
    assert n_strays == 2  # lines of a request that nobody made here


def test_a_day_survives_every_failure_and_is_kept_whole(tmp_path):
    server = LookupServer(ticks=TICKS, faults=["no_end", "hang_up", "silence"])

    async def ask(server):
        return [
            await fetch_day_async(EQUITY, DAY, cache_dir=tmp_path, settings=settings(server))
            for _ in range(2)
        ]

    (path,), again = with_server(server, ask)
    assert again == [path]
    assert server.n_connections == 4  # three failed; the second call found the file
    trades, quotes = iqfeed.read([path], EQUITY)
    assert (trades.stored, trades.quarantined, quotes.stored) == (40, 0, 40)
    assert column(trades.trades, "ts_event_ns")[0] == T0_NS + SECOND + 1000
    assert trades.counts == {}


def test_after_the_last_attempt_the_failure_is_told(tmp_path):
    server = LookupServer(ticks=TICKS, faults=["no_end"] * 3)

    async def ask(server):
        patience = settings(server, retries=2)
        return await fetch_day_async(EQUITY, DAY, cache_dir=tmp_path, settings=patience)

    with pytest.raises(FeedError, match="no end within 100 s after 40 lines"):
        with_server(server, ask)
    assert server.n_connections == 3
    assert list(tmp_path.rglob("*")) == []


def test_a_file_changed_in_the_cache_is_fetched_anew(tmp_path):
    async def ask(server):
        (path,) = await asyncio.to_thread(
            iqfeed.fetch_day, EQUITY, DAY, cache_dir=tmp_path, settings=settings(server)
        )
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        await asyncio.to_thread(
            iqfeed.fetch_day, EQUITY, DAY, cache_dir=tmp_path, settings=settings(server)
        )
        return whole, path.read_bytes()

    before, after = with_server(LookupServer(ticks=TICKS), ask)
    assert before == after  # the same bytes, so the same unit, whenever it is fetched


def test_a_day_that_is_not_over_is_not_fetched(tmp_path):
    server = LookupServer(ticks=TICKS)

    async def ask(server):
        noon = settings(server, clock=lambda: T0_NS)
        return await fetch_day_async(EQUITY, DAY, cache_dir=tmp_path, settings=noon)

    with pytest.raises(FeedRefused, match="2021-03-30 is not over"):
        with_server(server, ask)
    assert server.n_connections == 0


def test_a_connection_that_ended_fails_the_requests_after_it():
    server = LookupServer(ticks=TICKS, faults=["hang_up"])

    async def ask(server):
        async with open_lookup(settings(server)) as lookup:
            for _ in range(2):
                with pytest.raises(FeedError, match="hung up inside a line of 20 bytes"):
                    await lookup.last_ticks("XYZ", 5)

    with_server(server, ask)


def test_requests_keep_their_distance():
    async def ask(server):
        slow = Settings(lookup_port=server.port, requests_per_s=200)
        async with open_lookup(slow) as lookup:
            start = time.monotonic()
            await asyncio.gather(*(lookup.last_ticks("XYZ", 1) for _ in range(6)))
            return time.monotonic() - start

    assert with_server(LookupServer(ticks=TICKS), ask) >= 5 / 200


def test_without_files_it_says_how_to_name_them(tmp_path):
    assert iqfeed.NAME == "iqfeed"
    with pytest.raises(SourceError, match="orderflow ingest iqfeed --path FILE"):
        iqfeed.fetch(EQUITY, tmp_path)


def test_nobody_listens(tmp_path):
    closed = LookupServer()

    async def ask(server):
        return settings(server, retries=1)

    gone = with_server(closed, ask)
    with pytest.raises(FeedError, match=f"127.0.0.1:{closed.port}: IQConnect cannot be reached"):
        iqfeed.fetch_day(EQUITY, DAY, cache_dir=tmp_path, settings=gone)


@pytest.mark.parametrize("symbol", ["", "xyz", "A,B", "A\r\nHTX", "A" * 31, "Ä"])
def test_a_symbol_cannot_smuggle_a_command(symbol):
    with pytest.raises(FeedRefused, match="to be asked for"):
        require_symbol(symbol)
    assert require_symbol("@ES#") == "@ES#"


def test_secrets_are_not_kept():
    assert without_secrets(b"S,CUST,real_time,10.0.0.2,60002,TOKEN-4711") == b"S,CUST,(not kept)"
    assert without_secrets(b"S,KEY,65536") == b"S,KEY,(not kept)"
    assert without_secrets(b"Q,XYZ,1") == b"Q,XYZ,1"
