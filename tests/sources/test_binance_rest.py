import json
import re
import time
from dataclasses import replace

import pytest

from orchestration.instruments import load_instruments
from orchestration.sources import binance
from orchestration.sources.binance import Settings
from orchestration.sources.binance.rest import (
    API_KEY,
    TooOldError,
    fetch_ids,
    fetch_range,
    learn_weight_limit,
)
from orchestration.sources.binance.transport import connect
from orchestration.sources.records import SourceError
from tests.sources.binance_http_server import HOUR_MS, SCALE, serving
from tests.sources.cases import BITSTAMP, PERP, SPOT, T0_MS, column, require_whole

KNOWN = load_instruments()
SPOT_URL, UM_URL = "/api/v3/aggTrades", "/fapi/v1/aggTrades"
MS = 10**6
NOW_MS = 1_767_225_600_000  # 2026-01-01


def aggregates(n, *, first=1, start_ms=T0_MS, step_us=1_000_500, **more):
    # Half milliseconds, so that a unit that is lost shows.
    return [
        {"a": first + i, "p": "100.00", "q": "0.001", "f": 2 * (first + i),
         "l": 2 * (first + i) + 1, "T": start_ms * 1000 + i * step_us, "m": bool(i % 2)} | more
        for i in range(n)
    ]  # fmt: skip


def trades(n, *, first=1, start_ms=T0_MS):
    return [
        {"id": first + i, "price": "100.00", "qty": "0.001", "quoteQty": "0.1",
         "time": (start_ms + i) * 1000, "isBuyerMaker": bool(i % 2), "isBestMatch": True}
        for i in range(n)
    ]  # fmt: skip


@pytest.fixture
def server():
    with serving() as served:
        yield served


@pytest.fixture
def settings(server):
    return Settings(
        spot_url=server.base, um_url=server.base, cm_url=server.base + "/", sleep_scale=SCALE,
        timeout_s=0.5, attempts=4, clock=server.clock,
    )  # fmt: skip


def read(paths, instrument):
    (batch,) = binance.read(paths, instrument)
    require_whole(batch)
    return batch


def test_a_range_of_ids_page_by_page(server, settings, tmp_path):
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(3500, M=True)
    (path,) = fetch_ids(SPOT, 101, 3100, cache_dir=tmp_path, settings=settings)
    batch = read([path], SPOT)
    assert column(batch.trades, "trade_id") == list(range(101, 3101))
    assert (batch.quarantined, len(batch.gaps), batch.n_lines) == (0, 0, 3000)
    assert [p["fromId"] for _, p, _ in server.requests] == ["101", "1101", "2101"]
    assert path.name == "BTCUSDT-aggTrades-ids-101-3100.ndjson"
    first = batch.trades.to_pylist()[0]
    assert (first["native_sign"], first["venue_id"], first["qty_lots"]) == (1, "202-203", 100)


def test_a_server_that_gives_fewer_than_asked(server, settings, tmp_path):
    server.limit = 70
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(500, M=True)
    paths = fetch_ids(SPOT, 1, 10**9, cache_dir=tmp_path, settings=settings)
    assert len(read(paths, SPOT).trades) == 500
    assert all(params["limit"] == "1000" for _, params, _ in server.requests)


def test_a_hole_at_the_venue_is_a_gap(server, settings, tmp_path):
    rows = aggregates(20, M=True)
    server.records[SPOT_URL, "BTCUSDT"] = rows[:5] + rows[9:]
    batch = read(fetch_ids(SPOT, 1, 20, cache_dir=tmp_path, settings=settings), SPOT)
    assert column(batch.gaps, "first_missing_id") == [6]
    assert column(batch.gaps, "n_missing") == [4]


def test_nothing_in_a_range(server, settings, tmp_path):
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(20, M=True)
    assert fetch_ids(SPOT, 21, 30, cache_dir=tmp_path, settings=settings) == []
    later = (T0_MS + HOUR_MS) * MS
    ask = {"cache_dir": tmp_path, "settings": settings}
    assert fetch_range(SPOT, later, later + HOUR_MS * MS, **ask) == []
    assert fetch_range(SPOT, (T0_MS - 9) * MS, (T0_MS - 1) * MS, **ask) == []
    assert list(tmp_path.iterdir()) == []


def test_a_range_of_time_is_half_open(server, settings, tmp_path):
    rows = aggregates(2500, M=True)
    server.records[SPOT_URL, "BTCUSDT"] = rows
    start, end = rows[100]["T"] * 1000, rows[2200]["T"] * 1000
    paths = fetch_range(SPOT, start, end, cache_dir=tmp_path, settings=settings)
    batch = read(paths, SPOT)
    # Milliseconds in 2023, as the archive has them. Row 100 lies 50 ms after a whole second.
    assert column(batch.trades, "trade_id") == list(range(101, 2201))
    assert [sorted(p) for _, p, _ in server.requests] == [["limit", "startTime", "symbol"]] + [
        ["fromId", "limit", "symbol"]
    ] * 3


