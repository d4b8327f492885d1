"""Recorded Binance streams: one line a frame, as received.

Two layouts are read, plain or gzip::

    1723161256207640365 {"stream":"btcusdt@trade","data":{...}}      receive time in s, ms, us or ns
    1617647603.4249449: {"stream":"btcusdt@aggTrade","data":{...}}   seconds with a fraction, a colon

Frames may also come without the ``stream`` wrapper. Lines that begin with an address or with
``configuration:`` tell how the recorder connected; an address of a stream that appears after the
first frame is a reconnect, and what lies between the quotes around it is a gap. Our own live
client (:mod:`orchestration.sources.binance.stream`) writes a receive time before these lines too, and says which
streams were interrupted.

``@trade`` and ``@aggTrade`` describe the same fills. Where a file holds both for a symbol, the
trades are stored and the aggregates counted under ``other``; aggregates alone are stored, with
their own ids as ``trade_id`` and ``first-last`` fill as ``venue_id``.

Updates of the book (``@depth`` with its ids) are records of their own account. A snapshot of the REST interface may stand
between them as it came (``{"lastUpdateId":...}``); one that does not name its symbol is taken where the file
holds updates of one symbol only. Streams of the best levels (``@depth20``) are counted under ``other``.

What a damaged line counts as: one record of the symbol, offered and quarantined, unless what is
left of it says that it was something else (another symbol, a kline), which is counted
under ``other``. So ``lines == offered + depth_offered + sum(other)`` for every file, damaged or not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestration.sources.depth_gate import depth_gaps, of_updates, pass_depth
from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.frames import Frames, record_kind
from orchestration.sources.gate import Gate
from orchestration.sources.markets import require_market
from orchestration.sources.records import Gap, SourceBatch, SourceError, make_batch
from orderflow_core.instrument import Instrument

NAME = "capture"


def read_capture(path: Path, instrument: Instrument) -> SourceBatch:
    """Read one recorded file for one symbol.

    Parameters
    ----------
    path : Path
    instrument : Instrument
        ``venue_symbol`` says which frames are its own.

    Raises
    ------
    SourceError
        The file cannot be read or unpacked, no time in it can be read, or its frames are of
        another market than the instrument.
    """
    return parse_capture(read_file(path), instrument)


def read(paths: Sequence[Path], instrument: Instrument) -> list[SourceBatch]:
    """Read recorded files, one batch a file."""
    return [read_capture(path, instrument) for path in paths]


def fetch(instrument: Instrument, cache_dir: Path) -> list[Path]:  # noqa: ARG001  one way in
    """Refuse: recorded files are the user's own.

    Raises
    ------
    SourceError
        Always; the message says how to name the files.
    """
    raise SourceError(
        instrument.symbol, "recorded files must be named: `orderflow ingest capture --path FILE`"
    )


def parse_capture(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read the frames of a file that is in memory; see :func:`read_capture`."""
    lines, is_cut = split_lines(file.data)
    frames = Frames(symbol=instrument.venue_symbol, cut_line=len(lines) if is_cut else 0)
    for number, line in enumerate(lines, 1):
        frames.take(number, line)
    frames.settle()
    require_market(file.path, instrument, frames.markets)
    return _gated(file, instrument, lines, frames)


def _gated(
    file: SourceFile, instrument: Instrument, lines: Sequence[bytes], frames: Frames
) -> SourceBatch:
    gate = Gate(instrument=instrument, lines=lines)
    has_trades = bool(frames.trades.line)
    if has_trades:
        frames.other["aggTrade"] += len(frames.aggregates.line)
    for damaged in frames.damaged:
        if has_trades and damaged.kinds == {"aggTrade"}:
            frames.other["aggTrade"] += 1
            continue
        gate.refuse(
            record_kind(damaged.kinds), damaged.line, damaged.reason, damaged.detail,
            ts_recv_ns=damaged.ts_recv_ns,
        )  # fmt: skip
    # Aggregates have no holes of their own; their fills have, where trades have.
    steps = (instrument.max_id_step, 0) if has_trades else (1, int(instrument.max_id_step == 1))
    trades, gaps = gate.pass_trades(
        frames.trades if has_trades else frames.aggregates,
        source=NAME, unit=file.unit, id_step=steps[0], fill_step=steps[1],
    )  # fmt: skip
    quotes = gate.pass_quotes(frames.quotes, source=NAME, unit=file.unit)
    depth = pass_depth(gate, frames.depth, source=NAME, unit=file.unit)
    gaps += reconnect_gaps(quotes, frames.reconnects) + break_gaps(quotes, frames.breaks)
    return make_batch(
        path=file.path, instrument=instrument, source=NAME, unit=file.unit, n_lines=len(lines),
        trades=trades, quotes=quotes, depth=depth, gaps=gaps + depth_gaps(of_updates(depth)),
        rejects=gate.rejects, other={kind: n for kind, n in frames.other.items() if n},
    )  # fmt: skip


def reconnect_gaps(quotes: pa.Table, connect_lines: Sequence[int]) -> list[Gap]:
    """Return a gap between the quotes on either side of each line where the recorder reconnected.

    Trades need none: their ids tell what is missing. How many quotes are is not known (0).
    """
    if not connect_lines or not len(quotes):
        return []
    line, ts = _in_line_order(quotes)
    after = np.unique(np.searchsorted(line, connect_lines))
    return [_reconnect_gap(ts[i - 1], ts[i]) for i in after.tolist() if 0 < i < len(ts)]


def break_gaps(quotes: pa.Table, breaks: Mapping[int, int]) -> list[Gap]:
    """Return a gap for each break that our own client noted.

    Parameters
    ----------
    quotes : pyarrow.Table
    breaks : mapping of int to int
        Line -> time of the last quote before it, 0: none. The client knows it also where a live
        log is read in parts and the quote stands in an earlier one.
    """
    line, ts = _in_line_order(quotes)
    gaps = {}
    for number, known in breaks.items():
        i = int(np.searchsorted(line, number))
        before = int(ts[i - 1]) if i else known
        if before:
            # Where the part ends here, a gap without length still parts the windows.
            gaps[i] = _reconnect_gap(before, int(ts[i]) if i < len(ts) else before)
    return list(gaps.values())


def _in_line_order(quotes: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(quotes["line"].to_numpy(), kind="stable")
    return quotes["line"].to_numpy()[order], quotes["ts_event_ns"].to_numpy()[order]


def _reconnect_gap(start_ns: int, end_ns: int) -> Gap:
    return Gap(
        kind="quote", start_ns=int(start_ns), end_ns=int(max(start_ns, end_ns)),
        first_missing_id=0, n_missing=0, reason="reconnect",
    )  # fmt: skip
