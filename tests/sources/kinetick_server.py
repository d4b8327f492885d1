"""A bridge as the add-on is: numbers, memory, replay, heartbeats; and what goes wrong with one.

It sends messages over a real loopback socket. A *script* says what happens on each connection in
turn; after the last step, and on connections beyond the script, it sends the rest and heartbeats.
"""

import asyncio
import json
from dataclasses import dataclass, field

HEARTBEAT_S = 0.005


@dataclass(slots=True, kw_only=True)
class Bridge:
    """One add-on with the messages of one instrument.

    Attributes
    ----------
    ticks : list of dict
        L, B and A messages in the order of their numbers.
    script : list of list of tuple
        For each connection its steps: ``("send", n)`` the next n messages, ``("skip", n)`` leaves
        n out, ``("raw", bytes)``, ``("again", n)`` the last n once more, ``("silence",)``,
        ``("heartbeats", n)``, ``("close",)``, ``("cut", n)`` half a message and an abrupt end after
        n more, ``("refuse", code, detail)``, ``("forget", n)`` drops the oldest n from memory,
        ``("slow", k)`` sends the next message k bytes at a time.
    start : int
        Number of the first message; an ``after`` below it is of an earlier run of the add-on.
    """

    ticks: list[dict]
    script: list[list[tuple]] = field(default_factory=list)
    asked: list[dict] = field(default_factory=list)
    n_forgotten: int = 0
    port: int = 0
    server: asyncio.Server | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> "Bridge":
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_) -> None:
        assert self.server is not None
        self.done.set()
        self.server.close()
        await self.server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except ConnectionError:
            pass  # the client has left
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = json.loads(await reader.readline())
        steps = list(self.script[len(self.asked)]) if len(self.asked) < len(self.script) else []
        self.asked.append(question)
        if steps and steps[0][0] == "forget":
            self.n_forgotten += steps.pop(0)[1]
        if steps and steps[0][0] == "ungreeted":
            steps.pop(0)
            at = 0
        else:
            at = self._greet(question, writer)
        for step in steps:
            moved = await self._step(step, at, writer)
            if moved is None:
                return
            at = moved
        while at < len(self.ticks):
            writer.write(encode(self.ticks[at]))
            at += 1
        while not self.done.is_set():
            self._beat(at, writer)
            await writer.drain()
            await asyncio.sleep(HEARTBEAT_S)

    def _greet(self, question: dict, writer: asyncio.StreamWriter) -> int:
        # Returns the position of the message that comes next.
        start = self.ticks[0]["seq"]
        after = question["after"]
        if after == 0:
            at = 0  # a test's "from now on" begins at the first message
        elif after < start - 1:
            at = self.n_forgotten
        else:
            at = max(after + 1 - start, self.n_forgotten)
        answer = {
            "v": 1, "type": "H", "inst": question["inst"], "after": after,
            "after_ts": question["after_ts"], "first": start + at,
            "restart": 0 < after < start - 1,
        }  # fmt: skip
        writer.write(encode(answer))
        return at

    def _beat(self, at: int, writer: asyncio.StreamWriter) -> None:
        seq = self.ticks[0]["seq"] + at - 1
        tick = self.ticks[max(at - 1, 0)]
        beat = {"v": 1, "type": "P", "inst": tick["inst"], "seq": seq, "ts": tick["ts"]}
        writer.write(encode(beat))

    async def _step(self, step: tuple, at: int, writer: asyncio.StreamWriter) -> int | None:
        # Returns the position after a step, or None when the connection has ended.
        kind, *rest = step
        if kind == "send":
            writer.write(b"".join(map(encode, self.ticks[at : at + rest[0]])))
            return at + rest[0]
        if kind == "skip":
            return at + rest[0]
        if kind == "again":
            writer.write(b"".join(map(encode, self.ticks[at - rest[0] : at])))
        elif kind == "raw":
            writer.write(rest[0])
        elif kind == "slow":
            line = encode(self.ticks[at], end=b"\r\n")
            for start in range(0, len(line), rest[0]):
                writer.write(line[start : start + rest[0]])
                await writer.drain()
                await asyncio.sleep(0)
            return at + 1
        elif kind == "heartbeats":
            for _ in range(rest[0]):
                self._beat(at, writer)
                await writer.drain()
                await asyncio.sleep(HEARTBEAT_S)
        else:
            await self._end(kind, rest, at, writer)
            return None
        await writer.drain()
        return at

    async def _end(self, kind: str, rest: list, at: int, writer: asyncio.StreamWriter) -> None:
        if kind == "silence":
            await writer.drain()
            await self.done.wait()
        elif kind == "cut":
            writer.write(encode(self.ticks[at])[: rest[0]])
            await writer.drain()
            writer.transport.abort()
        elif kind == "refuse":
            code, detail = rest
            writer.write(encode({"v": 1, "type": "E", "code": code, "detail": detail}))
            await writer.drain()
        elif kind == "close":
            await writer.drain()
        else:
            raise AssertionError(f"unknown step {kind!r}")


def encode(message: dict, end: bytes = b"\n") -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + end
