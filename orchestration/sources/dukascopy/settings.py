"""How Dukascopy is asked: addresses, pace, patience. And what can come of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestration.sources.records import SourceError

BACKENDS = ("api", "files")


class DukascopyUnavailable(SourceError):  # noqa: N818  says what happened
    """The vendor could not be reached, or kept failing, for as long as the settings allow."""


class DukascopyBlocked(SourceError):  # noqa: N818  says what happened
    """The vendor wants to see a browser; it is not asked again."""


class HoursMissing(SourceError):  # noqa: N818  says what is the matter
    """Hours of the day are not over, or the vendor has not published them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DukascopySettings:
    """Addresses, pace and patience of the client.

    Attributes
    ----------
    api_url, files_url : str
        The two services, without a slash at the end.
    backends : tuple of {"api", "files"}
        Which are asked; the next one when a service is unavailable. The file service stopped
        answering in July 2026.
    headers : mapping of str to str
        Sent with every request. None are needed; no browser is imitated.
    max_parallel, requests_per_s
        The vendor publishes no limit; these are half of what its public clients use.
    max_attempts : int
        Requests for one hour before it counts as unavailable.
    backoff_s, max_backoff_s, throttle_s : float
        First wait after a failure (it doubles), the longest one, and the least after being told
        to slow down. A longer Retry-After is obeyed, up to ``max_retry_after_s``.
    timeout_s, total_timeout_s : float
        Longest silence within a request, and longest request.
    max_bytes : int
        Larger answers are refused.
    publish_delay_s : float
        An hour counts as over only this long after its end.
    settle_s : float
        An hour without quotes is believed, and kept, only when it is older than this.
    allow_partial : bool
        Return what there is of a day of which hours are still missing.
    poll_s : float
        Pause between two requests of the live client.
    clock_ns : callable
        Time in ns since 1970.
    sleep_scale : float
        Multiplies every wait: tests use a small one.
    """

    api_url: str = "https://jetta.dukascopy.com/v1"
    files_url: str = "https://datafeed.dukascopy.com/datafeed"
    backends: tuple[str, ...] = BACKENDS
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets
    max_parallel: int = 4
    requests_per_s: float = 5.0
    max_attempts: int = 6
    backoff_s: float = 0.75
    max_backoff_s: float = 60.0
    throttle_s: float = 5.0
    max_retry_after_s: float = 600.0
    timeout_s: float = 20.0
    total_timeout_s: float = 120.0
    max_bytes: int = 64 << 20
    publish_delay_s: float = 600.0
    settle_s: float = 48 * 3600.0
    allow_partial: bool = False
    poll_s: float = 1.0
    clock_ns: Callable[[], int] = time.time_ns
    sleep_scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.backends or not set(self.backends) <= set(BACKENDS):
            raise ValueError(f"backends must be some of {BACKENDS}, got {self.backends!r}")
        for name in ("max_parallel", "requests_per_s", "max_attempts", "timeout_s", "max_bytes"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
