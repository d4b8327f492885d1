"""The store's side of a live session: sealed segments of one symbol, in order, into the store.

It runs in the session's one store thread; the reader of the sockets never waits for it. If the
store is slow, sealed segments wait on the disk, not in memory: a segment is read when it is its
turn.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestration.live.capture_log import Segment, segments_of
from orchestration.live.feeds import Feed
from orchestration.live.flow_segments import FlowSegments
from orchestration.live.raw_segments import RawSegments, Stored
from orchestration.live.segment_reader import ReaderState, read_segment
from orchestration.live.status import SymbolStatus
from orderflow_core.instrument import Instrument


@dataclass(slots=True, kw_only=True)
class Worker:
    """Publishes the segments of one symbol's log.

    Attributes
    ----------
    feed : Feed
    instrument : Instrument
    folder : Path
        Of the log; the reader's state stands beside it.
    raw : RawSegments
    flow : FlowSegments
    status : SymbolStatus
    on_stored : callable
        Hears of what each segment added to a day: for who prints features.
    """

    feed: Feed
    instrument: Instrument
    folder: Path
    raw: RawSegments
    flow: FlowSegments
    status: SymbolStatus
    on_stored: Callable[[Stored], None] = lambda _: None
    _state: ReaderState = field(default_factory=ReaderState)
    _flow_failed: bool = False

    def open(self) -> list[Segment]:
        """Load the reader's state and return the sealed segments that are not published yet."""
        self._state = ReaderState.load(self.folder)
        return [s for s in segments_of(self.folder) if s.first_line > self._state.done_through]

    def take(self, segment: Segment) -> None:
        """Publish a segment, and remember that it was.

        Raises
        ------
        SourceError, IngestRefused, StoreError
            Nothing of it was published; it is taken again at the next start.
        """
        if segment.first_line <= self._state.done_through:
            return
        read = read_segment(self.feed, self.instrument, segment, self._state)
        days = self.raw.publish(read.batches)
        now_ns = time.time_ns()
        for stored in days:
            self.status.take_stored(stored, now_ns - _received(stored), self._price(stored))
        read.state.save(self.folder)
        self._state = read.state
        for stored in days:
            self._guarded(lambda stored=stored: self._catch_up(stored))
            self.on_stored(stored)

    def finish(self) -> None:
        """Close the days' flow and features: nothing follows in this session."""
        self._guarded(self.flow.finish)

    def derive(self, stored: Stored) -> Mapping[str, pa.Table]:
        """Return the rows of flow and features that become known with what is being stored."""
        found: dict[str, pa.Table] = {}
        if len(stored.trades) or len(stored.quotes):
            self._guarded(lambda: found.update(self.flow.rows_of(stored)))
        return found

    def _catch_up(self, stored: Stored) -> None:
        self.status.take_flow(self.flow.catch_up(stored), self.flow.n_anew)

    def _guarded(self, step: Callable[[], None]) -> None:
        # What the kernels refuse (quotes of two clocks) must not stop the capture of the records:
        # it stands in the status, and the session ends with exit code 1.
        if self._flow_failed:
            return
        try:
            step()
        except ValueError as error:
            self._flow_failed = True
            self.status.problem = f"no flow and features any more: {error}"

    def _price(self, stored: Stored) -> str:
        for rows, name in ((stored.trades, "price_ticks"), (stored.quotes, "bid_ticks")):
            if len(rows):
                ticks = int(rows[name][len(rows) - 1].as_py())
                return f"{ticks * self.instrument.price_step:f}"
        return ""


def _received(stored: Stored) -> np.ndarray:
    times = [rows["ts_recv_ns"].to_numpy() for rows in (stored.trades, stored.quotes)]
    return np.concatenate(times)
