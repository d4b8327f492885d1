"""What a live stream asks the REST interface for: trades that it skipped, and snapshots of the book.

The answers become lines like the stream's own, so that a log of them needs no second reader. A
backfilled frame has ``"backfilled":true`` beside the keys of a stream's frame; a snapshot comes
under ``<symbol>@depthSnapshot``.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from orchestration.sources.binance.layouts import archive_folder
from orchestration.sources.binance.replies import AGGREGATES, TRADES
from orchestration.sources.binance.rest import depth_snapshot, records_of_ids
from orchestration.sources.binance.stream_settings import StreamSettings, StreamStatus
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

_TRIES = 4
_PAUSE_S = 0.5
_TRADE_KEYS = {
    "id": "t", "price": "p", "qty": "q", "time": "T", "isBuyerMaker": "m", "isBestMatch": "M",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Asks for what one instrument's stream lacks."""

    instrument: Instrument
    settings: StreamSettings
    status: StreamStatus

    def followed_kind(self, kinds: frozenset[str]) -> str:
        """Return the kind of stream whose ids must leave no hole; empty where there is none.

        Single trades where they are stored, else aggregates. Futures' single trades have legitimate holes, and
        asking for them needs a key.
        """
        is_spot = archive_folder(self.instrument) == "spot"
        if "trade" in kinds:
            return "trade" if is_spot else ""
        return "aggTrade" if "aggTrade" in kinds else ""

    async def trades(self, kind: str, first_id: int, last_id: int) -> list[bytes]:
        """Return frames of the ids from first to last that the REST interface has."""
        n_missing = last_id - first_id + 1
        if not self.settings.does_backfill or n_missing > self.settings.most_backfilled:
            self._give_up(f"{n_missing} records of {kind} from id {first_id} were not asked for")
            return []
        records: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(self.settings.backfill_timeout_s * self.settings.time_scale):
                for number in range(_TRIES):
                    if number:  # the interface may be a little behind the stream
                        await asyncio.sleep(_PAUSE_S * number * self.settings.time_scale)
                    records += await asyncio.to_thread(
                        self._ask, kind, first_id + len(records), last_id
                    )
                    if len(records) == n_missing:
                        break
        except (SourceError, TimeoutError) as error:
            self.status.last_error = str(error) or "the REST interface gave no answer in time"
        if len(records) < n_missing:
            self._give_up(f"{n_missing - len(records)} records of {kind} from id {first_id} lack")
        self.status.n_backfilled += len(records)
        return [self._frame(kind, item) for item in records]

    def _ask(self, kind: str, first_id: int, last_id: int) -> list[dict[str, Any]]:
        found = records_of_ids(
            self.instrument, first_id, last_id, settings=self.settings.rest,
            kind=TRADES if kind == "trade" else AGGREGATES, in_microseconds=self._in_microseconds(),
        )  # fmt: skip
        return [item for _, item in found]

    def _in_microseconds(self) -> bool:
        return self.settings.in_microseconds and archive_folder(self.instrument) == "spot"

    def _frame(self, kind: str, item: dict[str, Any]) -> bytes:
        symbol = self.instrument.venue_symbol
        if kind == "trade":
            item = {_TRADE_KEYS[key]: value for key, value in item.items() if key in _TRADE_KEYS}
        data = {"e": kind, "s": symbol.upper(), **item, "backfilled": True}
        frame = {"stream": f"{symbol.lower()}@{kind}", "data": data}
        return json.dumps(frame, separators=(",", ":")).encode()

    def _give_up(self, detail: str) -> None:
        self.status.n_given_up += 1
        self.status.last_error = self.status.last_error or detail

    async def snapshot(self, least_id: int) -> bytes | None:
        """Return a frame with the book at or after an update id; None where none could be had."""
        try:
            for number in range(_TRIES):
                if number:
                    await asyncio.sleep(_PAUSE_S * number * self.settings.time_scale)
                body = await asyncio.to_thread(
                    depth_snapshot, self.instrument, self.settings.snapshot_levels,
                    self.settings.rest,
                )  # fmt: skip
                if json.loads(body)["lastUpdateId"] >= least_id:
                    self.status.n_snapshots += 1
                    name = self.instrument.venue_symbol.lower().encode()
                    body = body.replace(b"\n", b" ")
                    return b'{"stream":"' + name + b'@depthSnapshot","data":' + body + b"}"
            self.status.last_error = f"no snapshot of the book reaches update {least_id}"
        except SourceError as error:
            self.status.last_error = str(error)
        return None