@pytest.mark.parametrize(("start_ms", "unit_ns"), [(NOW_MS, 1000), (T0_MS, MS)])
def test_spot_has_microseconds_where_its_archive_has(server, settings, tmp_path, start_ms, unit_ns):
    rows = aggregates(3, start_ms=start_ms, M=True)
    server.records[SPOT_URL, "BTCUSDT"] = rows
    end = (start_ms + HOUR_MS) * MS
    paths = fetch_range(SPOT, start_ms * MS, end, cache_dir=tmp_path, settings=settings)
    wanted = [row["T"] * 1000 // unit_ns * unit_ns for row in rows]
    assert column(read(paths, SPOT).trades, "ts_event_ns") == wanted


def test_single_trades_of_a_range(server, settings, tmp_path):
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(10, step_us=2000, M=True)
    server.records["/api/v3/historicalTrades", "BTCUSDT"] = trades(40, first=2)
    ask = {"cache_dir": tmp_path, "settings": settings, "kind": "trades"}
    # The first aggregate at or after 4 ms has fills 6-7; trade 6 happened at 4 ms.
    batch = read(fetch_range(SPOT, (T0_MS + 4) * MS, (T0_MS + 30) * MS, **ask), SPOT)
    assert column(batch.trades, "trade_id") == list(range(6, 32))
    assert set(column(batch.trades, "venue_id")) == {""}
    with pytest.raises(ValueError, match="kind must be"):
        fetch_ids(SPOT, 1, 2, cache_dir=tmp_path, settings=settings, kind="klines")


def test_futures_are_asked_by_less_than_an_hour(server, settings, tmp_path):
    start_ms = NOW_MS - 6 * HOUR_MS
    rows = aggregates(1500, start_ms=start_ms + 3 * HOUR_MS)
    server.records[UM_URL, "BTCUSDT"] = rows
    ask = {"cache_dir": tmp_path, "settings": settings}
    batch = read(fetch_range(PERP, start_ms * MS, NOW_MS * MS, **ask), PERP)
    assert len(batch.trades) == 1500
    assert "X-MBX-TIME-UNIT" not in server.requests[0][2]


def test_futures_older_than_two_days_are_in_the_archive_only(server, settings, tmp_path):
    server.records[UM_URL, "BTCUSDT"] = aggregates(5, start_ms=NOW_MS - 50 * HOUR_MS)
    start = (NOW_MS - 49 * HOUR_MS) * MS
    with pytest.raises(TooOldError, match=r"last 48 hours only.*archive"):
        fetch_range(PERP, start, NOW_MS * MS, cache_dir=tmp_path, settings=settings)
    assert not server.requests
    with pytest.raises(binance.RefusedError, match="recent 2 days") as refused:
        fetch_ids(PERP, 1, 5, cache_dir=tmp_path, settings=settings)
    assert refused.value.code == -4166


def test_a_key_comes_from_the_environment_and_is_never_said(
    server, settings, tmp_path, monkeypatch
):
    server.records["/fapi/v1/historicalTrades", "BTCUSDT"] = trades(5, start_ms=NOW_MS)
    monkeypatch.delenv(API_KEY, raising=False)
    ask = {"cache_dir": tmp_path, "settings": settings, "kind": "trades"}
    with pytest.raises(SourceError, match=f"need an API key in {API_KEY}"):
        fetch_ids(PERP, 1, 5, **ask)
    monkeypatch.setenv(API_KEY, "a-secret")
    server.faults = [400]
    with pytest.raises(binance.RefusedError) as refused:
        fetch_ids(PERP, 1, 5, **ask)
    assert "a-secret" not in str(refused.value)
    assert server.requests[-1][2]["X-MBX-APIKEY"] == "a-secret"


# -- limits and failures --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [500, 502, "cut", "drop", (429, 20)])
def test_what_passes_is_tried_again(server, settings, tmp_path, fault):
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(1500, M=True)
    server.faults = [fault, None, fault, fault]
    paths = fetch_ids(SPOT, 1, 1500, cache_dir=tmp_path, settings=settings)
    assert len(read(paths, SPOT).trades) == 1500
    assert len(server.requests) == 5


def test_a_client_that_does_not_wait_is_banned_and_then_silent(server, settings, tmp_path):
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(5, M=True)
    server.faults = [(429, 2000)]  # two seconds here
    hasty = replace(settings, sleep_scale=0.0, max_wait_s=5000)
    with pytest.raises(binance.BannedError, match=r"banned for 120 s: HTTP 418 .*-1003"):
        fetch_ids(SPOT, 1, 5, cache_dir=tmp_path, settings=hasty)
    assert len(server.requests) == 2


def test_while_banned_nothing_is_sent(server, settings):
    server.faults = [(418, 60)]
    with connect(replace(settings, sleep_scale=1.0)) as transport:
        for said in ("banned for 60 s: HTTP 418", "banned for 60 s more: nothing is sent"):
            with pytest.raises(binance.BannedError, match=said):
                transport.get(server.base + SPOT_URL)
        server.now_ms += 61_000
        server.quiet_until = 0.0
        with pytest.raises(binance.RefusedError):
            transport.get(server.base + SPOT_URL, params={"symbol": "NONE"})
    assert len(server.requests) == 2


def test_a_pause_too_long_is_not_waited(server, settings, tmp_path):
    server.records[SPOT_URL, "BTCUSDT"] = aggregates(5, M=True)
    server.faults = [(429, 301)]
    with pytest.raises(binance.RateLimitedError, match="pause of 301 s, more than the 300 s"):
        fetch_ids(SPOT, 1, 5, cache_dir=tmp_path, settings=settings)


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (403, binance.BlockedError, "firewall"),
        (400, binance.RefusedError, "was refused: HTTP 400"),
        (301, binance.RefusedError, "HTTP 301"),
    ],
)
def test_what_does_not_pass_is_asked_once(server, settings, tmp_path, fault, error, said):
    server.faults = [fault]
    with pytest.raises(error, match=said):
        fetch_ids(SPOT, 1, 5, cache_dir=tmp_path, settings=settings)
    assert len(server.requests) == 1


