"""Requests to Binance over HTTP: what may be tried again, what must be waited for, what stops.

===========================  ===================================================================
answer                       what happens
===========================  ===================================================================
no connection, cut, 5xx      again, each time after twice as long, up to ``attempts``
429 (too fast)               again after ``Retry-After``, unless that is beyond ``max_wait_s``
418 (banned)                 :class:`BannedError`; until the ban ends nothing more is sent
403 (firewall)               :class:`BlockedError`; asking again would make it worse
404                          :class:`NotPublishedError`
other                        :class:`RefusedError` with the venue's code and message
===========================  ===================================================================

The venue counts the weight of requests a minute and address and states it in every answer. A
request that would exceed our share of it waits for the next minute.
"""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from orchestration.sources.records import SourceError

if TYPE_CHECKING:
    import httpx

_USED_WEIGHT = "x-mbx-used-weight-1m"
_DEFAULT_RETRY_AFTER_S = 60


class TransportError(SourceError):
    """A server could not be reached, or went on failing."""


class NotPublishedError(SourceError):
    """The server has no such file."""


class BlockedError(SourceError):
    """The venue's firewall refuses this machine."""


class RateLimitedError(SourceError):
    """The venue demands a longer pause than the settings allow to wait."""


class BannedError(RateLimitedError):
    """The venue has banned this address for going on after it demanded a pause."""


