"""Client of the live bridge: the messages of one instrument, as they arrive.

The client keeps the number of the last message that it handed on. A connection that breaks, falls
silent or skips a number is given up, and the next one asks for what follows that number: the
add-on sends it again from its memory. So what the client hands on has no hole but those that the
add-on's answer (a hello) declares, and the answer is handed on too: a log of the messages tells
all that is missing.

A feed may be connected and yet frozen: heartbeats come, ticks do not. After
``BridgeSettings.frozen_after_s`` the client connects again, once for each such stretch: in the
night a market is silent for good reasons.
"""

import asyncio
import ipaddress
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from orchestration.sources.kinetick.wire import (
    ASK,
    BID,
    HELLO,
    MAX_LINE_BYTES,
    REFUSAL,
    TRADE,
    Message,
    WireError,
    parse_message,
    subscription,
)
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

DEFAULT_PORT = 6790
_NUMBERED = (TRADE, BID, ASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """How to reach the bridge and when to give a connection up.

    Attributes
    ----------
    host, port : str, int
        A loopback address: the bridge has no password, and market data no business outside.
    contract : str
        Contract to subscribe to (``ES 12-26``); empty: the instrument's ``venue_symbol``.
    after, after_ts_ns : int
        Last message of an earlier run, which the first connection continues; 0: from now on.
    connect_timeout_s, silence_timeout_s : float, > 0
        Silence counts heartbeats as well, which come every second.
    frozen_after_s : float, > 0
        Heartbeats without a tick for this long: connect again.
    first_pause_s, longest_pause_s : float, > 0
        Between connections: doubled after each that brought nothing.
    max_failures : int
        Connections in a row that bring nothing before the client gives up; 0: never.
    time_scale : float, > 0
        Multiplies all of these times.
    clock : callable
        Receive time in ns UTC.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    contract: str = ""
    after: int = 0
    after_ts_ns: int = 0
    connect_timeout_s: float = 5.0
    silence_timeout_s: float = 5.0
    frozen_after_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 30.0
    max_failures: int = 0
    time_scale: float = 1.0
    clock: Callable[[], int] = time.time_ns

    def __post_init__(self) -> None:
        try:
            is_local = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            is_local = self.host == "localhost"
        if not is_local:
            raise ValueError(f"host must be a loopback address, got {self.host!r}")
        for name in (
            "connect_timeout_s", "silence_timeout_s", "frozen_after_s", "first_pause_s",
            "longest_pause_s", "time_scale",
        ):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        if self.max_failures < 0 or self.after < 0:
            raise ValueError("max_failures and after must not be negative")


@dataclass(slots=True, kw_only=True)
class BridgeStatus:
    """What a client has seen so far; who follows it may read it at any time.

    Attributes
    ----------
    last_seq, last_ts_ns : int
        Number and time of the last message handed on.
    last_tick_recv_ns : int
        When the last tick came.
    asked_again_after : int
        Number after which a hole was found and asked for once; -1: none.
    n_connects, n_holes, n_damaged, n_frozen : int
        Connections; numbers skipped inside one; unreadable lines; frozen stretches.
    is_frozen : bool
        Heartbeats come, ticks do not.
    last_error : str
        Why the last connection ended.
    """

    last_seq: int = 0
    last_ts_ns: int = 0
    last_tick_recv_ns: int = 0
    asked_again_after: int = -1
    n_connects: int = 0
    n_holes: int = 0
    n_damaged: int = 0
    n_frozen: int = 0
    is_frozen: bool = False
    last_error: str = ""


class _ConnectionEnded(Exception):  # noqa: N818  a finding about one connection, never seen outside
    pass


async def messages(
    instrument: Instrument, settings: BridgeSettings, status: BridgeStatus | None = None
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the messages of one instrument until the consumer stops.

    Parameters
    ----------
    instrument : Instrument
    settings : BridgeSettings
    status : BridgeStatus or None
        Filled as messages come.

    Yields
    ------
    recv_ns : int
    payload : bytes
        A line as it came, without its end: hellos and heartbeats too, unreadable ones as well.

    Raises
    ------
    SourceError
        The bridge refuses the instrument, answers for another one, or cannot be reached
        ``max_failures`` times in a row.
    """
    seen = status or BridgeStatus()
    seen.last_seq, seen.last_ts_ns = settings.after, settings.after_ts_ns
    where = f"bridge {settings.host}:{settings.port}"
    n_failures, pause_s = 0, settings.first_pause_s
    while True:
        before = seen.last_seq
        try:
            # Closed here and now, also when the consumer stops: the socket goes with it.
            async with aclosing(_connection(instrument, settings, seen, where)) as items:
                async for item in items:
                    yield item
        except (OSError, TimeoutError, _ConnectionEnded) as error:
            seen.last_error = str(error) or type(error).__name__
        if seen.last_seq > before:
            n_failures, pause_s = 0, settings.first_pause_s
        else:
            n_failures += 1
            if settings.max_failures and n_failures >= settings.max_failures:
                raise SourceError(
                    where,
                    f"{n_failures} connections in a row brought nothing, the last one: "
                    f"{seen.last_error}",
                )
        await asyncio.sleep(pause_s * settings.time_scale)
        pause_s = min(2 * pause_s, settings.longest_pause_s)


async def _connection(
    instrument: Instrument, settings: BridgeSettings, seen: BridgeStatus, where: str
) -> AsyncGenerator[tuple[int, bytes], None]:
    # Raises when the connection has ended, for whatever reason.
    contract = settings.contract or instrument.venue_symbol
    async with asyncio.timeout(settings.connect_timeout_s * settings.time_scale):
        reader, writer = await asyncio.open_connection(
            settings.host, settings.port, limit=MAX_LINE_BYTES
        )
    try:
        seen.n_connects += 1
        writer.write(subscription(contract, seen.last_seq, seen.last_ts_ns))
        await writer.drain()
        follower = _Follower(
            instrument=instrument, contract=contract, settings=settings, seen=seen, where=where,
            tick_due_ns=_due(settings),
        )  # fmt: skip
        while True:
            payload = await _line(reader, settings)
            recv_ns = settings.clock()
            if follower.is_wanted(payload, recv_ns):
                yield recv_ns, payload
            follower.require_ticks()
    finally:
        writer.close()


async def _line(reader: asyncio.StreamReader, settings: BridgeSettings) -> bytes:
    try:
        async with asyncio.timeout(settings.silence_timeout_s * settings.time_scale):
            line = await reader.readline()
    except TimeoutError as error:
        raise _ConnectionEnded("nothing came, not even a heartbeat") from error
    except ValueError as error:
        raise _ConnectionEnded(f"a line is longer than {MAX_LINE_BYTES} bytes") from error
    if not line.endswith(b"\n"):
        # Half a message comes again, whole, on the next connection.
        raise _ConnectionEnded("the bridge closed the connection")
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _due(settings: BridgeSettings) -> int:
    return time.monotonic_ns() + int(settings.frozen_after_s * settings.time_scale * 1e9)


@dataclass(slots=True, kw_only=True)
class _Follower:
    # Follows the numbers of one connection.
    instrument: Instrument
    contract: str
    settings: BridgeSettings
    seen: BridgeStatus
    where: str
    tick_due_ns: int
    is_greeted: bool = False

    def is_wanted(self, payload: bytes, recv_ns: int) -> bool:
        """Return whether to hand a line on; end the connection where the next one does better."""
        try:
            message = parse_message(payload)
        except WireError:
            # Handed on all the same: the quarantine keeps it. The skipped number brings it again.
            self.seen.n_damaged += 1
            return True
        if message.type == REFUSAL:
            code, detail = message.texts
            raise SourceError(self.where, f"refuses {self.contract}: {code}, {detail}")
        if message.inst != self.contract:
            raise SourceError(
                self.where, f"was asked for {self.contract} and sends {message.inst!r}"
            )
        if message.type == HELLO:
            return self._greet(message)
        if not self.is_greeted:
            raise _ConnectionEnded("the first message is no hello")
        return self._follow(message, recv_ns)

    def _greet(self, message: Message) -> bool:
        if message.after != self.seen.last_seq:
            raise _ConnectionEnded(
                f"the hello answers {message.after}, the question was {self.seen.last_seq}"
            )
        self.is_greeted = True
        # What the add-on no longer has is declared by this line and need not be asked for again.
        self.seen.last_seq = message.seq - 1
        return True

    def _follow(self, message: Message, recv_ns: int) -> bool:
        is_tick = message.type in _NUMBERED
        if message.seq > self.seen.last_seq + int(is_tick):
            self.seen.n_holes += 1
            if self.seen.asked_again_after != self.seen.last_seq:
                self.seen.asked_again_after = self.seen.last_seq
                raise _ConnectionEnded(
                    f"number {message.seq} came after {self.seen.last_seq}: asking again"
                )
            # Asked for twice and not sent: the jump in the log says that it is missing.
            self.seen.last_seq = message.seq
        if is_tick:
            self.tick_due_ns = _due(self.settings)
            self.seen.is_frozen = False
            self.seen.last_tick_recv_ns = recv_ns
            if message.seq >= self.seen.last_seq:
                self.seen.last_seq, self.seen.last_ts_ns = message.seq, message.ts_ns
        return True

    def require_ticks(self) -> None:
        """End the connection when ticks have stopped, once for each such stretch."""
        if self.seen.is_frozen or time.monotonic_ns() < self.tick_due_ns:
            return
        self.seen.is_frozen = True
        self.seen.n_frozen += 1
        raise _ConnectionEnded("heartbeats come, ticks do not")


__all__ = ["DEFAULT_PORT", "BridgeSettings", "BridgeStatus", "messages"]
