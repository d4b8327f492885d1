"""Updates of a book through the gate: what of them may be stored, and where the book is unknown.

One record is one update: a snapshot, or the changes of some levels. It is stored or refused as a
whole, since a book that lacks one level of an update is wrong from there on. Where an update is
missing or refused, the ids say so, and :func:`depth_gaps` makes gaps of it.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from orchestration.sources.gate import Gate, fewest_inversions
from orchestration.sources.records import DEPTH, Gap, table
from orderflow_core.level_book import BookStatus, DepthUpdates, book_status
from orderflow_core.types import Int8, Int64

BID, ASK, NOTHING = 1, -1, 0
_OF_UPDATE = (
    "line", "ts_event_ns", "ts_recv_ns", "ts_source", "first_id", "last_id", "previous_id",
    "is_snapshot",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class DepthRecords:
    """Updates as a source read them; texts are not yet converted.

    ``previous_id`` is -1 where the venue states none. ``ts_event_ns`` is 0 for a snapshot without a time
    of the venue's: it gets that of its neighbours in the order of ids. ``n_changes`` of each
    update stand one after the other in ``side``, ``price`` and ``qty``.
    """

    line: list[int] = field(default_factory=list)
    ts_event_ns: list[int] = field(default_factory=list)
    ts_recv_ns: list[int] = field(default_factory=list)
    ts_source: list[int] = field(default_factory=list)
    first_id: list[int] = field(default_factory=list)
    last_id: list[int] = field(default_factory=list)
    previous_id: list[int] = field(default_factory=list)
    is_snapshot: list[int] = field(default_factory=list)
    n_changes: list[int] = field(default_factory=list)
    side: list[int] = field(default_factory=list)
    price: list[str] = field(default_factory=list)
    qty: list[str] = field(default_factory=list)


def pass_depth(gate: Gate, records: DepthRecords, *, source: str, unit: str) -> pa.Table:
    """Return the changes of the updates that may be stored, in the order of their ids.

    Parameters
    ----------
    gate : Gate
        Collects what is refused.
    records : DepthRecords
    source, unit : str

    Returns
    -------
    pyarrow.Table
        One row a change, ``change_idx`` counting within its update. An update without changes has
        one row with side 0: its ids are part of the chain.
    """
    if not records.line:
        return DEPTH.empty_table()
    updates = {name: np.array(getattr(records, name), np.int64) for name in _OF_UPDATE}
    start = np.concatenate(([0], np.cumsum(records.n_changes))).astype(np.int64)
    price, bad_price = gate.convert("price", records.price)
    qty, bad_qty = gate.convert("qty", records.qty)
    changes = np.stack([np.array(records.side, np.int64), price, qty])
    owner = np.repeat(np.arange(len(start) - 1), np.diff(start))
    found = _faults(changes, owner, {**bad_qty, **bad_price})
    _give_times(updates)
    for i in np.flatnonzero(~gate.knows_time(updates["ts_event_ns"])).tolist():
        found[i] = ("out_of_range", f"time {updates['ts_event_ns'][i]} is in no trading day")
        updates["ts_event_ns"][i] = 0
    for i, finding in found.items():
        _refuse(gate, updates, i, *finding)
    alive = np.setdiff1d(np.arange(len(start) - 1), np.array(list(found), np.int64))
    alive = _unique(gate, updates, changes, start, alive)
    keep = fewest_inversions(updates["ts_event_ns"][alive])
    for i in alive[~keep].tolist():
        detail = f"time {updates['ts_event_ns'][i]} is out of order among its neighbours"
        _refuse(gate, updates, i, "time_inversion", detail)
    return _rows(updates, changes, start, alive[keep], source, unit)


def depth_gaps(updates: pa.Table) -> list[Gap]:
    """Return the stretches of a day in which the book is not known.

    Parameters
    ----------
    updates : pyarrow.Table
        One row an update of the day, of all units: ``ts_event_ns``, ``first_id``, ``last_id``, ``previous_id``,
        ``is_snapshot``.

    Notes
    -----
    A book is known from a snapshot of its day on, until an update is missing. How many are missing
    is not known (0).
    """
    if not len(updates):
        return []
    columns = {name: updates[name].to_numpy() for name in CHAIN}
    order = np.lexsort((columns["is_snapshot"], columns["last_id"]))
    columns = {name: values[order] for name, values in columns.items()}
    return _gaps(columns, book_status(_chain(columns)))


CHAIN = ("ts_event_ns", "first_id", "last_id", "previous_id", "is_snapshot")


def _chain(columns: dict[str, np.ndarray]) -> DepthUpdates:
    nothing = np.zeros(len(columns["last_id"]), np.int64)
    return DepthUpdates(
        ts_event_ns=np.maximum.accumulate(columns["ts_event_ns"]), first_id=columns["first_id"],
        last_id=columns["last_id"], previous_id=columns["previous_id"],
        is_snapshot=columns["is_snapshot"].astype(np.bool_), side=nothing.astype(np.int8),
        price_ticks=nothing, qty_lots=nothing,
    )  # fmt: skip


def _gaps(columns: dict[str, np.ndarray], status: Int8) -> list[Gap]:
    ts, last, n = columns["ts_event_ns"], columns["last_id"], len(status)
    is_unknown = np.concatenate(([False], status == BookStatus.UNKNOWN, [False]))
    edges = np.flatnonzero(np.diff(is_unknown.astype(np.int8)))
    gaps = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        before = max(begin - 1, 0)
        gaps.append(
            Gap(
                kind="depth", start_ns=int(ts[before]), end_ns=int(ts[min(end, n - 1)]),
                first_missing_id=int(last[before]) + 1 if begin else 0, n_missing=0,
                reason="missing_updates" if begin else "no_snapshot",
            )
        )  # fmt: skip
    # A snapshot came in time, but the change behind it shows that changes before it are missing.
    starts = status == BookStatus.STARTS
    is_hole = starts & (columns["is_snapshot"] == 0)
    for i in np.flatnonzero(is_hole).tolist():
        before = int(np.flatnonzero(columns["is_snapshot"][:i] == 0)[-1])
        gaps.append(
            Gap(
                kind="depth", start_ns=int(ts[before]), end_ns=int(ts[i]),
                first_missing_id=int(last[before]) + 1, n_missing=0, reason="missing_updates",
            )
        )  # fmt: skip
    return gaps


def of_updates(depth: pa.Table) -> pa.Table:
    """Return one row an update."""
    return depth.filter(pa.array(depth["change_idx"].to_numpy() == 0))


def _faults(
    changes: np.ndarray, owner: Int64, bad: dict[int, tuple[str, str]]
) -> dict[int, tuple[str, str]]:
    # Number of an update -> reason and detail of the first of its changes that cannot be taken.
    found: dict[int, tuple[str, str]] = {}
    for at in sorted(bad):
        found.setdefault(int(owner[at]), bad[at])
    _, price, qty = changes
    for at in np.flatnonzero((price <= 0) | (qty < 0)).tolist():
        if at not in bad:
            detail = f"a level of price_ticks {price[at]} and qty_lots {qty[at]} cannot be"
            found.setdefault(int(owner[at]), ("out_of_range", detail))
    return found


def _give_times(updates: dict[str, np.ndarray]) -> None:
    # A snapshot shows the book as of its id: it gets the time of the change that follows it in
    # the order of ids, else of the one before, else of its receipt.
    ts = updates["ts_event_ns"]
    without = np.flatnonzero(ts == 0)
    if not len(without):
        return
    timed = np.flatnonzero((ts > 0) & (updates["is_snapshot"] == 0))
    timed = timed[np.argsort(updates["last_id"][timed], kind="stable")]
    at = np.searchsorted(updates["last_id"][timed], updates["last_id"][without], side="right")
    for i, behind in zip(without.tolist(), at.tolist(), strict=True):
        if len(timed):
            ts[i] = ts[timed[min(behind, len(timed) - 1)]]
        else:
            ts[i] = updates["ts_recv_ns"][i]


def _unique(
    gate: Gate, updates: dict[str, np.ndarray], changes: np.ndarray, start: Int64, alive: Int64
) -> Int64:
    # Positions in the order of ids, a snapshot behind a change of the same id.
    order = np.lexsort((updates["is_snapshot"][alive], updates["last_id"][alive]))
    alive = alive[order]
    ids, flags = updates["last_id"][alive], updates["is_snapshot"][alive]
    is_again = np.zeros(len(alive), np.bool_)
    is_again[1:] = (ids[1:] == ids[:-1]) & (flags[1:] == flags[:-1])
    if not is_again.any():
        return alive
    groups: dict[tuple[int, int], list[int]] = {}
    for i in alive.tolist():
        key = int(updates["last_id"][i]), int(updates["is_snapshot"][i])
        groups.setdefault(key, []).append(i)
    kept = []
    for (last_id, _), members in groups.items():
        contents = {_content(updates, changes, start, i) for i in members}
        if len(contents) == 1:
            kept.append(members[0])
            for i in members[1:]:
                _refuse(gate, updates, i, "duplicate", f"update {last_id} is there already")
            continue
        for i in members:
            _refuse(gate, updates, i, "conflict", f"update {last_id} has two contents")
    return np.array(kept, np.int64)


def _content(
    updates: dict[str, np.ndarray], changes: np.ndarray, start: Int64, i: int
) -> tuple[int, int, int, bytes]:
    ts = 0 if updates["ts_source"][i] else int(updates["ts_event_ns"][i])
    ids = int(updates["first_id"][i]), int(updates["previous_id"][i])
    return (ts, *ids, changes[:, start[i] : start[i + 1]].tobytes())


def _rows(
    updates: dict[str, np.ndarray], changes: np.ndarray, start: Int64, kept: Int64,
    source: str, unit: str,
) -> pa.Table:  # fmt: skip
    n = np.diff(start)[kept]
    shown = np.maximum(n, 1)  # an update that changes nothing has a row all the same
    owner = np.repeat(np.arange(len(kept)), shown)
    change_idx = np.arange(len(owner)) - np.repeat(np.cumsum(shown) - shown, shown)
    is_real = np.repeat(n > 0, shown)
    at = np.where(is_real, start[kept][owner] + change_idx, 0)
    levels = changes[:, at] * is_real if changes.shape[1] else np.zeros((3, len(owner)), np.int64)
    columns = {name: updates[name][kept][owner] for name in _OF_UPDATE}
    columns |= {
        "change_idx": change_idx, "side": levels[0].astype(np.int8), "price_ticks": levels[1],
        "qty_lots": levels[2],
    }  # fmt: skip
    for name in ("ts_source", "is_snapshot"):
        columns[name] = columns[name].astype(np.int8)
    return table(DEPTH, {**columns, "source": source, "unit": unit}, len(owner))


def _refuse(gate: Gate, updates: dict[str, np.ndarray], i: int, reason: str, detail: str) -> None:
    gate.refuse(
        "depth", int(updates["line"][i]), reason, detail,
        ts_ns=int(updates["ts_event_ns"][i]), ts_recv_ns=int(updates["ts_recv_ns"][i]),
    )  # fmt: skip
