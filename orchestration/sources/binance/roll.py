"""The successor of a living connection: opened beside it, used once nothing can be missing between the two."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestration.sources.binance.connection import Connection, ConnectionFailed, pause_s
from orchestration.sources.binance.stream_settings import Endpoint, StreamSettings


@dataclass(slots=True, kw_only=True, eq=False)
class Roll:
    """Opens a successor when one is due, again where that fails."""

    endpoint: Endpoint
    settings: StreamSettings
    woken: asyncio.Event
    opening: "asyncio.Task[Connection] | None" = None
    successor: Connection | None = None
    unwanted: list[Connection] = field(default_factory=list)
    not_before: float = 0.0
    n_failures: int = 0

    def start(self) -> None:
        """Begin to open a successor."""
        self.opening = asyncio.create_task(
            Connection.open(self.endpoint, self.settings, self.woken)
        )
        self.opening.add_done_callback(lambda _: self.woken.set())

    def is_due(self, current: Connection) -> bool:
        """Return whether to begin now; gives a successor up that does not catch up in time."""
        now = asyncio.get_running_loop().time()
        self._look(now)
        return (
            self.opening is None and self.successor is None and not current.ended
            and now >= self.next_at(current)
        )  # fmt: skip

    def next_at(self, current: Connection) -> float:
        """Return when there is something to do without being woken."""
        scale = self.settings.time_scale
        if self.successor is not None:
            return self.successor.opened_at + self.settings.overlap_timeout_s * scale
        if self.opening is not None:
            return float("inf")
        due = current.opened_at + self.settings.roll_after_s * scale
        return max(0.0 if current.is_leaving else due, self.not_before)

    async def settle(self) -> None:
        """Wait for a successor that is being opened."""
        if self.opening is not None:
            await asyncio.wait([self.opening])
            self._look(asyncio.get_running_loop().time())

    def has_caught_up(self, current: Connection, last_ids: Mapping[str, int]) -> bool:
        """Return whether the successor's events follow those handed on without a hole.

        So it is when each stream's first event there has been handed on from here, and a stream without one there
        has had none here since.
        """
        successor = self.successor
        if successor is None or successor.n_unanswered or not successor.first_ids:
            return False
        for kind in self.endpoint.kinds:
            first = successor.first_ids.get(kind)
            if first is None and current.last_at.get(kind, 0.0) > successor.accepted_at:
                return False
            if first is not None and last_ids.get(kind, -1) < first:
                return False
        return True

    def hand_over(self) -> Connection | None:
        """Return the successor, which from now on is its receiver's."""
        successor, self.successor = self.successor, None
        return successor

    def given_up(self) -> list[Connection]:
        """Return the connections that are to be closed, each once."""
        unwanted, self.unwanted = self.unwanted, []
        return unwanted

    def stop(self) -> list[Connection]:
        """Stop opening a successor and return what is to be closed."""
        if self.opening is not None:
            self.opening.cancel()
            if (
                self.opening.done()
                and not self.opening.cancelled()
                and not self.opening.exception()
            ):
                self.unwanted.append(self.opening.result())
        if self.successor is not None:
            self.unwanted.append(self.successor)
        return self.given_up()

    def _look(self, now: float) -> None:
        if self.opening is not None and self.opening.done():
            done, self.opening = self.opening, None
            try:
                self.successor = done.result()
            except ConnectionFailed as error:
                self._try_later(now, error.pause_s)
        successor = self.successor
        if successor is None:
            return
        late = successor.opened_at + self.settings.overlap_timeout_s * self.settings.time_scale
        if successor.ended or successor.refusal or now >= late:
            self.unwanted.append(successor)
            self.successor = None
            self._try_later(now, 0.0)

    def _try_later(self, now: float, least_s: float) -> None:
        self.n_failures += 1
        pause = max(pause_s(self.settings, self.n_failures), least_s * self.settings.time_scale)
        self.not_before = now + pause
