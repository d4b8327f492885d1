"""The live client against a venue that closes, freezes, repeats and skips."""

import asyncio

import pytest

from tests.sources.binance_ws_cases import T0_US, ids, quote, run, trade
from tests.sources.cases import SPOT, column, parse


def test_a_quiet_connection():
    async def script(server):
        client = await server.accept(1)
        await server.publish([trade(i) for i in range(1, 6)] + [quote(7), trade(6)])
        assert list(client.streams) == ["btcusdt@trade", "btcusdt@bookTicker"]

    lines, status, server = run(script, until=lambda p: b'"t":6,' in p)
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == [1, 2, 3, 4, 5, 6]
    assert batch.trades["ts_event_ns"][0].as_py() == (T0_US + 1) * 1000
    assert batch.other == {"control": 1, "reply": 1}
    assert (batch.quarantined, len(batch.gaps), len(batch.quotes)) == (0, 0, 1)
    assert (status.n_connects, status.n_events, status.last_ids) == (
        1, 7, {"trade": 6, "bookTicker": 7},
    )  # fmt: skip
    assert server.accepted[0].path == "/stream"
    assert b"?streams=btcusdt@trade/btcusdt@bookTicker after-quote-ns=0" in b"".join(lines)


@pytest.mark.parametrize("is_combined", [True, False])
def test_raw_and_combined_envelopes_and_unknown_keys(is_combined):
    async def script(server):
        await server.accept(1)
        await server.publish([trade(1), quote(7), trade(2), trade(3)])

    more = {"is_combined": is_combined}
    lines, status, _ = run(
        script,
        until=lambda p: b'"t":3,' in p,
        more=more,
        extra={"st": 1, "ps": "BTCUSD", "zz": [{}]},
    )
    assert (b'"stream"' in b"".join(lines)) == is_combined
    assert status.last_ids == {"trade": 3, "bookTicker": 7}


@pytest.mark.parametrize("how", ["cut", "close", "expire"])
def test_a_lost_connection_is_followed_by_another_and_trades_are_asked_for(how):
    async def script(server):
        client = await server.accept(1)
        await server.publish([quote(3), *[trade(i) for i in range(1, 5)]])
        if how == "cut":
            await asyncio.sleep(0.05)  # what is on its way is lost with the wire
            server.cut(client)
        elif how == "close":
            await client.socket.close(1001)
        await server.gone(client)
        await server.publish([trade(i) for i in range(5, 9)])  # nobody hears it
        await server.accept(2)
        await server.publish([trade(9), quote(11)])

    faults = {"lifetime_s": 10.0} if how == "expire" else {}
    lines, status, _ = run(script, until=lambda p: b'"u":11,' in p, rest=True, **faults)
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == list(range(1, 10))
    assert batch.quarantined == 0
    assert (status.n_connects, status.n_rolls, status.n_backfilled) == (2, 0, 4)
    assert column(batch.gaps, "kind") == ["quote"]
    gap = batch.gaps.to_pylist()[0]
    assert [gap["start_ns"], gap["end_ns"]] == column(batch.quotes, "ts_event_ns")
    assert gap["reason"] == "reconnect"


def test_the_break_is_known_where_the_log_is_read_in_parts():
    async def script(server):
        client = await server.accept(1)
        await server.publish([quote(3), trade(1)])
        await asyncio.sleep(0.05)
        server.cut(client)
        await server.accept(2)
        await server.publish([trade(2), quote(4)])

    lines, _, _ = run(script, until=lambda p: b'"u":4,' in p)
    at = [i for i, line in enumerate(lines) if b" ws://" in line][1]
    first, second = parse(b"".join(lines[:at]), SPOT), parse(b"".join(lines[at:]), SPOT)
    assert not len(first.gaps)
    gap = second.gaps.to_pylist()[0]
    assert gap["start_ns"] == first.quotes["ts_event_ns"][0].as_py()
    assert gap["end_ns"] == second.quotes["ts_event_ns"][0].as_py()
    # Cut right behind the address: the part that ends there has a gap without length.
    ended = parse(b"".join(lines[: at + 1]), SPOT).gaps.to_pylist()
    assert [(g["start_ns"], g["end_ns"]) for g in ended] == [(gap["start_ns"],) * 2]


def test_a_planned_roll_overlaps_and_loses_nothing():
    async def script(server):
        await server.accept(1)
        i = 0
        while True:  # trades and quotes all the time, also while the connections change
            i += 1
            await server.publish([trade(i), quote(2 * i)])
            await asyncio.sleep(0.001)

    lines, status, server = run(
        script, until=lambda p: b'"t":400,' in p, more={"roll_after_s": 10.0}
    )
    batch = parse(b"".join(lines), SPOT)
    assert status.n_rolls >= 2
    assert column(batch.trades, "trade_id") == list(range(1, 401))
    assert column(batch.quotes, "quote_id") == list(range(2, 2 * len(batch.quotes) + 1, 2))
    assert (batch.quarantined, len(batch.gaps)) == (0, 0)
    assert status.n_backfilled == 0
    assert status.n_connects == status.n_rolls + 1
    assert server.n_handshakes - status.n_connects in (0, 1)  # one may have been opening at the end


