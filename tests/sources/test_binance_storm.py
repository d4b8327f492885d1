"""A storm: connections end, frames come twice, late or never; the trades are the venue's, id by id."""

import asyncio
from dataclasses import replace
from datetime import date

import numpy as np

from orchestration.ingest import ingest
from orchestration.repair import repair_gaps
from orchestration.sources.binance.stream import StreamStatus
from orchestration.sources.binance.transport import Settings
from orchestration.sources.capture import parse_capture
from tests.sources.binance_http_server import serving
from tests.sources.binance_ws_cases import SCALE, TRADES, follow, rest_trades, settings, trade
from tests.sources.binance_ws_server import exchange
from tests.sources.cases import SPOT, require_whole, source_file

N_MESSAGES, N_DISCONNECTS, SEED = 20_000, 6, 11


async def storm(server) -> None:
    rng = np.random.default_rng(SEED)
    ends = set(rng.choice(np.arange(500, N_MESSAGES - 500), N_DISCONNECTS, replace=False).tolist())
    await server.accept(1)
    held, n_ended, resume_at = None, 0, 0
    for i, fault in enumerate(rng.random(N_MESSAGES).tolist(), 1):
        if fault < 0.002 and 1 < i < N_MESSAGES:
            continue  # never sent: only the REST interface has it
        await server.publish([trade(i)] * (2 if fault > 0.99 else 1))
        if held is not None:
            await server.publish([trade(held)])  # late
            held = None
        if 0.5 < fault < 0.502:
            held = i
        if i == resume_at:  # what was published meanwhile nobody heard
            await server.accept(1 + n_ended)
        if i in ends:
            client = await server.accept(1 + n_ended)
            n_ended, resume_at = n_ended + 1, i + 40
            kind = int(rng.integers(0, 3))
            if kind == 0:
                server.cut(client)
            elif kind == 1:
                await client.socket.close(1001)
            else:
                await server.announce_shutdown(client)
        await asyncio.sleep(0)
    while True:  # until the client has the last one too
        await server.publish([trade(N_MESSAGES)])
        await asyncio.sleep(0.02)


def test_the_stored_trades_are_the_venues(store, tmp_path):
    status, known = StreamStatus(), replace(SPOT, symbol="binance storm")

    async def play(rest):
        async with exchange(scale=SCALE) as server:
            wanted = settings(
                server, rest, streams=("trade",), backfill_timeout_s=3000.0, attempts_window_s=1.0
            )
            acting = asyncio.create_task(storm(server))
            last = b'"t":%d,' % N_MESSAGES
            try:
                return await follow(wanted, status, lambda line: last in line, patience_s=200)
            finally:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)

    with serving() as rest:
        rest.records[TRADES, "BTCUSDT"] = rest_trades(1, N_MESSAGES)
        lines = asyncio.run(play(rest))
        batch = parse_capture(source_file(b"".join(lines)), known)
        require_whole(batch)
        assert set(batch.quarantine["reason"].to_pylist()) == {"duplicate"}
        summary = ingest(store, [batch], known, run_id="storm")
        assert summary.offered == summary.stored + summary.quarantined
        asked = Settings(spot_url=rest.base, archive_url=rest.base, sleep_scale=0.001)
        left = repair_gaps(store, known, date(2026, 1, 1), cache_dir=tmp_path, settings=asked)
        assert all(not gap.n_left for gap in left)
    ids = store.read("raw.trades", known.symbol)["trade_id"].to_numpy()
    assert ids.tolist() == list(range(1, N_MESSAGES + 1))
    assert status.n_connects == N_DISCONNECTS + 1
    assert status.n_backfilled > 20
