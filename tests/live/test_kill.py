"""kill -9 of the live process: what the server sent is stored, id by id, none lost, none twice."""

import os
import random
import signal
import time
from contextlib import suppress
from subprocess import Popen

import pytest

from tests.e2e.command import start
from tests.live.market import INST, SYMBOL, bridge_ticks
from tests.live.servers import PacedBridge, serving
from tests.live.stored import stored_in

# A soak at the counts of the kills of other tests takes an hour; 50 are what the issue asks for. In
# the suite the second signal is the kill here, and `test_binance` has one by -9: each start takes seconds.
N_KILLS = min(int(os.environ.get("ORDERFLOW_SOAK_KILLS", "0")), 50)
TICKS_A_LIFE = 1200
FAST = {"ORDERFLOW_LIVE_SEGMENT_S": "0.3", "ORDERFLOW_LIVE_SYNC_MS": "50"}


def rows_sent(ticks):
    price = lambda text: round(float(text) * 4)  # noqa: E731  quarters
    trades = [[t["seq"], price(t["px"]), int(t["vol"])] for t in ticks if t["type"] == "L"]
    quotes = [
        [t["seq"], price(t["bid"]), int(t["bidvol"]), price(t["ask"]), int(t["askvol"])]
        for t in ticks
        if t["type"] != "L"
    ]
    return trades, quotes


def wait_for(condition, process, seconds=120.0):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.01)


def life(home, bridge):
    options = ("-o", f"port={bridge.port}", "-o", f"contract={INST}", "--json", "--status-s", "600")
    kernels = {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", "")}
    return start(home, "live", "kinetick", SYMBOL, *options, **FAST, **kernels)


def is_logged(home, number):
    """Return whether a message stands in the log: what is still in the socket a drain does not take."""
    newest = sorted(home.glob("live/*/*/*/*"))[-1:]
    with suppress(FileNotFoundError):  # it was renamed meanwhile
        return any(b'"seq":%d,' % number in path.read_bytes() for path in newest)
    return False


def leave_at_once(process):
    """Send two signals, the second before anything could be drained."""
    # Both wait for the stopped process, so that it hears of them together.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        process.send_signal(number)
    out, err = process.communicate(timeout=120)
    # Which of the two is the second is the system's choice. A drain ends with a status line.
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert (out, err) == ("", "")


@pytest.mark.timeout(300 + 60 * N_KILLS)
def test_killed_at_random_moments_and_started_again(tmp_path):
    rng = random.Random(20250319)
    ticks = bridge_ticks(TICKS_A_LIFE * (N_KILLS + 2))
    bridge = PacedBridge(ticks=ticks, piece=20, pause_s=0.01)
    with serving(bridge):
        for end in [leave_at_once, *[Popen.kill] * N_KILLS]:
            before = len(bridge.asked)
            with life(tmp_path, bridge) as process:
                wait_for(lambda n=before: len(bridge.asked) > n, process)
                time.sleep(0.2 + rng.random() * 0.7)
                end(process)
        with life(tmp_path, bridge) as process:
            wait_for(lambda: is_logged(tmp_path, ticks[-1]["seq"]), process)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, ""), out
    found = stored_in(tmp_path, SYMBOL)
    assert found["problems"] == []
    trades, quotes = rows_sent(ticks)
    assert found["raw.trades"] == trades
    assert found["raw.quotes"] == quotes
    assert found["raw.gaps"] == []
    # A torn line is kept, and its message came again.
    assert {reason for reason, _ in found["raw.quarantine"]} <= {"truncated"}
    assert [q["after"] > 0 for q in bridge.asked[1:]].count(True) > 0
