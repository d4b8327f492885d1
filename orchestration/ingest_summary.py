"""What became of the records of an ingest, and the object that the command prints of it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from orchestration.across_units import KEYS
from orchestration.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary:
    """What became of the records that were offered: ``offered == stored + quarantined``.

    The same holds for updates of the book, whose account is kept apart.
    ``days`` are all days that a unit touched, also where another unit had brought all of it.
    """

    offered: int
    stored: int
    quarantined: int
    other: dict[str, int]
    first_ns: int | None
    last_ns: int | None
    days: tuple[date, ...]
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
        "depth": {
            "offered": summary.depth_offered,
            "stored": summary.depth_stored,
            "quarantined": summary.depth_quarantined,
        },
    }
