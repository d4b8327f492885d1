"""The streams of one address, over as many connections one after the other as it takes."""

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

from orchestration.sources.binance.backfill import Backfill
from orchestration.sources.binance.connection import (
    SHUTDOWN,
    Connection,
    ConnectionFailed,
    Event,
    pause_s,
)
from orchestration.sources.binance.roll import Roll
from orchestration.sources.binance.stream_settings import Endpoint, StreamSettings, StreamStatus
from orchestration.sources.gate import epoch_ns
from orchestration.sources.id_gaps import ID_LEAP
from orchestration.sources.records import SourceError

Line: TypeAlias = tuple[int, bytes]
_SNAPSHOT_PAUSE_S = 5.0
_FAREWELL_S = 1.0


@dataclass(slots=True, kw_only=True, eq=False)
class Leg:
    """Keeps the streams of one address going and hands their lines on.

    Attributes
    ----------
    lines : asyncio.Queue
        Takes the lines, and the error that ended it all.
    last_ids : dict of str to int
        Largest id of each kind handed on.
    overlap_ids : dict of str to set of int
        Ids handed on while a successor was open: what it brings again is left out.
    n_failures : int
        Connections in a row that brought nothing.
    """

    endpoint: Endpoint
    settings: StreamSettings
    status: StreamStatus
    fill: Backfill
    lines: "asyncio.Queue[Line | Exception]"
    last_ids: dict[str, int] = field(default_factory=dict)
    overlap_ids: dict[str, set[int]] = field(default_factory=dict)
    is_overlapping: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    followed: str = ""
    n_failures: int = 0
    n_events: int = 0
    last_quote_ns: int = 0
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    is_asking_for_book: bool = False
    is_snapshot_due: bool = True
    snapshot_not_before: float = 0.0
    next_snapshot_ns: int = 0

    async def run(self) -> None:
        """Go on until cancelled; an error is handed on as the last line."""
        self.followed = self.fill.followed_kind(self.endpoint.kinds)
        if self.settings.after and self.followed:
            self.last_ids[self.followed] = self.settings.after
        try:
            current: Connection | None = None
            while True:
                current = await self._follow(current or await self._connected())
        except Exception as error:
            await self.lines.put(error)
        finally:
            if self.tasks:  # connections that say farewell
                await asyncio.wait(self.tasks, timeout=_FAREWELL_S * self.settings.time_scale)
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def _retire(self, *connections: Connection) -> None:
        for connection in connections:
            self._in_background(asyncio.create_task(connection.close()))

    def _in_background(self, work: "asyncio.Task[None]") -> None:
        self.tasks.add(work)
        work.add_done_callback(self.tasks.discard)

    # -- connections -----------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        # A connection after a break; tries until there is one.
        while True:
            if self.n_failures:
                await asyncio.sleep(pause_s(self.settings, self.n_failures))
            try:
                made = await Connection.open(self.endpoint, self.settings, self.woken)
            except ConnectionFailed as error:
                await asyncio.sleep(error.pause_s * self.settings.time_scale)
                self._count_failure(str(error))
            else:
                self.status.n_connects += 1
                return made

    def _count_failure(self, detail: str) -> None:
        self.n_failures += 1
        self.status.last_error = detail
        settings = self.settings
        most = settings.most_failures if self.n_events else settings.most_failures_at_start
        if most and self.n_failures >= most:
            raise SourceError(
                self.endpoint.url,
                f"{self.n_failures} connections in a row brought no event of "
                f"{', '.join(self.endpoint.streams)}; the last one: {detail}",
            )

    async def _follow(self, current: Connection) -> Connection | None:
        # Hands the events of a connection on until it ends or its successor has taken over.
        roll = Roll(endpoint=self.endpoint, settings=self.settings, woken=self.woken)
        try:
            while True:
                await self._drain(current)
                if current.refusal:
                    raise SourceError(self.endpoint.url, f"refuses the streams: {current.refusal}")
                self._judge(current)
                if roll.is_due(current):
                    self._overlap(is_on=True)
                    roll.start()
                self._retire(*roll.given_up())
                if current.ended:
                    await self._drain(current)
                    await roll.settle()
                if roll.has_caught_up(current, self.last_ids):
                    return await self._take_over(roll)
                if current.ended:
                    self._lose(current)
                    return self._succeed(roll)
                await self._wait(current, roll)
        finally:
            self._retire(current, *roll.stop())

    def _overlap(self, *, is_on: bool) -> None:
        self.is_overlapping = is_on
        if is_on:
            self.overlap_ids = {kind: set() for kind in self.endpoint.kinds}

    def _succeed(self, roll: Roll) -> Connection | None:
        self._overlap(is_on=False)
        successor = roll.hand_over()
        if successor is not None:
            self.status.n_connects += 1
        return successor

    async def _take_over(self, roll: Roll) -> Connection | None:
        successor = self._succeed(roll)
        if successor is not None:
            self.status.n_rolls += 1
            successor.is_announced = True
            text = b"configuration: rolled to " + self.endpoint.marker
            await self.lines.put((self.settings.clock(), text))
        return successor

    def _lose(self, current: Connection) -> None:
        if current.first_ids:
            self.status.last_error = current.ended
            self.n_failures = 1  # a short pause, also where each connection brings a little
        else:
            self._count_failure(current.ended)

    def _judge(self, current: Connection) -> None:
        # Ends a connection that brings nothing.
        if current.ended or not current.events.empty():
            return
        now, scale = asyncio.get_running_loop().time(), self.settings.time_scale
        if (
            current.n_unanswered
            and now >= current.opened_at + self.settings.reply_timeout_s * scale
        ):
            current.ended = "the subscription was not acknowledged"
        elif now >= current.last_event_at + self.settings.silence_timeout_s * scale:
            self.status.n_silences += 1
            current.ended = f"no event for {self.settings.silence_timeout_s:g} s"

    async def _wait(self, current: Connection, roll: Roll) -> None:
        scale = self.settings.time_scale
        until = [
            current.last_event_at + self.settings.silence_timeout_s * scale,
            roll.next_at(current),
        ]
        if current.n_unanswered:
            until.append(current.opened_at + self.settings.reply_timeout_s * scale)
        left = min(until) - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(left, 0.001)):
                await self.woken.wait()
        except TimeoutError:
            return
        self.woken.clear()

    # -- events ----------------------------------------------------------------------------------

    async def _drain(self, connection: Connection) -> None:
        while not connection.events.empty():
            await self._hand_on(connection, connection.events.get_nowait())

    async def _hand_on(self, connection: Connection, event: Event) -> None:
        kind = event.kind
        if not kind or kind == SHUTDOWN:
            self.status.n_shutdowns += kind == SHUTDOWN
            await self.lines.put((event.recv_ns, event.payload))
            return
        if event.id in self.overlap_ids.get(kind, ()):
            return
        if not connection.is_announced:
            await self._announce(connection, event)
        last = self.last_ids.get(kind, -1)
        if kind == self.followed and last >= 0 and last + 1 < event.id <= last + ID_LEAP:
            for frame in await self.fill.trades(kind, last + 1, event.id - 1):
                await self.lines.put((self.settings.clock(), frame))
        elif kind == "depth":
            self._follow_book(event, last)
        await self.lines.put((event.recv_ns, event.payload))
        self._note(event, last)

    def _note(self, event: Event, last: int) -> None:
        self.n_events += 1
        self.status.n_events += 1
        self.n_failures = 0
        self.last_ids[event.kind] = self.status.last_ids[event.kind] = max(last, event.id)
        if self.is_overlapping and event.kind in self.overlap_ids:
            self.overlap_ids[event.kind].add(event.id)
        if event.kind == "bookTicker":
            self.last_quote_ns = epoch_ns(event.ts_ms) or event.recv_ns

    async def _announce(self, connection: Connection, event: Event) -> None:
        connection.is_announced = True
        self.is_snapshot_due = True
        text = self.endpoint.marker + b" after-quote-ns=%d" % self.last_quote_ns
        await self.lines.put((event.recv_ns, text))

    def _follow_book(self, event: Event, last: int) -> None:
        # A snapshot after each break of the updates, and at each multiple of its interval.
        if event.previous_id >= 0:
            is_broken = last >= 0 and event.previous_id != last
        else:
            is_broken = last >= 0 and event.first_id > last + 1
        self.is_snapshot_due |= is_broken and event.id > last
        if event.recv_ns >= self.next_snapshot_ns:
            every = int(self.settings.snapshot_every_s * self.settings.time_scale * 1e9)
            self.next_snapshot_ns = (event.recv_ns // every + 1) * every
            self.is_snapshot_due = True
        can_ask = self.settings.snapshot_levels and event.first_id >= 0
        now = asyncio.get_running_loop().time()
        if (
            can_ask and self.is_snapshot_due and not self.is_asking_for_book
            and now >= self.snapshot_not_before
        ):  # fmt: skip
            self.is_snapshot_due, self.is_asking_for_book = False, True
            self._in_background(asyncio.create_task(self._ask_for_book(event.first_id)))

    async def _ask_for_book(self, least_id: int) -> None:
        frame = await self.fill.snapshot(least_id)
        self.is_asking_for_book = False
        if frame is not None:
            await self.lines.put((self.settings.clock(), frame))
            return
        now = asyncio.get_running_loop().time()
        self.snapshot_not_before = now + _SNAPSHOT_PAUSE_S * self.settings.time_scale
        self.is_snapshot_due = True
