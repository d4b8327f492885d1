"""The capture log of one symbol: append-only segments of lines ``<recv_ns> <message>``.

``<folder>/<UTC date>/<number of the first line>.log`` is a sealed segment, ``.open`` the one that is
written. Lines are numbered through the whole log, so that names carry the order, and a segment's
lines have the numbers that they have in the log as a whole. A log begins at the UTC microseconds of
its making: should a log be deleted, its numbers do not come back.

What is durable when: a line is written to the file's buffer at once, and is on the disk after the
next `CaptureLog.sync`, which the session calls every ``sync_ms`` at the latest. A segment is handed to the
system when it is cut, and synced, closed and renamed before anything is read from it, so that nothing derived is ever published from
lines that a power cut could take back. A killed process may leave an ``.open`` segment, whose last
line may be torn: it is sealed as it stands, the reader quarantines the torn line as ``truncated``,
and the client asks the venue for what follows the last whole line.
"""

import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from orchestration.errors import writing
from orchestration.sources.records import SourceError

MAX_SEGMENT_S = 10.0
_NAME = re.compile(r"([0-9]{20})\.(log|open)")
_NS_PER_S = 1_000_000_000
# More segments than can wait for the disk: it is asked for every few hundred milliseconds.
_MOST_UNSYNCED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """When a segment ends, and when lines are forced to the disk.

    Attributes
    ----------
    segment_s : float, > 0, at most `MAX_SEGMENT_S`
        Longest stretch of time of a segment.
    segment_bytes : int, > 0
        A busy stream cuts earlier, so that what is read at once stays small.
    sync_ms : float, > 0
        Longest time that a line waits for the disk.
    """

    segment_s: float = 2.0
    segment_bytes: int = 4 << 20
    sync_ms: float = 200.0

    def __post_init__(self) -> None:
        if not 0 < self.segment_s <= MAX_SEGMENT_S:
            raise ValueError(f"segment_s must be in (0, {MAX_SEGMENT_S:g}], got {self.segment_s}")
        if self.segment_bytes <= 0 or self.sync_ms <= 0:
            raise ValueError("segment_bytes and sync_ms must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A sealed part of a log.

    Attributes
    ----------
    path : Path
    first_line : int
        Number of its first line in the log.
    """

    path: Path
    first_line: int


@dataclass(slots=True, kw_only=True)
class OpenSegment:
    """The part of a log that is being written, or was until it was cut off."""

    path: Path
    file: BinaryIO
    first_line: int
    first_recv_ns: int
    opened: float
    n_lines: int = 0
    n_bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sync(self) -> None:
        """Force what was written to the disk; nothing to do once it is sealed."""
        with self.lock:
            if not self.file.closed:
                with writing(self.path):
                    self.file.flush()
                    os.fdatasync(self.file.fileno())

    def seal(self) -> Segment:
        """Force it to the disk, close it and give it its final name. Any thread may do so."""
        with self.lock, writing(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
        return _renamed(self.path, self.first_line)


class CaptureLog:
    """The log of one symbol. One process writes it: who holds the store does.

    Opening seals what a killed process left open. ``cut`` and ``append`` belong to one thread;
    ``sync`` may run in another.
    """

    def __init__(self, folder: Path, policy: LogPolicy, *, first_line: int | None = None) -> None:
        self.folder = folder
        self.policy = policy
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _seal_leftovers(folder)
        last = next(iter(self.sealed(newest_first=True)), None)
        if last is not None:
            self._next_line = last.first_line + count_lines(last.path)
        else:
            now_us = int(datetime.now(UTC).timestamp() * 1e6)
            self._next_line = now_us if first_line is None else first_line
        self._open: OpenSegment | None = None
        self._unsealed: list[OpenSegment] = []

    @property
    def open_lines(self) -> int:
        """Lines of the segment that is being written."""
        return self._open.n_lines if self._open else 0

    def append(self, recv_ns: int, line: bytes, is_cut: bool = False) -> None:
        """Write a line, ``<recv_ns> <message>``; ``is_cut`` leaves out the end that it lacks."""
        if b"\n" in line:
            raise ValueError("a line of the log must hold no line end")
        segment = self._open or self._begin(recv_ns)
        data = line if is_cut else line + b"\n"
        with writing(segment.path):
            segment.file.write(data)
        segment.n_lines += 1
        segment.n_bytes += len(data)

    def is_due(self, now_ns: int) -> bool:
        """Return whether the open segment is as long as it may be at this time of receipt."""
        segment = self._open
        if segment is None:
            return False
        age = now_ns - segment.first_recv_ns
        return (
            age >= self.policy.segment_s * _NS_PER_S or segment.n_bytes >= self.policy.segment_bytes
        )

    def is_old(self) -> bool:
        """Return whether the open segment has been open for as long as it may be."""
        segment = self._open
        return segment is not None and (time.monotonic() - segment.opened >= self.policy.segment_s)

    def cut(self) -> OpenSegment | None:
        """End the open segment and return it, to be sealed; the next line opens another."""
        segment, self._open = self._open, None
        if segment is not None:
            self._next_line += segment.n_lines
            with writing(segment.path):
                # Into the system's hands: a killed process must not lose what lies before lines of
                # the next segment.
                segment.file.flush()
            self._unsealed = [*(s for s in self._unsealed if not s.file.closed), segment]
        return segment

    def sync(self) -> None:
        """Force all lines so far to the disk, those that came first first."""
        current = self._open
        for segment in (*self._unsealed, *([current] if current else [])):
            segment.sync()

    def sealed(self, *, newest_first: bool = False) -> list[Segment]:
        """Return the sealed segments in the order of their lines."""
        return segments_of(self.folder, newest_first=newest_first)

    def _begin(self, recv_ns: int) -> OpenSegment:
        date = datetime.fromtimestamp(recv_ns // _NS_PER_S, UTC).strftime("%Y-%m-%d")
        path = self.folder / date / f"{self._next_line:020d}.open"
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            file = path.open("xb")
        self._open = OpenSegment(
            path=path, file=file, first_line=self._next_line, first_recv_ns=recv_ns,
            opened=time.monotonic(),
        )  # fmt: skip
        return self._open


def segments_of(folder: Path, *, newest_first: bool = False) -> list[Segment]:
    """Return the sealed segments of a log in the order of their lines."""
    found = [
        Segment(path=path, first_line=int(match[1]))
        for path in folder.glob("*/*.log")
        if (match := _NAME.fullmatch(path.name)) is not None
    ]
    return sorted(found, key=lambda segment: segment.first_line, reverse=newest_first)


def lines_newest_first(folder: Path) -> Iterator[bytes]:
    """Yield the whole lines of a log from its end: where a client may go on after.

    A power cut may take the end of one segment and spare the next. Then the log ends where the
    first of them does: what comes after is asked for again, and is quarantined as a duplicate.
    """
    found = segments_of(folder)
    for i in range(max(len(found) - _MOST_UNSYNCED, 0), len(found) - 1):
        if found[i].first_line + count_lines(found[i].path) < found[i + 1].first_line:
            found = found[: i + 1]
            break
    for segment in reversed(found):
        # What follows the last line end is torn, and no line.
        yield from reversed(_bytes_of(segment.path).split(b"\n")[:-1])


def count_lines(path: Path) -> int:
    """Return the number of lines of a file, a torn one at its end included."""
    data = _bytes_of(path)
    return data.count(b"\n") + int(bool(data) and not data.endswith(b"\n"))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error


def _seal_leftovers(folder: Path) -> None:
    for path in sorted(folder.glob("*/*.open")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        with writing(path), path.open("rb+") as file:
            os.fsync(file.fileno())
        if path.stat().st_size:
            _renamed(path, int(match[1]))
        else:
            path.unlink()  # killed between opening it and the first line


def _renamed(path: Path, first_line: int) -> Segment:
    target = path.with_suffix(".log")
    with writing(target):
        path.rename(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return Segment(path=target, first_line=first_line)


__all__ = [
    "MAX_SEGMENT_S",
    "CaptureLog",
    "LogPolicy",
    "OpenSegment",
    "Segment",
    "count_lines",
    "lines_newest_first",
    "segments_of",
]
