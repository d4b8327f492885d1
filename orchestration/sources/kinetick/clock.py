"""Stamps of NinjaTrader's files: digits, zones, and the hours in which the market does not trade.

Local stamps in the hour that autumn's clock change repeats are ambiguous. They mean its first pass
until the stamps of the file run back within that hour, and its second pass from there; where they
do not run back, nothing tells. Local stamps that spring's change skips are no times.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from orchestration.sources.kinetick.settings import ReadSettings
from orchestration.sources.records import SourceError
from orderflow_core.instrument import EPOCH, Instrument

ZoneSetting: TypeAlias = Literal["export_timezone", "replay_timezone"]
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 24 * HOUR_NS
UTC_ZONE = "UTC"
# Named in an error message, where the stamps of a file would fit them.
USUAL_ZONES = (
    UTC_ZONE, "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "Europe/London", "Europe/Berlin", "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  local wall clock, no zone yet


def stamp_digits(texts: list[str], sample: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the digits of stamps laid out like ``sample``; every character is below 256.

    Returns
    -------
    at : ndarray of int64
        Positions of the texts whose marks (what is no digit in the sample) are in place.
    wall_s : ndarray of int64, unit s since 1970 of the wall clock
    rest : ndarray of int64, shape (len(at), n)
        Digits after the first 14, which are ``yyyyMMddHHmmss``.
    """
    width = len(sample)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    at = np.flatnonzero(lengths == width)
    same = texts if len(at) == len(texts) else [texts[i] for i in at.tolist()]
    letters = np.frombuffer("".join(same).encode("latin-1"), np.uint8)
    letters = letters.reshape(-1, width)
    model = np.frombuffer(sample, np.uint8)
    is_digit = (model >= 48) & (model < 58)
    digits = letters[:, is_digit].astype(np.int64) - 48
    good = ((digits >= 0) & (digits <= 9)).all(axis=1)
    good &= (letters[:, ~is_digit] == model[~is_digit]).all(axis=1)
    days, is_day = _days(digits[:, :8] @ 10 ** np.arange(7, -1, -1))
    hour, minute, second = (digits[:, i : i + 2] @ [10, 1] for i in (8, 10, 12))
    good &= is_day & (hour < 24) & (minute < 60) & (second < 60)
    wall_s = days * 86_400 + hour * 3600 + minute * 60 + second
    return at[good], wall_s[good], digits[good, 14:]


def _days(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Days since 1970 of keys yyyymmdd, and which are a date: one conversion a day.
    found, which = np.unique(keys, return_inverse=True)
    days = np.full(len(found), -1, np.int64)
    for i, key in enumerate(found.tolist()):
        try:
            days[i] = (date(key // 10_000, key // 100 % 100, key % 100) - EPOCH).days
        except ValueError:
            continue
    # A year beyond 2261 does not fit into int64 nanoseconds.
    is_day = (days >= 0) & (days < 106_000)
    return days[which], is_day[which]


def to_utc(wall_ns: np.ndarray, zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Convert times of a wall clock, in the order of the file, to UTC.

    Parameters
    ----------
    wall_ns : ndarray of int64, shape (n,), unit ns since 1970 of the wall clock, >= 0
    zone : str

    Returns
    -------
    ts_ns : ndarray of int64, shape (n,), unit ns UTC, 0 where there is no such local time
    exists : ndarray of bool, shape (n,)
    """
    if zone == UTC_ZONE or not len(wall_ns):
        return wall_ns, np.ones(len(wall_ns), np.bool_)
    place = ZoneInfo(zone)
    # A quarter of an hour: zones change their offset at such times, not always at full hours.
    quarters, which = np.unique(wall_ns // (HOUR_NS // 4), return_inverse=True)
    starts = [_EPOCH + timedelta(minutes=15 * int(q)) for q in quarters]
    first = np.array([_offset_ns(start, place, fold=0) for start in starts], np.int64)
    second = np.array([_offset_ns(start, place, fold=1) for start in starts], np.int64)
    skipped = first < second  # before the gap the offset is smaller than after it
    offset = first[which]
    repeated = (first > second)[which]
    if repeated.any():
        later = _second_pass(wall_ns, repeated)
        offset[later] = second[which][later]
    exists = ~skipped[which]
    return np.where(exists, wall_ns - offset, 0), exists


def _offset_ns(wall: datetime, place: ZoneInfo, *, fold: int) -> int:
    offset = wall.replace(tzinfo=place, fold=fold).utcoffset()
    if offset is None:
        raise ValueError(f"zone {place.key} knows no offset at {wall}")
    return round(offset.total_seconds()) * SECOND_NS


def _second_pass(wall_ns: np.ndarray, repeated: np.ndarray) -> np.ndarray:
    # Positions in the repeated hour of a day at which, or after which, its stamps have run back.
    at = np.flatnonzero(repeated)
    later: list[np.ndarray] = []
    for day in np.unique(wall_ns[at] // DAY_NS):
        mine = at[wall_ns[at] // DAY_NS == day]
        # A minute or two out of order is damage; the clock change is a matter of many.
        back = np.flatnonzero(np.diff(wall_ns[mine]) < -10 * MINUTE_NS)
        if len(back):
            later.append(mine[back[0] + 1 :])
    return np.concatenate(later) if later else np.zeros(0, np.int64)


def zones_that_fit(wall_ns: np.ndarray, instrument: Instrument) -> list[str]:
    """Return the usual zones in which all times exist and none lies in the market's daily halt."""
    fits = []
    for name in USUAL_ZONES:
        ts, exists = to_utc(wall_ns, name)
        if exists.all() and not instrument.is_in_halt(ts).any():
            fits.append(name)
    return fits


def require_no_halt_trade(
    path: Path, instrument: Instrument, ts_ns: np.ndarray, line: np.ndarray,
    wall_ns: np.ndarray, settings: ReadSettings, which: ZoneSetting,
) -> None:  # fmt: skip
    """Refuse a file with trades in the instrument's daily halt.

    Parameters
    ----------
    ts_ns, line, wall_ns : ndarray of int64, shape (n,)
        Times in UTC, lines and wall-clock times of the trades that would be stored.
    which : {"export_timezone", "replay_timezone"}
        The setting whose zone the times were converted from.

    Raises
    ------
    SourceError
        Names the first such line, and the usual zones in which there is none.
    """
    if not settings.check_halt:
        return
    halted = np.flatnonzero(instrument.is_in_halt(ts_ns))
    if not len(halted):
        return
    zone = getattr(settings, which)
    fits = [name for name in zones_that_fit(wall_ns, instrument) if name != zone]
    raise SourceError(
        path,
        f"line {line[halted[0]]}: {len(halted)} of {len(ts_ns)} trades lie in the daily halt, "
        f"{instrument.daily_halt} {instrument.timezone}: the stamps are not {zone}. Zones in which none "
        f"does: {', '.join(fits) or 'none of the usual ones'}. Name one in "
        f"ORDERFLOW_KINETICK_{which.upper()}; if the market was open at those hours, set daily_halt "
        f"of {instrument.symbol} in instruments.toml, or ORDERFLOW_KINETICK_CHECK_HALT=false",
    )
