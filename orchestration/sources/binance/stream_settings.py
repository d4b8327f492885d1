"""The live streams of one instrument: which there are, where they are served, how patiently to follow them.

==========  ==================  ====================================================================
market      connections         streams, unless the settings name others
==========  ==================  ====================================================================
spot        one                 ``trade`` ``bookTicker`` ``depth@100ms``
USD-M       ``/public``         ``bookTicker`` ``depth@100ms``
..          ``/market``         ``aggTrade``: single trades are not documented for this market
COIN-M      one                 ``aggTrade`` ``bookTicker`` ``depth@100ms``
==========  ==================  ====================================================================

A stream that is asked for on the wrong one of USD-M's two paths is acknowledged and stays silent.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom

from orchestration.sources.binance.layouts import archive_folder
from orchestration.sources.binance.transport import Settings
from orderflow_core.instrument import Instrument

# On USD-M these are served under /market, all others under /public.
_MARKET_PATH = frozenset({"aggTrade", "markPrice", "kline", "ticker", "miniTicker", "forceOrder"})
_DEFAULT = {
    "spot": ("trade", "bookTicker", "depth@100ms"),
    "futures/um": ("aggTrade", "bookTicker", "depth@100ms"),
    "futures/cm": ("aggTrade", "bookTicker", "depth@100ms"),
}
_POSITIVE = (
    "connect_timeout_s", "reply_timeout_s", "silence_timeout_s", "roll_after_s",
    "overlap_timeout_s", "first_pause_s", "longest_pause_s", "control_per_s", "most_streams",
    "most_attempts", "attempts_window_s", "backfill_timeout_s", "snapshot_every_s", "buffer",
    "time_scale",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Where to connect, and when to give a connection up.

    Attributes
    ----------
    spot_url, um_public_url, um_market_url, cm_url : str
        Without ``/stream`` and ``/ws``, which follow from ``is_combined``.
    streams : tuple of str
        What follows the ``@`` of each stream; empty: the market's usual ones.
    is_combined : bool
        Frames wrapped with the name of their stream, or raw ones.
    in_microseconds : bool
        Spot: times in microseconds, as its archive has them from 2025 on, so that both agree.
    after : int
        Last trade id (or aggregate id, where these are followed) of an earlier run; what lies between is asked for.
        0: from now on.
    connect_timeout_s, reply_timeout_s : float, > 0
        For a connection, and for the acknowledgement of a subscription.
    silence_timeout_s : float, > 0
        No event of any stream of a connection for this long: connect again.
    roll_after_s : float, > 0
        Age at which a connection is replaced; the venue ends it after 24 hours.
    overlap_timeout_s : float, > 0
        How long the old and the new connection may take to agree; then the new one is given up.
    first_pause_s, longest_pause_s : float, > 0
        Between connections: doubled after each that brought nothing, a random part of it is waited.
    most_failures : int
        Connections in a row that bring nothing before the client gives up once it has had events; 0: never.
    most_failures_at_start : int
        The same before the first event: a wrong symbol or path looks like this.
    control_per_s : float, > 0
        Messages that we send a second; the venue closes at more than 5, and pongs count.
    most_streams : int
        Of one connection.
    most_attempts, attempts_window_s : int, float
        Connections of this process in a stretch of time; the venue bans an address that makes more than 300 in 5 minutes.
    does_backfill : bool
        Ask the REST interface for trades that the stream skipped.
    most_backfilled : int
        Records of one hole that are asked for; a larger one is left to ``orderflow repair``.
    backfill_timeout_s : float, > 0
        How long live events are held back for it.
    snapshot_levels : int
        Levels a side of the snapshots that a book starts from; 0: none are asked for.
    snapshot_every_s : float, > 0
        A snapshot is asked for at each multiple of this time, so also at midnight UTC.
    buffer : int
        Events that a connection keeps for us before it stops reading.
    rest : Settings
        Of the REST interface.
    time_scale : float, > 0
        Multiplies all of these times.
    clock : callable
        Receive time in ns UTC.
    jitter : callable
        Draws from [0, 1).
    """

    spot_url: str = "wss://stream.binance.com:9443"
    um_public_url: str = "wss://fstream.binance.com/public"
    um_market_url: str = "wss://fstream.binance.com/market"
    cm_url: str = "wss://dstream.binance.com"
    streams: tuple[str, ...] = ()
    is_combined: bool = True
    in_microseconds: bool = True
    after: int = 0
    connect_timeout_s: float = 10.0
    reply_timeout_s: float = 10.0
    silence_timeout_s: float = 60.0
    roll_after_s: float = 23 * 3600.0
    overlap_timeout_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    most_failures: int = 0
    most_failures_at_start: int = 5
    control_per_s: float = 4.0
    most_streams: int = 1024
    most_attempts: int = 250
    attempts_window_s: float = 300.0
    does_backfill: bool = True
    most_backfilled: int = 20_000
    backfill_timeout_s: float = 30.0
    snapshot_levels: int = 1000
    snapshot_every_s: float = 3600.0
    buffer: int = 100_000
    rest: Settings = field(default_factory=Settings)
    time_scale: float = 1.0
    clock: Callable[[], int] = time.time_ns
    jitter: Callable[[], float] = field(default_factory=lambda: SystemRandom().random)

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("after", "most_failures", "most_failures_at_start", "snapshot_levels"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


@dataclass(slots=True, kw_only=True)
class StreamStatus:
    """What a client has seen so far; who follows it may read it at any time.

    Attributes
    ----------
    n_connects, n_rolls, n_silences, n_shutdowns : int
        Connections; those that replaced a living one; silences; shutdowns announced by the venue.
    n_backfilled, n_given_up : int
        Records that the REST interface gave for holes; holes that it did not fill.
    n_snapshots : int
        Snapshots of the book.
    n_events : int
        Events handed on.
    last_ids : dict of str to int
        Last id of each kind of stream.
    last_error : str
        Why the last connection ended, or a hole was given up.
    """

    n_connects: int = 0
    n_rolls: int = 0
    n_silences: int = 0
    n_shutdowns: int = 0
    n_backfilled: int = 0
    n_given_up: int = 0
    n_snapshots: int = 0
    n_events: int = 0
    last_ids: dict[str, int] = field(default_factory=dict)
    last_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address and the streams that are asked for there.

    Attributes
    ----------
    url : str
        Ends in ``/stream`` or ``/ws``, with the unit of time where one is asked for.
    streams : tuple of str
        Full names, as in ``btcusdt@trade``.
    """

    url: str
    streams: tuple[str, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """What the streams bring: ``trade``, ``depth``, ..."""
        return frozenset(kind_of_stream(name) for name in self.streams)

    @property
    def marker(self) -> bytes:
        """The address with its streams, as the log shows it."""
        return f"{self.url.split('?')[0]}?streams={'/'.join(self.streams)}".encode()


def kind_of_stream(name: str) -> str:
    """Return ``depth`` for ``btcusdt@depth@100ms``."""
    return name.split("@")[1]


def endpoints(instrument: Instrument, settings: StreamSettings) -> list[Endpoint]:
    """Return where the streams of an instrument are served.

    Raises
    ------
    SourceError
        The instrument is of another venue.
    ValueError
        More streams than a connection may have.
    """
    market = archive_folder(instrument)
    names: dict[str, list[str]] = {}
    for stream in settings.streams or _DEFAULT[market]:
        url = {"spot": settings.spot_url, "futures/cm": settings.cm_url}.get(market)
        if url is None:
            is_market = stream.split("@")[0].split("_")[0] in _MARKET_PATH
            url = settings.um_market_url if is_market else settings.um_public_url
        names.setdefault(url, []).append(f"{instrument.venue_symbol.lower()}@{stream}")
    end = "/stream" if settings.is_combined else "/ws"
    if market == "spot" and settings.in_microseconds:
        end += "?timeUnit=MICROSECOND"
    found = [Endpoint(url=url.rstrip("/") + end, streams=tuple(n)) for url, n in names.items()]
    for endpoint in found:
        if len(endpoint.streams) > settings.most_streams:
            raise ValueError(
                f"streams must be at most {settings.most_streams} a connection, "
                f"got {len(endpoint.streams)}"
            )
    return found
