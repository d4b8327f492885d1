"""Server mode, the whole way: ingest, flow and features over a connection that is cut; two runs at once.

The server is ClickHouse's HTTP interface over chDB (`tests.storage.clickhouse_http`).
"""

import base64
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from tests.captures import capture_lines, write_lines
from tests.e2e.command import ROOT, environment, orderflow
from tests.e2e.instrument import SYMBOL, add_instrument
from tests.storage.clickhouse_http import PASSWORD, USER
from tests.storage.conftest import serving

DAYS = ("2024-08-08", "2024-08-09")
N_CUTS = int(os.environ.get("ORDERFLOW_SOAK_KILLS", "3"))
SEED = int(os.environ.get("ORDERFLOW_SOAK_SEED", "20240808"))
CUTS_A_ROUND = 3
KINDS = ("refuse", "cut_body", "cut_reply", "cut_stream", "busy")
PATIENT, IMPATIENT = {"ORDERFLOW_STORE_RETRY_S": "30"}, {"ORDERFLOW_STORE_RETRY_S": "0"}
DATABASES = ("raw", "flow", "research", "backtest", "meta")


class Runner:
    """A process of `tests.e2e.runner`."""

    def __init__(self, process, home):
        self._process, self.home = process, home

    def tell(self, do, **more):
        self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self._process.stdin.flush()

    def answer(self):
        line = self._process.stdout.readline()
        assert line, (self.home / "log").read_text()[-3000:]
        return json.loads(line)

    def ask(self, do, **more):
        self.tell(do, **more)
        return self.answer()

    def gave(self, do, **more):
        answer = self.ask(do, **more)
        assert "gave" in answer, answer
        return answer["gave"]


@contextmanager
def runner(home, url):
    home.mkdir()
    add_instrument(home)
    with (home / "log").open("w") as log, subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.runner"],
        cwd=home, env=environment(home, ORDERFLOW_CLICKHOUSE_URL=url) | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
    ) as process:  # fmt: skip
        try:
            yield Runner(process, home)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture(scope="module")
def runners(server, tmp_path_factory):
    """Two processes, each with a home of its own, on one server."""
    folder = tmp_path_factory.mktemp("runners")
    with runner(folder / "a", server.url()) as a, runner(folder / "b", server.url()) as b:
        yield a, b


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    lines = []
    for day in range(len(DAYS)):
        lines += capture_lines(n_trades=300, day=day, seed=day, symbol=SYMBOL)
    return str(write_lines(tmp_path_factory.mktemp("capture") / "two_days.gz", lines))


@pytest.fixture(scope="module")
def undisturbed(server, runners, capture):
    """What two days hold that nothing disturbed, and how many requests that took."""
    start_afresh(server, runners[0], PATIENT)
    before = server.n_seen()
    runners[0].gave("ingest", path=capture)
    runners[0].gave("run", days=DAYS)
    n_requests = server.n_seen() - before
    found = runners[0].gave("state")
    assert (found["problems"], found["orphans"]) == ([], [])
    assert len(found["hashes"]) == len(DAYS) * 11
    return found, n_requests


def start_afresh(server, *given):
    """Leave the server without tables, and let runners open it with these settings."""
    server.forget_faults()
    for name in DATABASES:
        server.command(f"DROP DATABASE IF EXISTS {name} SYNC")
    *of_runners, settings = given
    for each in of_runners:
        each.gave("open", settings=settings)


def cuts(n_requests, rng):
    """Faults at seeded places of a round's requests."""
    at = sorted(rng.sample(range(n_requests), CUTS_A_ROUND))
    # Each passes over what others take: a request that is cut is asked again, and counts again.
    return [{"kind": rng.choice(KINDS), "sql": "", "skip": place} for place in at]


