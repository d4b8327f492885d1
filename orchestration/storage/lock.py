"""One process at a time in an embedded store: a lock file that says who holds it.

The embedded engine has a lock of its own, but it fails at once and names nobody. This one waits a
stated time, and its error names the holder. The kernel drops it when the holder dies, however it dies.
"""

import contextlib
import fcntl
import json
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from orchestration.storage.errors import StoreLockedError

_POLL_S = 0.05


class StoreLock:
    """Exclusive advisory lock on a file (``flock``), held from ``acquire`` until ``release``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self, timeout_s: float) -> None:
        """Take the lock, waiting at most ``timeout_s`` seconds.

        Raises
        ------
        StoreLockedError
            Another process still holds it then; the message names its pid, host and command, and
            since when.
        """
        # The descriptor is not inherited by child processes: a subprocess cannot keep the lock alive.
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = _read_holder(fd)
                    os.close(fd)
                    raise StoreLockedError(
                        f"store {self._path.parent} is in use by {holder}; waited {timeout_s:g} s"
                    ) from None
                time.sleep(_POLL_S)
        _write_holder(fd)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back; the file stays, empty."""
        if self._fd is None:
            return
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = None


def _write_holder(fd: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join(sys.orig_argv)[:500],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(fd, 0)
    # On a full disk the lock holds without a name: what is published can be read there.
    with contextlib.suppress(OSError):
        os.pwrite(fd, json.dumps(holder).encode(), 0)


def _read_holder(fd: int) -> str:
    # Empty or half written when the holder is just starting or just leaving, or on a full disk.
    try:
        holder = json.loads(os.pread(fd, 65536, 0))
    except ValueError:
        return "a process that has not written its name yet"
    return f"pid {holder['pid']} on {holder['host']} since {holder['since']}: {holder['command']}"
