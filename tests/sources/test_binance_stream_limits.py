"""What the live client is refused, how patient it is, and what it does not do."""

import asyncio
import json
from dataclasses import replace

import pytest

from orchestration.sources.binance.connection import read_event
from orchestration.sources.binance.stream import StreamSettings, StreamStatus
from orchestration.sources.binance.stream_settings import endpoints
from orchestration.sources.binance.transport import BlockedError, RefusedError
from orchestration.sources.records import SourceError
from tests.sources.binance_ws_cases import (
    SCALE,
    T0_US,
    aggregate,
    follow,
    ids,
    never,
    quote,
    run,
    settings,
    trade,
)
from tests.sources.binance_ws_server import UM_PATHS, exchange
from tests.sources.cases import BITSTAMP, PERP, SPOT, column, parse, require_whole


def test_a_subscription_without_answer():
    async def script(server):
        while len(server.clients) < 1 or server.n_handshakes < 2:
            await asyncio.sleep(0.01)
        await server.accept(1)
        await server.publish([trade(1)])

    more = {"reply_timeout_s": 10.0}
    lines, _, server = run(script, until=lambda p: b'"t":1,' in p, replies=["none"], more=more)
    assert ids(lines) == [1]
    assert server.n_handshakes == 2


def test_pings_are_answered_with_their_payload():
    async def script(server):
        await server.accept(1)
        while server.n_pongs < 3:
            await asyncio.sleep(0.01)
        await server.publish([trade(1)])

    _, status, server = run(
        script, until=lambda p: b'"t":1,' in p, ping_every_s=5.0, pong_within_s=20.0
    )
    assert status.n_connects == 1
    assert server.closed_for == []


@pytest.mark.parametrize("fault", ["wrong", "late"])
def test_a_pong_that_is_wrong_or_late_costs_the_connection_and_no_trade(fault):
    async def script(server):
        client = await server.accept(1)
        await server.publish([trade(1), trade(2)])
        await server.gone(client)
        await server.publish([trade(3), trade(4)])  # nobody hears it
        await server.accept(2)
        while server.n_pongs < 2:  # the answered pings after it are in order
            await asyncio.sleep(0.01)
        await server.publish([trade(5)])

    lines, status, server = run(
        script, until=lambda p: b'"t":5,' in p, rest=True, pongs=[fault], ping_every_s=10.0,
        pong_within_s=10.0,
    )  # fmt: skip
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == [1, 2, 3, 4, 5]
    assert batch.quarantined == 0
    assert server.closed_for == ["no pong"]
    assert (status.n_connects, status.n_backfilled) == (2, 2)


def test_wrong_path_of_usd_m_is_silent_and_the_right_ones_are_used():
    async def script(server):
        await server.accept(2)
        await server.publish([aggregate(1), aggregate(2)])

    more = {"streams": ("aggTrade", "bookTicker")}
    lines, _, server = run(
        script, until=lambda p: b'"a":2,' in p, instrument=PERP, paths=UM_PATHS, more=more
    )
    assert sorted(client.path for client in server.accepted) == ["/market/stream", "/public/stream"]
    assert column(parse(b"".join(lines)).trades, "venue_id") == ["2-3", "4-5"]

    async def silent(server):
        await server.accept(1)
        while True:
            await server.publish([aggregate(1)])
            await asyncio.sleep(0.01)

    async def wrong():
        async with exchange(scale=SCALE, paths=UM_PATHS) as server:
            known = settings(
                server, streams=("aggTrade",), silence_timeout_s=5.0, most_failures_at_start=2,
                um_market_url=server.base + "/public",
            )  # fmt: skip
            acting = asyncio.create_task(silent(server))
            try:
                await follow(known, StreamStatus(), never, PERP)
            finally:
                acting.cancel()

    with pytest.raises(
        SourceError, match=r"2 connections in a row brought no event of btcusdt@agg"
    ):
        asyncio.run(wrong())


@pytest.mark.parametrize(
    ("handshakes", "n"), [([503, 502], 3), (["drop", 500], 3), ([(429, 3), (418, 2)], 3)]
)
def test_a_venue_that_is_not_ready_is_asked_again(handshakes, n):
    async def script(server):
        await server.accept(1)
        await server.publish([trade(1)])

    lines, status, server = run(script, until=lambda p: b'"t":1,' in p, handshakes=handshakes)
    assert ids(lines) == [1]
    assert (server.n_handshakes, status.n_connects) == (n, 1)


@pytest.mark.parametrize(("status", "error"), [(403, BlockedError), (404, RefusedError)])
def test_a_refusal_ends_it(status, error):
    async def script(server):
        await asyncio.sleep(10)

    with pytest.raises(error):
        run(script, until=never, handshakes=[status])


def test_a_refused_subscription_ends_it():
    async def script(server):
        await asyncio.sleep(10)

    with pytest.raises(SourceError, match=r"refuses the streams: .*Invalid request"):
        run(script, until=never, replies=["error"])


