"""kill -9 at seeded moments: no mixture is ever visible, and the next run ends where it should."""

import itertools
import json
import os
import random
import subprocess
import sys
import time

import pytest

N_KILLS = int(os.environ.get("ORDERFLOW_SOAK_KILLS", "3"))
STEPS_OF_A_RUN = 4 * 2 * 6  # days x versions x steps told in a publication


def _start(where):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.storage.publish_days", str(where)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(where):
    with _start(where) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    *_, last = out.splitlines()
    assert last.startswith("done "), out
    return json.loads(last.removeprefix("done "))


def _kill_somewhere(where, rng):
    """Start a run and kill it; return how many unpublished generations its opening found."""
    with _start(where) as process:
        if rng.random() < 0.15:  # while it opens, migrates and checks
            time.sleep(rng.random() * 2)
            process.kill()
            return 0
        first = process.stdout.readline()
        assert first.startswith("open "), process.stderr.read()
        for _ in range(rng.randrange(STEPS_OF_A_RUN // 6)):
            process.stdout.readline()
        time.sleep(rng.random() * 0.05)  # a step takes some 10 to 50 ms
        process.kill()
    return json.loads(first.removeprefix("open "))["orphans"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run that nobody kills ends with, on the embedded store."""
    found = _finish(tmp_path_factory.mktemp("undisturbed"))
    assert found["removed"] == {}
    return found


def _killed_until_done(new_store, undisturbed):
    """Kill runs at seeded moments; return how many kills left rows that were not published."""
    rng = random.Random(20130903)
    n_kills = n_with_orphans = 0
    while n_kills < N_KILLS:
        # Every opening checks that each day shows one publication, whole. Once all days are at
        # their last version there is nothing left to kill, so a fresh store comes next.
        where = new_store()
        for _ in range(min(8, N_KILLS - n_kills)):
            n_with_orphans += _kill_somewhere(where, rng) > 0
            n_kills += 1
        finished = _finish(where)
        n_with_orphans += bool(finished["removed"])
        assert finished["hashes"] == undisturbed["hashes"]
    print(f"{n_kills} kills, {n_with_orphans} openings after one found unpublished rows")
    return n_with_orphans


@pytest.mark.timeout(120 + 10 * N_KILLS)
def test_killed_runs_leave_no_mixture_and_end_in_the_same_hashes(tmp_path, undisturbed):
    folders = (tmp_path / f"killed {k}" for k in itertools.count())
    n_with_orphans = _killed_until_done(lambda: next(folders), undisturbed)
    if N_KILLS >= 20:
        assert n_with_orphans > N_KILLS / 5, "the kills miss the publications"


@pytest.mark.timeout(120 + 10 * N_KILLS)
def test_killed_runs_on_postgres_leave_nothing_and_end_in_the_same_hashes(
    postgres_databases, undisturbed
):
    assert _killed_until_done(postgres_databases, undisturbed) == 0
