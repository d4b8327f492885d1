"""Which generations are published, remembered: what an answer must know before it can ask."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from orchestration.storage.engine import ManifestLog
from orchestration.storage.manifest import ManifestRow


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRows:
    """Current manifest rows of one table and symbol.

    Attributes
    ----------
    days : tuple of date
        Published trading days, in order.
    rows : dict
        Trading day -> its current rows: one, or one a unit or segment.
    """

    days: tuple[date, ...] = ()
    rows: Mapping[date, tuple[ManifestRow, ...]] = field(default_factory=dict)

    def with_rows(self, new: Sequence[ManifestRow]) -> "DayRows":
        """Return what is current after these publications."""
        replaced = {generation for row in new for generation in row.replaces}
        rows = dict(self.rows)
        for day in {row.trading_day for row in new}:
            mine = {row.generation: row for row in rows.get(day, ())}
            mine |= {row.generation: row for row in new if row.trading_day == day}
            rows[day] = tuple(row for row in mine.values() if row.generation not in replaced)
        return DayRows(days=tuple(sorted(day for day in rows if rows[day])), rows=rows)


@dataclass(slots=True, kw_only=True)
class _Known:
    """What one table of one symbol held when it was looked at, and up to which publication."""

    found: DayRows = field(default_factory=DayRows)
    seq: int = 0
    n_appended: int = -1
    looked_at: float = 0.0


class PublishedDays:
    """Current manifest rows by table and symbol, read once and then kept up to date by what is new.

    Parameters
    ----------
    manifest : ManifestLog
        What this process appends by it is seen at once.
    max_age_s : float or None
        How old the knowledge may be where other processes publish too (a server). None: this process
        is the only writer, and nothing is asked again until it has appended.
    """

    def __init__(self, manifest: ManifestLog, *, max_age_s: float | None) -> None:
        self._manifest = manifest
        self._max_age_s = max_age_s
        self._known: dict[tuple[str, str], _Known] = {}
        self._lock = threading.Lock()

    def current(self, table: str, symbol: str) -> DayRows:
        """Return what no other publication replaces; the same object until something is new."""
        with self._lock:
            known = self._known.setdefault((table, symbol), _Known())
            if self._is_due(known):
                self._look(known, table, symbol)
            return known.found

    def _is_due(self, known: _Known) -> bool:
        if known.n_appended != self._manifest.n_appended:
            return True
        age = time.monotonic() - known.looked_at
        return self._max_age_s is not None and age >= self._max_age_s

    def _look(self, known: _Known, table: str, symbol: str) -> None:
        # Before the query: what is appended meanwhile is looked for again.
        n_appended, looked_at = self._manifest.n_appended, time.monotonic()
        rows = self._manifest.rows(table=table, symbol=symbol, after=known.seq)
        if rows:
            known.found = known.found.with_rows(rows)
            known.seq = rows[-1].seq
        known.n_appended, known.looked_at = n_appended, looked_at
