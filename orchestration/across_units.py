"""What one unit of input means beside the others of its day: repeats and contradictions.

A day may come in several files, in any order, one overlapping the other. Its content must not
depend on that.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.errors import IngestRefused
from orchestration.sources.depth_gate import CHAIN, of_updates
from orchestration.sources.records import (
    DEPTH,
    QUARANTINE,
    SourceBatch,
    table,
)
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

KEYS = {"raw.trades": ("trade", "trade_id"), "raw.quotes": ("quote", "quote_id")}

CONTENT = {
    "raw.trades": (
        "ts_event_ns", "price_ticks", "qty_lots", "native_sign", "is_market", "venue_id",
    ),
    "raw.quotes": ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots", "ts_source"),
}  # fmt: skip


def require_one_kind(
    store: Store,
    batch: SourceBatch,
    days: Mapping[date, SourceBatch],
    instrument: Instrument,
    gone: Collection[str],
) -> None:
    """Refuse aggregates on a day of single trades, and the other way round.

    Both count their ids by themselves, so nothing would show that each order is there twice.

    Raises
    ------
    IngestRefused
        Names the day and both units.
    """
    if not instrument.max_id_step:
        return
    for day, part in sorted(days.items()):
        mine = _has_aggregates(part.trades)
        if mine is None:
            continue
        others = published_by_others(store, instrument, "raw.trades", day, gone)
        for unit in pc.unique(others["unit"]).to_pylist():
            rows = others.filter(pc.equal(others["unit"], unit))
            if _has_aggregates(rows) not in (None, mine):
                kinds = ("aggregates", "single trades") if mine else ("single trades", "aggregates")
                raise IngestRefused(
                    f"{instrument.symbol} {day}: unit {batch.unit} holds {kinds[0]}, and unit "
                    f"{unit} has published the day's {kinds[1]}: together they would count each "
                    "order twice"
                )


def _has_aggregates(trades: pa.Table) -> bool | None:
    # An aggregate names the fills that it covers. None: there is no trade.
    if not len(trades):
        return None
    return bool(pc.any(pc.not_equal(trades["venue_id"], "")).as_py())


def published_by_others(
    store: Store, instrument: Instrument, name: str, day: date, gone: Collection[str]
) -> pa.Table:
    """Return what units not in ``gone`` have published of a day: key, content and unit."""
    found = store.existing_keys(name, instrument.symbol, day, columns_of(name))
    return without_units(found, gone)


def columns_of(name: str) -> list[str]:
    """Return the columns of a table that say what a record is: key, content and unit."""
    return [KEYS[name][1], *CONTENT[name], "unit"]


def without_units(rows: pa.Table, units: Collection[str]) -> pa.Table:
    """Return the rows that other units brought."""
    if not len(rows) or not units:
        return rows
    names = pa.array(sorted(units), pa.string())
    return rows.filter(pc.invert(pc.is_in(rows["unit"].cast(pa.string()), names)))


def taken_over(
    store: Store,
    part: SourceBatch,
    instrument: Instrument,
    day: date,
    others: Mapping[str, pa.Table],
) -> set[str]:
    """Return the units that hold nothing of a day that the part does not hold as well.

    A unit with refused records of its own stays: nobody could say where they are now.
    """
    refused = store.read(
        "raw.quarantine", instrument.symbol, day, columns=["unit", "reason"]
    ).to_pylist()
    own = {"raw.trades": part.trades, "raw.quotes": part.quotes}
    kept = {row["unit"] for row in refused if row["reason"] != "duplicate"}
    units: set[str] = set()
    for name, rows in others.items():
        units |= set(pc.unique(rows["unit"]).to_pylist())
        known = _same_keys(name, rows, own[name])
        kept |= set(pc.unique(rows.filter(pa.array(~known))["unit"]).to_pylist())
    return units - kept


def _same_keys(name: str, rows: pa.Table, own: pa.Table) -> np.ndarray:
    # Which rows are among one's own (ids increasing) with the same content.
    found = np.zeros(len(rows), np.bool_)
    if not len(rows) or not len(own):
        return found
    key = KEYS[name][1]
    ids, known = rows[key].to_numpy(), own[key].to_numpy()
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    found[:] = known[at] == ids
    mask = pa.array(found)
    found[found] = _same_content(name, rows.filter(mask), own.take(pa.array(at[found])))
    return found


def set_aside(name: str, rows: pa.Table, others: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Divide the rows of a unit by what other units have published.

    Parameters
    ----------
    name : str
        ``raw.trades`` or ``raw.quotes``.
    rows : pyarrow.Table
        Rows of one unit, ids and times both increasing.
    others : pyarrow.Table
        See :func:`published_by_others`.

    Returns
    -------
    kept : pyarrow.Table
    rejected : pyarrow.Table
        Quarantine rows: ``duplicate`` when another unit has the record, ``conflict`` when it has
        another content under its key, ``time_inversion`` when its time contradicts their ids.
    """
    if not len(rows) or not len(others):
        return rows, QUARANTINE.empty_table()
    key = KEYS[name][1]
    others = others.take(pa.array(np.argsort(others[key].to_numpy(), kind="stable")))
    ids, known = rows[key].to_numpy(), others[key].to_numpy()
    at = np.searchsorted(known, ids)
    is_known = known[np.minimum(at, len(known) - 1)] == ids
    reason = np.full(len(ids), "", object)
    reason[_runs_back(rows, others, at) & ~is_known] = "time_inversion"
    twins = others.take(pa.array(at[is_known]))
    same = _same_content(name, rows.filter(pa.array(is_known)), twins)
    reason[is_known] = np.where(same, "duplicate", "conflict")
    refused = reason != ""
    detail = reason.copy()
    detail[is_known] = [
        f"unit {unit} has published this {key}{'' if is_same else ' with another content'}"
        for unit, is_same in zip(twins["unit"].to_pylist(), same, strict=True)
    ]
    detail[reason == "time_inversion"] = "its time is out of order among the ids of other units"
    rejected = rejected_rows(name, rows.filter(pa.array(refused)), reason[refused], detail[refused])
    return rows.filter(pa.array(~refused)), rejected


