"""``orderflow live binance BTCUSDT`` against the local venue: broken connections, holes, kill -9, Ctrl+C."""

import asyncio
import json
import os
import signal
import threading
from contextlib import asynccontextmanager, suppress

from orchestration.ingest_summary import iso_utc
from orchestration.runtime import instrument
from tests.e2e.command import start
from tests.live.servers import serving
from tests.live.stored import stored_in
from tests.live.test_kill import wait_for
from tests.sources.binance_http_server import serving as rest_serving
from tests.sources.binance_ws_cases import T0_US, aggregate, quote
from tests.sources.binance_ws_server import UM_PATHS, Exchange, exchange

SYMBOL, N_TRADES = "BTCUSDT", 400
# Each segment costs a publication.
SETTINGS = {"ORDERFLOW_LIVE_SEGMENT_S": "1", "ORDERFLOW_LIVE_SYNC_MS": "50"}
REST = "/fapi/v1/aggTrades"
# Never sent, sent after the next one, sent twice; where the connection breaks, where the process is killed.
SKIPPED, LATE, TWICE = {61, 62, 63, 310}, 330, 350
CUTS, KILL, N_UNHEARD = {100, 360}, 250, 20


def ms(i: int) -> int:
    return T0_US // 1000 + 10 * i


def fill(i: int) -> tuple[str, dict]:
    stream, data = aggregate(i)
    more = {"p": f"{100 + i % 7}.50", "q": f"0.{1 + i % 9:03d}", "E": ms(i), "T": ms(i)}
    return stream, data | more | {"m": bool(i % 2)}


def best(i: int) -> tuple[str, dict]:
    stream, data = quote(i)
    return stream, data | {"e": "bookTicker", "E": ms(i) - 5, "T": ms(i) - 5}


class Market:
    """Sends its trades once, each beside a quote, while somebody listens to both."""

    def __init__(self) -> None:
        self.may_kill = threading.Event()
        self.server: Exchange | None = None

    async def play(self) -> None:
        await self._until_heard()
        n_unheard, late = 0, []
        for i in range(1, N_TRADES + 1):
            if i in CUTS:
                self._cut()
                n_unheard = N_UNHEARD
            if i == KILL:
                self.may_kill.set()
                await self._until(lambda: not self.server.clients)
                n_unheard = N_UNHEARD
            if n_unheard:
                n_unheard -= 1
                continue
            await self._until_heard()
            if i == LATE:
                late = [fill(i)]
            elif i not in SKIPPED:
                await self.server.publish([best(i), *[fill(i)] * (2 if i == TWICE else 1), *late])
                late = []
            await asyncio.sleep(0.002)

    def _cut(self) -> None:
        for client in list(self.server.clients):
            if client.path.startswith("/market"):
                self.server.cut(client)

    async def _until_heard(self) -> None:
        streams = (fill(1)[0], best(1)[0])
        await self._until(
            lambda: all(any(c.serves(name) for c in self.server.clients) for name in streams)
        )

    async def _until(self, condition) -> None:
        while not condition():
            await asyncio.sleep(0.005)

    @asynccontextmanager
    async def open(self):
        async with exchange(scale=1.0, paths=UM_PATHS) as self.server:
            acting = asyncio.create_task(self.play())
            yield
            acting.cancel()
            await asyncio.gather(acting, return_exceptions=True)


def life(home, market, rest, status_s):
    base = market.server.base
    addresses = {
        "um_url": rest.base, "um_public_stream_url": base + "/public",
        "um_market_stream_url": base + "/market",
    }  # fmt: skip
    return start(
        home, "live", "binance", SYMBOL, "--json", "--status-s", str(status_s),
        "-o", "first_pause_s=0.05", ORDERFLOW_BINANCE_URLS=json.dumps(addresses),
        NUMBA_CACHE_DIR=os.environ.get("NUMBA_CACHE_DIR", ""), **SETTINGS,
    )  # fmt: skip


def has_trades(home):
    """Return whether the log holds a trade: without one a client begins anew."""
    with suppress(FileNotFoundError):  # a segment was renamed meanwhile
        return any(b'"aggTrade"' in p.read_bytes() for p in home.glob("live/*/*/*/*"))
    return False


def test_what_the_venue_sold_is_stored_id_by_id(tmp_path):
    market = Market()
    with rest_serving() as rest, serving(market.open()):
        rest.records[REST, SYMBOL] = [
            data | {"T": 1000 * data["T"]} for _, data in map(fill, range(1, N_TRADES + 1))
        ]
        with life(tmp_path, market, rest, 60) as process:
            wait_for(lambda: market.may_kill.is_set() and has_trades(tmp_path), process)
            process.kill()
        with life(tmp_path, market, rest, 0.1) as process:
            for line in process.stdout:
                newest = json.loads(line)["symbols"][0]["last_event"]
                if newest == iso_utc(ms(N_TRADES) * 1_000_000):  # the last trade is stored
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130, ""), out
    found = stored_in(tmp_path, SYMBOL)
    assert found["problems"] == []
    known = instrument(SYMBOL)
    sent = [data for _, data in map(fill, range(1, N_TRADES + 1))]
    assert found["raw.trades"] == [
        [d["a"], known.price_to_ticks(d["p"]), known.qty_to_lots(d["q"])] for d in sent
    ]
    assert {tuple(gap[:2]) for gap in found["raw.gaps"]} == {("quote", "reconnect")}
    reasons = [reason for reason, _ in found["raw.quarantine"]]
    assert "duplicate" in reasons
    assert set(reasons) <= {"duplicate", "truncated"}
    asked = {int(params["fromId"]) for path, params, _ in rest.requests if path == REST}
    assert {310, LATE, max(CUTS)} <= asked
