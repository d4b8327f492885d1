"""Days of Dukascopy from a server on the loopback interface, and what is kept of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestration.sources import dukascopy
from orchestration.sources.dukascopy import (
    DukascopySettings,
    DukascopyUnavailable,
    HoursMissing,
    fetch_day,
)
from orchestration.sources.dukascopy.client import write_whole
from orchestration.sources.records import SourceError
from tests.sources.dukascopy_cases import EURUSD, without_origin
from tests.sources.dukascopy_days import (
    DAY,
    api_path,
    clock,
    file_path,
    publish,
    settings_for,
    stored,
)
from tests.sources.dukascopy_server import (
    TOO_LATE,
    Reply,
    answer,
    dukascopy_server,
)


@pytest.fixture
def server():
    with dukascopy_server() as running:
        yield running


@pytest.fixture
def settings(server) -> DukascopySettings:
    return settings_for(server)


@pytest.mark.parametrize("backend", ["api", "files"])
def test_a_day_is_asked_for_once(server, settings, tmp_path, backend):
    rows = publish(server)
    asked = replace(settings, backends=(backend,))
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=asked)
    assert stored(paths) == sum(map(len, rows))
    path = api_path if backend == "api" else file_path
    assert sorted(server.paths()) == sorted(map(path, range(24)))  # no other month, none twice
    assert server.most_parallel <= settings.max_parallel
    assert server.agents == {next(iter(server.agents))}
    assert "Mozilla" not in next(iter(server.agents))
    again = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=asked)
    assert (again, len(server.asked)) == (paths, 24)
    assert not list(tmp_path.rglob(".part-*"))


def test_both_services_give_the_same_day(server, settings, tmp_path):
    publish(server)
    one, other = (
        dukascopy.read(
            fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=replace(settings, backends=(b,))),
            EURUSD,
        )
        for b in ("api", "files")
    )
    for a, b in zip(one, other, strict=True):
        assert without_origin(a.quotes).equals(without_origin(b.quotes))


def test_a_dead_service_is_replaced_by_the_other(server, settings, tmp_path):
    # The file service accepts the connection and closes it without a byte.
    rows = publish(server)
    server.scripts = {path: [] for path in map(api_path, range(24))} | {
        file_path(h): [Reply(then="close")] * 10 for h in range(24)
    }
    paths = fetch_day(
        EURUSD, DAY, cache_dir=tmp_path, settings=replace(settings, backends=("files", "api"))
    )
    assert stored(paths) == sum(map(len, rows))
    assert {path.suffix for path in paths} == {".json"}
    with pytest.raises(DukascopyUnavailable, match=r"no service gave 2024-03-04: http.*gave up after 2 requests: RemoteProtocolError"):  # fmt: skip
        fetch_day(
            EURUSD, DAY, cache_dir=tmp_path / "new",
            settings=replace(settings, backends=("files",), max_attempts=2),
        )  # fmt: skip


# -- hours without quotes, hours to come ---------------------------------------------------------


@pytest.mark.parametrize("reply", [Reply(), Reply(status=404)])
def test_empty_hours_of_files_are_believed_when_they_are_old(server, settings, tmp_path, reply):
    server.default = reply  # a Saturday
    files = replace(settings, backends=("files",))
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=files)
    assert [path.read_bytes() for path in paths] == [b""] * 24
    assert dukascopy.read(paths, EURUSD) == []
    fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=files)
    assert len(server.asked) == 24


@pytest.mark.parametrize("backend", ["api", "files"])
def test_empty_hours_that_are_young_are_asked_for_again(server, settings, tmp_path, backend):
    rows = publish(server)
    path = (api_path if backend == "api" else file_path)(23)
    late, server.content[path] = server.content[path], answer([], 0) if backend == "api" else b""
    soon = replace(
        settings, backends=(backend,), clock_ns=clock(datetime(2024, 3, 5, 1, tzinfo=UTC))
    )
    assert stored(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=soon)) == sum(map(len, rows[:23]))  # fmt: skip
    server.content[path] = late
    assert stored(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=soon)) == sum(map(len, rows))


def test_empty_answers_of_the_api_are_kept(server, settings, tmp_path):
    server.default = Reply(body=answer([], 0))
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=settings)
    assert len(paths) == 24
    assert dukascopy.read(paths, EURUSD) == []


@pytest.mark.parametrize("reply", [TOO_LATE, Reply(status=404)])
def test_hours_that_the_api_has_not_published(server, settings, tmp_path, reply):
    rows = publish(server)
    server.scripts[api_path(23)] = [reply] * 2
    with pytest.raises(HoursMissing, match=r"1 of 24 hours of 2024-03-04 .* first is .*/4/23"):
        fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=settings)
    partial = replace(settings, allow_partial=True)
    assert stored(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=partial)) == sum(map(len, rows[:23]))  # fmt: skip
    assert stored(fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=settings)) == sum(map(len, rows))  # fmt: skip


def test_a_day_that_is_not_over(server, settings, tmp_path):
    publish(server)
    now = replace(settings, clock_ns=clock(datetime(2024, 3, 4, 13, 5, tzinfo=UTC)))
    with pytest.raises(HoursMissing, match="2024-03-04 is not over: 12 of its 24 hours are"):
        fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=now)
    assert server.asked == []
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=replace(now, allow_partial=True))
    assert len(paths) == 12  # 12:00 ended five minutes ago: not over yet


# -- the cache -----------------------------------------------------------------------------------


def test_a_file_damaged_in_the_cache_is_asked_for_again(server, settings, tmp_path):
    rows = publish(server)
    files = replace(settings, backends=("files",))
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=files)
    paths[3].write_bytes(paths[3].read_bytes()[:-4])
    again = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=files)
    assert stored(again) == sum(map(len, rows))
    assert server.paths().count(file_path(3)) == 2


def test_an_answer_of_another_hour_is_not_taken(server, settings, tmp_path):
    publish(server)
    server.scripts[api_path(5)] = [Reply(body=server.content[api_path(6)])]
    paths = fetch_day(EURUSD, DAY, cache_dir=tmp_path, settings=settings)
    assert server.paths().count(api_path(5)) == 2
    assert stored(paths) == sum(20 + h for h in range(24))


def test_a_cache_that_cannot_be_written(server, settings, tmp_path):
    publish(server)
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(SourceError, match=r"cache/dukascopy/api/.*: cannot be read: Not a dir"):
        fetch_day(EURUSD, DAY, cache_dir=blocked, settings=settings)
    with pytest.raises(SourceError, match="cannot be kept"):
        write_whole(blocked / "x", b"")


def test_settings_are_checked_and_say_no_secrets():
    with pytest.raises(ValueError, match=r"backends must be some of \('api', 'files'\)"):
        DukascopySettings(backends=("ftp",))
    with pytest.raises(ValueError, match="max_parallel must be positive, got 0"):
        DukascopySettings(max_parallel=0)
    assert "hush" not in repr(DukascopySettings(headers={"Cookie": "hush"}))
