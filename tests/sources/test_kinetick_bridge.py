"""The live bridge's client against a bridge that breaks off, skips, repeats, freezes and restarts."""

import asyncio
import itertools
import json
import os
import random
import re
import socket
from pathlib import Path

import pytest

from orchestration.sources import kinetick
from orchestration.sources.kinetick.bridge import (
    DEFAULT_PORT,
    BridgeSettings,
    BridgeStatus,
    messages,
)
from orchestration.sources.kinetick.wire import subscription
from orchestration.sources.records import SourceError
from tests.sources.cases import ES, column, reasons, require_whole, source_file
from tests.sources.kinetick_server import Bridge, encode
from tests.sources.test_kinetick_log import FIRST, INST, T0, heartbeat, hello, quote, trade

# The bridge's own share of a soak's messages: its ticks are made and held in memory.
N_STORM = min(int(os.environ.get("ORDERFLOW_SOAK_MESSAGES", "2000")), 50_000)


def ticks(n: int) -> list[dict]:
    return [quote(i, at=i // 10) if i % 3 else trade(i, at=i // 10) for i in range(n)]


def settings(bridge: Bridge, **more) -> BridgeSettings:
    receipt = itertools.count(T0, 1000)
    return BridgeSettings(
        port=bridge.port, contract=INST, clock=lambda: next(receipt), time_scale=0.01,
        **({"silence_timeout_s": 20.0, "frozen_after_s": 3000.0, "first_pause_s": 0.05} | more),
    )  # fmt: skip


async def log_of(bridge: Bridge, known: BridgeSettings, status: BridgeStatus, last: int) -> list:
    """Lines of the log until the message ``last`` has come, or the client gives up."""
    lines = []
    stream = messages(ES, known, status)
    async with asyncio.timeout(20 + N_STORM / 500):
        async for recv_ns, payload in stream:
            lines.append(b"%d %s\n" % (recv_ns, payload))
            if status.last_seq >= FIRST + last:
                break
    await stream.aclose()
    return lines


def run(script: list[list[tuple]], *, n: int = 30, last: int | None = None, **more):
    """Follow a bridge and read the log as the batch reader does."""
    status = BridgeStatus()

    async def follow():
        async with Bridge(ticks=ticks(n), script=script) as bridge:
            wanted = n - 1 if last is None else last
            return bridge, await log_of(bridge, settings(bridge, **more), status, wanted)

    bridge, lines = asyncio.run(follow())
    batch = kinetick.parse_file(source_file(b"".join(lines)), ES)
    require_whole(batch)
    return batch, status, bridge


def numbers(batch) -> list[int]:
    ids = column(batch.trades, "trade_id") + column(batch.quotes, "quote_id")
    return sorted(i - FIRST for i in ids)


def test_a_quiet_connection():
    batch, status, bridge = run([])
    assert numbers(batch) == list(range(30))
    assert batch.other == {"hello": 1}
    assert (status.n_connects, status.n_holes, status.n_damaged) == (1, 0, 0)
    assert bridge.asked == [{"v": 1, "type": "S", "inst": INST, "after": 0, "after_ts": ""}]


@pytest.mark.parametrize(
    "end", [("close",), ("cut", 40), ("cut", 1), ("silence",)], ids=lambda e: f"{e[0]}{e[1:]}"
)
def test_a_broken_connection_goes_on_where_it_ended(end):
    batch, status, bridge = run([[("send", 7), end], [("send", 5), end]])
    assert numbers(batch) == list(range(30))
    assert not len(batch.gaps)
    assert not batch.quarantined
    assert [q["after"] for q in bridge.asked] == [0, FIRST + 6, FIRST + 11]
    assert status.n_connects == 3


def test_a_skipped_number_is_asked_for_again():
    batch, status, bridge = run([[("send", 7), ("skip", 2), ("send", 3)]])
    assert numbers(batch) == list(range(30))
    assert not len(batch.gaps)
    assert status.n_holes == 1
    assert bridge.asked[1]["after"] == FIRST + 6


def test_messages_lost_before_a_heartbeat_are_asked_for():
    batch, status, _ = run([[("send", 7), ("skip", 2), ("heartbeats", 1)]])
    assert numbers(batch) == list(range(30))
    assert status.n_holes == 1


def test_a_number_that_never_comes_is_a_gap():
    hole = [("send", 7), ("skip", 2)]
    batch, status, _ = run([hole, [("skip", 2)]])
    assert numbers(batch) == [i for i in range(30) if i not in (7, 8)]
    assert batch.counts["missing_messages"] == 2
    assert column(batch.gaps, "first_missing_id") == [FIRST + 7] * 2
    assert status.n_holes == 2


def test_what_the_bridge_has_forgotten_is_a_declared_gap():
    batch, _, _ = run([[("send", 7), ("close",)], [("forget", 12)]])
    assert numbers(batch) == [*range(7), *range(12, 30)]
    assert batch.counts["missing_messages"] == 5
    assert set(column(batch.gaps, "reason")) == {"missing_ids"}


def test_a_restarted_bridge_is_a_gap_of_unknown_size():
    batch, _, bridge = run([], after=FIRST - 10**6, after_ts_ns=T0 - 10**9)
    assert numbers(batch) == list(range(30))
    assert set(column(batch.gaps, "reason")) == {"restart"}
    assert column(batch.gaps, "start_ns") == [T0 - 10**9] * 2
    assert bridge.asked[0]["after_ts"] == "2025-03-19T06:59:59.0000000Z"


def test_repeated_messages_are_handed_on_and_refused_as_duplicates():
    batch, status, _ = run([[("send", 7), ("again", 3)]])
    assert numbers(batch) == list(range(30))
    assert set(reasons(batch).values()) == {"duplicate"}
    assert batch.quarantined == 3
    assert status.n_connects == 1
    # A single old one does not move the place where the client stands.
    batch, status, _ = run([[("send", 7), ("raw", encode(ticks(3)[2]))]])
    assert numbers(batch) == list(range(30))
    assert (status.n_connects, status.n_holes) == (1, 0)


def test_a_damaged_message_is_kept_and_comes_again():
    bad = encode(ticks(8)[7]).replace(b'"seq"', b'"se')
    batch, status, _ = run([[("send", 7), ("raw", bad), ("skip", 1), ("send", 2)]])
    assert numbers(batch) == list(range(30))
    assert list(reasons(batch).values()) == ["malformed"]
    assert (status.n_damaged, status.n_holes) == (1, 1)
    assert not len(batch.gaps)


def test_messages_in_pieces_and_with_carriage_returns():
    batch, status, _ = run([[("slow", 1), ("slow", 7), ("slow", 1000)]], n=3)
    assert numbers(batch) == [0, 1, 2]
    assert status.n_connects == 1


def test_a_line_without_end_ends_the_connection():
    batch, status, _ = run([[("send", 7), ("raw", b"x" * 70_000)]])
    assert numbers(batch) == list(range(30))
    assert status.n_connects == 2


def test_a_frozen_feed_is_connected_again_once():
    beats = [("send", 7), ("heartbeats", 40)]
    still = [("heartbeats", 60)]
    batch, status, _ = run([beats, still], frozen_after_s=5.0)
    assert numbers(batch) == list(range(30))
    assert (status.n_frozen, status.n_connects) == (1, 2)
    assert not status.is_frozen
    assert not len(batch.gaps)


def test_a_bridge_that_does_not_greet_is_left():
    batch, status, _ = run([[("ungreeted",), ("send", 3)]])
    assert numbers(batch) == list(range(30))
    assert (status.n_connects, status.n_holes) == (2, 0)
    # Nor is one followed that answers another question than was asked.
    greeting = ("raw", encode(hello(9, after=8)))
    batch, status, _ = run([[("send", 7), ("close",)], [("ungreeted",), greeting, ("send", 3)]])
    assert numbers(batch) == list(range(30))
    assert (status.n_connects, status.n_holes) == (3, 0)
    assert not len(batch.gaps)


def test_a_refusal_and_a_foreign_contract_end_the_client():
    with pytest.raises(SourceError, match="refuses ES 06-25: unknown_instrument, no such"):
        run([[("refuse", "unknown_instrument", "no such contract")]])
    foreign = encode(trade(0, inst="NQ 06-25"))
    with pytest.raises(SourceError, match="was asked for ES 06-25 and sends 'NQ 06-25'"):
        run([[("raw", foreign)]])


def test_an_absent_bridge_is_given_up_after_so_many_tries():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    known = BridgeSettings(port=port, max_failures=3, time_scale=0.001)

    async def follow():
        return [item async for item in messages(ES, known)]

    with pytest.raises(SourceError, match=f"bridge 127.0.0.1:{port}: 3 connections in a row"):
        asyncio.run(follow())


@pytest.mark.parametrize(
    ("more", "detail"),
    [
        ({"host": "192.0.2.1"}, "host must be a loopback address"),
        ({"host": "example.org"}, "host must be a loopback address"),
        ({"silence_timeout_s": 0.0}, "silence_timeout_s must be > 0"),
        ({"time_scale": -1.0}, "time_scale must be > 0"),
        ({"after": -1}, "must not be negative"),
    ],
)
def test_settings_out_of_domain(more, detail):
    with pytest.raises(ValueError, match=detail):
        BridgeSettings(**more)
    assert BridgeSettings(host="::1").host == "::1"


ADD_ON = Path(__file__).parents[2] / "infra" / "ninjatrader"


def test_the_add_on_and_its_page_name_the_same_keys():
    # The add-on cannot run here; that it writes other keys than are read must not go unseen.
    source = (ADD_ON / "OrderflowBridge.cs").read_text(encoding="utf-8")
    statements = [tuple(re.findall(r'\\"([a-z_]+)\\":', part)) for part in source.split(";\n")]
    sent = [trade(0), quote(0), hello(0), heartbeat(0)]
    refusal = ("v", "type", "code", "detail")
    assert {keys for keys in statements if keys[:2] == ("v", "type")} == {
        *map(tuple, sent), refusal,
    }  # fmt: skip
    page = (ADD_ON / "README.md").read_text(encoding="utf-8")
    described = {
        tuple(re.findall(r'"([a-z_]+)":', text)) for text in re.findall(r'`({"v":1,[^`]*})`', page)
    }
    asked = tuple(json.loads(subscription(INST, 1, T0)))
    assert described == {*map(tuple, sent), refusal, asked}
    assert f"Port = {DEFAULT_PORT};" in source
    assert f"127.0.0.1:{DEFAULT_PORT}" in page


def test_a_storm_loses_nothing_and_keeps_nothing_twice():
    rng = random.Random(29)
    script: list[list[tuple]] = []
    for _ in range(60):
        steps: list[tuple] = []
        for _ in range(rng.randrange(1, 4)):
            kind = rng.choice(["send", "send", "skip", "again", "raw", "heartbeats"])
            size = rng.randrange(1, N_STORM // 100 + 2)
            steps.append(("raw", b'{"v":1,"type":"L"\n') if kind == "raw" else (kind, size))
        steps.insert(0, ("send", N_STORM // 100 + 2))
        steps.append(rng.choice([("close",), ("cut", 30), ("close",)]))
        script.append(steps)
    heartbeatless = [[("heartbeats", 1) if s[0] == "heartbeats" else s for s in x] for x in script]
    batch, status, _ = run(heartbeatless, n=N_STORM)
    assert numbers(batch) == list(range(N_STORM))
    assert not len(batch.gaps)
    assert status.n_connects > 30
    assert set(reasons(batch).values()) <= {"duplicate", "malformed"}
