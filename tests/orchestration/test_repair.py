"""Gaps between trades, closed from the REST interface and from the archive of the day."""

import json
from dataclasses import replace
from datetime import date

import pytest
from typer.testing import CliRunner

from orchestration import runtime
from orchestration.cli import app
from orchestration.ingest import ingest
from orchestration.repair import days_with_gaps, repair_gaps
from orchestration.sources.binance.addresses import rest_settings, stream_settings
from orchestration.sources.capture import parse_capture
from orchestration.sources.records import SourceError
from tests.sources.binance_http_server import SCALE, serving
from tests.sources.binance_ws_cases import T0_US, aggregate, quote, rest_trades, trade
from tests.sources.cases import ES, PERP, SPOT, source_file

DAY = date(2026, 1, 1)
TRADES, SPOT_AGG, UM_AGG = "/api/v3/historicalTrades", "/api/v3/aggTrades", "/fapi/v1/aggTrades"
HOUR_MS = 3_600_000
ROOT = "data/spot/daily/trades/BTCUSDT/BTCUSDT-trades-2026-01-01"


@pytest.fixture
def server():
    with serving() as served:
        served.now_ms = T0_US // 1000 + HOUR_MS
        yield served


@pytest.fixture
def fix(server, store, request, tmp_path):
    """Repair the gaps of an instrument of this test's own, which ingests frames first."""

    class Case:
        known = replace(SPOT, symbol=f"repair {request.node.name}")

        def take(self, events):
            frames = [
                event if isinstance(event, str)
                else json.dumps({"stream": event[0], "data": event[1]})
                for event in events
            ]  # fmt: skip
            lines = [f"{T0_US * 1000 + i} {text}" for i, text in enumerate(frames)]
            file = replace(source_file(lines), unit=str(len(lines)).zfill(64))
            ingest(store, [parse_capture(file, self.known)], self.known, run_id="test")

        def repair(self):
            urls = dict.fromkeys(("archive_url", "spot_url", "um_url", "cm_url"), server.base)
            known = rest_settings(
                urls, clock=server.clock, sleep_scale=SCALE, attempts=2, timeout_s=2.0
            )
            return repair_gaps(store, self.known, DAY, cache_dir=tmp_path, settings=known)

        def ids(self):
            return store.read("raw.trades", self.known.symbol)["trade_id"].to_pylist()

        def days(self):
            return days_with_gaps(store, self.known)

    return Case()


def archive_rows(first: int, last: int) -> bytes:
    rows = [trade(i)[1] for i in range(first, last + 1)]
    return "".join(
        f"{d['t']},{d['p']},{d['q']},0.1,{d['T']},{d['m']},True\n" for d in rows
    ).encode()  # fmt: skip


def test_a_gap_is_closed_by_rest_and_a_second_run_has_nothing_to_do(server, fix):
    server.records[TRADES, "BTCUSDT"] = rest_trades(1, 100)
    fix.take([trade(i) for i in (1, 2, 3, 9, 10, 14)])
    assert fix.days() == [DAY]
    found = fix.repair()
    assert [(g.first_missing_id, g.n_missing, g.n_from_rest, g.n_left) for g in found] == [
        (4, 5, 5, 0), (11, 3, 3, 0),
    ]  # fmt: skip
    assert fix.ids() == list(range(1, 15))
    n = len(server.requests)
    assert fix.repair() == []
    assert (fix.days(), len(server.requests)) == ([], n)
    assert [p["fromId"] for _, p, _ in server.requests] == ["4", "11"]


def test_repaired_trades_are_those_of_the_stream(server, fix, store):
    server.records[TRADES, "BTCUSDT"] = rest_trades(1, 100)
    fix.take([trade(i) for i in (1, 2, 9)])
    fix.repair()
    rows = store.read("raw.trades", fix.known.symbol).to_pylist()
    for row in rows:
        data = trade(row["trade_id"])[1]
        assert row["ts_event_ns"] == data["T"] * 1000
        assert row["price_ticks"] == int(float(data["p"]) * 100)
        assert row["native_sign"] == (-1 if data["m"] else 1)


def test_what_rest_lacks_comes_from_the_archive(server, fix):
    server.records[TRADES, "BTCUSDT"] = rest_trades(6, 100)
    fix.take([trade(i) for i in (1, 2, 3, 9)])
    (gap,) = fix.repair()
    assert (gap.n_from_rest, gap.n_from_archive, gap.n_left) == (3, 0, 2)
    assert gap.why == "REST lacks some of them; the archive has no trades of 2026-01-01 yet"
    # The gap is smaller now. The day appears; the whole file is not taken, only what is missing.
    server.publish(f"{ROOT}.zip", {"BTCUSDT-trades-2026-01-01.csv": archive_rows(1, 50)})
    (gap,) = fix.repair()
    assert (gap.first_missing_id, gap.n_missing, gap.n_from_archive, gap.n_left) == (4, 2, 2, 0)
    assert fix.ids() == list(range(1, 10))
    assert fix.days() == []


