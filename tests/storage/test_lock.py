"""The lock file alone: waiting, naming the holder, surviving its death."""

import json
import signal
import subprocess
import sys

import pytest

from orchestration.storage.errors import StoreLockedError
from orchestration.storage.lock import StoreLock

_HOLDER = """
import sys
from pathlib import Path
from orchestration.storage.lock import StoreLock
lock = StoreLock(Path(sys.argv[1]))
lock.acquire(5)
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_error_names_the_holder(tmp_path, holder):
    with pytest.raises(StoreLockedError) as caught:
        StoreLock(tmp_path / "lock").acquire(0.1)
    text = str(caught.value)
    assert f"in use by pid {holder.pid} on " in text
    assert text.endswith("waited 0.1 s")


def test_waiting_ends_when_the_holder_leaves(tmp_path, holder):
    holder.stdin.close()
    lock = StoreLock(tmp_path / "lock")
    lock.acquire(30)
    assert json.loads((tmp_path / "lock").read_text())["pid"] != holder.pid
    lock.release()


def test_death_of_the_holder_frees_the_lock(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = StoreLock(tmp_path / "lock")
    lock.acquire(30)
    lock.release()
    lock.release()  # once more does no harm
    assert (tmp_path / "lock").read_text() == ""


def test_half_written_name_is_no_crash(tmp_path):
    lock = StoreLock(tmp_path / "lock")
    lock.acquire(1)
    (tmp_path / "lock").write_text('{"pid": 1')
    with pytest.raises(StoreLockedError, match="has not written its name yet"):
        StoreLock(tmp_path / "lock").acquire(0)
    lock.release()