def test_the_old_connection_goes_on_until_the_new_one_has_caught_up():
    async def script(server):
        old = await server.accept(1)
        await server.publish([trade(1), quote(2)])
        await server.announce_shutdown(old)
        new = await server.accept(2)
        # The new one is ahead of the old one, whose events come later.
        for client, i in ((new, 5), (new, 6), (old, 2), (old, 3), (old, 4), (old, 5), (new, 7)):
            await server.send(client, *trade(i))
            await asyncio.sleep(0.02)
        await server.gone(old)
        await server.publish([trade(8)])

    lines, status, _ = run(script, until=lambda p: b'"t":8,' in p)
    text = b"".join(lines)
    assert ids(lines) == list(range(1, 9))
    assert status.n_rolls == 1
    assert parse(text, SPOT).quarantined == 0
    assert text.index(b'"t":4,') < text.index(b"rolled to") < text.index(b'"t":6,')


def test_a_new_connection_that_brings_nothing_does_not_take_over():
    async def script(server):
        old = await server.accept(1)
        await server.publish([trade(1), quote(2)])
        await server.accept(2)
        for i in range(2, 60):
            await server.publish([trade(i)])
            await asyncio.sleep(0.01)
            if len(server.accepted) > 2 and old not in server.clients:
                break
        await server.publish([trade(i + 1)])
        await server.publish([trade(1000)])

    lines, status, server = run(
        script, until=lambda p: b'"t":1000,' in p, replies=[None, "mute"],
        more={"roll_after_s": 5.0, "overlap_timeout_s": 15.0, "does_backfill": False},
    )  # fmt: skip
    assert status.n_rolls >= 1
    assert len(server.accepted) >= 3
    found = ids(lines)
    assert found[:-1] == list(range(1, len(found)))


@pytest.mark.parametrize("is_combined", [True, False])
def test_an_announced_shutdown_opens_a_new_connection_at_once(is_combined):
    async def script(server):
        old = await server.accept(1)
        await server.publish([trade(1), quote(2)])
        await server.announce_shutdown(old)
        await server.accept(2)
        await server.publish([trade(2), quote(3)])
        await server.gone(old)
        await server.publish([trade(3)])

    lines, status, _ = run(
        script, until=lambda p: b'"t":3,' in p, more={"is_combined": is_combined}
    )
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == [1, 2, 3]
    assert batch.other["serverShutdown"] == 1
    assert (status.n_shutdowns, status.n_rolls, len(batch.gaps)) == (1, 1, 0)


def test_a_venue_that_closes_right_after_its_announcement():
    async def script(server):
        old = await server.accept(1)
        await server.publish([trade(1), quote(2)])
        await server.announce_shutdown(old)
        await old.socket.close(1001)
        await server.publish([trade(2)])
        await server.accept(2)
        await server.publish([trade(3), quote(5)])

    lines, status, _ = run(script, until=lambda p: b'"u":5,' in p, rest=True)
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == [1, 2, 3]
    assert column(batch.gaps, "kind") == ["quote"]
    assert status.n_rolls == 0


def test_acknowledged_and_then_silent():
    async def script(server):
        await server.accept(2)
        while True:  # also if a busy machine makes the client connect once more
            await server.publish([trade(1)])
            await asyncio.sleep(0.01)

    lines, status, _ = run(
        script, until=lambda p: b'"t":1,' in p, replies=["mute"], more={"silence_timeout_s": 10.0}
    )
    assert ids(lines) == [1]
    assert status.n_silences >= 1


def test_silence_in_the_middle_of_a_day():
    async def script(server):
        client = await server.accept(1)
        await server.publish([trade(1), trade(2)])
        client.is_mute = True
        await server.publish([trade(3), trade(4)])
        await server.accept(2)
        for i in range(5, 1000):
            await server.publish([trade(i)])
            await asyncio.sleep(0.005)

    lines, status, _ = run(
        script, until=lambda p: b'"t":9,' in p, rest=True, more={"silence_timeout_s": 10.0}
    )
    assert ids(lines) == list(range(1, 10))
    assert status.n_silences >= 1


def test_what_rest_does_not_have_stays_a_gap():
    async def script(server):
        client = await server.accept(1)
        await server.publish([trade(1), trade(2)])
        server.cut(client)
        await server.accept(2)
        await server.publish([trade(2000)])

    lines, status, _ = run(script, until=lambda p: b'"t":2000,' in p, rest=True)
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == [*range(1, 1001), 2000]
    assert column(batch.gaps, "first_missing_id") == [1001]
    assert status.n_given_up == 1


def test_a_hole_too_large_or_a_dead_interface_is_left_for_the_repair():
    async def script(server):
        await server.accept(1)
        await server.publish([trade(1), trade(500), trade(501)])

    for more, rest in (
        ({"most_backfilled": 100}, True),
        ({"does_backfill": False}, True),
        ({}, False),
    ):
        lines, status, _ = run(script, until=lambda p: b'"t":501,' in p, rest=rest, more=more)
        assert ids(lines) == [1, 500, 501]
        assert status.n_given_up == 1
        assert status.last_error


def test_an_earlier_run_is_continued():
    async def script(server):
        await server.accept(1)
        await server.publish([trade(10)])

    lines, _, _ = run(script, until=lambda p: b'"t":10,' in p, rest=True, more={"after": 6})
    assert ids(lines) == [7, 8, 9, 10]


def test_ids_that_come_twice_or_late_are_sorted_out_by_the_gate():
    async def script(server):
        await server.accept(1)
        await server.publish([trade(i) for i in (1, 2, 2, 5, 4, 3, 6)])

    lines, status, _ = run(script, until=lambda p: b'"t":6,' in p, rest=True)
    batch = parse(b"".join(lines), SPOT)
    assert column(batch.trades, "trade_id") == [1, 2, 3, 4, 5, 6]
    # 2 came twice; 3 and 4 had been asked for when they came.
    assert column(batch.quarantine, "reason") == ["duplicate"] * 3
    assert status.n_backfilled == 2
