"""Days and months of vendors, asked from local servers, into the raw tables."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from orchestration import fetching
from orchestration.fetching import Asked, NothingPublished, units_of_day, units_of_month
from orchestration.ingest import ingest
from orchestration.instruments import load_instruments
from orchestration.sources import binance, iqfeed
from orchestration.sources.records import SourceError
from tests.sources.binance_http_server import SCALE, serving
from tests.sources.cases import PERP, SPOT
from tests.sources.dukascopy_cases import EURUSD
from tests.sources.dukascopy_days import DAY as FX_DAY
from tests.sources.dukascopy_days import file_path, publish, settings_for
from tests.sources.dukascopy_server import Reply, dukascopy_server
from tests.sources.test_binance_archive import aggregate, spot_aggregate

DAY = date(2023, 11, 14)
PATH = "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2023-11-14.zip"
CSV = "BTCUSDT-aggTrades-2023-11-14.csv"
DAY_MS = int(datetime(2023, 11, 14, tzinfo=UTC).timestamp()) * 1000


def rows(n, first=0, **more):
    return "".join(aggregate(i, t=i, **more) + "\n" for i in range(first, first + n)).encode()


@pytest.fixture
def server():
    with serving() as served:
        served.now_ms = DAY_MS + 40 * 3_600_000  # noon of the day after
        yield served


@pytest.fixture
def ask(server, tmp_path):
    settings = binance.Settings(
        archive_url=server.base, spot_url=server.base, um_url=server.base, cm_url=server.base,
        sleep_scale=SCALE, timeout_s=2.0, attempts=3, clock=server.clock,
    )  # fmt: skip
    return Asked(cache_dir=tmp_path, binance=settings)


def named(known, request, text=""):
    """An instrument under a name of the test's own: all tests share one store."""
    return replace(known, symbol=f"fetch {request.node.name} {text}")


def take(store, known, batches):
    return ingest(store, batches, known, run_id="test")


def held(store, known, table="raw.trades"):
    return store.read(table, known.symbol)


def units(store, known, table="raw.trades"):
    return {row.unit for row in store.published(table, known.symbol) if row.rows}


def test_a_day_of_the_archive(store, server, ask, request):
    known = named(PERP, request)
    server.publish(PATH, {CSV: rows(50)})
    summary = take(store, known, units_of_day("binance", known, DAY, ask))
    assert (summary.offered, summary.stored, summary.days) == (50, 50, (DAY,))
    n_asked, snapshot = len(server.asked(".zip")), store.snapshot()
    assert take(store, known, units_of_day("binance", known, DAY, ask)) == summary
    assert (len(server.asked(".zip")), store.snapshot()) == (n_asked, snapshot)


def test_a_month_of_the_archive(store, server, ask, request):
    known = named(PERP, request)
    path = "data/futures/um/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2023-11.zip"
    text = rows(30) + aggregate(30, t=86_400_000).encode() + b"\n"
    server.publish(path, {"BTCUSDT-aggTrades-2023-11.csv": text})
    summary = take(store, known, units_of_month("binance", known, DAY, ask))
    assert (summary.stored, summary.days) == (31, (DAY, DAY + timedelta(days=1)))
    with pytest.raises(SourceError, match="dukascopy has no files of months"):
        list(units_of_month("dukascopy", known, DAY, ask))


def record(i, ms):
    return {"a": i, "p": "100.00", "q": "0.001", "f": i, "l": i, "T": ms * 1000, "m": False}


def test_a_day_that_the_archive_lacks_comes_from_rest(store, server, ask, request):
    known = named(PERP, request)
    # Two of the day before, 2,500 of the day, one of the day after.
    times = [
        DAY_MS - 2,
        DAY_MS - 1,
        *(DAY_MS + 34_000 * i for i in range(2500)),
        DAY_MS + 86_400_000,
    ]
    server.records["/fapi/v1/aggTrades", "BTCUSDT"] = [record(i, t) for i, t in enumerate(times)]
    summary = take(store, known, units_of_day("binance", known, DAY, ask))
    assert (summary.stored, summary.quarantined, summary.days) == (2500, 0, (DAY,))
    assert held(store, known)["trade_id"].to_pylist() == list(range(2, 2502))
    # The archive has the same records later: its file takes the place of what REST gave.
    text = "".join(f"{i},100.00,0.001,{i},{i},{t},false\n" for i, t in list(enumerate(times))[2:-1])
    data = server.publish(PATH, {CSV: text.encode()})
    again = take(store, known, units_of_day("binance", known, DAY, ask))
    assert (again.stored, again.quarantined) == (2500, 0)
    import hashlib

    assert units(store, known) == {hashlib.sha256(data).hexdigest()}
    assert held(store, known, "raw.quarantine").num_rows == 0
    assert held(store, known).num_rows == 2500


