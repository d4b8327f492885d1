"""The vendors' local servers beside a test that talks to another process: each in a thread."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.sources.kinetick_server import Bridge, encode


@dataclass(slots=True, kw_only=True)
class PacedBridge(Bridge):
    """A bridge that sends a few messages at a time, so that a client can be killed in the middle.

    ``freeze_at``: stops there for good, with heartbeats. ``others``: bridges of other instruments,
    served at the same port.
    """

    piece: int = 40
    pause_s: float = 0.02
    freeze_at: int = 0
    others: dict[str, "PacedBridge"] = field(default_factory=dict)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = json.loads(await reader.readline())
        one = self.others.get(question["inst"], self)
        await one.send(question, writer, self.done)

    async def send(self, question: dict, writer: asyncio.StreamWriter, done: asyncio.Event) -> None:
        """Answer one subscription until the server is closed."""
        self.asked.append(question)
        at = self._greet(question, writer)
        end = self.freeze_at or len(self.ticks)
        while not done.is_set():
            if at < end:
                until = min(at + self.piece, end)
                writer.write(b"".join(map(encode, self.ticks[at:until])))
                at = until
            self._beat(at, writer)
            await writer.drain()
            await asyncio.sleep(self.pause_s)


@contextmanager
def serving(*servers: AbstractAsyncContextManager[Any]) -> Iterator[None]:
    """Run servers in a loop of their own until the block is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def do(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    for server in servers:
        do(server.__aenter__())
    try:
        yield
    finally:
        for server in servers:
            do(server.__aexit__(None, None, None))
        do(_cancel_all())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
