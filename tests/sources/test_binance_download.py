import hashlib
import os
from dataclasses import replace
from datetime import date

import pytest

from orchestration.sources import binance
from orchestration.sources.binance import Settings
from orchestration.sources.binance.download import fetch_day, fetch_month, history, recheck
from orchestration.sources.binance.layouts import archive_path
from orchestration.sources.records import SourceError
from tests.sources.binance_http_server import SCALE, serving
from tests.sources.cases import BITSTAMP, PERP, SPOT, require_whole
from tests.sources.test_binance_archive import COIN, aggregate, ticker

DAY = date(2023, 11, 14)
CSV = "BTCUSDT-aggTrades-2023-11-14.csv"
PATH = "data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2023-11-14.zip"


def rows(n, first=0):
    return "".join(aggregate(i, t=i) + "\n" for i in range(first, first + n)).encode()


@pytest.fixture
def server():
    with serving() as served:
        yield served


@pytest.fixture
def ask(server, tmp_path):
    settings = Settings(archive_url=server.base, sleep_scale=SCALE, timeout_s=0.5, attempts=4)

    def fetch(instrument=PERP, day=DAY, kinds=("aggTrades",), **more):
        return fetch_day(
            instrument, day, cache_dir=tmp_path, settings=replace(settings, **more), kinds=kinds
        )

    fetch.settings = settings
    return fetch


def test_where_files_are():
    assert archive_path(PERP, "aggTrades", DAY) == PATH
    assert archive_path(SPOT, "trades", DAY, is_month=True) == (
        "data/spot/monthly/trades/BTCUSDT/BTCUSDT-trades-2023-11.zip"
    )
    assert archive_path(COIN, "bookTicker", DAY) == (
        "data/futures/cm/daily/bookTicker/BTCUSD_260327/BTCUSD_260327-bookTicker-2023-11-14.zip"
    )
    with pytest.raises(SourceError, match="bitstamp has no public archive"):
        archive_path(BITSTAMP, "trades", DAY)


def test_a_day_is_downloaded_once_and_read(server, ask, tmp_path):
    data = server.publish(PATH, {CSV: rows(50)})
    (path,) = ask()
    assert path.read_bytes() == data
    assert path.relative_to(tmp_path).as_posix() == f"binance/{PATH}"
    (batch,) = binance.read([path], PERP)
    require_whole(batch)
    assert (len(batch.trades), batch.unit) == (50, hashlib.sha256(data).hexdigest())
    assert ask() == [path]
    # Again only the checksum, and without it nothing at all.
    assert len(server.asked(".zip")) == 1
    assert len(server.asked(".CHECKSUM")) == 2
    ask(does_recheck=False)
    assert len(server.requests) == 3
    assert sorted(os.listdir(path.parent)) == [path.name, path.name + ".CHECKSUM"]


def test_several_kinds_and_a_month(server, ask, tmp_path):
    ticks = PATH.replace("aggTrades", "bookTicker")
    server.publish(PATH, {CSV: rows(5)})
    server.publish(ticks, {CSV.replace("aggTrades", "bookTicker"): (ticker(1) + "\n").encode()})
    paths = ask(kinds=("aggTrades", "bookTicker"))
    trades, quotes = binance.read(paths, PERP)
    assert (len(trades.trades), len(quotes.quotes)) == (5, 1)
    month = PATH.replace("daily", "monthly").replace("-14.zip", ".zip")
    server.publish(month, {CSV.replace("-14", ""): rows(7)})
    found = fetch_month(PERP, DAY, cache_dir=tmp_path, settings=ask.settings)
    assert len(binance.read(found, PERP)[0].trades) == 7


def test_a_day_that_is_not_published(server, ask, tmp_path):
    with pytest.raises(binance.NotPublishedError, match=r"2023-11-14.zip.CHECKSUM: is not publ"):
        ask()
    assert len(server.requests) == 1
    server.publish(PATH, {CSV: rows(5)})
    found, missing = binance.days_of_archive(
        PERP, date(2023, 11, 13), date(2023, 11, 15), cache_dir=tmp_path, settings=ask.settings
    )
    assert [path.name for path in found] == [PATH.rsplit("/", 1)[1]]
    assert missing == [date(2023, 11, 13), date(2023, 11, 15)]


@pytest.mark.parametrize("fault", [500, 503, "cut", "drop", (429, 5)])
def test_what_passes_is_tried_again(server, ask, fault):
    data = server.publish(PATH, {CSV: rows(50)})
    # At the checksum, then at the file, twice.
    server.faults = [fault, None, fault, fault]
    (path,) = ask()
    assert path.read_bytes() == data
    assert len(server.requests) == 5


