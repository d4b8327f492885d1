"""Events of a made-up Binance, and a client that follows them while a script is played."""

import asyncio
import random

from orchestration.sources.binance.stream import StreamSettings, StreamStatus, messages
from orchestration.sources.binance.transport import Settings
from tests.sources.binance_http_server import serving
from tests.sources.binance_ws_server import exchange
from tests.sources.cases import SPOT, column, parse

T0_US = 1_767_225_600_000_000  # 2026-01-01
SCALE = 0.01
TRADES = "/api/v3/historicalTrades"


def never(_: bytes) -> bool:
    return False


def trade(i: int) -> tuple[str, dict]:
    data = {"e": "trade", "E": T0_US + i, "s": "BTCUSDT", "t": i, "p": f"{100 + i % 7}.00",
            "q": "0.001", "T": T0_US + i, "m": bool(i % 2), "M": True}  # fmt: skip
    return "btcusdt@trade", data


def quote(u: int) -> tuple[str, dict]:
    data = {"u": u, "s": "BTCUSDT", "b": "99.90", "B": "1.00000", "a": "100.00", "A": "2.00000"}
    return "btcusdt@bookTicker", data


def aggregate(a: int) -> tuple[str, dict]:
    data = {"e": "aggTrade", "E": T0_US // 1000 + a, "s": "BTCUSDT", "a": a, "p": "100.00",
            "q": "0.001", "f": 2 * a, "l": 2 * a + 1, "T": T0_US // 1000 + a, "m": False}  # fmt: skip
    return "btcusdt@aggTrade", data


def rest_trades(first: int, last: int) -> list[dict]:
    found = [trade(i)[1] for i in range(first, last + 1)]
    return [
        {"id": d["t"], "price": d["p"], "qty": d["q"], "quoteQty": "0.1", "time": d["T"],
         "isBuyerMaker": d["m"], "isBestMatch": True}
        for d in found
    ]  # fmt: skip


def settings(server, rest=None, **more) -> StreamSettings:
    known = {
        "spot_url": server.base, "um_public_url": server.base + "/public",
        "um_market_url": server.base + "/market", "cm_url": server.base, "time_scale": SCALE,
        "streams": ("trade", "bookTicker"), "first_pause_s": 0.2, "jitter": random.Random(1).random,
        "silence_timeout_s": 1000.0, "roll_after_s": 80_000.0, "backfill_timeout_s": 500.0,
    }  # fmt: skip
    base = rest.base if rest is not None else "http://127.0.0.1:9"
    known["rest"] = Settings(
        spot_url=base, um_url=base, cm_url=base, sleep_scale=0.001, attempts=2, timeout_s=2.0
    )
    return StreamSettings(**(known | more))


async def follow(
    known: StreamSettings, status: StreamStatus, until, instrument=SPOT, patience_s=20
) -> list:
    """Lines of the log until ``until(line)`` is true."""
    lines = []
    stream = messages(instrument, known, status)
    try:
        async with asyncio.timeout(patience_s):
            async for recv_ns, payload in stream:
                lines.append(b"%d %s\n" % (recv_ns, payload))
                if until(payload):
                    break
    finally:
        await stream.aclose()
    return lines


def run(script, *, until, instrument=SPOT, rest=False, more=None, scale=SCALE, **faults):
    """Play a script on a server while a client follows it; return the log, the status, the server."""
    status = StreamStatus()

    async def play():
        async with exchange(scale=scale, **faults) as server:
            if rest:
                with serving() as records:
                    records.records[TRADES, "BTCUSDT"] = rest_trades(1, 1000)
                    return await both(server, records)
            return await both(server, None)

    async def both(server, records):
        known = settings(server, records, **({"time_scale": scale} | (more or {})))
        acting = asyncio.create_task(script(server))
        lines = await follow(known, status, until, instrument)
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
        return lines, server

    lines, server = asyncio.run(play())
    return lines, status, server


def ids(lines: list) -> list[int]:
    return column(parse(b"".join(lines), SPOT).trades, "trade_id")