def _runs_back(rows: pa.Table, others: pa.Table, at: np.ndarray) -> np.ndarray:
    # Receive times of two recorders say nothing about each other.
    for t in (rows, others):
        if "ts_source" in t.column_names and pc.any(pc.not_equal(t["ts_source"], 0)).as_py():
            return np.zeros(len(rows), np.bool_)
    return _out_of_order(rows, others, at)


def _out_of_order(rows: pa.Table, others: pa.Table, at: np.ndarray) -> np.ndarray:
    ts, known = rows["ts_event_ns"].to_numpy(), others["ts_event_ns"].to_numpy()
    last = len(known) - 1
    before = (at > 0) & (known[np.maximum(at - 1, 0)] > ts)
    after = (at <= last) & (known[np.minimum(at, last)] < ts)
    return np.asarray(before | after)


def _same_content(name: str, mine: pa.Table, twins: pa.Table) -> np.ndarray:
    same = np.ones(len(mine), np.bool_)
    for column in CONTENT[name]:
        equal = pc.equal(mine[column].combine_chunks(), twins[column].combine_chunks())
        found = equal.to_numpy(zero_copy_only=False)
        if name == "raw.quotes" and column == "ts_event_ns":
            # Two copies of one update arrive at two times: no conflict without an exchange time.
            found = found | (mine["ts_source"].to_numpy() == 1)
        same &= found
    return same


def rejected_rows(name: str, rows: pa.Table, reason: np.ndarray, detail: np.ndarray) -> pa.Table:
    """Return stored rows as quarantine rows.

    The line of the file finds the original text again; here the key says which record it was.
    """
    kind, key = KEYS[name]
    text = [f"{key}={value}" for value in rows[key].to_pylist()]
    return _quarantined(kind, rows, reason, detail, text)