def test_two_gaps_of_one_archive_do_not_undo_each_other(server, fix):
    server.publish(f"{ROOT}.zip", {"BTCUSDT-trades-2026-01-01.csv": archive_rows(1, 50)})
    fix.take([trade(i) for i in (1, 5)])
    server.faults += [503] * 2
    assert [g.n_from_archive for g in fix.repair()] == [3]
    fix.take([trade(i) for i in (9, 10, 11)])
    server.faults += [503] * 2
    assert [g.n_from_archive for g in fix.repair()] == [3]
    assert fix.ids() == list(range(1, 12))


@pytest.mark.parametrize("fault", [418, (429, 500), 403])
def test_a_ban_leaves_the_archive_to_ask(server, fix, fault):
    server.publish(f"{ROOT}.zip", {"BTCUSDT-trades-2026-01-01.csv": archive_rows(1, 50)})
    fix.take([trade(i) for i in (1, 5)])
    server.faults.append(fault)
    (gap,) = fix.repair()
    assert (gap.n_from_rest, gap.n_left) in ((0, 0), (0, 3))
    if gap.n_left:  # the test server bans the address for all that it serves
        assert gap.why.startswith("REST: ")


def test_futures_older_than_two_days_come_from_the_archive_alone(server, fix):
    fix.known = replace(PERP, symbol=fix.known.symbol)
    server.now_ms += 60 * HOUR_MS
    rows = [aggregate(i)[1] for i in range(1, 30)]
    text = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    text += "".join(
        f"{d['a']},{d['p']},{d['q']},{d['f']},{d['l']},{d['T']},false\n" for d in rows
    )  # fmt: skip
    path = "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2026-01-01.zip"
    server.publish(path, {"BTCUSDT-aggTrades-2026-01-01.csv": text.encode()})
    fix.take([aggregate(i) for i in (1, 2, 7)])
    (gap,) = fix.repair()
    assert (gap.n_from_rest, gap.n_from_archive, gap.n_left) == (0, 4, 0)
    assert fix.ids() == [1, 2, 3, 4, 5, 6, 7]
    assert server.asked("aggTrades") == []


def test_milliseconds_beside_the_gap_stay_milliseconds(server, fix, store):
    # A recording in milliseconds: a finer time of the archive would seem to run back.
    events = []
    for i in (1, 2, 9):
        name, data = trade(i)
        events.append((name, data | {"T": data["T"] // 1000, "E": data["E"] // 1000}))
    server.publish(f"{ROOT}.zip", {"BTCUSDT-trades-2026-01-01.csv": archive_rows(1, 50)})
    fix.take(events)
    server.faults += [503] * 2
    (gap,) = fix.repair()
    assert (gap.n_from_archive, gap.n_left) == (6, 0)
    assert fix.ids() == list(range(1, 10))
    ts = store.read("raw.trades", fix.known.symbol)["ts_event_ns"].to_numpy()
    assert set(ts % 10**6) == {0}


def test_what_cannot_be_asked_for_says_so(fix):
    marker = "wss://x?streams=btcusdt@bookTicker after-quote-ns=0"
    fix.take([quote(1), trade(1), marker, quote(2), trade(2)])
    (gap,) = fix.repair()
    assert (gap.kind, gap.n_left) == ("quote", 0)
    assert gap.why == "the venue gives no such records by id afterwards"


def test_the_command(server, fix, home, monkeypatch):
    server.records[TRADES, "BTCUSDT"] = rest_trades(1, 100)
    fix.known = runtime.instrument("BTCUSDT.SPOT")
    fix.take([trade(i) for i in (1, 2, 6, 7)])
    monkeypatch.setenv("ORDERFLOW_BINANCE_URLS", json.dumps({"spot_url": server.base}))
    runtime.settings.cache_clear()
    try:
        answer = CliRunner().invoke(app, ["repair", "--symbol", "BTCUSDT.SPOT", "--json"])
        again = CliRunner().invoke(
            app, ["repair", "--symbol", "BTCUSDT.SPOT", "--day", "2026-01-01"]
        )
    finally:
        monkeypatch.undo()
        runtime.settings.cache_clear()
    (gap,) = json.loads(answer.stdout)["gaps"]
    assert (gap["day"], gap["n_from_rest"], gap["n_left"]) == ("2026-01-01", 3, 0)
    assert "BTCUSDT.SPOT has no recorded gap" in again.stdout
    assert fix.ids() == [1, 2, 3, 4, 5, 6, 7]


def test_other_venues_give_nothing_by_id(store, tmp_path):
    assert repair_gaps(store, ES, DAY, cache_dir=tmp_path) == []


def test_addresses_are_known_by_name():
    urls = {"spot_url": "http://127.0.0.1:1", "spot_stream_url": "ws://127.0.0.1:2"}
    assert rest_settings(urls).spot_url == "http://127.0.0.1:1"
    made = stream_settings(urls, time_scale=0.5)
    assert (made.spot_url, made.rest.spot_url) == ("ws://127.0.0.1:2", "http://127.0.0.1:1")
    assert made.time_scale == 0.5
    with pytest.raises(SourceError, match="'spot' is no address of Binance; there are archive_url"):
        rest_settings({"spot": "http://127.0.0.1:1"})
