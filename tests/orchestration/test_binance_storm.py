"""A storm: connections end, frames come twice, late or never; the trades are the venue's, id by id.

``ORDERFLOW_SOAK_MESSAGES`` sets the number of messages; a soak has 1,000,000, and 200 connections that end.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

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

N_MESSAGES = int(os.environ.get("ORDERFLOW_SOAK_MESSAGES", "20000"))
N_DISCONNECTS = min(200, N_MESSAGES // 1000)
BURST, SEED = 64, 11
LEAST_MESSAGES_A_SECOND = 500  # on a busy machine


class RestTrades(Sequence):
    """Every trade as the REST interface shows it, made when it is asked for."""

    def __len__(self) -> int:
        return N_MESSAGES

    def __getitem__(self, k: int) -> dict:
        return rest_trades(k + 1, k + 1)[0]


class Plan(NamedTuple):
    """What happens to the messages 1 to N: the first and the last come."""

    dropped: np.ndarray
    twice: np.ndarray
    late: np.ndarray
    ends: dict[int, str]


def plan() -> Plan:
    rng = np.random.default_rng(SEED)
    fault = rng.random(N_MESSAGES + 1)
    fault[[1, N_MESSAGES - 1, N_MESSAGES]] = 1.0
    # One end in each stretch, not close to the next: a roll is over before another connection ends.
    stretch = N_MESSAGES // N_DISCONNECTS
    at = stretch * np.arange(N_DISCONNECTS) + rng.integers(
        stretch // 4, stretch // 2, N_DISCONNECTS
    )
    kinds = rng.choice(["cut", "close", "shutdown"], N_DISCONNECTS).tolist()
    return Plan(
        dropped=fault < 0.002, twice=(fault > 0.99) & (fault < 1), late=(fault > 0.5) & (fault < 0.502),
        ends=dict(zip(at.tolist(), kinds, strict=True)),
    )  # fmt: skip


async def storm(server, planned: Plan) -> None:
    await server.accept(1)
    waiting, held, n_ended, resume_at = [], [], 0, 0
    for i in range(1, N_MESSAGES + 1):
        if not planned.dropped[i]:  # else only the REST interface has it
            if planned.late[i]:
                held.append(trade(i))
            else:
                waiting += [trade(i)] * (2 if planned.twice[i] else 1) + held
                held = []
        if i == resume_at:  # what was published meanwhile nobody heard
            await server.burst(waiting)
            waiting = []
            await server.accept(1 + n_ended)
        if i in planned.ends:
            await server.burst(waiting)
            waiting = []
            await end(server, planned.ends[i], await server.accept(1 + n_ended))
            n_ended, resume_at = n_ended + 1, i + 40
        elif len(waiting) >= BURST:
            await server.burst(waiting)
            waiting = []
            await asyncio.sleep(0)
    await server.burst(waiting)
    while True:  # until the client has the last one too
        await server.publish([trade(N_MESSAGES)])
        await asyncio.sleep(0.02)


async def end(server, kind: str, newest) -> None:
    for client in list(server.clients):
        if client is not newest:  # its successor has not taken over yet
            await server.gone(client)
    if kind == "cut":
        server.cut(newest)
    elif kind == "close":
        await newest.socket.close(1001)
    else:
        await server.announce_shutdown(newest)


def test_the_stored_trades_are_the_venues(store, tmp_path):
    status, known, planned = StreamStatus(), replace(SPOT, symbol="binance storm"), plan()
    started = time.monotonic()

    async def play(rest):
        async with exchange(scale=SCALE) as server:
            wanted = settings(
                server, rest, streams=("trade",), backfill_timeout_s=3000.0, attempts_window_s=1.0
            )
            acting = asyncio.create_task(storm(server, planned))
            last, patience_s = b'"t":%d,' % N_MESSAGES, 60 + N_MESSAGES / LEAST_MESSAGES_A_SECOND
            try:
                return await follow(
                    wanted, status, lambda line: last in line, patience_s=patience_s
                )
            finally:
                acting.cancel()
                await asyncio.gather(acting, return_exceptions=True)

    with serving() as rest:
        rest.records[TRADES, "BTCUSDT"] = RestTrades()
        lines = asyncio.run(play(rest))
        streamed_s = time.monotonic() - started
        batch = parse_capture(source_file(b"".join(lines)), known)
        n_lines = len(lines)
        del lines
        require_whole(batch)
        refused = Counter(batch.quarantine["reason"].to_pylist())
        assert set(refused) == {"duplicate"}
        summary = ingest(store, [batch], known, run_id="storm")
        assert summary.offered == summary.stored + summary.quarantined
        asked = Settings(spot_url=rest.base, archive_url=rest.base, sleep_scale=0.001)
        left = repair_gaps(store, known, date(2026, 1, 1), cache_dir=tmp_path, settings=asked)
        assert all(not gap.n_left for gap in left)
        n_asked = len(rest.requests)
    stored = store.read("raw.trades", known.symbol)
    ids = stored["trade_id"].to_numpy()
    assert np.array_equal(ids, np.arange(1, N_MESSAGES + 1))
    assert np.array_equal(stored["price_ticks"].to_numpy(), prices(ids))
    assert status.n_connects == N_DISCONNECTS + 1
    assert status.n_backfilled > N_MESSAGES // 1000
    print(
        f"\n{N_MESSAGES} messages, {n_lines} lines in {streamed_s:.1f} s "
        f"({N_MESSAGES / streamed_s:.0f} a second), stored after {time.monotonic() - started:.1f} s; "
        f"ended {Counter(planned.ends.values())}, {status.n_rolls} rolls; "
        f"dropped {planned.dropped.sum()}, twice {planned.twice.sum()}, late {planned.late.sum()}; "
        f"refused {dict(refused)}, backfilled {status.n_backfilled}, given up {status.n_given_up}, "
        f"{len(left)} gaps repaired, {n_asked} REST requests"
    )


def prices(ids: np.ndarray) -> np.ndarray:
    ticks_a_unit = round(1 / float(SPOT.tick_size))
    return (100 + ids % 7) * ticks_a_unit
