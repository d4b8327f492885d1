"""What became of the records of an ingest, and the object that the command prints of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from orchestration.across_units import KEYS
from orchestration.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary:
    """What became of the records that were offered: ``offered == stored + quarantined``.

    The same holds for updates of the book, whose account is kept apart.
    ``days`` are all days that a unit touched, also where another unit had brought all of it.
    ``counts`` are findings about records that the gate let pass: crossed quotes, jumps, trades outside
    sessions, and what else a source counts.
    """

    offered: int
    stored: int
    quarantined: int
    other: dict[str, int]
    first_ns: int | None
    last_ns: int | None
    days: tuple[date, ...]
    counts: dict[str, int] = field(default_factory=dict)
    depth_offered: int = 0
    depth_stored: int = 0
    depth_quarantined: int = 0

    def __post_init__(self) -> None:
        for what, offered, stored, quarantined in (
            ("records", self.offered, self.stored, self.quarantined),
            ("updates", self.depth_offered, self.depth_stored, self.depth_quarantined),
        ):
            if offered != stored + quarantined:
                raise AssertionError(
                    f"{what} were lost: offered {offered}, stored {stored}, "
                    f"quarantined {quarantined}"
                )


# What a file shows of these by itself; which records a day lacks its other files tell as well.
_OF_DAYS = ("gaps", "missing_ids")
_HOUR_NS = 3_600_000_000_000


def iso_utc(ts_ns: int | None) -> str | None:
    """Return a time as ISO-8601 UTC text, with nanoseconds only where there are any."""
    if ts_ns is None:
        return None
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{ns:09d}" if ns % 1000 else f"{ns // 1000:06d}"
    return f"{whole}.{fraction}Z"


def summary_json(summary: IngestSummary, store: Store, symbol: str) -> dict[str, Any]:
    """Return the summary as the object that ``orderflow ingest --json`` prints."""
    hashes = {name: store.content_hash_days(name, symbol, summary.days) for name in KEYS}
    if summary.depth_offered:
        hashes["raw.depth"] = store.content_hash_days("raw.depth", symbol, summary.days)
    return {
        "offered": summary.offered,
        "stored": summary.stored,
        "quarantined": summary.quarantined,
        "first": iso_utc(summary.first_ns),
        "last": iso_utc(summary.last_ns),
        "hash": hashes["raw.trades"],
        "hashes": hashes,
        "days": [day.isoformat() for day in summary.days],
        "other": summary.other,
        "counts": {name: n for name, n in summary.counts.items() if name not in _OF_DAYS},
        "missing_ids": missing_by_hour(store.read("raw.gaps", symbol, day) for day in summary.days),
        "depth": {
            "offered": summary.depth_offered,
            "stored": summary.depth_stored,
            "quarantined": summary.depth_quarantined,
        },
    }


def missing_by_hour(gaps: Iterable[pa.Table]) -> dict[str, int]:
    """Return how many trades are missing by the UTC hour in which each gap begins.

    Parameters
    ----------
    gaps : iterable of pyarrow.Table
        ``raw.gaps`` of days in their order. A gap over midnight stands on both days and counts once.

    Notes
    -----
    Counted are ids of trades (fills where aggregates leave some out, messages of a feed that numbers
    those), without leaps to another stream of ids. Hours in which no gap begins are left out.
    """
    first: dict[tuple[str, int], tuple[int, int]] = {}
    for day in gaps:
        columns = ("kind", "reason", "first_missing_id", "start_ns", "n_missing")
        for kind, reason, missing, start_ns, n in zip(
            *(day[name].to_pylist() for name in columns), strict=True
        ):
            if kind == "trade" and reason != "id_leap":
                first.setdefault((reason, missing), (start_ns, n))
    found = Counter[str]()
    for start_ns, n in sorted(first.values()):
        hour = datetime.fromtimestamp(start_ns // _HOUR_NS * 3600, UTC)
        found[f"{hour:%Y-%m-%dT%H:00Z}"] += n
    return {hour: n for hour, n in found.items() if n}
