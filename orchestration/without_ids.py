"""Files of one day whose records carry no ids of the venue: put together where that is honest.

A record is told apart by its file and its place there, nothing else: equal rows are trades of
their own. So two files can only be put together by their times:

- where they do not overlap, the day is the one after the other;
- where they overlap, they must say the same there, record by record: then the later file's are
  duplicates. At a file's first and last stamp records may be cut off, nowhere else;
- otherwise nobody can tell which records are the same, and the later file is refused.

``trade_id`` is then the position in the day's order, whatever the order in which the files came.
What lies between two files may be missing or may never have been: it is recorded as a gap.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration import across_units
from orchestration.across_units import CONTENT, KEYS, rejected_rows
from orchestration.day_gaps import DAY_UNIT
from orchestration.errors import IngestRefused
from orchestration.sources.iqfeed.history import DAY_IDS
from orchestration.sources.records import QUARANTINE, Gap, SourceBatch
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

# Its ids hold the date before the position, and the vendor's own key beside it.
_DATED = "iqfeed"
BETWEEN_FILES = "between_files"


@dataclass(slots=True, kw_only=True)
class Joined:
    """A unit's rows beside those of the day's other units.

    Attributes
    ----------
    rows : pyarrow.Table
        The unit's own, with their ids in the whole day.
    rejected : pyarrow.Table
        Quarantine rows of those that another unit has.
    renumbered : dict of str to pyarrow.Table
        Unit -> its rows with their new ids, where those changed.
    gaps : list of Gap
        Stretches between files.
    """

    rows: pa.Table
    rejected: pa.Table = field(default_factory=QUARANTINE.empty_table)
    renumbered: dict[str, pa.Table] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


def join_day(
    store: Store, part: SourceBatch, instrument: Instrument, day: date, gone: Collection[str]
) -> dict[str, Joined]:
    """Put a unit's trades and quotes of a day beside those of other units; see :func:`join`.

    ``gone`` are units whose rows the part replaces, its own among them. A unit that is stored as it
    is read keeps the place that it has.
    """
    symbol, made = instrument.symbol, {}
    for name, rows in (("raw.trades", part.trades), ("raw.quotes", part.quotes)):
        stored = store.read(name, symbol, day, columns=rows.column_names)
        others = across_units.without_units(stored, gone)
        between = _gaps_known(store, symbol, day, KEYS[name][0])
        again = None
        if len(others) and len(rows):
            where = {"unit": part.unit, "reason": "duplicate", "kind": KEYS[name][0]}
            refused = store.read("raw.quarantine", symbol, day, columns=["line"], where=where)
            own = stored.filter(pc.equal(stored["unit"].cast(pa.string()), part.unit))
            again = as_published(name, rows, own, refused["line"].to_pylist())
        if again is None:
            made[name] = join(name, rows, others, instrument, day, between)
        else:
            gaps = [_gap(KEYS[name][0], *stretch) for stretch in between]
            made[name] = Joined(rows=again[0], rejected=again[1], gaps=gaps)
    return made


def _gaps_known(store: Store, symbol: str, day: date, kind: str) -> list[tuple[int, int]]:
    where = {"unit": DAY_UNIT, "kind": kind, "reason": BETWEEN_FILES}
    rows = store.read("raw.gaps", symbol, day, columns=["start_ns", "end_ns"], where=where)
    return list(zip(rows["start_ns"].to_pylist(), rows["end_ns"].to_pylist(), strict=True))


def join(
    name: str,
    rows: pa.Table,
    others: pa.Table,
    instrument: Instrument,
    day: date,
    between: Sequence[tuple[int, int]] = (),
) -> Joined:
    """Put a unit's rows of a day beside those that other units have published.

    Parameters
    ----------
    name : str
        ``raw.trades`` or ``raw.quotes``.
    rows, others : pyarrow.Table
        All columns of the payload, ids increasing.
    between : sequence of (int, int)
        Stretches between the other files that are known already.

    Raises
    ------
    IngestRefused
        Their records cannot be told apart.
    """
    if not len(others):
        return Joined(rows=rows)
    kind = KEYS[name][0]
    covered = _covered(others, between)
    if not len(rows):
        return Joined(rows=rows, gaps=_between(kind, covered))
    _require_positions(name, rows, others, instrument, day)
    order = np.argsort(others[KEYS[name][1]].to_numpy(), kind="stable")
    others = others.take(pa.array(order))
    rank, is_known = _places(name, rows, others, covered, instrument, day)
    kept = rows.filter(pa.array(~is_known))
    merged_ts = np.concatenate([_ts(others), _ts(kept)])
    ranks = np.concatenate([np.zeros(len(others), np.int64), rank[~is_known]])
    in_order = np.lexsort((np.arange(len(merged_ts)), ranks, merged_ts))
    ids = np.empty(len(merged_ts), np.int64)
    dates = np.concatenate([_dates(name, others), _dates(name, kept)])[in_order]
    starts = np.searchsorted(dates, dates)
    ids[in_order] = dates * DAY_IDS + np.arange(len(dates)) - starts + 1
    spans = [*covered, (int(_ts(rows)[0]), int(_ts(rows)[-1]))]
    detail = "another file of the day has this record at this place"
    n_known = int(is_known.sum())
    return Joined(
        rows=_with_ids(name, kept, ids[len(others) :]),
        rejected=rejected_rows(
            name, rows.filter(pa.array(is_known)), np.full(n_known, "duplicate", object),
            np.full(n_known, detail, object),
        ),
        renumbered=_renumbered(name, others, ids[: len(others)]),
        gaps=_between(kind, _union(spans)),
    )  # fmt: skip


def as_published(
    name: str, rows: pa.Table, own: pa.Table, refused: Sequence[int]
) -> tuple[pa.Table, pa.Table] | None:
    """Return a unit's rows as they are stored already, and its duplicates; None if it is new.

    Parameters
    ----------
    own : pyarrow.Table
        What is stored of the unit.
    refused : sequence of int
        Its lines that are in quarantine as duplicates.
    """
    lines = set(rows["line"].to_pylist())
    stored = set(own["line"].to_pylist())
    if not stored | set(refused) or lines != stored | (lines & set(refused)):
        return None
    is_known = pc.is_in(rows["line"], pa.array(sorted(set(refused) - stored), pa.int64()))
    again = rows.filter(pc.invert(is_known))
    columns = list(CONTENT[name])
    order = [("line", "ascending")]
    if (
        not again.sort_by(order)
        .select(columns)
        .equals(own.sort_by(order).select(columns).cast(again.select(columns).schema))
    ):
        return None  # it is read in another way than it was
    n = len(rows) - len(again)
    detail = "another file of the day has this record at this place"
    rejected = rejected_rows(
        name, rows.filter(is_known), np.full(n, "duplicate", object), np.full(n, detail, object)
    )
    return own.select(rows.column_names).cast(rows.schema), rejected


def _ts(rows: pa.Table) -> np.ndarray:
    found: np.ndarray = rows["ts_event_ns"].to_numpy()
    return found


def _covered(others: pa.Table, between: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches that other files cover.

    A unit's duplicates are not stored with it: units that follow each other cover what lies between
    them, unless it is known as a gap.
    """
    units = others["unit"].cast(pa.string())
    spans = []
    for unit in pc.unique(units).to_pylist():
        ts = _ts(others.filter(pc.equal(units, unit)))
        spans.append((int(ts.min()), int(ts.max())))
    found = _union(spans)
    joined = [
        (before[1], after[0])
        for before, after in pairwise(found)
        if (before[1], after[0]) not in between
    ]
    return _union([*found, *joined])


