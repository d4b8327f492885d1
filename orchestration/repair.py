"""Gaps between trades closed again: from the venue's REST interface, then from its archive.

What a source gives for a gap is a unit of its own and passes the same gate as any other input; the
day's gaps are then found anew, so a gap that was filled is gone and one that was filled in part is smaller. A second
run finds nothing to do. Only Binance gives records by id; of other venues a gap stays.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.day_gaps import days_beside
from orchestration.ingest import ingest
from orchestration.sources import binance
from orchestration.sources.binance.layouts import archive_folder
from orchestration.sources.binance.replies import AGGREGATES, TRADES
from orchestration.sources.binance.rest import FUTURES_HISTORY_NS, MS_NS
from orchestration.sources.binance.transport import Settings
from orchestration.sources.records import TRADES as TRADE_SCHEMA
from orchestration.sources.records import SourceBatch
from orchestration.storage.store import Store
from orderflow_core.instrument import EPOCH, Instrument

# More than that is quicker from the archive, and the venue counts requests.
MOST_BY_REST = 100_000
_UNAVAILABLE = (binance.TransportError, binance.RateLimitedError, binance.BlockedError)
_REPAIRABLE = ("missing_ids", "id_leap")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedGap:
    """What became of one gap.

    Attributes
    ----------
    day : date
    kind, reason : str
        As in ``raw.gaps``.
    start_ns, end_ns, first_missing_id, n_missing : int
    n_from_rest, n_from_archive : int
        Records that each of them gave and the store took.
    n_left : int
        Records that are still missing.
    why : str
        Why; empty where nothing is left.
    """

    day: date
    kind: str
    reason: str
    start_ns: int
    end_ns: int
    first_missing_id: int
    n_missing: int
    n_from_rest: int = 0
    n_from_archive: int = 0
    n_left: int = 0
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a script reads them."""
        return asdict(self) | {"day": self.day.isoformat()}


def days_with_gaps(store: Store, instrument: Instrument) -> list[date]:
    """Return the trading days on which a gap is recorded."""
    rows = store.published("raw.gaps", instrument.symbol)
    return sorted({row.trading_day for row in rows if row.rows})


def repair_gaps(
    store: Store,
    instrument: Instrument,
    day: date,
    *,
    cache_dir: Path,
    settings: Settings | None = None,
    run_id: str = "repair",
) -> list[RepairedGap]:
    """Close what can be closed of a day's gaps, and say of each what became of it.

    Parameters
    ----------
    store : Store
    instrument : Instrument
    day : date
    cache_dir : Path
        Keeps what was downloaded.
    settings : Settings or None
        How to ask the venue.
    run_id : str

    Raises
    ------
    SourceError
        A file cannot be kept, or is not what it should be. What the venue does not give raises
        nothing: it is in ``why``.
    """
    gaps = store.read("raw.gaps", instrument.symbol, day).to_pylist()
    work = _Work(
        store=store, instrument=instrument, cache_dir=cache_dir, settings=settings or Settings(),
        run_id=run_id,
    )  # fmt: skip
    return [work.repair(day, gap) for gap in gaps]


