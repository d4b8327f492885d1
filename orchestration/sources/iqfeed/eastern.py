"""The feed's clock: US Eastern wall time, which every November shows one hour twice.

A local time in that hour has two meanings. In a file the order of the records decides: within the
hour the first run is daylight time, and from the step back on it is standard time. In a recorded
stream the receive time decides, whose zone is UTC.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from orchestration.sources.coded import CodedTexts, distinct_values

ZONE = ZoneInfo("America/New_York")
HOUR_NS = 3_600_000_000_000
# The feed's own times never ran back in any recording; a step this long is the clock change.
FOLD_STEP_NS = 60_000_000_000

# What each character of "YYYY-MM-DD HH:MM:SS.ffffff" counts: hours from year 0 in one number, the
# microseconds within an hour.
_LENGTH, _IN_HOUR = 26, 14
_HOUR_WEIGHTS = np.array([10**9, 10**8, 10**7, 10**6, 0, 10**5, 10**4, 0, 1000, 100, 0, 10, 1])
_WEIGHTS = np.array(
    [600_000_000, 60_000_000, 0, 10_000_000, 1_000_000, 0, 100_000, 10_000, 1_000, 100, 10, 1]
)


def eastern_ns(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Convert local times ``YYYY-MM-DD HH:MM:SS[.ffffff]`` to UTC.

    Parameters
    ----------
    texts : sequence of str
        Digits and marks stand where they belong; the fraction has up to six digits.

    Returns
    -------
    first, second : ndarray of int64, shape (n,), unit ns UTC
        Both meanings; they differ only in the hour that autumn repeats. -1: there is no such time.
    """
    if isinstance(texts, CodedTexts):
        first, second = eastern_ns(texts.distinct)
        return first[texts.code], second[texts.code]
    every = _digits(texts)
    hours, code = distinct_values(every[:, : len(_HOUR_WEIGHTS)] @ _HOUR_WEIGHTS)
    starts = np.array([_hour_ns(hour) for hour in hours.tolist()], np.int64).reshape(-1, 2)[code]
    digits = every[:, _IN_HOUR:]
    inside = digits @ _WEIGHTS * 1000
    # Sixty minutes or seconds are no time; the tens' digit tells.
    known = (starts[:, 0] >= 0) & (digits[:, 0] < 6) & (digits[:, 3] < 6)
    first, second = (np.where(known, starts[:, i] + inside, -1) for i in (0, 1))
    return first, second


def dates_of(texts: Sequence[str]) -> np.ndarray:
    """Return the date of each local time as the number YYYYMMDD; see `eastern_ns`."""
    if isinstance(texts, CodedTexts):
        return dates_of(texts.distinct)[texts.code]
    hours: np.ndarray = _digits(texts)[:, : len(_HOUR_WEIGHTS)] @ _HOUR_WEIGHTS
    return hours // 100


def in_order(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, int]:
    """Choose the meaning of each time of records that stand in the order of trading.

    Returns
    -------
    ts_ns : ndarray of int64, shape (n,)
    n_guessed : int
        Times in a repeated hour without a step back: nothing shows which pass they are of, so
        they are taken for the first.
    """
    ts = first.copy()
    n_guessed = 0
    twice = np.flatnonzero(first != second)
    for hour in np.unique(first[twice] // HOUR_NS):
        rows = twice[first[twice] // HOUR_NS == hour]
        steps = np.diff(first[rows])
        at = int(steps.argmin()) if len(steps) else 0
        if len(steps) and steps[at] <= -FOLD_STEP_NS:
            ts[rows[at + 1 :]] = second[rows[at + 1 :]]
        else:
            n_guessed += len(rows)
    return ts, n_guessed


def nearest(first: np.ndarray, second: np.ndarray, recv_ns: np.ndarray) -> np.ndarray:
    """Choose the meaning that lies nearer to the time of receipt; the first where both do."""
    return np.where(np.abs(second - recv_ns) < np.abs(first - recv_ns), second, first)


def eastern_text(ts_ns: int, form: str) -> str:
    """Return a UTC time as Eastern wall time in a ``strftime`` form, whole seconds."""
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).astimezone(ZONE).strftime(form)


def _digits(texts: Sequence[str]) -> np.ndarray:
    # One row a text; marks are numbers of no weight, and what a short fraction lacks is 0.
    letters = np.array(texts, f"S{_LENGTH}").view(np.uint8).reshape(-1, _LENGTH)
    return np.where(letters == 0, 0, letters.astype(np.int64) - 48)


@lru_cache(maxsize=4096)
def _hour_ns(hour: int) -> tuple[int, int]:
    # YYYYMMDDHH -> start of both passes; (-1, -1) when there is no such local hour.
    try:
        local = datetime.strptime(f"{hour:010d}", "%Y%m%d%H")  # noqa: DTZ007  its zone comes next
        passes = [local.replace(tzinfo=ZONE, fold=fold).astimezone(UTC) for fold in (0, 1)]
        exists = passes[0].astimezone(ZONE).replace(tzinfo=None) == local
    except (ValueError, OverflowError):
        return -1, -1
    seconds = [int(when.timestamp()) for when in passes]
    # Beyond what int64 nanoseconds hold there is no trade; the gate knows the exact limits.
    if not exists or not 0 <= seconds[0] < 9_000_000_000:
        return -1, -1
    return seconds[0] * 10**9, seconds[1] * 10**9