def test_a_silent_server_is_given_up_in_time(server, ask, tmp_path):
    server.publish(PATH, {CSV: rows(50)})
    server.faults = ["hang"] * 2
    with pytest.raises(binance.TransportError, match=r"no answer in 2 attempts: ReadTimeout"):
        ask(timeout_s=0.05, attempts=2)
    server.faults = [None, "cut", "cut"]
    with pytest.raises(binance.TransportError, match="RemoteProtocolError"):
        ask(attempts=2)
    assert list((tmp_path / "binance" / PATH).parent.iterdir()) == []  # nothing half is left


def test_a_server_that_is_not_there(ask):
    with pytest.raises(binance.TransportError, match=r"^http://127.0.0.1:9/data.*ConnectError"):
        ask(archive_url="http://127.0.0.1:9", attempts=2)


def test_a_firewall_is_not_asked_again(server, ask):
    server.faults = [403]
    with pytest.raises(binance.BlockedError, match="not asked again"):
        ask()
    assert len(server.requests) == 1


def test_a_file_that_never_matches_is_set_aside(server, ask, tmp_path):
    server.publish(PATH, {CSV: rows(50)})
    server.files["/" + PATH] += b"x"
    with pytest.raises(binance.ChecksumMismatchError, match="in 2 downloads; it is kept as"):
        ask()
    assert len(server.asked(".zip")) == 2
    folder = tmp_path / "binance" / PATH.rsplit("/", 1)[0]
    assert [path.name for path in folder.iterdir()] == [CSV.replace(".csv", ".zip.mismatch")]


def test_a_file_replaced_between_the_two_requests(server, ask):
    server.publish(PATH, {CSV: rows(50)})
    old = server.files[f"/{PATH}.CHECKSUM"]
    data = server.publish(PATH, {CSV: rows(60)})
    new, server.files[f"/{PATH}.CHECKSUM"] = server.files[f"/{PATH}.CHECKSUM"], old
    answer = server.answer

    def late(path, params, headers):
        found = answer(path, params, headers)
        if path.endswith(".zip"):
            server.files[f"/{PATH}.CHECKSUM"] = new
        return found

    server.answer = late
    (path,) = ask()
    assert path.read_bytes() == data


def test_a_file_replaced_later_is_seen_and_both_are_kept(server, ask, tmp_path):
    before = server.publish(PATH, {CSV: rows(50)})
    (path,) = ask()
    assert recheck(tmp_path, ask.settings) == []
    path.with_name(f".part-1-{path.name}").write_bytes(b"PK")  # left by a kill
    after = server.publish(PATH, {CSV: rows(60)})
    assert recheck(tmp_path, ask.settings) == [path]
    assert recheck(tmp_path, ask.settings) == []
    assert path.read_bytes() == after
    unit = hashlib.sha256(before).hexdigest()
    assert history(path) == [unit]
    assert path.with_name(f"{path.stem}.replaced-{unit[:12]}.zip").read_bytes() == before
    assert len(binance.read([path], PERP)[0].trades) == 60


def test_a_cached_file_that_was_damaged_is_fetched_anew(server, ask):
    data = server.publish(PATH, {CSV: rows(50)})
    (path,) = ask()
    path.write_bytes(data[:-10])
    with pytest.raises(binance.ChecksumMismatchError):
        binance.read([path], PERP)
    assert ask(does_recheck=False) == [path]
    assert path.read_bytes() == data
    assert history(path) == []  # damage is no version of its own


def test_a_kill_between_the_two_renames_heals(server, ask):
    server.publish(PATH, {CSV: rows(50)})
    (path,) = ask()
    checksum = path.with_name(path.name + ".CHECKSUM")
    checksum.write_text("")
    with pytest.raises(SourceError, match="is no line of sha256sum"):
        binance.read([path], PERP)
    ask(does_recheck=False)
    assert len(server.asked(".zip")) == 1
    assert len(binance.read([path], PERP)[0].trades) == 50


def test_checksums_of_something_else(server, ask):
    server.publish(PATH, {CSV: rows(50)})
    for text in (b"", b"<html>", b"0" * 64 + b"  other.zip\n"):
        server.files[f"/{PATH}.CHECKSUM"] = text
        with pytest.raises(SourceError, match="line 1: is"):
            ask()


def test_a_cache_that_cannot_be_written(server, ask, tmp_path):
    server.publish(PATH, {CSV: rows(50)})
    (tmp_path / "binance").write_text("a file")
    with pytest.raises(SourceError, match="cannot be kept"):
        ask()


def test_a_right_checksum_of_a_cut_day(server, ask):
    # The sum proves the transfer; that the day ends early is told beside the rows.
    server.publish(PATH, {CSV: rows(50)})
    (batch,) = binance.read(ask(), PERP)
    assert batch.counts["uncovered_seconds_at_end"] == 6_399


def test_nothing_to_fetch_without_a_day(tmp_path):
    with pytest.raises(SourceError, match="name a day"):
        binance.fetch(PERP, tmp_path)