@dataclass(slots=True, kw_only=True)
class _Work:
    store: Store
    instrument: Instrument
    cache_dir: Path
    settings: Settings
    run_id: str

    def repair(self, day: date, gap: dict[str, Any]) -> RepairedGap:
        names = ("kind", "reason", "start_ns", "end_ns", "first_missing_id", "n_missing")
        found = RepairedGap(day=day, **{name: gap[name] for name in names})
        left = replace(found, n_left=found.n_missing)
        if found.kind != "trade" or found.reason not in _REPAIRABLE:
            return replace(left, why="the venue gives no such records by id afterwards")
        if not self.instrument.venue.startswith("binance_"):
            return replace(left, why=f"{self.instrument.venue} gives no records by id")
        kind, in_microseconds = self._neighbours(found)
        if not kind:
            return replace(left, why="nothing is stored beside it that would tell its kind of ids")
        missing = _Missing(found.first_missing_id, found.n_missing)
        n_rest, why_rest = self._from_rest(found, kind, in_microseconds, missing)
        n_archive, why_archive = 0, ""
        if missing.n_left:
            n_archive, why_archive = self._from_archive(found, kind, in_microseconds, missing)
        return replace(
            found, n_from_rest=n_rest, n_from_archive=n_archive, n_left=missing.n_left,
            why="; ".join(w for w in (why_rest, why_archive) if w) if missing.n_left else "",
        )  # fmt: skip

    def _neighbours(self, gap: RepairedGap) -> tuple[str, bool]:
        # Whose ids are missing, and in which unit the records beside them tell time.
        ends = [gap.first_missing_id - 1, gap.first_missing_id + gap.n_missing]
        days = [gap.day, *days_beside(self.store, self.instrument, gap.day)]
        rows = self.store.read(
            "raw.trades", self.instrument.symbol, days,
            columns=["venue_id", "ts_event_ns"], where={"trade_id": ends},
        )  # fmt: skip
        at_the_ends = pc.is_in(
            rows["ts_event_ns"], value_set=pa.array([gap.start_ns, gap.end_ns], pa.int64())
        )
        rows = rows.filter(at_the_ends) if pc.any(at_the_ends).as_py() else rows
        if not len(rows):
            return "", False
        kind = TRADES if rows["venue_id"][0].as_py() == "" else AGGREGATES
        return kind, bool((rows["ts_event_ns"].to_numpy() % MS_NS).any())

    def _from_rest(
        self, gap: RepairedGap, kind: str, in_microseconds: bool, missing: "_Missing"
    ) -> tuple[int, str]:
        is_spot = archive_folder(self.instrument) == "spot"
        if gap.n_missing > MOST_BY_REST:
            return 0, f"REST was not asked for more than {MOST_BY_REST} records"
        if not is_spot and kind == TRADES:
            return 0, "REST gives single trades of futures with a key only"
        if not is_spot and gap.end_ns < self.settings.clock() * 1e9 - FUTURES_HISTORY_NS:
            return 0, "REST has the last 48 hours of futures only"
        try:
            paths = binance.fetch_ids(
                self.instrument, gap.first_missing_id, missing.last_id, cache_dir=self.cache_dir,
                settings=self.settings, kind=kind, in_microseconds=is_spot and in_microseconds,
            )  # fmt: skip
        except (*_UNAVAILABLE, binance.RefusedError) as error:
            return 0, f"REST: {error.detail}"
        if not paths:
            return 0, "REST has none of them"
        n = self._take(binance.read(paths, self.instrument)[0], missing)
        return n, "" if not missing.n_left else "REST lacks some of them"

    def _from_archive(
        self, gap: RepairedGap, kind: str, in_microseconds: bool, missing: "_Missing"
    ) -> tuple[int, str]:
        n, why = 0, ""
        for day in _utc_days(gap.start_ns, gap.end_ns):
            try:
                paths = binance.fetch_day(
                    self.instrument, day, cache_dir=self.cache_dir, settings=self.settings,
                    kinds=(kind,),
                )  # fmt: skip
            except binance.NotPublishedError:
                why = f"the archive has no {kind} of {day} yet"
                continue
            except _UNAVAILABLE as error:
                why = f"archive: {error.detail}"
                continue
            batch = binance.read(paths, self.instrument)[0]
            n += self._take(_part(batch, gap, missing, in_microseconds), missing)
        return n, why or ("" if not missing.n_left else "the archive lacks some of them")

    def _take(self, batch: SourceBatch, missing: "_Missing") -> int:
        if not batch.offered:
            return 0
        ids = batch.trades["trade_id"].to_numpy()
        summary = ingest(self.store, [batch], self.instrument, run_id=self.run_id)
        missing.found(ids)
        return summary.stored


class _Missing:
    # Which ids of a gap are still missing.
    def __init__(self, first_id: int, n_missing: int) -> None:
        self.first_id, self.last_id = first_id, first_id + n_missing - 1
        self.n_left = n_missing
        self.known = np.empty(0, np.int64)

    def found(self, ids: np.ndarray) -> None:
        inside = ids[(ids >= self.first_id) & (ids <= self.last_id)]
        self.known = np.union1d(self.known, inside)
        self.n_left = self.last_id - self.first_id + 1 - len(self.known)

    def wants(self, ids: np.ndarray) -> np.ndarray:
        inside = (ids >= self.first_id) & (ids <= self.last_id)
        return inside & ~np.isin(ids, self.known)


def _part(
    batch: SourceBatch, gap: RepairedGap, missing: _Missing, in_microseconds: bool
) -> SourceBatch:
    # The records of a gap out of a whole day, under a name of their own: the day's own unit stays
    # free for whoever takes the whole file in.
    name = f"{batch.unit} {missing.first_id} {missing.last_id}"
    unit = hashlib.sha256(name.encode()).hexdigest()
    trades = batch.trades.filter(pa.array(missing.wants(batch.trades["trade_id"].to_numpy())))
    columns = {name: trades[name] for name in TRADE_SCHEMA.names}
    columns["unit"] = pa.array([unit] * len(trades), pa.string()).dictionary_encode()
    if not in_microseconds:
        # As the records beside it tell time: finer ones would seem to run back.
        for clock in ("ts_event_ns", "ts_recv_ns"):
            ts = trades[clock].to_numpy()
            columns[clock] = pa.array(ts - ts % MS_NS)
    trades = pa.table(columns).cast(TRADE_SCHEMA)
    is_beside = (batch.quarantine_ns >= gap.start_ns) & (batch.quarantine_ns <= gap.end_ns)
    refused = batch.quarantine.filter(pa.array(is_beside))
    at = refused.schema.get_field_index("unit")
    units = pa.array([unit] * len(refused), pa.string()).dictionary_encode()
    refused = refused.set_column(at, refused.schema.field(at), units)
    ts = trades["ts_event_ns"].to_numpy()
    return replace(
        batch, unit=unit, trades=trades, quotes=batch.quotes.slice(0, 0),
        gaps=batch.gaps.slice(0, 0), quarantine=refused, quarantine_ns=batch.quarantine_ns[is_beside],
        offered=len(trades) + len(refused), n_lines=len(trades) + len(refused), other={}, counts={},
        first_ns=int(ts[0]) if len(ts) else 0, last_ns=int(ts[-1]) if len(ts) else 0,
    )  # fmt: skip


def _utc_days(start_ns: int, end_ns: int) -> Iterator[date]:
    day_ns = 86_400_000_000_000
    for number in range(start_ns // day_ns, end_ns // day_ns + 1):
        yield EPOCH + timedelta(days=number)