def _quarantined(
    kind: str, rows: pa.Table, reason: np.ndarray, detail: np.ndarray, record: Sequence[str]
) -> pa.Table:
    if not len(rows):
        return QUARANTINE.empty_table()
    columns = {column: rows[column].combine_chunks() for column in ("ts_recv_ns", "line")}
    return table(
        QUARANTINE,
        columns
        | {
            "kind": kind,
            "reason": reason.tolist(),
            "detail": detail.tolist(),
            "record": list(record),
            "source": rows["source"][0].as_py(),
            "unit": rows["unit"][0].as_py(),
        },
        len(rows),
    )


def set_aside_updates(rows: pa.Table, others: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Divide the updates of the book of a unit by what other units have published.

    Parameters
    ----------
    rows : pyarrow.Table
        Of ``raw.depth``, of one unit.
    others : pyarrow.Table
        See :func:`published_updates`.

    Returns
    -------
    kept, rejected : pyarrow.Table
        As :func:`set_aside`, an update at a time.
    """
    if not len(rows) or not len(others):
        return rows, QUARANTINE.empty_table()
    updates = of_updates(rows)
    mine, known = _update_keys(updates), _update_keys(others)
    order = np.argsort(known, kind="stable")
    others, known = others.take(pa.array(order)), known[order]
    at = np.searchsorted(known, mine)
    is_known = known[np.minimum(at, len(known) - 1)] == mine
    reason = np.full(len(mine), "", object)
    is_stamped = updates["ts_source"].to_numpy() == 0
    reason[_out_of_order(updates, others, at) & ~is_known & is_stamped] = "time_inversion"
    twins = others.take(pa.array(at[is_known]))
    same = np.ones(len(twins), np.bool_)
    for name in ("ts_event_ns", "first_id", "previous_id"):
        equal = updates[name].to_numpy()[is_known] == twins[name].to_numpy()
        same &= equal | ((name == "ts_event_ns") & ~is_stamped[is_known])
    reason[is_known] = np.where(same, "duplicate", "conflict")
    refused = reason != ""
    detail = np.where(
        is_known, "another unit has published this update",
        "its time is out of order among the ids of other units",
    )  # fmt: skip
    text = pc.binary_join_element_wise(
        "last_id=", updates["last_id"].cast(pa.string()), ""
    ).combine_chunks()  # fmt: skip
    mask = pa.array(refused)
    rejected = _quarantined(
        "depth", updates.filter(mask), reason[refused], detail[refused],
        text.filter(mask).to_pylist(),
    )  # fmt: skip
    is_kept = ~np.isin(_update_keys(rows), mine[refused])
    return rows.filter(pa.array(is_kept)), rejected


def _update_keys(rows: pa.Table) -> np.ndarray:
    # Ids are below 2**63: twice one and a flag fit into 64 bits without sign.
    ids, flags = rows["last_id"].to_numpy(), rows["is_snapshot"].to_numpy()
    return ids.astype(np.uint64) * np.uint64(2) + flags.astype(np.uint64)


def published_updates(
    store: Store, instrument: Instrument, day: date, *, gone: Collection[str] = ()
) -> pa.Table:
    """Return one row for each published update of the book of a day, but of the units in ``gone``."""
    if not store.published("raw.depth", instrument.symbol, day):
        return _no_updates()
    found = store.read(
        "raw.depth", instrument.symbol, day, columns=[*_UPDATE_COLUMNS, "unit"],
        where={"change_idx": 0},
    )  # fmt: skip
    return without_units(found, gone).select(_UPDATE_COLUMNS)


_UPDATE_COLUMNS = [*CHAIN, "ts_source"]


def _no_updates() -> pa.Table:
    return DEPTH.empty_table().select(_UPDATE_COLUMNS)
