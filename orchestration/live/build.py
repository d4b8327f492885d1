"""Puts the parts of a live session together: log, reader, publication and status of each symbol."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from orchestration.config import Settings
from orchestration.live.capture_log import CaptureLog, LogPolicy
from orchestration.live.feeds import Feed
from orchestration.live.flow_day import FlowSettings
from orchestration.live.flow_segments import FlowSegments
from orchestration.live.raw_segments import RawSegments
from orchestration.live.session import Line, Records
from orchestration.live.status import SymbolStatus
from orchestration.live.worker import Worker
from orchestration.storage.lock import StoreLock
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument


def log_folder(live_path: Path, feed: Feed, instrument: Instrument) -> Path:
    """Return the folder of a symbol's log; a name that no folder may have is written in escapes."""
    name = quote(instrument.symbol, safe="")
    return live_path / feed.name / (name if name.strip(".") else name.replace(".", "%2E"))


def open_line(
    feed: Feed,
    instrument: Instrument,
    store: Store,
    config: Settings,
    live_path: Path,
    records: Callable[[CaptureLog], Records],
    held: ExitStack,
    *,
    first_line: int | None = None,
) -> Line:
    """Open the log of a symbol and what takes it to the store.

    Parameters
    ----------
    records : callable
        Opens the source, once the log is open.
    held : ExitStack
        Holds the log's lock: on a server, two processes could want one log.
    first_line : int or None
        Number of the first line of a new log; None: by the clock.

    Raises
    ------
    StoreLockedError
        Another process writes this log.
    """
    folder = log_folder(live_path, feed, instrument)
    folder.mkdir(parents=True, exist_ok=True)
    lock = StoreLock(folder / "log.lock")
    lock.acquire(0)
    held.callback(lock.release)
    policy = LogPolicy(segment_s=config.live_segment_s, sync_ms=config.live_sync_ms)
    log = CaptureLog(folder, policy, first_line=first_line)
    status = SymbolStatus(
        symbol=instrument.symbol, source=feed.name, frozen_after_s=config.live_frozen_after_s
    )
    run_id = f"live-{feed.name}-{os.getpid()}-{time.time_ns()}"
    flow = FlowSettings.of(config, instrument, config.live_settle_ms)
    worker = Worker(
        feed=feed,
        instrument=instrument,
        folder=folder,
        raw=RawSegments(store=store, instrument=instrument, run_id=run_id),
        flow=FlowSegments(store=store, instrument=instrument, settings=flow, run_id=run_id),
        status=status,
    )
    worker.raw.derive = worker.derive
    return Line(feed=feed, log=log, worker=worker, status=status, records=lambda: records(log))
