"""The client of Dukascopy against a server on the loopback interface that misbehaves."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest

from orchestration.sources import dukascopy
from orchestration.sources.dukascopy import (
    DukascopyBlocked,
    DukascopySettings,
    DukascopyUnavailable,
    fetch_day,
)
from orchestration.sources.dukascopy.api import parse_log
from orchestration.sources.records import SourceError
from tests.sources.cases import column, require_whole
from tests.sources.dukascopy_cases import EURUSD, START_MS, made, ticks
from tests.sources.dukascopy_days import (
    DAY,
    LONG_AFTER,
    api_path,
    file_path,
    publish,
    settings_for,
    stored,
)
from tests.sources.dukascopy_server import (
    CHALLENGE,
    TOO_LATE,
    UNKNOWN,
    Reply,
    answer,
    bi5,
    dukascopy_server,
    pack,
    records,
)


@pytest.fixture
def server():
    with dukascopy_server() as running:
        yield running


@pytest.fixture
def settings(server) -> DukascopySettings:
    return settings_for(server)


GOOD = ticks(30)
FAULTS = {
    "503": Reply(status=503),
    "500 with a body": Reply(status=500, body=b"{}"),
    "closed": Reply(then="close"),
    "cut": Reply(body=bi5(GOOD), then="cut"),
    "hang": Reply(then="hang"),
    "no length": Reply(body=b"not lzma"),
    "corrupt": Reply(body=bi5(GOOD)[:-9] + b"\x00" * 9),
    "truncated": Reply(body=bi5(GOOD)[:-9]),
    "length": Reply(body=pack(records(GOOD)[:-3])),
    "429": Reply(status=429),
    "403": Reply(status=403),
}


def test_faults_that_pass_cost_nothing(server, settings, tmp_path):
    rows = publish(server)
    for hour, fault in enumerate(FAULTS.values()):
        server.scripts[file_path(hour)] = [fault] * 2
    patient = replace(settings, backends=("files",), max_attempts=20, timeout_s=0.3)
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=patient)
    assert stored(paths) == sum(map(len, rows))
    for hour in range(len(FAULTS)):
        assert server.paths().count(file_path(hour)) >= 3


@pytest.mark.parametrize("fault", ["503", "hang", "corrupt", "429"])
def test_a_fault_that_stays_is_an_error_and_no_file(server, settings, tmp_path, fault):
    publish(server)
    server.scripts[file_path(7)] = [FAULTS[fault]] * 10
    quick = replace(settings, backends=("files",), timeout_s=0.3, max_attempts=3)
    with pytest.raises(DukascopyUnavailable, match=r"/07h_ticks\.bi5: gave up after 3 requests: "):
        fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=quick)
    assert server.paths().count(file_path(7)) == 3
    assert not list(tmp_path.rglob("07h_ticks.bi5"))
    # What came is kept: the next run asks for the rest only.
    n_kept = len(list(tmp_path.rglob("*.bi5")))
    server.scripts.clear()
    before = len(server.asked)
    assert len(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=quick)) == 24
    assert len(server.asked) - before == 24 - n_kept


def test_an_endless_answer_is_cut_off(server, settings, tmp_path):
    publish(server)
    server.scripts[file_path(0)] = [Reply(body=b"x" * 100_000, then="drip")]
    quick = replace(settings, backends=("files",), total_timeout_s=0.1)
    assert len(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=quick)) == 24
    assert server.paths().count(file_path(0)) == 2
    server.scripts[file_path(1)] = [Reply(body=b"x" * 100_000)]
    small = replace(quick, max_bytes=50_000)
    with pytest.raises(SourceError, match="answers with more than 50000 bytes"):
        fetch_day(EURUSD, DAY, cache_dir=tmp_path / "new", settings=small)


def pause_before(server, path: str) -> float:
    times = [at for at, asked in server.asked if asked == path]
    return times[1] - times[0]


@pytest.mark.parametrize("form", ["seconds", "date", "nonsense", "none"])
def test_retry_after_is_obeyed_by_all(server, settings, tmp_path, form):
    publish(server)
    until = LONG_AFTER + timedelta(seconds=60)
    text = {"seconds": "60", "date": format_datetime(until, usegmt=True), "nonsense": "soon"}
    headers = (("Retry-After", text[form]),) if form in text else ()
    server.scripts[api_path(0)] = [Reply(status=429, headers=headers)]
    one = replace(settings, max_parallel=1)
    assert len(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=one)) == 24
    wait_s = 60 if form in ("seconds", "date") else settings.throttle_s
    assert pause_before(server, api_path(0)) >= wait_s * settings.sleep_scale
    # The pause holds for every hour: nothing was asked within it.
    first = server.asked[0][0]
    assert server.asked[1][0] - first >= wait_s * settings.sleep_scale


def test_a_very_long_retry_after_ends_the_day(server, settings, tmp_path):
    server.default = Reply(status=429, headers=(("Retry-After", "86400"),))
    with pytest.raises(DukascopyUnavailable, match="asks to come back in 86400 s"):
        fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=settings)


def test_requests_keep_the_pace(server, settings, tmp_path):
    publish(server)
    slow = replace(settings, requests_per_s=2.0, sleep_scale=0.01)  # every 5 ms
    fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=slow)
    first, last = server.asked[0][0], server.asked[-1][0]
    assert last - first >= 22 * 0.005


def test_a_browser_check_stops_everything(server, settings, tmp_path):
    publish(server)
    server.scripts[api_path(0)] = [CHALLENGE]
    with pytest.raises(DukascopyBlocked, match=r"Check its terms of use"):
        fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=replace(settings, max_parallel=1))
    assert len(server.asked) <= 2  # neither again nor at the other service
    assert not any(path.startswith("/datafeed") for path in server.paths())


def test_an_unknown_instrument_is_an_error_at_once(server, settings, tmp_path):
    server.default = UNKNOWN
    with pytest.raises(SourceError, match=r"status 400: .*unknown instrument") as caught:
        fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=replace(settings, max_parallel=1))
    assert caught.type is SourceError
    assert len(server.asked) <= 2


def test_another_refusal_and_a_redirect(server, settings, tmp_path):
    for reply in (Reply(status=401, body=b"no"), Reply(status=302, headers=(("Location", "/x"),))):
        server.default = reply
        with pytest.raises(SourceError, match=f"was refused with status {reply.status}"):
            fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=settings)
    assert "/x" not in server.paths()


# -- live ----------------------------------------------------------------------------------------


def take(settings, n: int, since_ms: int = START_MS) -> list[tuple[int, bytes]]:
    async def run():
        found = []
        stream = dukascopy.messages(EURUSD, settings, since_ms=since_ms)
        async for message in stream:
            found.append(message)
            if len(found) == n:
                break
        await stream.aclose()
        return found

    return asyncio.run(asyncio.wait_for(run(), 5))


def test_live_answers_make_a_log_without_loss(server, settings):
    rows = ticks(90)
    parts = [rows[:30], rows[29:30], [], rows[29:70], rows[69:]]
    server.live = [answer(part, START_MS) for part in parts]
    server.live.insert(2, b"half an ans")  # asked for again
    found = take(settings, 3)
    assert len(found) == 3  # what brought nothing new was not handed on
    last = [START_MS + part[-1][0] for part in parts if part]
    asked = [int(path.rpartition("=")[2]) for path in server.paths()]
    assert asked == [START_MS, last[0], last[1], last[1], last[1], last[2]]
    log = b"".join(b"%d %s\n" % message for message in found)
    batch = parse_log(made(log, "live.log"), EURUSD)
    require_whole(batch)
    assert (batch.stored, batch.quarantined) == (90, 2)
    assert column(batch.quotes, "ask_ticks") == [ask for _, ask, *_ in rows]


def test_live_over_the_start_of_an_hour_and_throttled(server, settings):
    rows = ticks(4)
    server.live = [answer(rows[:2], START_MS)]
    path = f"/v1/ticks/EUR-USD?from={START_MS + rows[1][0]}"
    server.scripts[path] = [
        TOO_LATE, Reply(status=404), Reply(status=429), Reply(status=503),
        Reply(body=answer(rows[1:], START_MS).replace(b",", b",\r\n")),
    ]  # fmt: skip
    first, second = take(settings, 2)
    assert b"\n" not in first[1] + second[1]
    batch = parse_log(made(b"%d %s\n%d %s\n" % (*first, *second), "live.log"), EURUSD)
    assert batch.stored == 4


def test_live_begins_now_and_stops_when_it_is_blocked(server, settings):
    now_ms = int(LONG_AFTER.timestamp()) * 1000
    server.scripts[f"/v1/ticks/EUR-USD?from={now_ms}"] = [CHALLENGE]

    async def run():
        async for _ in dukascopy.messages(EURUSD, settings):
            raise AssertionError("nothing was published")

    started = time.monotonic()
    with pytest.raises(DukascopyBlocked):
        asyncio.run(run())
    assert time.monotonic() - started < 5
