"""What is missing of a day, judged over all of its units and beside the days next to it.

A day may come in several files, in any order. Which trades are missing must not depend on that, so
holes in the ids belong to the day (:data:`DAY_UNIT`) and to none of its units.
"""

from collections.abc import Sequence
from datetime import date
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration import across_units
from orchestration.sources.day_split import clip_gaps
from orchestration.sources.depth_gate import CHAIN, depth_gaps
from orchestration.sources.id_gaps import trade_gaps
from orchestration.sources.records import GAPS, TRADES, Gap, gaps_table
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

DAY_UNIT = "day"
# First and last trade of a day by the generations that hold the day.
_ENDS: WeakKeyDictionary[Store, dict[tuple[int, ...], pa.Table]] = WeakKeyDictionary()
_MAX_ENDS = 1_000
_GAP_COLUMNS = ["trade_id", "ts_event_ns", "venue_id"]


def gaps_of_day(
    store: Store,
    instrument: Instrument,
    day: date,
    trades: Sequence[pa.Table],
    updates: Sequence[pa.Table] | None = None,
) -> pa.Table:
    """Return the gaps between the trades of a day, and those that reach into it; and those of the book.

    Parameters
    ----------
    trades : sequence of pyarrow.Table
        The day's trades, of all units: ``trade_id``, ``ts_event_ns``, ``venue_id``. The ends of
        the days beside it are read from the store: a hole may span midnight, or days without a trade.
    updates : sequence of pyarrow.Table
        The day's updates of the book, of all units, one row each; those that are published when
        left out. A book is known from a snapshot of its own day on.
    """
    if updates is None:
        updates = [across_units.published_updates(store, instrument, day)]
    gaps = gaps_of_book(updates) + _trade_gaps(store, instrument, day, trades)
    return _clipped(gaps, instrument, day)


def _trade_gaps(
    store: Store, instrument: Instrument, day: date, trades: Sequence[pa.Table]
) -> list[Gap]:
    if not instrument.max_id_step:
        return []
    beside = [
        _ends_of_trades(store, instrument, other) for other in days_beside(store, instrument, day)
    ]
    return _gaps_between([*trades, *beside], instrument.max_id_step)


def _clipped(gaps: list[Gap], instrument: Instrument, day: date) -> pa.Table:
    return clip_gaps(gaps_table(gaps, DAY_UNIT, DAY_UNIT), *instrument.trading_day_window(day))


def gaps_between(trades: Sequence[pa.Table], max_id_step: int) -> pa.Table:
    """Return the gaps between trades: ``trade_id``, ``ts_event_ns``, ``venue_id`` in any order."""
    return gaps_table(_gaps_between(trades, max_id_step), DAY_UNIT, DAY_UNIT)


def gaps_of_book(updates: Sequence[pa.Table]) -> list[Gap]:
    """Return the stretches in which a day's book is not known, by its updates of all units."""
    return depth_gaps(pa.concat_tables([part.select(CHAIN) for part in updates]))


def days_beside(store: Store, instrument: Instrument, day: date) -> list[date]:
    """Return the nearest published days before and after that hold a trade."""
    published = store.published("raw.trades", instrument.symbol)
    days = sorted({row.trading_day for row in published if row.rows})
    return [d for d in days if d < day][-1:] + [d for d in days if d > day][:1]


def renewed_gaps(store: Store, instrument: Instrument, day: date) -> pa.Table:
    """Return the gaps of a published day, found anew where they reach out of it.

    Those between two of its own trades stay as they are published: only a day beside it has changed.
    """
    symbol = instrument.symbol
    if DAY_UNIT not in {row.unit for row in store.published("raw.gaps", symbol, day)}:
        trades = store.read("raw.trades", symbol, day, columns=_GAP_COLUMNS)
        return gaps_of_day(store, instrument, day, [trades])
    ends = _ends_of_trades(store, instrument, day)
    found = _clipped(_trade_gaps(store, instrument, day, [ends]), instrument, day)
    published = store.read("raw.gaps", symbol, day, where={"unit": DAY_UNIT}).select(GAPS.names)
    is_other = pc.not_equal(published["kind"].cast(pa.string()), "trade").to_numpy()
    parts = [
        found.filter(pa.array(~_is_between(found, ends))),
        published.filter(pa.array(is_other | _is_between(published, ends))),
    ]
    return pa.concat_tables(parts).unify_dictionaries()


