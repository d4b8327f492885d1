"""Published rows of one symbol-day, and which generations they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
import pyarrow as pa

from orchestration.defs.publishing import Draft
from orchestration.partitions import symbol_and_day
from orchestration.quality.outcome import CheckOutcome
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReader:
    """Reads one symbol-day at one state of the manifest and remembers what it read."""

    store: Store
    symbol: str
    day: date
    snapshot: int
    used: list[ManifestRow] = field(default_factory=list)

    @classmethod
    def of(cls, context: dg.AssetExecutionContext, store: Store) -> "DayReader":
        """Return a reader of the partition that ``context`` asks for."""
        symbol, day = symbol_and_day(context)
        return cls(store=store, symbol=symbol, day=day, snapshot=store.snapshot())

    def read(self, table: str) -> pa.Table:
        """Return the published rows of ``table``; see `uses` for errors."""
        self.uses(table)
        return self.store.read(table, self.symbol, self.day, snapshot=self.snapshot)

    def has(self, table: str) -> bool:
        """Return whether ``table`` was published for this symbol-day."""
        return bool(self.store.published(table, self.symbol, self.day, snapshot=self.snapshot))

    def uses(self, table: str) -> None:
        """Record the published rows of ``table`` as an input.

        Raises
        ------
        dagster.Failure
            The table was never published for this symbol-day.
        """
        rows = self.store.published(table, self.symbol, self.day, snapshot=self.snapshot)
        if not rows:
            raise dg.Failure(
                f"{table} holds no published rows of {self.symbol} on {self.day}: "
                f"materialize it first (orderflow run --symbol {self.symbol})",
                allow_retries=False,
            )
        self.used.extend(row for row in rows if row not in self.used)

    def earlier(self, table: str, n_days: int) -> pa.Table:
        """Return the published rows of up to ``n_days`` days before this one, and record them.

        They carry their ``trading_day``. No day before is published: no rows.
        """
        days = self.store.days(table, self.symbol, snapshot=self.snapshot)
        before = [day for day in days if day < self.day][-n_days:]
        for day in before:
            rows = self.store.published(table, self.symbol, day, snapshot=self.snapshot)
            self.used.extend(row for row in rows if row not in self.used)
        return self.store.read(table, self.symbol, before, snapshot=self.snapshot)

    def draft(
        self,
        started: float,
        code_version: str,
        tables: Mapping[str, pa.Table],
        *,
        outcomes: Mapping[str, Sequence[CheckOutcome]] | None = None,
        metadata: Mapping[str, Mapping[str, object]] | None = None,
        is_blocking: bool = True,
    ) -> Draft:
        """Return a publication of this symbol-day, made of what was read so far."""
        return Draft(
            symbol=self.symbol,
            day=self.day,
            code_version=code_version,
            tables=tables,
            inputs=tuple(self.used),
            outcomes=outcomes or {},
            metadata=metadata or {},
            is_blocking=is_blocking,
            started=started,
        )
