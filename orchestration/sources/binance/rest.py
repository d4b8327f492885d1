"""Trades and aggregates from Binance's REST interface: by id, or a range of time.

Pages are asked for by ``fromId``, each from the last id of the one before, so nothing is asked for
twice and nothing between two pages is missed. The records are kept as they came, one a line, and
:func:`~orchestration.sources.binance.replies.parse_replies` reads them like a file of the user's.

Futures serve aggregates of the last 48 hours only; what is older is in the archive alone. Their
single trades (``trades``) need an API key, from the environment variable ``BINANCE_API_KEY``.
Spot is asked for microseconds from 2025 on, as its archive has them, so that both agree.
"""

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.sources.binance.layouts import archive_folder
from orchestration.sources.binance.replies import AGGREGATES, TRADES
from orchestration.sources.binance.transport import Settings, Transport, connect
from orchestration.sources.gate import MAX_ID, epoch_ns
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

PAGE = 1000
API_KEY = "BINANCE_API_KEY"
MS_NS = 1_000_000
HOUR_NS = 3_600_000_000_000
FUTURES_HISTORY_NS = 48 * HOUR_NS
# 2025-01-01: from here on the spot archive has microseconds.
MICROSECONDS_FROM_NS = 1_735_689_600_000_000_000

_ID_KEYS = {AGGREGATES: "a", TRADES: "id"}
_BORDER = re.compile(r"(?<=\})\s*,\s*(?=\{)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Market:
    # Where a market is asked and what each request weighs.
    prefix: str
    url: str
    weight_limit: int
    weights: dict[str, int]
    needs_key: bool
    # Weight of a snapshot of the book by the most levels that it is good for.
    depth_weights: tuple[tuple[float, int], ...]


_MARKETS = {
    "spot": _Market(
        prefix="/api/v3", url="spot_url", weight_limit=6000,
        weights={AGGREGATES: 4, TRADES: 25, "exchangeInfo": 20}, needs_key=False,
        depth_weights=((100, 5), (500, 25), (1000, 50), (math.inf, 250)),
    ),
    "futures/um": _Market(
        prefix="/fapi/v1", url="um_url", weight_limit=2400,
        weights={AGGREGATES: 20, TRADES: 200, "exchangeInfo": 1}, needs_key=True,
        depth_weights=((50, 2), (100, 5), (500, 10), (math.inf, 20)),
    ),
    "futures/cm": _Market(
        prefix="/dapi/v1", url="cm_url", weight_limit=2400,
        weights={AGGREGATES: 20, TRADES: 200, "exchangeInfo": 1}, needs_key=True,
        depth_weights=((50, 2), (100, 5), (500, 10), (math.inf, 20)),
    ),
}  # fmt: skip


class TooOldError(SourceError):
    """The REST interface no longer has what is asked for; the archive may."""


@dataclass(slots=True, kw_only=True)
class _Pages:
    # Requests for one kind of record of one instrument.
    instrument: Instrument
    kind: str
    transport: Transport
    market: _Market
    in_microseconds: bool

    @property
    def id_key(self) -> str:
        return _ID_KEYS[self.kind]

    @property
    def time_key(self) -> str:
        return "T" if self.kind == AGGREGATES else "time"

    def ask(self, **params: int) -> list[tuple[str, dict[str, Any]]]:
        # The records of one page: the text of each, and what it says.
        end = "aggTrades" if self.kind == AGGREGATES else "historicalTrades"
        url = f"{getattr(self.transport.settings, self.market.url).rstrip('/')}{self.market.prefix}/{end}"
        body = self.transport.get(
            url,
            params={"symbol": self.instrument.venue_symbol.upper(), "limit": PAGE, **params},
            headers=self._headers(),
            weight=self.market.weights[self.kind],
        )
        return self._split(url, body)

    def _headers(self) -> dict[str, str]:
        headers = {"X-MBX-TIME-UNIT": "MICROSECOND"} if self.in_microseconds else {}
        if self.kind == TRADES and self.market.needs_key:
            key = os.environ.get(API_KEY, "")
            if not key:
                raise SourceError(
                    self.instrument.symbol,
                    f"single trades of {self.instrument.venue} need an API key in {API_KEY}; "
                    "aggTrades need none",
                )
            headers["X-MBX-APIKEY"] = key
        return headers

    def _split(self, url: str, body: bytes) -> list[tuple[str, dict[str, Any]]]:
        try:
            text = body.decode()
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SourceError(url, f"answered no JSON ({error}): {body[:100]!r}") from error
        texts = _BORDER.split(text.strip()[1:-1].strip()) if found else []
        is_records = isinstance(found, list) and all(isinstance(item, dict) for item in found)
        if not is_records or len(texts) != len(found):
            raise SourceError(url, f"answered no array of records: {body[:100]!r}")
        for item in found:
            if type(item.get(self.id_key)) is not int or type(item.get(self.time_key)) is not int:
                raise SourceError(url, f"answered a record without id or time: {str(item)[:200]}")
        return list(zip(texts, found, strict=True))

    def from_id(self, first_id: int, last_id: int = MAX_ID) -> Iterator[tuple[str, dict[str, Any]]]:
        # The records from one id to another, both included. Only an empty page says that there are no more: a short one
        # may come from a server that gives fewer than it was asked for.
        wanted = first_id
        while wanted <= last_id:
            # One more than lacks: what lies behind it says at once that the rest does not exist.
            page = self.ask(fromId=wanted, limit=min(PAGE, last_id - wanted + 2))
            if not page:
                return
            for text, item in page:
                if item[self.id_key] < wanted:
                    raise SourceError(
                        self.instrument.symbol,
                        f"asked for {self.kind} from id {wanted}, got {item[self.id_key]}: "
                        "the server goes back",
                    )
                wanted = item[self.id_key] + 1
                if wanted > last_id + 1:
                    return
                yield text, item

    def time_ns(self, item: dict[str, Any]) -> int:
        ns = epoch_ns(item[self.time_key])
        if ns is None:
            raise SourceError(
                self.instrument.symbol, f"a record has the time {item[self.time_key]}"
            )
        return ns


def fetch_ids(
    instrument: Instrument,
    first_id: int,
    last_id: int,
    *,
    cache_dir: Path,
    settings: Settings | None = None,
    kind: str = AGGREGATES,
    in_microseconds: bool = False,
) -> list[Path]:
    """Return a file with the records of a range of ids, both ends included: for a gap's repair.

    Parameters
    ----------
    kind : {"aggTrades", "trades"}
        Whose ids they are: the two count separately.
    in_microseconds : bool
        Spot: ask for microseconds, where the records beside the gap have them.

    Returns
    -------
    list of Path
        One file; none where the venue has no record of the range.

    Raises
    ------
    SourceError
        The server cannot be reached, refuses, or its answer is not what was asked for.
    """
    records = records_of_ids(
        instrument, first_id, last_id, settings=settings, kind=kind, in_microseconds=in_microseconds
    )
    kept = [(text, item[_ID_KEYS[kind]]) for text, item in records]
    return _keep(instrument, kind, kept, cache_dir)


def records_of_ids(
    instrument: Instrument,
    first_id: int,
    last_id: int,
    *,
    settings: Settings | None = None,
    kind: str = AGGREGATES,
    in_microseconds: bool = False,
) -> list[tuple[str, dict[str, Any]]]:
    """Return the records of a range of ids, as text and read; see :func:`fetch_ids`."""
    with _open(instrument, kind, settings or Settings(), in_microseconds) as pages:
        return list(pages.from_id(first_id, last_id))


def depth_snapshot(instrument: Instrument, levels: int, settings: Settings | None = None) -> bytes:
    """Return the book as the venue gives it: JSON with ``lastUpdateId``, ``bids`` and ``asks``.

    Parameters
    ----------
    levels : int
        A side; the venue takes the numbers that its documentation names, as 100, 500, 1000.

    Raises
    ------
    SourceError
        The server cannot be reached, refuses, or its answer is no book.
    """
    settings = settings or Settings()
    market = _MARKETS[archive_folder(instrument)]
    url = f"{getattr(settings, market.url).rstrip('/')}{market.prefix}/depth"
    weight = next(weight for most, weight in market.depth_weights if levels <= most)
    with connect(settings, weight_limit=settings.weight_limit or market.weight_limit) as transport:
        body = transport.get(
            url,
            params={"symbol": instrument.venue_symbol.upper(), "limit": levels},
            weight=weight,
        )
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceError(url, f"answered no JSON ({error}): {body[:100]!r}") from error
    is_book = isinstance(found, dict) and type(found.get("lastUpdateId")) is int
    if not is_book or not all(isinstance(found.get(side), list) for side in ("bids", "asks")):
        raise SourceError(url, f"answered no book: {body[:100]!r}")
    return body.strip()


def fetch_range(
    instrument: Instrument,
    start_ns: int,
    end_ns: int,
    *,
    cache_dir: Path,
    settings: Settings | None = None,
    kind: str = AGGREGATES,
) -> list[Path]:
    """Return a file with the records of ``[start_ns, end_ns)``; none where there is no record.

    Raises
    ------
    TooOldError
        Futures, and it begins more than 48 hours ago: only the archive has it.
    SourceError
        The server cannot be reached, refuses, or its answer is not what was asked for.
    """
    settings = settings or Settings()
    is_spot = archive_folder(instrument) == "spot"
    if not is_spot and start_ns < settings.clock() * 1e9 - FUTURES_HISTORY_NS:
        raise TooOldError(
            instrument.symbol,
            f"the REST interface of {instrument.venue} serves the last 48 hours only, asked from "
            f"{start_ns}: use the archive's daily files",
        )
    in_microseconds = is_spot and start_ns >= MICROSECONDS_FROM_NS
    with _open(instrument, AGGREGATES, settings, in_microseconds) as pages:
        first = _first_since(pages, start_ns, end_ns, is_spot=is_spot)
        if first is None:
            return []
        pages.kind = kind
        kept = []
        for text, item in pages.from_id(first["a" if kind == AGGREGATES else "f"]):
            ns = pages.time_ns(item)
            if ns >= end_ns:
                break
            if ns >= start_ns:
                kept.append((text, item[pages.id_key]))
    return _keep(instrument, kind, kept, cache_dir)


def learn_weight_limit(instrument: Instrument, settings: Settings | None = None) -> int:
    """Return the weight a minute that the venue allows now, as it states it itself.

    Raises
    ------
    SourceError
        The server cannot be reached or refuses, or its answer has no such limit.
    """
    settings = settings or Settings()
    market = _MARKETS[archive_folder(instrument)]
    url = f"{getattr(settings, market.url).rstrip('/')}{market.prefix}/exchangeInfo"
    with connect(settings) as transport:
        # Spot lists every symbol unless one is named; futures always do.
        params = {"symbol": instrument.venue_symbol.upper()} if market.prefix == "/api/v3" else None
        body = transport.get(url, params=params)
    try:
        for limit in json.loads(body)["rateLimits"]:
            kind = (limit["rateLimitType"], limit["interval"], limit["intervalNum"])
            if kind == ("REQUEST_WEIGHT", "MINUTE", 1):
                return int(limit["limit"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(url, f"answered no limits: {body[:100]!r}") from error
    raise SourceError(url, "states no weight a minute")


@contextmanager
def _open(
    instrument: Instrument, kind: str, settings: Settings, in_microseconds: bool
) -> Iterator[_Pages]:
    # Pages over a connection that lives as long as the block.
    if kind not in (AGGREGATES, TRADES):
        raise ValueError(f"kind must be {AGGREGATES} or {TRADES}, got {kind!r}")
    market = _MARKETS[archive_folder(instrument)]
    with connect(settings, weight_limit=settings.weight_limit or market.weight_limit) as transport:
        yield _Pages(
            instrument=instrument, kind=kind, transport=transport, market=market,
            in_microseconds=in_microseconds,
        )  # fmt: skip


def _first_since(
    pages: _Pages, start_ns: int, end_ns: int, *, is_spot: bool
) -> dict[str, Any] | None:
    # The first aggregate since the millisecond that the range begins in; None when there is none
    # in the range. Futures allow less than an hour between the two times.
    start_ms, end_ms = start_ns // MS_NS, -(-end_ns // MS_NS)
    step = end_ms - start_ms if is_spot else HOUR_NS // MS_NS - 1
    while start_ms < end_ms:
        params = {} if is_spot else {"endTime": start_ms + step - 1}
        page = pages.ask(startTime=start_ms, **params)
        if page:
            first = page[0][1]
            return first if pages.time_ns(first) < end_ns else None
        start_ms += step
    return None


def _keep(
    instrument: Instrument, kind: str, records: list[tuple[str, int]], cache_dir: Path
) -> list[Path]:
    if not records:
        return []
    symbol = instrument.venue_symbol.upper()
    folder = cache_dir / "binance" / "rest" / archive_folder(instrument) / kind / symbol
    path = folder / f"{symbol}-{kind}-ids-{records[0][1]}-{records[-1][1]}.ndjson"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as part:
            part.write("".join(text + "\n" for text, _ in records).encode())
            part.flush()
            os.fsync(part.fileno())
        os.replace(part.name, path)
    except OSError as error:
        raise SourceError(path, f"cannot be kept: {error.strerror or error}") from error
    return [path]