def _ends_of_trades(store: Store, instrument: Instrument, day: date) -> pa.Table:
    # The first and the last, by time and then by id: the order of time is that of the ids. The times
    # say which rows to read: a day has a few of a time, and millions of ids and texts.
    # A generation never changes, and a file of some days asks for each day's ends several times.
    symbol = instrument.symbol
    held = _held(store.published("raw.trades", symbol, day))
    ends = _ENDS.get(store, {}).get(held)
    if ends is None:
        ends = _read_ends(store, symbol, day)
        _remember(store, held, ends)
    return ends


def remember_ends(
    store: Store, instrument: Instrument, day: date, unit: str, trades: pa.Table
) -> None:
    """Remember the first and last trade of a day that a unit has just published, where it alone has any.

    Parameters
    ----------
    trades : pyarrow.Table
        What it published, in the order of time and id: the audit has found the same in the store.
    """
    published = [row for row in store.published("raw.trades", instrument.symbol, day) if row.rows]
    if [row.unit for row in published] == [unit] and len(trades) == published[0].rows:
        ends = trades.select(_GAP_COLUMNS).take(sorted({0, len(trades) - 1}))
        _remember(store, _held(published), ends)


def _held(published: Sequence[ManifestRow]) -> tuple[int, ...]:
    return tuple(row.generation for row in published if row.rows)


def _remember(store: Store, held: tuple[int, ...], ends: pa.Table) -> None:
    known = _ENDS.setdefault(store, {})
    if len(known) >= _MAX_ENDS:
        known.clear()
    known[held] = ends


def _read_ends(store: Store, symbol: str, day: date) -> pa.Table:
    ts = store.read("raw.trades", symbol, day, columns=["ts_event_ns"])["ts_event_ns"]
    ends = sorted({ts[0].as_py(), ts[-1].as_py()}) if len(ts) else []
    rows = store.read(
        "raw.trades", symbol, day, columns=_GAP_COLUMNS, where={"ts_event_ns": ends}
    )  # fmt: skip
    return rows.take(sorted({0, len(rows) - 1})) if len(rows) else rows


def _is_between(gaps: pa.Table, ends: pa.Table) -> np.ndarray:
    # Whether what is missing lies between the first and the last trade: both its neighbours are the day's.
    if not len(ends):
        return np.zeros(len(gaps), np.bool_)
    first, last = 0, len(ends) - 1
    columns = _with_fills(ends)
    missing = gaps["first_missing_id"].to_numpy()
    ids, fills_from, fills_to = (columns[n] for n in ("trade_id", "first_id", "last_id"))
    is_fill = pc.equal(gaps["reason"].cast(pa.string()), "missing_fills").to_numpy()
    after = np.where(is_fill, fills_to[first], ids[first])
    before = np.where(is_fill, fills_from[last], ids[last])
    return np.asarray((missing > after) & (missing < before))


def _gaps_between(trades: Sequence[pa.Table], max_id_step: int) -> list[Gap]:
    # Trades and aggregates count their ids separately.
    schema = pa.schema([TRADES.field(column) for column in _GAP_COLUMNS])
    parts = [part.select(_GAP_COLUMNS).cast(schema) for part in trades if len(part)]
    # Days and files mostly follow each other: put so, nothing is left to sort.
    parts.sort(key=lambda part: part["trade_id"][0].as_py())
    if not parts:
        return []
    columns = _with_fills(pa.concat_tables(parts))
    is_trade = columns["first_id"] < 0
    gaps = trade_gaps(_by_id(columns, is_trade), max_id_step)
    # Aggregates have no holes of their own; their fills have, where trades have.
    return gaps + trade_gaps(_by_id(columns, ~is_trade), 1, int(max_id_step == 1))


def _with_fills(trades: pa.Table) -> dict[str, np.ndarray]:
    columns = {name: trades[name].to_numpy() for name in ("trade_id", "ts_event_ns")}
    texts = trades["venue_id"]
    if not (pc.max(pc.binary_length(texts)).as_py() or 0):
        return columns | dict.fromkeys(("first_id", "last_id"), np.full(len(trades), -1))
    # Imported here: the compiler takes a while to load, and most sources have no aggregates.
    from orchestration.sources.fill_ids import fill_ends

    first, last = fill_ends(texts)
    return columns | {"first_id": first, "last_id": last}


def _by_id(columns: dict[str, np.ndarray], is_chosen: np.ndarray) -> dict[str, np.ndarray]:
    if not is_chosen.all():
        columns = {name: values[is_chosen] for name, values in columns.items()}
    ids = columns["trade_id"]
    if (ids[1:] >= ids[:-1]).all():
        return columns
    order = np.argsort(ids, kind="stable")
    return {name: values[order] for name, values in columns.items()}
