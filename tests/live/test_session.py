"""A session in this process: vendors' local servers on one side, the store on the other."""

import asyncio
import dataclasses
import os
import signal
from contextlib import ExitStack
from functools import partial

import pytest

from orchestration.config import Settings
from orchestration.live.build import open_line
from orchestration.live.feeds import FEEDS
from orchestration.live.session import Session, live_records
from orchestration.live.status import status_line
from orchestration.sources.records import SourceError
from tests.live.market import bridge_ticks
from tests.live.servers import PacedBridge
from tests.live.stored import rows_of
from tests.live.test_kill import rows_sent
from tests.sources.cases import ES
from tests.sources.dukascopy_cases import EURUSD, START_MS
from tests.sources.dukascopy_server import answer, dukascopy_server
from tests.sources.iqfeed_cases import EQUITY, update
from tests.sources.iqfeed_server import Level1Server, running


def config(tmp_path, **more):
    known = {"live_segment_s": 0.2, "live_sync_ms": 50, "live_frozen_after_s": 0.3}
    return Settings(home=tmp_path, **(known | more))


def line_of(name, instrument, options, store, settings, held):
    feed = FEEDS[name]
    client = feed.settings_from(options, settings)
    records = partial(live_records, feed, instrument, client)
    return open_line(feed, instrument, store, settings, settings.live_path, records, held)


async def run_until(lines, condition, *, end=signal.SIGTERM):
    """Run a session until its figures meet a condition, then signal it; return all figures."""
    said = []
    session = Session(lines=lines, on_status=said.append, status_s=0.02)
    task = asyncio.create_task(session.run())
    async with asyncio.timeout(60):
        while not (said and condition(said[-1])) and not task.done():
            await asyncio.sleep(0.01)
    if not task.done():
        os.kill(os.getpid(), end)
    return await task, said


def stored(n):
    return lambda found: all(f["trades"] + f["quotes"] == n for f in found)


@pytest.fixture
def symbols(request):
    return [f"{request.node.name}-{i}" for i in range(2)]


def test_two_symbols_at_once_and_a_frozen_feed_is_told(store, tmp_path, symbols):
    ticks = {"ONE": bridge_ticks(300, inst="ONE"), "TWO": bridge_ticks(200, seed=1, inst="TWO")}
    bridge = PacedBridge(ticks=ticks["ONE"], others={"TWO": PacedBridge(ticks=ticks["TWO"])})

    async def follow(held):
        async with bridge:
            lines = [
                line_of(
                    "kinetick", dataclasses.replace(ES, symbol=symbol, venue_symbol=inst),
                    [f"port={bridge.port}"], store, config(tmp_path), held,
                )
                for symbol, inst in zip(symbols, ticks, strict=True)
            ]  # fmt: skip
            frozen = lambda found: all(f["frozen"] for f in found)  # noqa: E731
            return await run_until(lines, frozen, end=signal.SIGINT)

    with ExitStack() as held:
        number, said = asyncio.run(follow(held))
    assert number == signal.SIGINT
    assert "FROZEN" in status_line(said[-1][0])
    for symbol, sent in zip(symbols, ticks.values(), strict=True):
        found = rows_of(store, symbol)
        assert (found["raw.trades"], found["raw.quotes"]) == rows_sent(sent)
    assert said[-1][0]["segments_behind"] == 0
    assert said[-1][0]["lag_p99_s"] >= said[-1][0]["lag_p50_s"] > 0


def test_a_refused_instrument_ends_the_session_and_keeps_what_came(store, tmp_path, symbols):
    bridge = PacedBridge(ticks=bridge_ticks(50, inst="ONE"))

    async def follow(held):
        async with bridge:
            lines = [
                line_of(
                    "kinetick", dataclasses.replace(ES, symbol=symbol, venue_symbol=inst),
                    [f"port={bridge.port}"], store, config(tmp_path), held,
                )
                for symbol, inst in zip(symbols, ("ONE", "NONE"), strict=True)
            ]  # fmt: skip
            await run_until(lines, lambda _: False)

    with ExitStack() as held, pytest.raises(SourceError, match="was asked for NONE"):
        asyncio.run(follow(held))


def test_level_1_is_stored_with_ids_that_count_on(store, tmp_path, symbols):
    known = dataclasses.replace(EQUITY, symbol=symbols[0])
    parts = [[update(i, "Cba") for i in range(first, first + 15)] for first in (1, 16)]
    server = Level1Server(scripts=[[*parts[0], "!close"], parts[1]])

    async def follow(held):
        async with running(server):
            options = [f"level1_port={server.port}", "time_scale=0.3", "pause_s=1"]
            line = line_of("iqfeed", known, options, store, config(tmp_path), held)
            return await run_until([line], stored(60))

    with ExitStack() as held:
        number, _ = asyncio.run(follow(held))
    assert number == signal.SIGTERM
    ids = [row[0] for row in rows_of(store, known.symbol)["raw.trades"]]
    assert ids == [20210330 * 10**9 + i for i in range(1, 31)]
    gaps = rows_of(store, known.symbol)["raw.gaps"]
    assert ["quote", "reconnect", 0] in gaps


def test_quotes_of_an_interface_that_is_asked(store, tmp_path, symbols):
    known = dataclasses.replace(EURUSD, symbol=symbols[0])
    rows = [(40 * i, 108_002 + i, 108_000 + i, 1e6, 2e6) for i in range(30)]
    with dukascopy_server() as server, ExitStack() as held:
        server.live = [
            answer([(r[0] - part[0][0], *r[1:]) for r in part], START_MS + part[0][0])
            for part in (rows[:10], rows[9:20], rows[19:])
        ]
        options = [f"api_url={server.api_url}", "poll_s=0.1", "backoff_s=0.01"]
        line = line_of("dukascopy", known, options, store, config(tmp_path), held)
        number, said = asyncio.run(run_until([line], stored(30)))
    assert number == signal.SIGTERM
    assert len(rows_of(store, known.symbol)["raw.quotes"]) == 30
    assert {reason for reason, _ in rows_of(store, known.symbol)["raw.quarantine"]} == {"duplicate"}
    assert said[-1][0]["cvd_lots"] == 0
