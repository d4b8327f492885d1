"""Manifest rows that were asked for, remembered where one process alone publishes."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from orchestration.storage.manifest import ManifestRow

# A live day has thousands of segments: what is remembered stays a few megabytes.
MAX_ROWS = 10_000


class Asked(NamedTuple):
    """A question about the manifest: every row of a symbol, of one table or all, of some days or all."""

    table: str | None
    symbol: str
    days: tuple[date, ...] | None

    def has(self, row: "ManifestRow") -> bool:
        """Return whether a row is among the answer."""
        return (
            row.symbol == self.symbol
            and self.table in (None, row.table)
            and (self.days is None or row.trading_day in self.days)
        )

    def wider(self) -> Iterable["Asked"]:
        """Yield the questions whose answers hold this one's: itself first."""
        for table in dict.fromkeys((self.table, None)):
            for days in dict.fromkeys((self.days, None)):
                yield Asked(table, self.symbol, days)


class KnownRows:
    """Answers of the manifest, kept true by what is appended to it. It may be used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[Asked, list[ManifestRow]] = {}
        self._numbers: dict[str, int] = {}
        self._n_changes = 0

    def rows(
        self, asked: Asked, read: Callable[[], Sequence["ManifestRow"]]
    ) -> list["ManifestRow"]:
        """Return the answer, oldest publication first; ``read`` is called where it is not known."""
        with self._lock:
            known = self._known(asked)
            n_changes = self._n_changes
        if known is not None:
            return known
        found = list(read())
        with self._lock:
            # What was appended meanwhile may be among it or not.
            if n_changes == self._n_changes:
                self._keep(asked, found)
        return list(found)

    def known(self, asked: Asked) -> list["ManifestRow"] | None:
        """Return the answer where it follows from what is known."""
        with self._lock:
            return self._known(asked)

    def number(self, name: str, read: Callable[[], int]) -> int:
        """Return a number that only grows; ``read`` is called where it is not known."""
        with self._lock:
            known, n_changes = self._numbers.get(name), self._n_changes
        if known is not None:
            return known
        found = read()
        with self._lock:
            if n_changes == self._n_changes:
                self._numbers[name] = found
        return found

    def begin(self) -> None:
        """Say that rows are about to be appended: an answer that is being read is not kept."""
        with self._lock:
            self._n_changes += 1

    def add(self, rows: Sequence["ManifestRow"], numbers: dict[str, int]) -> None:
        """Take over one publication that is in the manifest now, and the numbers that it changes."""
        ordered = sorted(rows, key=lambda row: (row.table, row.generation))
        with self._lock:
            self._n_changes += 1
            for name in self._numbers:
                self._numbers[name] = max(self._numbers[name], numbers[name])
            for asked, found in self._found.items():
                found += [row for row in ordered if asked.has(row)]
            self._bound()

    def forget(self) -> None:
        """Know nothing any more."""
        with self._lock:
            self._n_changes += 1
            self._found.clear()
            self._numbers.clear()

    def _known(self, asked: Asked) -> list["ManifestRow"] | None:
        for wider in asked.wider():
            found = self._found.get(wider)
            if found is not None:
                return [row for row in found if wider == asked or asked.has(row)]
        return None

    def _keep(self, asked: Asked, found: list["ManifestRow"]) -> None:
        if len(found) <= MAX_ROWS:
            self._found[asked] = list(found)
            self._bound()

    def _bound(self) -> None:
        # The question itself counts too: many days of which there is nothing.
        if sum(1 + len(found) for found in self._found.values()) > MAX_ROWS:
            self._found.clear()
