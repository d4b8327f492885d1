"""A local IQConnect: speaks the vendor's protocol on loopback ports and misbehaves on demand."""

import asyncio
from collections.abc import Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

GREETING = (
    "S,KEY,65536", "S,SERVER CONNECTED", "S,IP,10.0.0.1,60000",
    "S,CUST,real_time,10.0.0.2,60002,TOKEN-4711,6.2.0.25,,exchanges,,500,QT_API",
)  # fmt: skip


@dataclass
class Server:
    """What both ports have in common.

    ``faults`` are taken one by one, one a request or connection; then it behaves. ``piece`` bytes
    go out at a time, so that lines are split wherever it happens.
    """

    protocol: str = "6.2"
    end: str = "\r\n"
    piece: int = 0
    faults: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    n_connections: int = 0
    port: int = 0

    async def say(self, writer: asyncio.StreamWriter, lines: Iterable[str]) -> None:
        data = "".join(line + self.end for line in lines).encode("latin-1")
        step = self.piece or len(data) or 1
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
            await writer.drain()
            await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        try:
            await self.greet(writer)
            while raw := await reader.readline():
                assert raw.endswith(b"\r\n"), "a client ends its lines with CR LF"
                command = raw[:-2].decode("ascii")
                self.commands.append(command)
                if command.startswith("S,SET PROTOCOL,"):
                    await self.say(writer, [f"S,CURRENT PROTOCOL,{self.protocol}"])
                elif not command.startswith("S,SET CLIENT NAME,"):
                    await self.answer(command, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def greet(self, writer: asyncio.StreamWriter) -> None:
        """Send what comes before the first command."""

    async def answer(self, command: str, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


@asynccontextmanager
async def running(server: Server):
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@dataclass
class LookupServer(Server):
    """History: ``ticks`` are rows of protocol 6.1, oldest first.

    Faults: ``no_end``, ``hang_up`` (inside a line), ``silence``, ``syntax`` (without id),
    ``unauthorized``, ``unauthorized_without_end``, ``late`` (a line of an older request comes first). ``pair_up`` holds the
    first request until a second one comes and interleaves the two replies.
    """

    ticks: list[str] = field(default_factory=list)
    comma: str = ","
    pair_up: bool = False
    held: list[list[str]] = field(default_factory=list)

    async def answer(self, command: str, writer: asyncio.StreamWriter) -> None:
        fields = command.split(",")
        if fields[0] not in ("HTX", "HTD", "HTT") or len(fields) < 5:
            await self.say(writer, ["E,!SYNTAX_ERROR!,,"])
            return
        request, rows = self.select(fields)
        prefix = f"{request},LH," if self.protocol == "6.2" else f"{request},"
        reply = [f"{prefix}{row}{self.comma}" for row in rows]
        if not rows:
            reply = [f"{request},E,!NO_DATA!,,"]
        reply.append(f"{request},!ENDMSG!,")
        if self.faults:
            await self.misbehave(self.faults.pop(0), request, reply, writer)
            return
        if self.pair_up:
            self.held.append(reply)
            if len(self.held) < 2:
                return
            pairs = zip(*self.held, strict=False)
            mixed = [line for pair in pairs for line in pair]
            n = min(map(len, self.held))
            reply = mixed + [line for held in self.held for line in held[n:]]
            self.held.clear()
        await self.say(writer, reply)

    def select(self, fields: list[str]) -> tuple[str, list[str]]:
        if fields[0] == "HTX":
            _, _, most, direction, request = fields[:5]
            rows = self.ticks[-int(most) :]
        elif fields[0] == "HTD":
            _, _, days, most, _, _, direction, request = fields[:8]
            last = sorted({row[:10] for row in self.ticks})[-int(days) :]
            rows = [row for row in self.ticks if row[:10] in last][: int(most or 10**9)]
        else:
            _, _, begin, end, most, _, _, direction, request = fields[:9]
            rows = [row for row in self.ticks if begin <= _stamp(row) <= end]
        return request, rows if direction == "1" else rows[::-1]

    async def misbehave(
        self, fault: str, request: str, reply: list[str], writer: asyncio.StreamWriter
    ) -> None:
        if fault == "no_end":
            await self.say(writer, reply[:-1])
        elif fault == "hang_up":
            await self.say(writer, reply[:1])
            writer.write(reply[-2][:20].encode())
            await writer.drain()
            writer.close()
        elif fault == "syntax":
            await self.say(writer, ["E,!SYNTAX_ERROR!,,"])
        elif fault == "unauthorized":
            text = f"{request},E,Unauthorized user ID.,"
            await self.say(writer, [text, f"{request},!ENDMSG!,"])
        elif fault == "unauthorized_without_end":
            await self.say(writer, [f"{request},E,Unauthorized user ID.,"])
        elif fault == "late":
            await self.say(writer, ["OLD,LH," + self.ticks[0] + ",", "OLD,!ENDMSG!,", *reply])
        else:
            assert fault == "silence", fault


def _stamp(row: str) -> str:
    return row[:19].replace("-", "").replace(":", "")


@dataclass
class Level1Server(Server):
    """Level 1: each connection sends its next ``script`` after the watch, then its clock.

    A script is a list of lines; ``!close`` hangs up, ``!stale`` lets everything stop, ``!quiet``
    sends quotes without the clock.
    """

    scripts: list[list[str]] = field(default_factory=list)
    tick_s: float = 0.002
    tasks: list[asyncio.Task] = field(default_factory=list)

    async def greet(self, writer: asyncio.StreamWriter) -> None:
        await self.say(writer, GREETING)

    async def answer(self, command: str, writer: asyncio.StreamWriter) -> None:
        if command.startswith("S,SELECT UPDATE FIELDS,"):
            chosen = command.removeprefix("S,SELECT UPDATE FIELDS,")
            await self.say(writer, [f"S,CURRENT UPDATE FIELDNAMES,Symbol,{chosen}"])
        elif command.startswith("w"):
            script = self.scripts.pop(0) if self.scripts else []
            self.tasks.append(asyncio.create_task(self.play(script, writer)))

    async def play(self, script: list[str], writer: asyncio.StreamWriter) -> None:
        try:
            for line in script:
                if line == "!close":
                    writer.close()
                    return
                if line == "!stale":
                    return
                while line == "!quiet":
                    await self.say(writer, ["R,XYZ,X,1.23,100,13:00:00,1.24,200,13:00:01,0,1,2,"])
                    await asyncio.sleep(self.tick_s)
                await self.say(writer, [line])
            while not writer.is_closing():
                await self.say(writer, ["T,20210330 19:59:14"])
                await asyncio.sleep(self.tick_s)
        except ConnectionError:
            return