def _union(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _between(kind: str, covered: Sequence[tuple[int, int]]) -> list[Gap]:
    return [_gap(kind, last, first) for (_, last), (first, _) in pairwise(covered)]


def _gap(kind: str, start_ns: int, end_ns: int) -> Gap:
    return Gap(
        kind=kind, start_ns=start_ns, end_ns=end_ns, first_missing_id=0, n_missing=0,
        reason=BETWEEN_FILES,
    )  # fmt: skip


def _require_positions(
    name: str, rows: pa.Table, others: pa.Table, instrument: Instrument, day: date
) -> None:
    # Ids that are no positions are the venue's: they must not be changed, and they order nothing.
    for part in (rows, others):
        is_dated = pc.all(pc.equal(part["source"].cast(pa.string()), _DATED)).as_py()
        ids, lines = part[KEYS[name][1]].to_numpy(), part["line"].to_numpy()
        # A header before the rows makes their numbers one less than their lines.
        is_numbered = part is others or bool(np.isin(np.unique(ids - lines), (0, -1)).all())
        if not is_dated and (not is_numbered or ids.max() > DAY_IDS):
            raise IngestRefused(
                f"{instrument.symbol} {day} is already published from file "
                f"{others['unit'][0].as_py()}; this market's ids order no records, so two files of "
                "one day cannot be told apart: ingest the day as one file (file "
                f"{rows['unit'][0].as_py()} was refused)"
            )


def _dates(name: str, rows: pa.Table) -> np.ndarray:
    found: np.ndarray = rows[KEYS[name][1]].to_numpy() // DAY_IDS
    return found


def _places(
    name: str, rows: pa.Table, others: pa.Table, covered: Sequence[tuple[int, int]],
    instrument: Instrument, day: date,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return where each row stands among others of its time (-1, 0, 1), and which are known."""
    rank, is_known = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
    ts, theirs = _ts(rows), _ts(others)
    for first, last in covered:
        low, high = max(first, int(ts[0])), min(last, int(ts[-1]))
        if low > high:
            continue
        mine = slice(*np.searchsorted(ts, [low, high + 1]).tolist())
        known = slice(*np.searchsorted(theirs, [low, high + 1]).tolist())
        codes = _codes(name, rows.slice(mine.start, mine.stop - mine.start),
                       others.slice(known.start, known.stop - known.start))  # fmt: skip
        at = _alignment(
            *codes, ts[mine], theirs[known],
            starts=(int(ts[0]) == low, first == low), ends=(int(ts[-1]) == high, last == high),
        )  # fmt: skip
        if at is None:
            raise IngestRefused(
                f"{instrument.symbol} {day} is already published from file "
                f"{others['unit'][known.start].as_py()}, which overlaps file "
                f"{rows['unit'][0].as_py()} from {low} to {high} ns and differs there: without ids "
                "of the venue nobody can tell which records are the same; ingest the day as one file"
            )
        begin, n_same = at
        start = mine.start + begin
        is_known[start : start + n_same] = True
        rank[mine.start : start] = -1
        rank[start + n_same : mine.stop] = 1
    return rank, is_known


def _codes(name: str, mine: pa.Table, theirs: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Number equal contents alike."""
    columns = []
    for column in CONTENT[name]:
        values = pa.chunked_array([*mine[column].chunks, *theirs[column].chunks])
        if pa.types.is_string(values.type):
            values = pa.chunked_array([values.combine_chunks().dictionary_encode().indices])
        columns.append(values.to_numpy().astype(np.int64))
    _, codes = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    return codes[: len(mine)], codes[len(mine) :]


def _alignment(
    mine: np.ndarray, theirs: np.ndarray, my_ts: np.ndarray, their_ts: np.ndarray,
    *, starts: tuple[bool, bool], ends: tuple[bool, bool],
) -> tuple[int, int] | None:  # fmt: skip
    """Return from which of my records on they say what theirs say, and how many; None if not.

    ``starts`` and ``ends`` tell whether my file and theirs begin, and end, in this stretch: only
    there, at one stamp, may the other have more.
    """
    if not len(mine) or not len(theirs):
        return None
    best: tuple[int, int] | None = None
    n_my_first = int((my_ts == my_ts[0]).sum()) if starts[1] else 0
    n_their_first = int((their_ts == their_ts[0]).sum()) if starts[0] else 0
    for shift in range(-n_their_first, n_my_first + 1):
        begin, theirs_begin = max(shift, 0), max(-shift, 0)
        n = min(len(mine) - begin, len(theirs) - theirs_begin)
        if n <= 0 or (best is not None and n <= best[1]):
            continue
        rest, their_rest = my_ts[begin + n :], their_ts[theirs_begin + n :]
        if len(rest) and not (ends[1] and (rest == my_ts[-1]).all()):
            continue
        if len(their_rest) and not (ends[0] and (their_rest == their_ts[-1]).all()):
            continue
        if (mine[begin : begin + n] == theirs[theirs_begin : theirs_begin + n]).all():
            best = (begin, n)
    if best is None:
        return None
    begin, n = best
    # One stamp alone shows nothing, unless the one file lies within the other.
    is_shown = my_ts[begin] != my_ts[begin + n - 1] or n in (len(mine), len(theirs))
    touches_only = my_ts[0] == my_ts[-1] and not (all(starts) or all(ends))
    is_within = (starts[0] and ends[0]) or (starts[1] and ends[1])
    return best if is_shown and (not touches_only or is_within) else None


def _with_ids(name: str, rows: pa.Table, ids: np.ndarray) -> pa.Table:
    key = KEYS[name][1]
    made = rows.set_column(rows.schema.get_field_index(key), rows.schema.field(key), pa.array(ids))
    return made.take(pa.array(np.argsort(ids, kind="stable")))


def _renumbered(name: str, others: pa.Table, ids: np.ndarray) -> dict[str, pa.Table]:
    found: dict[str, pa.Table] = {}
    units = np.array(others["unit"].cast(pa.string()).to_pylist(), object)
    old = others[KEYS[name][1]].to_numpy()
    for unit in dict.fromkeys(units.tolist()):
        own = units == unit
        if (old[own] != ids[own]).any():
            found[str(unit)] = _with_ids(name, others.filter(pa.array(own)), ids[own])
    return found


def day_gaps(joined: Mapping[str, Joined]) -> list[Gap]:
    """Return the stretches between files of all tables of a day."""
    return [gap for made in joined.values() for gap in made.gaps]
