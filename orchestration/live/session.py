"""A live session: sockets on one side, the store's thread on the other, the log between them.

The event loop reads messages, appends them to the logs and cuts segments; nothing else happens in
it. Sealing, parsing and publishing are work for one thread, which takes segments from a queue of
paths. So a slow store makes the log longer, never the memory fuller, and never stops the reader.

SIGTERM and SIGINT drain: reading stops, the open segments are sealed and published, the days' flow
is closed, the store is left. A second signal leaves at once; the next start publishes what the log
holds.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from orchestration.live.capture_log import CaptureLog, OpenSegment, lines_newest_first
from orchestration.live.feeds import Feed, message_of
from orchestration.live.status import SymbolStatus
from orchestration.live.worker import Worker
from orderflow_core.instrument import Instrument

_TURN_S = 0.05


class Record(NamedTuple):
    """A line for the log, and when it was received; ``is_cut``: it has no line end."""

    recv_ns: int
    line: bytes
    is_cut: bool = False


Records = AsyncGenerator[Record, None]


@dataclass(slots=True, kw_only=True)
class Line:
    """What belongs to one symbol of a session.

    Attributes
    ----------
    feed : Feed
    log : CaptureLog
    worker : Worker
    status : SymbolStatus
    records : callable -> async generator of Record
        Opens the source.
    """

    feed: Feed
    log: CaptureLog
    worker: Worker
    status: SymbolStatus
    records: Callable[[], Records]
    last_message: bytes = b""


async def live_records(
    feed: Feed, instrument: Instrument, settings: Any, log: CaptureLog
) -> Records:
    """Yield what a vendor's client receives as lines of the log; it goes on where the log ends."""
    resume = feed.resume_from(lines_newest_first(log.folder))
    async with aclosing(feed.connect(instrument, settings, resume)) as messages:
        async for recv_ns, message in messages:
            yield Record(recv_ns, b"%d %s" % (recv_ns, message))


@dataclass(slots=True, kw_only=True)
class Session:
    """Runs the lines of all symbols until a signal, a failure, or the end of a source.

    Attributes
    ----------
    lines : sequence of Line
    on_status : callable
        Called with the figures of all symbols every ``status_s`` seconds, in the event loop.
    status_s : float, > 0
    """

    lines: Sequence[Line]
    on_status: Callable[[list[dict[str, Any]]], None]
    status_s: float = 1.0
    _store: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "store"))
    _disk: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "disk"))
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _failure: BaseException | None = None
    _is_store_broken: bool = False
    _signal: int = 0

    async def run(self) -> int:
        """Run; return the number of the signal that ended it, 0 if there was none.

        Raises
        ------
        SourceError, StoreError, IngestRefused, NotWritable
            What ended the session; what the logs hold was published as far as the store took it.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        for line in self.lines:
            for segment in line.worker.open():  # what an earlier run left to do
                self._submit(line, partial(line.worker.take, segment))
        followers = [self._start(self._follow(line)) for line in self.lines]
        others = [self._start(task()) for task in (self._sync, self._cut, self._report)]
        ended = self._start(self._until_all_end(followers))
        await self._stop.wait()
        for task in (*followers, *others, ended):
            task.cancel()
        await asyncio.gather(*followers, *others, ended, return_exceptions=True)
        await self._drain()
        if self._failure is not None:
            raise self._failure
        return self._signal

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._note_failure)
        return task

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._stop.set()

    async def _until_all_end(self, followers: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.gather(*followers)
        self._stop.set()

    def _on_signal(self, number: int) -> None:
        if self._signal:
            # What is on the disk is safe, and nothing is published by halves.
            os._exit(128 + number)
        self._signal = number
        self._stop.set()

    async def _follow(self, line: Line) -> None:
        async with aclosing(line.records()) as records:
            async for record in records:
                line.log.append(*record)
                line.last_message = message_of(record.line)
                is_record = line.feed.is_record(line.last_message)
                line.status.take_message(record.recv_ns, is_record=is_record)
                if line.log.is_due(record.recv_ns):
                    self._cut_line(line)

    def _cut_line(self, line: Line, *, at_end: bool = False) -> None:
        if not at_end and not line.feed.may_end(line.last_message):
            return
        segment = line.log.cut()
        if segment is not None:
            self._submit(line, partial(_seal_and_take, line.worker, segment))

    def _submit(self, line: Line, work: Callable[[], None]) -> None:
        line.status.n_behind += 1
        self._store.submit(self._in_store, line, work)

    def _in_store(self, line: Line, work: Callable[[], None]) -> None:
        try:
            # After a failure nothing more is published: resuming relies on the order of segments.
            if not self._is_store_broken:
                work()
        except BaseException as error:  # raised again by `run`
            self._is_store_broken = True
            line.status.problem = str(error)
            self._failure = self._failure or error
        finally:
            line.status.n_behind -= 1

    async def _cut(self) -> None:
        # A quiet stream brings no line that would find its segment due.
        while True:
            await asyncio.sleep(_TURN_S)
            if self._is_store_broken:
                self._stop.set()
            for line in self.lines:
                if line.log.is_old():
                    self._cut_line(line)

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        pause = min(line.log.policy.sync_ms for line in self.lines) / 1000
        while True:
            await asyncio.sleep(pause)
            for line in self.lines:
                await loop.run_in_executor(self._disk, line.log.sync)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self.status_s)
            self.on_status([line.status.as_json() for line in self.lines])

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        for line in self.lines:
            self._cut_line(line, at_end=True)
            self._submit(line, line.worker.finish)
        await loop.run_in_executor(None, self._store.shutdown)
        self._disk.shutdown()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        self.on_status([line.status.as_json() for line in self.lines])


def _seal_and_take(worker: Worker, segment: OpenSegment) -> None:
    worker.take(segment.seal())


__all__ = ["Line", "Record", "Records", "Session", "live_records"]