def test_an_archive_that_lacks_a_record_of_rest_leaves_it_stored(store, server, ask, request):
    known = named(PERP, request)
    times = [DAY_MS + 1000 * i for i in range(20)]
    server.records["/fapi/v1/aggTrades", "BTCUSDT"] = [record(i, t) for i, t in enumerate(times)]
    take(store, known, units_of_day("binance", known, DAY, ask))
    text = "".join(f"{i},100.00,0.001,{i},{i},{t},false\n" for i, t in enumerate(times[:-1]))
    server.publish(PATH, {CSV: text.encode()})
    again = take(store, known, units_of_day("binance", known, DAY, ask))
    assert (again.stored, again.quarantined) == (0, 19)  # a right checksum proves the transfer only
    assert held(store, known)["trade_id"].to_pylist() == list(range(20))


def test_futures_older_than_two_days_are_in_the_archive_or_nowhere(server, ask, request):
    known = named(PERP, request)
    server.now_ms = DAY_MS + 100 * 3_600_000
    with pytest.raises(NothingPublished, match=r"not published .*serves the last 48 hours only"):
        fetching.fetch("binance", known, DAY, ask)
    server.now_ms = DAY_MS + 3_600_000
    with pytest.raises(NothingPublished, match="2023-11-14 is not over"):
        fetching.fetch("binance", known, DAY, ask)
    quotes = replace(ask, kinds=("bookTicker",))
    server.now_ms = DAY_MS + 100 * 3_600_000
    with pytest.raises(NothingPublished, match="best quotes can be had from the archive only"):
        fetching.fetch("binance", known, DAY, quotes)


def test_spot_of_any_age_comes_from_rest(store, server, ask, request):
    known = named(SPOT, request)
    server.now_ms = DAY_MS + 1000 * 3_600_000
    server.records["/api/v3/aggTrades", "BTCUSDT"] = [
        record(i, DAY_MS + 1000 * i) | {"M": True} for i in range(30)
    ]
    summary = take(store, known, units_of_day("binance", known, DAY, ask))
    assert (summary.stored, summary.days) == (30, (DAY,))
    assert spot_aggregate(1)  # the archive's form has the same columns


def test_a_replaced_file_takes_the_place_of_its_earlier_version(store, server, ask, request):
    known = named(PERP, request)
    server.publish(PATH, {CSV: rows(40)})
    take(store, known, units_of_day("binance", known, DAY, ask))
    (before,) = units(store, known)
    # The venue corrects the price of ids 30 and on, and drops the last.
    server.publish(PATH, {CSV: rows(30) + rows(9, first=30, p="101.00")})
    summary = take(store, known, fetching.units_replaced("binance", known, ask, store))
    assert (summary.offered, summary.stored, summary.quarantined) == (39, 39, 0)
    (after,) = units(store, known)
    assert after != before
    assert held(store, known)["price_ticks"].to_pylist() == [10_000] * 30 + [10_100] * 9
    kept = [row for row in store.history("raw.trades", known.symbol, DAY) if row.unit == before]
    assert kept[0].rows == 40  # the manifest knows what stood there
    snapshot = store.snapshot()
    assert take(store, known, fetching.units_replaced("binance", known, ask, store)).offered == 0
    assert store.snapshot() == snapshot


def test_a_run_killed_between_download_and_ingest_is_made_up_for(store, server, ask, request):
    known = named(PERP, request)
    server.publish(PATH, {CSV: rows(40)})
    take(store, known, units_of_day("binance", known, DAY, ask))
    server.publish(PATH, {CSV: rows(41)})
    assert len(list(fetching.units_replaced("binance", known, ask, store))) == 1  # not published
    assert take(store, known, fetching.units_replaced("binance", known, ask, store)).stored == 41
    assert held(store, known).num_rows == 41


def test_a_replaced_file_without_a_day_takes_it_away(store, server, ask, request):
    known = named(PERP, request)
    text = rows(30) + aggregate(30, t=86_400_000).encode() + b"\n"
    server.publish(PATH, {CSV: text})
    take(store, known, units_of_day("binance", known, DAY, ask))
    server.publish(PATH, {CSV: rows(30)})
    take(store, known, fetching.units_replaced("binance", known, ask, store))
    assert held(store, known).num_rows == 30
    assert store.read("raw.gaps", known.symbol).num_rows == 0


def test_single_trades_on_a_day_of_aggregates_are_refused(store, server, ask, request):
    from orchestration.errors import IngestRefused

    known = named(PERP, request)
    server.publish(PATH, {CSV: rows(5)})
    take(store, known, units_of_day("binance", known, DAY, ask))
    path = PATH.replace("aggTrades", "trades")
    lines = "".join(f"{900 + i},100.00,0.001,0.1,{DAY_MS + i},false\n" for i in range(5))
    server.publish(path, {CSV.replace("aggTrades", "trades"): lines.encode()})
    with pytest.raises(IngestRefused, match="would count each order twice"):
        take(store, known, units_of_day("binance", known, DAY, replace(ask, kinds=("trades",))))
    assert held(store, known).num_rows == 5


