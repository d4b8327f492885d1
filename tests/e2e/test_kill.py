"""kill -9 while a file is taken in and while the day job runs: what is visible is whole, and the next
run ends where it should."""

import os
import random
import signal
import time

import pytest

from tests.e2e.command import inspect, orderflow, start
from tests.e2e.conftest import DAYS
from tests.e2e.instrument import SYMBOL, add_instrument

N_KILLS = int(os.environ.get("ORDERFLOW_SOAK_KILLS", "2"))
KILLS_A_HOME = 5
RUN = ("run", "--symbol", SYMBOL, "--to", DAYS[0], "--job", "day")


def wait_for_first_day(process):
    """Wait until the graph is loaded, which takes seconds, and the first day begins."""
    while not (line := process.stderr.readline()).startswith("  day "):
        assert line, "the run ended before its first day"


def kill_within(home, seconds, rng):
    """Start a run and kill it within some seconds of its first step; say whether it still ran."""
    with start(home, *RUN) as process:
        wait_for_first_day(process)
        time.sleep(rng.random() * 1.5 * seconds)
        process.kill()
        return process.wait() == -signal.SIGKILL


@pytest.mark.timeout(300 + 40 * N_KILLS)
def test_killed_runs_leave_no_mixture_and_end_in_the_same_hashes(whole_way, capture, tmp_path):
    undisturbed = {
        key: value
        for key, value in whole_way.first["hashes"].items()
        if key.startswith("raw.")
        or (key.startswith(("flow.", "research.features", "research.labels")) and DAYS[0] in key)
    }
    # The undisturbed run's own time, but for what a cold process adds.
    stages = whole_way.again.json["stages"]
    seconds = sum(s["seconds"] for s in stages if not s["table"].startswith("models."))
    rng = random.Random(20240808)
    n_done = n_killed = n_partial = 0
    while n_done < N_KILLS:
        (home := tmp_path / f"home {n_done}").mkdir()
        add_instrument(home)
        orderflow(home, "ingest", "capture", "--path", str(capture), "--symbol", SYMBOL)
        for _ in range(min(KILLS_A_HOME, N_KILLS - n_done)):
            n_killed += kill_within(home, seconds, rng)
            n_done += 1
            found = inspect(home)
            assert found["problems"] == []
            assert found["hashes"].items() <= undisturbed.items()
            n_partial += len(found["hashes"]) < len(undisturbed)
        orderflow(home, *RUN, "--json")
        found = inspect(home)
        assert (found["hashes"], found["problems"]) == (undisturbed, [])
    print(f"{n_killed} of {n_done} runs were killed, {n_partial} left a part of the tables")
    assert n_killed > n_done / 2, "the kills come after the runs"


def wait_for_store(home, process):
    """Wait until a command holds the store: its imports take seconds."""
    lock, mine = home / "store" / "store.lock", f'"pid": {process.pid},'
    while not (lock.exists() and mine in lock.read_text()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)


@pytest.mark.timeout(300 + 20 * N_KILLS)
def test_killed_ingests_leave_no_mixture_and_end_in_the_same_hashes(capture, tmp_path):
    take = ("ingest", "capture", "--path", str(capture), "--symbol", SYMBOL)
    (first := tmp_path / "undisturbed").mkdir()
    with start(add_instrument(first), *take) as process:
        wait_for_store(first, process)
        begun = time.monotonic()
        assert process.wait() == 0
        seconds = time.monotonic() - begun  # the tables are made in it, too
    undisturbed = inspect(first)
    assert undisturbed["hashes"]
    rng = random.Random(20240809)
    n_done = n_killed = n_partial = 0
    while n_done < N_KILLS:
        (home := tmp_path / f"home {n_done}").mkdir()
        add_instrument(home)
        for _ in range(min(KILLS_A_HOME, N_KILLS - n_done)):
            with start(home, *take) as process:
                wait_for_store(home, process)
                time.sleep(rng.random() * seconds)
                process.kill()
                n_killed += process.wait() == -signal.SIGKILL
            n_done += 1
            found = inspect(home)
            assert found["problems"] == []
            assert found["hashes"].items() <= undisturbed["hashes"].items()
            n_partial += len(found["hashes"]) < len(undisturbed["hashes"])
        orderflow(home, *take)
        orderflow(home, "db", "vacuum")
        found = inspect(home)
        assert (found["hashes"], found["problems"]) == (undisturbed["hashes"], [])
        assert found["orphans"] == 0
    print(f"{n_killed} of {n_done} ingests were killed, {n_partial} left a part of the tables")
    assert n_killed > n_done / 2, "the kills come after the ingest"


def test_an_interrupt_ends_a_run_at_once(whole_way):
    with start(whole_way.home, *RUN) as process:
        wait_for_first_day(process)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("interrupted: ")
    assert "Traceback" not in err