def test_nobody_there():
    async def nobody():
        async with exchange() as server:
            known = settings(server)
        known = replace(known, most_failures_at_start=3)
        await follow(known, StreamStatus(), never)

    with pytest.raises(SourceError, match="3 connections in a row"):
        asyncio.run(nobody())


def test_the_number_of_streams_is_limited_here_and_there():
    kinds = tuple(f"kline_{i}" for i in range(1025))
    with pytest.raises(ValueError, match=r"at most 1024 a connection, got 1025"):
        endpoints(SPOT, StreamSettings(streams=kinds))

    async def script(server):
        await asyncio.sleep(10)

    more = {"streams": kinds, "most_streams": 2000, "most_failures_at_start": 2}
    with pytest.raises(SourceError, match="2 connections in a row"):
        run(script, until=never, more=more)


def test_many_streams_are_subscribed_at_the_venues_pace():
    kinds = (*(f"kline_{i}" for i in range(1000)), "trade")

    async def script(server):
        client = await server.accept(6)
        assert len(client.streams) == 1001
        await server.publish([trade(1)])

    more = {"streams": kinds}
    lines, _, server = run(script, until=lambda p: b'"t":1,' in p, more=more, scale=0.2)
    assert ids(lines) == [1]
    assert server.closed_for == []

    async def hasty(server):
        await asyncio.sleep(10)

    # Without the pace the venue closes, so the test above can fail.
    more = {"streams": kinds, "control_per_s": 1e9, "most_failures_at_start": 1}
    with pytest.raises(SourceError, match="too many messages"):
        run(hasty, until=never, more=more, most_a_second=4)


def test_connection_attempts_are_limited():
    async def script(server):
        await server.accept(1)
        await server.publish([trade(1)])

    async def timed():
        loop = asyncio.get_running_loop()
        async with exchange(scale=SCALE, handshakes=[500] * 6) as server:
            known = settings(
                server, most_attempts=3, attempts_window_s=20.0, first_pause_s=0.001,
                most_failures_at_start=20,
            )  # fmt: skip
            acting = asyncio.create_task(script(server))
            started = loop.time()
            await follow(known, StreamStatus(), lambda p: b'"t":1,' in p)
            await acting
            return loop.time() - started

    # Seven attempts of which three fit in 0.2 s.
    assert asyncio.run(timed()) > 0.35


def test_what_a_frame_says_about_itself():
    name, data = trade(5)
    for body in ({"stream": name, "data": data}, data):
        event, _ = read_event(9, json.dumps(body, indent=1).encode())
        assert (event.recv_ns, event.kind, event.id, event.ts_ms) == (9, "trade", 5, T0_US + 5)
        assert b"\n" not in event.payload
    update = {
        "e": "depthUpdate",
        "E": 1,
        "T": 2,
        "s": "B",
        "U": 5,
        "u": 9,
        "pu": 4,
        "b": [],
        "a": [],
    }
    event, _ = read_event(9, json.dumps({"stream": "b@depth@100ms", "data": update}).encode())
    assert event[2:] == ("depth", 9, 5, 4, 2)
    assert read_event(9, json.dumps(quote(3)[1]).encode())[0].kind == "bookTicker"
    for odd in (b"", b"[1]", b"nope", b'{"result":null,"id":1}', b'{"stream":1,"data":2}', b"7"):
        assert read_event(9, odd)[0].kind == ""
    kline = {"stream": "b@kline_1m", "data": {"E": 7, "k": {}}}
    assert read_event(9, json.dumps(kline).encode())[0][2:4] == ("kline_1m", 7)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="time_scale must be > 0"):
        StreamSettings(time_scale=0)
    with pytest.raises(ValueError, match="after must not be negative"):
        StreamSettings(after=-1)
    with pytest.raises(SourceError, match="bitstamp"):
        endpoints(BITSTAMP, StreamSettings())
    um = endpoints(PERP, StreamSettings())
    assert [(e.url, e.streams) for e in um] == [
        ("wss://fstream.binance.com/market/stream", ("btcusdt@aggTrade",)),
        ("wss://fstream.binance.com/public/stream", ("btcusdt@bookTicker", "btcusdt@depth@100ms")),
    ]  # fmt: skip
    (spot,) = endpoints(SPOT, StreamSettings(is_combined=False))
    assert spot.url == "wss://stream.binance.com:9443/ws?timeUnit=MICROSECOND"


def test_what_is_parsed_is_whole():
    # The reader's account of a log of ours, damaged in the address line too.
    lines = [b"1700000000000000000 wss://x?streams=a@bookTicker after-quote-ns=9", b"1 wss://"]
    batch = parse(b"\n".join(lines) + b"\n", SPOT)
    require_whole(batch)
    assert batch.other == {"control": 2}