class RefusedError(SourceError):
    """The venue refused a request; ``code`` is its own number, 0 where it gave none."""

    def __init__(self, url: str, detail: str, code: int) -> None:
        super().__init__(url, detail)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where to ask and how patiently.

    Attributes
    ----------
    archive_url, spot_url, um_url, cm_url : str
    attempts : int
        Requests in all for one answer.
    timeout_s : float
        Longest silence of a server.
    backoff_s : float
        Pause before the second attempt; each later one is twice as long.
    max_wait_s : float
        Longest pause that the venue may demand.
    weight_share : float
        Part of the venue's weight a minute that we use: other programs share the address.
    weight_limit : int
        Weight a minute that the venue allows; 0: what its documentation says of the market
        (:func:`~orchestration.sources.binance.rest.learn_weight_limit` asks it).
    does_recheck : bool
        Ask for the published checksum of files that are in the cache already.
    clock : callable
        Seconds since 1970.
    sleep_scale : float
        Factor on every pause.
    """

    archive_url: str = "https://data.binance.vision"
    spot_url: str = "https://api.binance.com"
    um_url: str = "https://fapi.binance.com"
    cm_url: str = "https://dapi.binance.com"
    attempts: int = 5
    timeout_s: float = 30.0
    backoff_s: float = 1.0
    max_wait_s: float = 300.0
    weight_share: float = 0.5
    weight_limit: int = 0
    does_recheck: bool = True
    clock: Callable[[], float] = time.time
    sleep_scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, kw_only=True)
class Transport:
    """A connection with its account of weight and bans; not for two threads at once.

    Attributes
    ----------
    settings : Settings
    client : httpx.Client
    weight_limit : int
        Weight a minute that the venue allows; 0: it is not counted.
    """

    settings: Settings
    client: "httpx.Client"
    weight_limit: int = 0
    used_weight: int = field(default=0, init=False)
    _minute: int = field(default=0, init=False)
    _banned_until: float = field(default=0.0, init=False)

    def get(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        weight: int = 0,
        sink: BinaryIO | None = None,
    ) -> bytes:
        """Return the body of an answer, or write it to ``sink`` and return nothing.

        Raises
        ------
        SourceError
            One of those above; the message names the URL.
        """
        detail = ""
        for attempt in range(self.settings.attempts):
            pause = self.settings.backoff_s * 2**attempt
            self._wait_for_weight(url, weight)
            answer, detail = self._send(url, params, headers, sink)
            if answer is not None:
                self._account(answer)
                if answer.status == 200:
                    return answer.body
                detail, demanded = self._judge(url, answer)
                pause = max(pause, demanded)
            if attempt + 1 < self.settings.attempts:
                self._sleep(pause)
        raise TransportError(url, f"gave no answer in {self.settings.attempts} attempts: {detail}")

    def _send(
        self,
        url: str,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        sink: BinaryIO | None,
    ) -> tuple[_Answer | None, str]:
        # The answer, or why there is none.
        import httpx

        try:
            with self.client.stream("GET", url, params=params, headers=headers) as response:
                body = b""
                if sink is None or response.status_code != 200:
                    body = response.read()
                else:
                    sink.seek(0)
                    sink.truncate()
                    for chunk in response.iter_bytes(1 << 20):
                        sink.write(chunk)
                return _Answer(status=response.status_code, headers=response.headers, body=body), ""
        except (httpx.TransportError, httpx.DecodingError) as error:
            return None, f"{type(error).__name__} {error}".strip()

    def _judge(self, url: str, answer: _Answer) -> tuple[str, float]:
        # Returns what went wrong and the pause demanded, or raises where asking again is no use.
        status = answer.status
        said = f"HTTP {status} {_said(answer.body)}".strip()
        if status >= 500:
            return said, 0.0
        if status == 404:
            raise NotPublishedError(url, "is not published (HTTP 404)")
        if status == 403:
            raise BlockedError(
                url, f"the venue's firewall refuses this machine: {said}. It is not asked again."
            )
        if status in (418, 429):
            return said, self._demanded_pause(url, answer, said)
        raise RefusedError(url, f"was refused: {said}", _code(answer.body))

    def _demanded_pause(self, url: str, answer: _Answer, said: str) -> float:
        text = answer.headers.get("retry-after", "").strip()
        seconds = int(text) if text.isascii() and text.isdigit() else _DEFAULT_RETRY_AFTER_S
        if answer.status == 418:
            until = self.settings.clock() + seconds * self.settings.sleep_scale
            self._banned_until = max(self._banned_until, until)
            raise BannedError(url, f"this address is banned for {seconds} s: {said}")
        if seconds > self.settings.max_wait_s:
            raise RateLimitedError(
                url,
                f"demands a pause of {seconds} s, more than the {self.settings.max_wait_s:g} s "
                f"allowed: {said}",
            )
        return float(seconds)

    def _wait_for_weight(self, url: str, weight: int) -> None:
        now = self.settings.clock()
        if now < self._banned_until:
            left = self._banned_until - now
            raise BannedError(url, f"this address is banned for {left:.0f} s more: nothing is sent")
        if int(now // 60) != self._minute:
            self.used_weight = 0
        budget = self.weight_limit * self.settings.weight_share
        if weight and self.weight_limit and self.used_weight and self.used_weight + weight > budget:
            self._sleep(60 - now % 60)
            self.used_weight = 0  # the next answer states it

    def _account(self, answer: _Answer) -> None:
        self._minute = int(self.settings.clock() // 60)
        text = answer.headers.get(_USED_WEIGHT, "")
        if text.isascii() and text.isdigit():
            self.used_weight = int(text)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds * self.settings.sleep_scale)


@contextmanager
def connect(settings: Settings, *, weight_limit: int = 0) -> Iterator[Transport]:
    """Open a connection for the time of a ``with`` block."""
    import httpx

    with httpx.Client(timeout=settings.timeout_s, verify=_tls()) as client:
        yield Transport(settings=settings, client=client, weight_limit=weight_limit)


@cache
def _tls() -> ssl.SSLContext:
    # Reading the certificates takes 40 ms: once a process, not once a gap.
    import httpx

    return httpx.create_ssl_context()


def _said(body: bytes) -> str:
    return body[:200].decode("utf-8", "backslashreplace").strip()


def _code(body: bytes) -> int:
    # -1121 and the like; an answer of somebody else than the venue has none.
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return 0
    code = found.get("code") if isinstance(found, dict) else None
    return code if type(code) is int else 0
