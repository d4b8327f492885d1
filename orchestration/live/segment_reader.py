"""One segment of a capture log as batches, as if it were read inside the whole log.

`ReaderState` is what the segments before leave behind. It is kept beside the log
(``reader.json``, replaced in one step after a segment was published), so that a restart goes on
where the store stands: a segment is published again or for the first time, never left out, and
again means unchanged, as its unit is the SHA-256 of its bytes.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from orchestration.errors import writing
from orchestration.live.capture_log import Segment
from orchestration.live.feeds import Feed
from orchestration.sources.files import SourceFile, split_lines
from orchestration.sources.gate import epoch_text_ns
from orchestration.sources.iqfeed.history import DAY_IDS
from orchestration.sources.records import (
    DEPTH_KIND,
    QUARANTINE,
    QUOTES,
    TRADES,
    Reject,
    SourceBatch,
    SourceError,
    count_kind,
    make_batch,
)
from orderflow_core.instrument import Instrument

UNIT_PREFIX = "live-"
STATE_FILE = "reader.json"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderState:
    """What the next segment is read with.

    Attributes
    ----------
    done_through : int
        Number of the last line that was published; -1 before the first segment.
    context : tuple of bytes
        Lines read before the segment's own; their records are left out.
    last_trade_id : int
        Where ids are positions: that of the last trade. 0: none yet.
    """

    done_through: int = -1
    context: tuple[bytes, ...] = ()
    last_trade_id: int = 0

    @classmethod
    def load(cls, folder: Path) -> "ReaderState":
        """Return the state that stands beside a log; the first one where there is none.

        Raises
        ------
        SourceError
            The file cannot be read, or it is no state.
        """
        path = folder / STATE_FILE
        if not path.exists():
            return cls()
        try:
            found = json.loads(path.read_bytes())
            if found["version"] != _VERSION:
                raise ValueError(f"version {found['version']} is not {_VERSION}")
            return cls(
                done_through=int(found["done_through"]),
                context=tuple(line.encode("latin-1") for line in found["context"]),
                last_trade_id=int(found["last_trade_id"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SourceError(
                path,
                f"is no state of a reader ({error}); without it the segments are read from the "
                "first on, which publishes nothing twice: move it away to go on",
            ) from error

    def save(self, folder: Path) -> None:
        """Put the state beside the log in one step."""
        path, draft = folder / STATE_FILE, folder / f"{STATE_FILE}.new"
        content = {
            "version": _VERSION,
            "done_through": self.done_through,
            "context": [line.decode("latin-1") for line in self.context],
            "last_trade_id": self.last_trade_id,
        }
        with writing(path):
            with draft.open("w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSegment:
    """A segment as batches, and what the next one is read with."""

    batches: list[SourceBatch]
    state: ReaderState
    n_lines: int


def read_segment(
    feed: Feed, instrument: Instrument, segment: Segment, state: ReaderState
) -> ReadSegment:
    """Read a sealed segment.

    Raises
    ------
    SourceError
        The file cannot be read. Damage inside it is quarantined, all of it if need be.
    """
    try:
        data = segment.path.read_bytes()
    except OSError as error:
        raise SourceError(segment.path, f"cannot be read: {error.strerror or error}") from error
    unit = UNIT_PREFIX + hashlib.sha256(data).hexdigest()
    own, is_cut = split_lines(data)
    head = b"".join(line + b"\n" for line in state.context)
    file = SourceFile(path=segment.path, unit=unit, data=head + data)
    try:
        batches = feed.parse(file, instrument)
    except SourceError as error:
        batches = [_all_refused(file, instrument, feed, own, error, is_cut=is_cut)]
        raw, context = batches, state.context
        n_head = 0
    else:
        raw, n_head = batches, len(state.context)
        context = feed.context([*state.context, *own], raw)
    known = _parsed_context(feed, instrument, segment, state.context if n_head else ())
    ahead = _parsed_context(feed, instrument, segment, context)
    shift = segment.first_line - 1 - n_head
    batches, last_trade_id = _own_records(feed, raw, known, n_head, shift, state)
    batches = [
        replace(batch, gaps=_own_gaps(batch, known[i : i + 1], ahead[i : i + 1]))
        for i, batch in enumerate(batches)
    ]
    batches = [
        batch for batch in batches if batch.offered or batch.depth_offered or len(batch.gaps)
    ]
    after = ReaderState(
        done_through=segment.first_line + len(own) - 1,
        context=context,
        last_trade_id=last_trade_id,
    )
    return ReadSegment(batches=batches, state=after, n_lines=len(own))


def _all_refused(
    file: SourceFile,
    instrument: Instrument,
    feed: Feed,
    lines: Sequence[bytes],
    error: SourceError,
    *,
    is_cut: bool,
) -> SourceBatch:
    # Nothing of it could be read, not even which day it is of: every line is kept with the reason.
    received = [epoch_text_ns(line.partition(b" ")[0].decode("latin-1")) for line in lines]
    made_ns = int(file.path.stat().st_mtime * 1e9)
    rejects = [
        Reject(
            kind="unknown", line=number, record=line, detail=error.detail[:500],
            reason="truncated" if is_cut and number == len(lines) else "malformed",
            ts_recv_ns=recv or made_ns,
        )
        for number, (line, recv) in enumerate(zip(lines, received, strict=True), 1)
        if line
    ]  # fmt: skip
    n_blank = len(lines) - len(rejects)
    return make_batch(
        path=file.path, instrument=instrument, source=feed.name, unit=file.unit,
        n_lines=len(lines), rejects=rejects, other={"blank": n_blank} if n_blank else {},
    )  # fmt: skip


def _parsed_context(
    feed: Feed, instrument: Instrument, segment: Segment, context: Sequence[bytes]
) -> list[SourceBatch]:
    # What context alone counts as and says, to be taken off again.
    if not context:
        return []
    data = b"".join(line + b"\n" for line in context)
    try:
        return feed.parse(SourceFile(path=segment.path, unit="context", data=data), instrument)
    except SourceError:
        return []


def _own_gaps(
    batch: SourceBatch, known: Sequence[SourceBatch], ahead: Sequence[SourceBatch]
) -> pa.Table:
    # Without what lies between two lines of context, where other lines were left out; and without a
    # break whose end is not known yet: the next segment tells it whole.
    taken = Counter(gap for other in known for gap in _gap_keys(other.gaps))
    taken |= Counter(gap for other in ahead for gap in _gap_keys(other.gaps) if gap[1] == gap[2])
    keep = []
    for gap in _gap_keys(batch.gaps):
        keep.append(taken[gap] == 0)
        taken[gap] -= taken[gap] > 0
    return batch.gaps.filter(pa.array(keep, pa.bool_()))


def _gap_keys(gaps: pa.Table) -> list[tuple[Any, ...]]:
    names = ("kind", "start_ns", "end_ns", "first_missing_id", "n_missing", "reason")
    return list(zip(*(gaps[name].to_pylist() for name in names), strict=True))


def _own_records(
    feed: Feed,
    raw: Sequence[SourceBatch],
    known: Sequence[SourceBatch],
    n_head: int,
    shift: int,
    state: ReaderState,
) -> tuple[list[SourceBatch], int]:
    last = state.last_trade_id
    found = []
    for i, batch in enumerate(raw):
        trades, quotes = batch.trades, batch.quotes
        if feed.has_positional_ids:
            trades = _counted_on(trades, n_head, last)
            if len(trades):
                last = max(last, int(trades["trade_id"].to_numpy().max()))
            ids = pa.array(quotes["quote_id"].to_numpy() + shift)
            quotes = quotes.set_column(
                quotes.schema.get_field_index("quote_id"), QUOTES.field("quote_id"), ids
            )
        kept = {
            "trades": _moved(trades, n_head, shift),
            "quotes": _moved(quotes, n_head, shift),
            "quarantine": _moved(batch.quarantine, n_head, shift),
        }
        is_own = batch.quarantine["line"].to_numpy() > n_head
        other = dict(batch.other)
        for kind, n in known[i].other.items() if i < len(known) else ():
            other[kind] = other.get(kind, 0) - n
        mine = replace(
            batch, **kept, quarantine_ns=batch.quarantine_ns[is_own],
            offered=_n_records(kept), n_lines=batch.n_lines - n_head,
            other={kind: n for kind, n in other.items() if n > 0},
        )  # fmt: skip
        found.append(mine)
    return found, last


def _n_records(kept: Mapping[str, pa.Table]) -> int:
    # Updates of the book have an account of their own.
    return sum(map(len, kept.values())) - count_kind(kept["quarantine"], DEPTH_KIND)


def _moved(rows: pa.Table, n_head: int, shift: int) -> pa.Table:
    # Own rows only, with the numbers of their lines in the whole log.
    line = rows["line"].to_numpy()
    own = line > n_head
    rows = rows.filter(pa.array(own))
    schema = {name: s for s in (TRADES, QUOTES, QUARANTINE) for name in s.names}
    field = schema["line"].field("line")
    return rows.set_column(rows.schema.get_field_index("line"), field, pa.array(line[own] + shift))


def _counted_on(trades: pa.Table, n_head: int, last: int) -> pa.Table:
    # Ids are a date and a position on it, and the file began at 1: those of the last trade's date
    # go on after it, whether or not the context holds that trade.
    ids = trades["trade_id"].to_numpy()
    if not last or not len(ids):
        return trades
    date = last // DAY_IDS
    n_known = int(((trades["line"].to_numpy() <= n_head) & (ids // DAY_IDS == date)).sum())
    step = np.where(ids // DAY_IDS == date, last % DAY_IDS - n_known, 0)
    return trades.set_column(
        trades.schema.get_field_index("trade_id"), TRADES.field("trade_id"), pa.array(ids + step)
    )