def test_an_unknown_symbol_has_the_venues_code(server, settings, tmp_path):
    with pytest.raises(binance.RefusedError, match=r"/api/v3/aggTrades: .*Invalid symbol") as bad:
        fetch_ids(SPOT, 1, 5, cache_dir=tmp_path, settings=settings)
    assert bad.value.code == -1121


def test_a_server_that_goes_on_failing(server, settings, tmp_path):
    server.faults = [503] * 9
    with pytest.raises(binance.TransportError, match="no answer in 4 attempts: HTTP 503"):
        fetch_ids(SPOT, 1, 5, cache_dir=tmp_path, settings=settings)
    assert len(server.requests) == 4


def test_the_next_minute_is_waited_for_before_the_weight_is_used_up(server, settings):
    path = "/api/v3/historicalTrades"
    server.records[path, "BTCUSDT"] = trades(5)
    scale, start = 0.004, time.monotonic()  # a minute lasts 240 ms
    server.clock = lambda: NOW_MS / 1000 + (time.monotonic() - start) / scale
    patient = replace(settings, clock=server.clock, sleep_scale=scale)
    with connect(patient, weight_limit=80) as transport:
        for _ in range(4):
            transport.get(server.base + path, params={"symbol": "BTCUSDT"}, weight=25)
    # Half of 80 a minute: one request of 25.
    used = server.weight_of_minute.values()
    assert sum(used) == 100
    assert max(used) == 25


def test_the_venue_states_its_limit(server, settings):
    assert learn_weight_limit(SPOT, settings) == 1234
    assert server.requests[-1][:2] == ("/api/v3/exchangeInfo", {"symbol": "BTCUSDT"})
    assert learn_weight_limit(PERP, settings) == 1234
    assert server.requests[-1][1] == {}
    server.answer = lambda *_: (200, {}, b"{}")
    with pytest.raises(SourceError, match="answered no limits"):
        learn_weight_limit(SPOT, settings)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "answered no JSON"),
        (b"\xff", "answered no JSON"),
        (b"{}", "no array of records"),
        (b"[1]", "no array of records"),
        (b'[{"a":1}]', "record without id or time"),
        (b'[{"a":"1","T":1}]', "record without id or time"),
        (b'[{"a":0,"T":1700000000000}]', "the server goes back"),
    ],
)
def test_answers_that_are_none(server, settings, tmp_path, body, said):
    server.answer = lambda *_: (200, {}, body)
    with pytest.raises(SourceError, match=re.escape(said)):
        fetch_ids(SPOT, 1, 5, cache_dir=tmp_path, settings=settings)


def test_a_market_without_rest(tmp_path):
    with pytest.raises(SourceError, match="bitstamp has no public archive"):
        fetch_ids(BITSTAMP, 1, 5, cache_dir=tmp_path)


def test_records_are_kept_as_they_came(server, settings, tmp_path):
    # Text with spaces and an order of its own, and a field that is new.
    body = b'[ {"T":1700000000001 ,"new":{"x":[1]}, "a":1,"p":"1","q":"1","f":1,"l":1,"m":true},\n'
    body += b'{"a":2,"p":"1","q":"1","f":2,"l":2,"T":1700000000001,"m":true} ]'
    server.answer = lambda _path, params, _headers: (
        200, {}, body if params["fromId"] == "1" else b"[]",
    )  # fmt: skip
    (path,) = fetch_ids(PERP, 1, 9, cache_dir=tmp_path, settings=settings)
    lines = path.read_bytes().splitlines()
    assert all(line in body for line in lines)
    assert [json.loads(line)["a"] for line in lines] == [1, 2]
    assert len(read([path], PERP).trades) == 2