@pytest.mark.soak
@pytest.mark.timeout(600 + 40 * N_CUTS)
def test_cut_connections_lose_and_double_nothing(server, runners, capture, undisturbed):
    expected, n_requests = undisturbed
    rng, struck, errors = random.Random(SEED), 0, Counter()
    me = runners[0]
    for k in range(-(-N_CUTS // CUTS_A_ROUND)):
        # A client that repeats heals by itself; one that does not fails, and is run again.
        settings = IMPATIENT if k % 2 else PATIENT
        start_afresh(server, me, settings)
        server.fail(cuts(n_requests, rng))
        for order in ({"do": "ingest", "path": capture}, {"do": "run", "days": DAYS}):
            for _ in range(CUTS_A_ROUND + 1):
                answer = me.ask(**order)
                if "gave" in answer:
                    break
                assert settings is IMPATIENT, answer
                errors[answer["kind"]] += 1
            assert "gave" in answer, answer
        struck += CUTS_A_ROUND - server.n_waiting()
        server.forget_faults()
        if settings is IMPATIENT:  # what it could not remove over a cut connection
            me.gave("vacuum")
        assert me.gave("state") == expected
    print(f"{struck} connections cut, {sum(errors.values())} orders failed: {dict(errors)}")
    assert struck > 0.9 * N_CUTS
    if N_CUTS >= 20:  # the client itself repeats some kinds once
        assert errors
    assert set(errors) <= {"StoreError", "RunFailed"}


@pytest.mark.soak
def test_two_runs_at_once_on_different_days(server, runners, capture, undisturbed):
    start_afresh(server, *runners, PATIENT)
    runners[0].gave("ingest", path=capture)
    for each, day in zip(runners, DAYS, strict=True):
        each.tell("run", days=[day])
    for each in runners:
        assert "gave" in each.answer()
    assert runners[0].gave("state") == undisturbed[0]


@pytest.mark.soak
def test_two_runs_at_once_on_one_day_one_wins(server, runners, capture, undisturbed):
    start_afresh(server, *runners, PATIENT)
    runners[0].gave("ingest", path=capture)
    # The first to commit waits on its way until the other has committed the same day.
    server.fail([{"kind": "hold", "sql": "INSERT INTO `meta`.`manifest`"}])
    for each in runners:
        each.tell("run", days=[DAYS[0]])
    answers = [each.answer() for each in runners]
    won = [answer for answer in answers if "gave" in answer]
    lost = [answer for answer in answers if "error" in answer]
    assert (len(won), len(lost), server.n_waiting()) == (1, 1, 0)
    assert lost[0]["kind"] == "RunFailed"
    said = re.search(
        r"flow\.classified_trades TOYUSDT 2024-08-08 was published by \['(.+)'\] while run (.+) was "
        r"writing it; run (.+) published nothing",
        lost[0]["error"],
    )
    assert said, lost[0]["error"]
    assert said[1] in won[0]["gave"]
    assert said[2] == said[3] != said[1]
    # Run again, the one that lost finds the day made, and makes the other.
    loser = runners[answers.index(lost[0])]
    loser.gave("run", days=DAYS)
    assert loser.gave("state") == undisturbed[0]


def secrets_in(text: bytes):
    hidden = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    forms = (PASSWORD.encode(), quote(PASSWORD, safe="").encode(), quote(PASSWORD).encode(), hidden)
    return [form for form in forms if form in text]


def test_the_password_is_in_no_log_no_error_and_nothing_that_dagster_stores(
    server, runners, capture, tmp_path
):
    me = runners[0]
    start_afresh(server, me, IMPATIENT)
    me.gave("ingest", path=capture)
    server.fail([{"kind": "busy", "sql": "INSERT INTO `flow`.`bars`"}])
    failed = me.ask("run", days=[DAYS[0]])
    assert "bars" in failed["error"]
    assert not secrets_in(json.dumps(failed).encode())
    files = [path for path in me.home.rglob("*") if path.is_file()]
    events = [path for path in files if path.is_relative_to(me.home / "dagster")]
    said = b"".join(path.read_bytes() for path in events if path.suffix == ".db")
    assert b"an insert into flow.bars failed" in said  # the failure is there, with its traceback
    assert b"Traceback" in said or b"orchestration/storage/retries.py" in said
    # What the client of the database says of its calls is there, too.
    assert "clickhouse_connect.driver._backend.http_sync" in (me.home / "log").read_text()
    for path in files:
        assert secrets_in(path.read_bytes()) == [], path


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://orderflow:s3cr3t@127.0.0.1:{port}", "AUTHENTICATION_FAILED"),
        ("http://orderflow:s3cr3t@127.0.0.1:1", "no ClickHouse answers at 127.0.0.1:1"),
        ("http://orderflow:s3c/r3t@127.0.0.1:{port}", "the store's url must be"),
        ("http://orderflow:8123#s3cr3t@127.0.0.1:{port}", "the store's url must be"),
        ("clickhouse://orderflow:s3cr3t@127.0.0.1", "the store's url must be"),
    ],
)
def test_a_url_that_does_not_work_is_told_without_its_password(server, tmp_path, url, message):
    home = tmp_path / "new" / "home"
    url = url.format(port=server.port)
    home.parent.mkdir()
    done = orderflow(home, "db", "status", code=1, ORDERFLOW_CLICKHOUSE_URL=url)
    assert message in done.err
    assert "Traceback" not in done.err
    for piece in ("s3cr3t", "s3c", "r3t"):
        assert piece not in done.err + done.out
    for path in home.rglob("*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes()
    folders = [path for path in home.rglob("*") if path.is_dir()]
    assert folders
    assert {path.stat().st_mode & 0o077 for path in folders} == {0}
