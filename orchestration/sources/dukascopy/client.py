"""Asks Dukascopy for hours of quotes, at a modest pace, and keeps what it answers as files.

The cache has the vendor's own layout, so that a downloaded day and a file that somebody brings
are read by the same code. A file is written only when it could be decoded, whole or not at all.
"""

import asyncio
import email.utils
import os
import random
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from orchestration.sources.dukascopy import api, bi5
from orchestration.sources.dukascopy.codes import Listing, listing_of
from orchestration.sources.dukascopy.quotes import MS
from orchestration.sources.dukascopy.settings import (
    DukascopyBlocked,
    DukascopySettings,
    DukascopyUnavailable,
    HoursMissing,
)
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

_THROTTLED = frozenset({403, 429})
_CHALLENGE = "x-amzn-waf-action"
_SLOWEST = 16  # the pace never falls below this fraction of the one set
_DETAIL_CHARS = 200


class TooEarly(Exception):  # noqa: N818  says what happened
    """The hour is not published yet."""


class Pace:
    """Spaces the starts of requests; slower after each complaint, then slowly back."""

    def __init__(self, settings: DukascopySettings) -> None:
        self._scale = settings.sleep_scale
        self._shortest = 1.0 / settings.requests_per_s
        self.interval_s = self._shortest
        self._next = 0.0
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until the next request may start."""
        async with self._lock:
            # Asked again after sleeping: a complaint may have come in meanwhile.
            while (wait := self._next - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait)
            self._next = asyncio.get_running_loop().time() + self.interval_s * self._scale

    def slow_down(self, wait_s: float) -> None:
        """Let nobody start for a while, and then half as often."""
        self.interval_s = min(self.interval_s * 2, self._shortest * _SLOWEST)
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now + wait_s * self._scale)

    def went_well(self) -> None:
        """Return a little towards the set pace."""
        self.interval_s = max(self._shortest, self.interval_s * 0.9)


class Vendor:
    """The two services over HTTP: retries, throttling, and what their answers mean."""

    def __init__(self, settings: DukascopySettings) -> None:
        self.settings = settings
        self._pace = Pace(settings)
        self._slots = asyncio.Semaphore(settings.max_parallel)
        self._http = httpx.AsyncClient(
            timeout=settings.timeout_s, headers=dict(settings.headers), follow_redirects=False
        )

    async def __aenter__(self) -> "Vendor":
        """Return itself."""
        return self

    async def __aexit__(self, *_: Any) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, url: str, check: Callable[[bytes], object]) -> bytes | None:
        """Return the content of an address once ``check`` accepts it; None where there is none.

        Parameters
        ----------
        url : str
        check : callable
            Raises :class:`SourceError` for content that is damaged; it is asked for again.

        Raises
        ------
        TooEarly
            The period is not published yet.
        DukascopyBlocked
            A browser is asked for.
        DukascopyUnavailable
            All attempts failed; the message has the last reason.
        SourceError
            The service refuses the request as such.
        """
        reason = ""
        for attempt in range(self.settings.max_attempts):
            if attempt and not reason.startswith("throttled"):
                await self._back_off(attempt)
            try:
                async with self._slots:
                    await self._pace.turn()
                    async with asyncio.timeout(self.settings.total_timeout_s):
                        status, headers, body = await self._request(url)
            except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
                continue
            if status in _THROTTLED:
                wait_s = self._retry_after(url, headers)
                self._pace.slow_down(max(wait_s, self.settings.throttle_s))
                reason = f"throttled with status {status}"
            elif status >= 500:
                reason = f"status {status}"
            elif self._is_there(url, status, headers, body):
                try:
                    check(body)
                except SourceError as error:
                    reason = f"the answer {error.detail}"
                    continue
                self._pace.went_well()
                return body
            else:
                return None
        raise DukascopyUnavailable(
            url, f"gave up after {self.settings.max_attempts} requests: {reason}"
        )

    async def _request(self, url: str) -> tuple[int, httpx.Headers, bytes]:
        limit = self.settings.max_bytes
        async with self._http.stream("GET", url) as response:
            parts, n = [], 0
            async for part in response.aiter_bytes():
                parts.append(part)
                n += len(part)
                if n > limit:
                    raise SourceError(url, f"answers with more than {limit} bytes")
            return response.status_code, response.headers, b"".join(parts)

    def _is_there(self, url: str, status: int, headers: httpx.Headers, body: bytes) -> bool:
        if status == 202 or _CHALLENGE in headers:
            raise DukascopyBlocked(
                url,
                f"status {status}: Dukascopy asks for a browser check, which this client does not "
                "attempt. Check its terms of use, then read files that you have: "
                "`orderflow ingest dukascopy --path FILE`",
            )
        if status == 404:
            return False
        text = body[:_DETAIL_CHARS].decode("utf-8", "backslashreplace")
        if status == 400 and "too late" in text.lower():
            raise TooEarly
        if status != 200:
            raise SourceError(url, f"was refused with status {status}: {text!r}")
        return True

    def _retry_after(self, url: str, headers: httpx.Headers) -> float:
        text = headers.get("retry-after", "")
        seconds = 0.0
        if text.isascii() and text.isdigit() and len(text) < 10:
            seconds = float(text)
        elif text:
            try:
                until = email.utils.parsedate_to_datetime(text).timestamp()
            except ValueError:
                until = 0.0  # no date either: the least wait applies
            seconds = max(until - self.settings.clock_ns() / 1e9, 0.0)
        if seconds > self.settings.max_retry_after_s:
            raise DukascopyUnavailable(url, f"asks to come back in {seconds:.0f} s")
        return seconds

    async def _back_off(self, attempt: int) -> None:
        longest = min(self.settings.backoff_s * 2 ** (attempt - 1), self.settings.max_backoff_s)
        share = random.uniform(0.5, 1.0)  # noqa: S311  spreads requests, guards nothing
        await asyncio.sleep(longest * share * self.settings.sleep_scale)


def fetch_day(
    instrument: Instrument, day: date, *, cache_dir: Path, settings: DukascopySettings
) -> list[Path]:
    """Return the files of a trading day, asking the vendor for the hours that the cache lacks.

    Parameters
    ----------
    instrument : Instrument
        ``venue`` is ``dukascopy``; ``venue_symbol`` the code of the file service.
    day : date
    cache_dir : Path
        Files lie below ``dukascopy/api`` and ``dukascopy/files`` in the vendor's layout.
    settings : DukascopySettings

    Returns
    -------
    list of Path
        In the order of the hours; an hour too young to be believed empty has no file.

    Raises
    ------
    HoursMissing
        The day is not over, or not published whole, and ``allow_partial`` is not set.
    DukascopyUnavailable, DukascopyBlocked, SourceError
        Nothing was lost: the hours that came are in the cache.
    """
    return asyncio.run(download_day(instrument, day, cache_dir=cache_dir, settings=settings))


async def download_day(
    instrument: Instrument, day: date, *, cache_dir: Path, settings: DukascopySettings
) -> list[Path]:
    """Do what :func:`fetch_day` does, within a running event loop."""
    listing = listing_of(instrument)
    first_ns, end_ns = instrument.trading_day_window(day)
    first = first_ns // MS // bi5.HOUR_MS * bi5.HOUR_MS
    hours = list(range(first, end_ns // MS, bi5.HOUR_MS))
    now_ms = settings.clock_ns() // MS
    over = [h for h in hours if h + bi5.HOUR_MS + settings.publish_delay_s * 1000 <= now_ms]
    if len(over) < len(hours) and not settings.allow_partial:
        raise HoursMissing(
            instrument.symbol, f"{day} is not over: {len(over)} of its {len(hours)} hours are"
        )
    failures = []
    async with Vendor(settings) as vendor:
        for backend in settings.backends:
            service = _Service(backend, vendor, listing, cache_dir / "dukascopy")
            try:
                found = await _all_hours(service, over)
            except DukascopyUnavailable as error:
                failures.append(error)
                continue
            late = [h for h, (_, is_late) in zip(over, found, strict=True) if is_late]
            if late and not settings.allow_partial:
                raise HoursMissing(
                    instrument.symbol,
                    f"{len(late)} of {len(hours)} hours of {day} are not published, the first is "
                    f"{service.url(late[0])}",
                )
            return [path for path, _ in found if path is not None]
    reasons = "; ".join(str(error) for error in failures)
    raise DukascopyUnavailable(instrument.symbol, f"no service gave {day}: {reasons}")


async def _all_hours(service: "_Service", hours: list[int]) -> list[tuple[Path | None, bool]]:
    tasks = [asyncio.create_task(service.hour(start)) for start in hours]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        # After one failure the others are not wanted; their ends are awaited, not shown.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Service:
    # One of the two services for one instrument: its addresses, its files, its format.

    def __init__(self, backend: str, vendor: Vendor, listing: Listing, cache: Path) -> None:
        self._is_api = backend == "api"
        self._vendor = vendor
        self._listing = listing
        self._cache = cache / backend

    def url(self, start_ms: int) -> str:
        settings = self._vendor.settings
        if self._is_api:
            return f"{settings.api_url}/ticks/{api.hour_path(self._listing.api_code, start_ms)}"
        return f"{settings.files_url}/{bi5.file_path(self._listing.code, start_ms)}"

    def path(self, start_ms: int) -> Path:
        if self._is_api:
            return self._cache / f"{api.hour_path(self._listing.api_code, start_ms)}.json"
        return self._cache / bi5.file_path(self._listing.code, start_ms)

    def count(self, path: Path, start_ms: int, data: bytes) -> int:
        """Return how many quotes an hour holds; refuse what no hour of this instrument is."""
        if self._is_api:
            answer = api.decode_answer(path, data)
            ts = answer.ts_ms
            if ((ts < start_ms) | (ts >= start_ms + bi5.HOUR_MS)).any():
                raise SourceError(path, f"holds times of another hour than {start_ms} ms")
            return len(answer)
        if not data:
            return 0
        content = bi5.unpack(path, data)
        if len(content) % bi5.TICK.itemsize:
            raise SourceError(path, f"unpacks to {len(content)} bytes, which is no whole ticks")
        return len(bi5.decode_ticks(path, content))

    async def hour(self, start_ms: int) -> tuple[Path | None, bool]:
        """Return the file of an hour, None when it has none, and whether it comes later."""
        path, url = self.path(start_ms), self.url(start_ms)
        if self._is_kept(path, start_ms):
            return path, False
        try:
            data = await self._vendor.get(url, lambda body: self.count(path, start_ms, body))
        except TooEarly:
            return None, True
        if data is None and self._is_api:
            return None, True  # an hour without quotes has an answer there, too
        n_quotes = 0 if data is None else self.count(path, start_ms, data)
        settings = self._vendor.settings
        age_s = settings.clock_ns() / 1e9 - (start_ms + bi5.HOUR_MS) / 1000
        if not n_quotes and age_s < settings.settle_s:
            return None, False
        write_whole(path, data or b"")
        return path, False

    def _is_kept(self, path: Path, start_ms: int) -> bool:
        try:
            self.count(path, start_ms, path.read_bytes())
        except (FileNotFoundError, SourceError):
            return False  # not there, or damaged since: it is asked for again
        except OSError as error:
            raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
        return True


def write_whole(path: Path, data: bytes) -> None:
    """Write a file aside and rename it: a reader sees the whole file or none.

    Raises
    ------
    SourceError
        The file cannot be kept; the message says why.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as part:
            try:
                part.write(data)
                part.flush()
                os.fsync(part.fileno())
            except OSError:
                Path(part.name).unlink()
                raise
        os.replace(part.name, path)
    except OSError as error:
        raise SourceError(path, f"cannot be kept: {error.strerror or error}") from error
