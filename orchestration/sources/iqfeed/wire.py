"""One connection to IQConnect, the vendor's local gateway: lines, handshake, refusals.

IQConnect listens on the loopback only and does the log-in itself, so no credentials pass here.
Its greeting carries a session token, which :func:`without_secrets` takes out before anything is
kept.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from orchestration.sources.records import SourceError

MAX_LINE_BYTES = 1 << 20
_SECRET = (b"S,CUST,", b"S,KEY,")


class FeedError(SourceError):
    """The feed went silent, hung up or speaks another language; asking again may help."""


class FeedRefused(SourceError):  # noqa: N818  says what it is
    """The feed answered that it will not serve this request; asking again will not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where IQConnect listens and how patient the clients are.

    Attributes
    ----------
    host : str
    level1_port, lookup_port : int
    protocol : str
        What the clients ask for. The answer must be among ``protocols``.
    protocols : tuple of str
        What the readers can read; from 6.1 on Level 1 tells the aggressor.
    client_name : str
    connect_timeout_s, reply_timeout_s : float
        For a connection and its handshake; for silence in the middle of a reply.
    stale_s : float
        Level 1 sends its clock every second; without it for this long the connection is dead.
    retries : int
        Further attempts after a failure, each after twice the last pause.
    pause_s, max_pause_s : float
    requests_per_s : float
        The vendor allows 50.
    time_scale : float
        Multiplies every duration: 1 outside tests.
    clock : callable
        Returns the time in ns UTC.
    """

    host: str = "127.0.0.1"
    level1_port: int = 5009
    lookup_port: int = 9100
    protocol: str = "6.2"
    protocols: tuple[str, ...] = ("6.2", "6.1")
    client_name: str = "orderflow"
    connect_timeout_s: float = 10.0
    reply_timeout_s: float = 300.0
    stale_s: float = 15.0
    retries: int = 3
    pause_s: float = 1.0
    max_pause_s: float = 60.0
    requests_per_s: float = 50.0
    time_scale: float = 1.0
    clock: Callable[[], int] = time.time_ns

    def pause(self, attempt: int) -> float:
        """Return the seconds to wait before a further attempt, counted from 1."""
        return min(self.pause_s * 2 ** min(attempt - 1, 30), self.max_pause_s) * self.time_scale


@dataclass(slots=True, kw_only=True)
class Wire:
    """A connection after its handshake, read and written line by line."""

    address: str
    settings: Settings
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, settings: Settings, port: int, greeting: list[bytes]) -> Self:
        """Connect and agree on a protocol; lines that come meanwhile are put into ``greeting``.

        Raises
        ------
        FeedError
            Nobody listens, or the handshake was not answered in time.
        FeedRefused
            The feed offers a protocol that cannot be read.
        """
        address = f"{settings.host}:{port}"
        limit = settings.connect_timeout_s * settings.time_scale
        try:
            async with asyncio.timeout(limit):
                reader, writer = await asyncio.open_connection(
                    settings.host, port, limit=MAX_LINE_BYTES
                )
        except OSError as error:  # a timeout is one, too
            detail = str(error) or f"no connection within {limit:g} s"
            raise FeedError(address, f"IQConnect cannot be reached: {detail}") from error
        wire = cls(address=address, settings=settings, reader=reader, writer=writer)
        try:
            await wire._shake_hands(greeting)
        except BaseException:
            await wire.close()
            raise
        return wire

    async def _shake_hands(self, greeting: list[bytes]) -> None:
        await self.send(f"S,SET PROTOCOL,{self.settings.protocol}")
        while True:
            line = await self.line(self.settings.connect_timeout_s)
            greeting.append(line)
            if line.startswith(b"S,CURRENT PROTOCOL,"):
                break
            if line.startswith(b"E,"):
                raise FeedRefused(self.address, f"the feed refused the protocol: {_text(line)}")
        found = line.split(b",")[2].decode("latin-1")
        if found not in self.settings.protocols:
            wanted = " or ".join(self.settings.protocols)
            raise FeedRefused(self.address, f"the feed speaks protocol {found!r}, not {wanted}")
        await self.send(f"S,SET CLIENT NAME,{self.settings.client_name}")

    async def send(self, text: str) -> None:
        """Send one line.

        Raises
        ------
        FeedError
            The connection is gone.
        """
        try:
            self.writer.write(text.encode("ascii") + b"\r\n")
            await self.writer.drain()
        except OSError as error:
            raise FeedError(self.address, f"hung up: {error}") from error

    async def line(self, timeout_s: float) -> bytes:
        """Return the next line without its end; CR LF and LF end one.

        Raises
        ------
        FeedError
            Nothing came in time, the connection ended, or the line has no end.
        """
        try:
            async with asyncio.timeout(timeout_s * self.settings.time_scale):
                line = await self.reader.readuntil(b"\n")
        except TimeoutError as error:
            raise FeedError(self.address, f"sent nothing for {timeout_s:g} s") from error
        except asyncio.IncompleteReadError as error:
            cut = f" inside a line of {len(error.partial)} bytes" if error.partial else ""
            raise FeedError(self.address, f"hung up{cut}") from error
        except asyncio.LimitOverrunError as error:
            raise FeedError(
                self.address, f"sent more than {MAX_LINE_BYTES} bytes without a line end"
            ) from error
        except OSError as error:
            raise FeedError(self.address, f"hung up: {error}") from error
        return line[:-1].removesuffix(b"\r")

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return  # the other side was faster


def without_secrets(line: bytes) -> bytes:
    """Return a line as it may be kept: the account's key and token are cut out."""
    for start in _SECRET:
        if line.startswith(start):
            return start + b"(not kept)"
    return line


def require_symbol(symbol: str) -> str:
    """Return a symbol that can stand in a command.

    Raises
    ------
    FeedRefused
        It is empty, longer than 30 characters, or holds what ends a field or a line.
    """
    if not 0 < len(symbol) <= 30 or not symbol.isascii() or not symbol.isprintable():
        raise FeedRefused(symbol, "must have 1 to 30 printable ASCII characters to be asked for")
    if "," in symbol or symbol != symbol.upper():
        raise FeedRefused(symbol, "must be in upper case and hold no comma to be asked for")
    return symbol


def _text(line: bytes) -> str:
    return line[:200].decode("latin-1")