def test_a_day_of_dukascopy_is_one_unit(store, tmp_path, request):
    known = named(EURUSD, request)
    with dukascopy_server() as server:
        hours = publish(server)
        ask = Asked(cache_dir=tmp_path, dukascopy=settings_for(server))
        seq = store.snapshot()
        summary = take(store, known, units_of_day("dukascopy", known, FX_DAY, ask))
        assert (summary.stored, summary.quarantined) == (sum(map(len, hours)), 0)
        assert store.snapshot() == seq + 1
        assert len(units(store, known, "raw.quotes")) == 1
        assert take(store, known, units_of_day("dukascopy", known, FX_DAY, ask)) == summary
        assert store.snapshot() == seq + 1
        # The file service has the same day: it takes the API's place, and nothing is there twice.
        files = replace(ask, dukascopy=replace(ask.dukascopy, backends=("files",)))
        again = take(store, known, units_of_day("dukascopy", known, FX_DAY, files))
        assert (again.stored, again.quarantined) == (summary.stored, 0)
        assert len(units(store, known, "raw.quotes")) == 1
        # A damaged hour: nothing of the day is taken, and nothing that stands is touched.
        server.scripts[file_path(3)] = [Reply(status=500)] * 50
        other = replace(files, cache_dir=tmp_path / "other")
        snapshot = store.snapshot()
        with pytest.raises(SourceError, match="no service gave 2024-03-04"):
            take(store, known, units_of_day("dukascopy", known, FX_DAY, other))
        assert store.snapshot() == snapshot


def test_kinetick_has_no_download(store, tmp_path, request):
    known = named(load_instruments()["MES"], request)
    ask = Asked(cache_dir=tmp_path)
    with pytest.raises(SourceError, match="Kinetick has no download of 2025-03-19: export it"):
        fetching.fetch("kinetick", known, date(2025, 3, 19), ask)
    ask = replace(ask, kinetick_folder=tmp_path)
    with pytest.raises(NothingPublished, match="holds no export of MES"):
        fetching.fetch("kinetick", known, date(2025, 3, 19), ask)
    text = "".join(f"20250319 07{i:02d}00 {i:07d};5997.25;5997;5997.25;{1 + i}\n" for i in range(9))
    (tmp_path / "MES 06-25.Last.txt").write_text(text)
    (tmp_path / "ES 06-25.Last.txt").write_text(text)
    summary = take(store, known, units_of_day("kinetick", known, date(2025, 3, 19), ask))
    assert summary.stored == 9


def test_a_day_out_of_a_folder_of_exports_is_that_day_and_each_record_once(
    store, tmp_path, request
):
    known = named(load_instruments()["MES"], request)
    ask = Asked(cache_dir=tmp_path, kinetick_folder=tmp_path)
    days = [f"202503{day} 070000 {i:07d}" for day in (18, 19) for i in range(5)]
    for side, price in (("Last", "5997.25"), ("Bid", "5997"), ("Ask", "5997.25")):
        text = "".join(f"{stamp};{price};1\n" for stamp in days)
        (tmp_path / f"MES 06-25.{side}.txt").write_text(text)
    wanted = date(2025, 3, 19)
    found = take(store, known, units_of_day("kinetick", known, wanted, ask))
    # Five trades; a bid and an ask of one file and of the other are a pair that is read once.
    assert (found.days, found.offered, found.stored) == ((wanted,), 5 + 10, 5 + 10)
    assert len(held(store, known)) == 5
    with pytest.raises(NothingPublished, match="hold nothing of 2025-03-20"):
        list(units_of_day("kinetick", known, date(2025, 3, 20), ask))


def test_other_sources_have_no_days(ask):
    with pytest.raises(SourceError, match="source 'lean' cannot be asked for a day, only binance"):
        fetching.fetch("lean", PERP, DAY, ask)


def test_a_day_of_iqfeed(store, tmp_path, request):
    import asyncio
    import threading

    from tests.sources.iqfeed_cases import EQUITY, tick
    from tests.sources.iqfeed_server import LookupServer, running

    known = named(EQUITY, request)
    served = LookupServer(ticks=[tick(i).rstrip(",") for i in range(1, 30)])
    ready, done = threading.Event(), threading.Event()

    async def serve():
        async with running(served):
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        settings = iqfeed.Settings(lookup_port=served.port, time_scale=0.01)
        ask = Asked(cache_dir=tmp_path, iqfeed=settings)
        summary = take(store, known, units_of_day("iqfeed", known, date(2021, 3, 30), ask))
        assert summary.quarantined == 0
        assert held(store, known).num_rows == 29
        assert held(store, known, "raw.quotes").num_rows == 29
        with pytest.raises(NothingPublished, match="iqfeed has no record of 2021-03-31"):
            fetching.fetch("iqfeed", known, date(2021, 3, 31), ask)
    finally:
        done.set()
        thread.join()
