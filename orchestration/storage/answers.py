"""Small questions answered at once: the flow of a minute, the footprint of some bars, a day's profile.

Each is one query of one key (`orchestration.storage.pages`) where pages are stored, and one range of the
table where they are not: slower, equal in every value. Nothing is sampled, nothing is approximate.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from orchestration.arrays import QuoteProxyRefused, is_quote_proxy
from orchestration.sources.records import QUOTE_PROXY
from orchestration.storage.engine import Between
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.pages import (
    PAGE_BARS,
    PAGED,
    connection_of,
    fetch_pages,
    newest_rows,
    page_columns,
    page_key,
    page_schema,
    paged_generations,
    store_pages,
)
from orchestration.storage.published_days import DayRows, PublishedDays
from orchestration.storage.readers import read_generations
from orchestration.storage.schema import Table
from orchestration.storage.store import Store
from orchestration.storage.tables import table_named
from orderflow_core.instrument import Instrument

_BARS, _FOOTPRINT = table_named("flow.bars"), table_named("flow.footprint")
_PROFILE, _TRADES = table_named("flow.volume_profile"), table_named("flow.classified_trades")
_FEATURES = table_named("research.features")
_NS_PER_S = 1_000_000_000
_TIME_CLOCK = re.compile(r"(?:.*:)?time:(\d+)s")
# Beyond this the table's range is as quick.
_MAX_PAGES = 16
_DAYS_PER_INSERT = 8
_SERVER_LOOK_S = 1.0
# A range of trades: their sums, or, where they are few, the trades: three sums take longer to plan
# than some thousand rows to send.
_FEW_NS = 120 * _NS_PER_S
_TRADES_SQL = """
SELECT {what} FROM flow.classified_trades
PREWHERE symbol = {{symbol:String}} AND trading_day = {{day:Date}} AND generation = {{generation:Int64}}
AND ts_event_ns >= {{low:Int64}} AND ts_event_ns < {{high:Int64}} SETTINGS max_threads = 1
"""
_IS_PROXY = f"rule = '{QUOTE_PROXY}'"
_ROWS_SQL = _TRADES_SQL.format(what=f"qty_lots, sign, {_IS_PROXY}")
_SUMS_SQL = _TRADES_SQL.format(
    what="sumIf(qty_lots, sign = 1), sumIf(qty_lots, sign = -1), sumIf(qty_lots, sign = 0), "
    f"max({_IS_PROXY})"
)
_ROW = np.dtype([("qty_lots", "<i8"), ("sign", "i1"), ("is_proxy", "u1")])
_SUMS = np.dtype([("lots", "<i8", 3), ("is_proxy", "u1")])


class Flow(NamedTuple):
    """Volume by aggressor; the delta is what the CVD moved by."""

    buy_lots: int
    sell_lots: int
    unsigned_lots: int

    @property
    def delta_lots(self) -> int:
        """Buy less sell volume."""
        return self.buy_lots - self.sell_lots


def prepare(store: Store, published: Iterable[ManifestRow]) -> int:
    """Store the pages of what was just published; return how many. Answers are right without, too."""
    return store_pages(store._engine, published)


class Answers:
    """Answers about one instrument. Keep it and ask again; several threads may.

    Parameters
    ----------
    store : Store
        Embedded ClickHouse and a server have pages; on PostgreSQL the tables answer.
    instrument : Instrument
    clock : str
        Which bars, as ``flow.bars`` names them. Pages of bars are found by time on ``time:<n>s`` only.

    Notes
    -----
    What this process publishes is seen at once. A server may have other writers: what they publish is
    seen a second later at most.
    """

    def __init__(self, store: Store, instrument: Instrument, *, clock: str = "time:60s") -> None:
        self._engine = store._engine
        self._connection = connection_of(self._engine)
        # An embedded store has one process, and nobody else publishes into it.
        max_age_s = _SERVER_LOOK_S if store.path is None else None
        self._published = PublishedDays(self._engine.manifest, max_age_s=max_age_s)
        self._instrument = instrument
        self._clock = clock
        match = _TIME_CLOCK.fullmatch(clock)
        self._bar_ns = int(match[1]) * _NS_PER_S if match else None
        self._windows: dict[date, tuple[int, int]] = {}
        self._timeline: tuple[DayRows, list[tuple[int, int]]] = (DayRows(), [])
        self._without_pages: set[int] = set()

    def flow(self, start_ns: int, end_ns: int) -> Flow:
        """Return the volume by aggressor of ``start_ns <= ts_event_ns < end_ns``, in lots.

        Whole bars of a time clock come from their pages, any other range from the trades.

        Raises
        ------
        QuoteProxyRefused
            The rows were made of quotes, and the clock does not say so.
        """
        bar_ns = self._bar_ns
        if bar_ns and start_ns % bar_ns == 0 and end_ns % bar_ns == 0:
            bars = self._from_pages(_BARS, start_ns, end_ns)
            if bars is not None:
                names = ("buy_lots", "sell_lots", "unsigned_lots")
                return Flow(*(int(bars[name].to_numpy().sum()) for name in names))
        return self._flow_of_trades(start_ns, end_ns)

    def bars(self, start_ns: int, end_ns: int) -> pa.Table:
        """Return the rows of ``flow.bars`` that begin in ``start_ns <= t0_ns < end_ns``, in order.

        Returns
        -------
        pyarrow.Table
            All payload columns but the clock: prices, volumes, delta, CVD candle, VWAP.
        """
        return self._by_bar(_BARS, start_ns, end_ns)

    def footprint(self, start_ns: int, end_ns: int) -> pa.Table:
        """Return the rows of ``flow.footprint`` of the bars that begin in the range, in order."""
        return self._by_bar(_FOOTPRINT, start_ns, end_ns)

    def profile(self, day: date) -> pa.Table:
        """Return the rows of ``flow.volume_profile`` of a trading day, by price; none: no rows."""
        rows = self._current(_PROFILE).rows.get(day, ())
        if self._have_pages(rows):
            found = self._fetch(_PROFILE, rows, [page_key(rows[0].generation)])
            if found is not None:
                return found[0]
        return read_generations(self._engine, _PROFILE, rows, columns=page_columns(_PROFILE))

    def newest_features(self, clock: str = "sweep") -> pa.Table:
        """Return the last row of ``research.features`` of the newest day that has one; else no row."""
        current = self._current(_FEATURES)
        for day in reversed(current.days):
            rows = [row for row in current.rows[day] if row.rows]
            if not rows:
                continue
            if self._have_pages(rows):
                found = self._fetch(_FEATURES, rows, [page_key(rows[0].generation, clock)])
                if found is not None:
                    return found[0]
            newest = newest_rows(self._engine, rows, clock=clock)
            if newest:
                return newest[clock].cast(page_schema(_FEATURES.name))
        return page_schema(_FEATURES.name).empty_table()

    def fill(self) -> int:
        """Store the pages that are missing of what is published; return how many were.

        The pipeline does it after each publication. It is for what was published before, or by a
        process that was killed in between.
        """
        n_pages = 0
        if self._connection is None:
            return n_pages
        for name in PAGED:
            rows = [
                row for found in self._current(table_named(name)).rows.values() for row in found
            ]
            whole = [row for row in rows if not row.unit and row.rows]
            have = paged_generations(self._connection, [row.generation for row in whole])
            missing = [row for row in whole if row.generation not in have]
            for first in range(0, len(missing), _DAYS_PER_INSERT):
                n_pages += store_pages(self._engine, missing[first : first + _DAYS_PER_INSERT])
        self._without_pages.clear()
        return n_pages

    def _current(self, table: Table) -> DayRows:
        return self._published.current(table.name, self._instrument.symbol)

    def _by_bar(self, table: Table, start_ns: int, end_ns: int) -> pa.Table:
        found = self._from_pages(table, start_ns, end_ns)
        if found is not None:
            return found
        rows = self._rows_between(table, start_ns, end_ns)
        where = {"clock": self._clock, "t0_ns": Between(start_ns, end_ns)}
        return read_generations(self._engine, table, rows, columns=page_columns(table), where=where)

    def _from_pages(self, table: Table, start_ns: int, end_ns: int) -> pa.Table | None:
        # None: the range must be read from the table.
        rows = self._rows_between(table, start_ns, end_ns)
        if self._bar_ns is None or not self._have_pages(rows):
            return None
        keys = [
            page_key(row.generation, self._clock, number)
            for row in rows
            for number in self._page_numbers(row.trading_day, start_ns, end_ns)
        ]
        if not 0 < len(keys) <= _MAX_PAGES:
            return None
        pages = self._fetch(table, rows, keys)
        if pages is None:
            return None
        parts = [_between(page, start_ns, end_ns) for page in pages]
        return parts[0] if len(parts) == 1 else pa.concat_tables(parts).combine_chunks()

    def _fetch(
        self, table: Table, rows: Sequence[ManifestRow], keys: Sequence[str]
    ) -> list[pa.Table] | None:
        if self._connection is None:
            return None
        found = fetch_pages(self._connection, keys, table.name)
        if found is None:
            # A stretch without a bar has no page; a generation without any is not asked again.
            generations = {row.generation for row in rows}
            self._without_pages |= generations - paged_generations(self._connection, generations)
        return found

    def _have_pages(self, rows: Sequence[ManifestRow]) -> bool:
        days = {row.trading_day for row in rows}
        if self._connection is None:
            return False
        return 0 < len(rows) == len(days) and not any(
            row.unit or row.generation in self._without_pages for row in rows
        )

    def _page_numbers(self, day: date, start_ns: int, end_ns: int) -> range:
        bar_ns = self._bar_ns or 1
        opened, closed = self._windows[day]
        first = max(-(-start_ns // bar_ns), opened // bar_ns)
        last = -(-min(end_ns, closed) // bar_ns) - 1
        return range(first // PAGE_BARS, last // PAGE_BARS + 1)

    def _rows_between(self, table: Table, start_ns: int, end_ns: int) -> list[ManifestRow]:
        # Rows of days that may hold a time of the range. A day's first bar may begin before it.
        current = self._current(table)
        windows = self._windows_of(current)
        found = []
        for at in range(bisect_left(windows, start_ns + 1, key=lambda w: w[1]), len(windows)):
            if windows[at][0] // (self._bar_ns or 1) * (self._bar_ns or 1) >= end_ns:
                break
            found += [row for row in current.rows[current.days[at]] if row.rows]
        return found

    def _windows_of(self, current: DayRows) -> list[tuple[int, int]]:
        known, windows = self._timeline
        if known is not current:
            for day in current.days:
                if day not in self._windows:
                    self._windows[day] = self._instrument.trading_day_window(day)
            windows = [self._windows[day] for day in current.days]
            self._timeline = (current, windows)
        return windows

    def _flow_of_trades(self, start_ns: int, end_ns: int) -> Flow:
        total = np.zeros(3, np.int64)
        for row in self._rows_between(_TRADES, start_ns, end_ns):
            total += self._sums(row, start_ns, end_ns)
        return Flow(*total.tolist())

    def _sums(self, row: ManifestRow, start_ns: int, end_ns: int) -> np.ndarray:
        if self._connection is None:
            where = {"ts_event_ns": Between(start_ns, end_ns)}
            names = ("qty_lots", "sign", "rule")
            read = read_generations(self._engine, _TRADES, [row], columns=names, where=where)
            self._require_trades(is_quote_proxy(read))
            return _by_sign(read["qty_lots"].to_numpy(), read["sign"].to_numpy())
        params = {
            "symbol": row.symbol,
            "day": row.trading_day,
            "generation": row.generation,
            "low": start_ns,
            "high": end_ns,
        }
        if end_ns - start_ns > _FEW_NS:
            (sums,) = np.frombuffer(self._connection.fetch(_SUMS_SQL, params), _SUMS)
            self._require_trades(bool(sums["is_proxy"]))
            return sums["lots"]
        rows = np.frombuffer(self._connection.fetch(_ROWS_SQL, params), _ROW)
        self._require_trades(bool(rows["is_proxy"].any()))
        return _by_sign(rows["qty_lots"], rows["sign"])

    def _require_trades(self, is_proxy: bool) -> None:
        if is_proxy and not self._clock.startswith(QUOTE_PROXY):
            raise QuoteProxyRefused(
                f"the rows of {self._instrument.symbol} are a {QUOTE_PROXY}, made of quotes: nothing "
                f"was traded; ask for them by name, clock='{QUOTE_PROXY}:{self._clock}'"
            )


def _by_sign(qty: np.ndarray, sign: np.ndarray) -> np.ndarray:
    return np.array([qty[sign == aggressor].sum() for aggressor in (1, -1, 0)])


def _between(rows: pa.Table, start_ns: int, end_ns: int) -> pa.Table:
    first, last = np.searchsorted(rows["t0_ns"].to_numpy(), (start_ns, end_ns))
    return rows.slice(int(first), int(last - first))
