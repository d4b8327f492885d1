"""What a symbol is: its grids, its costs and its trading days.

This is the only place where a vendor's decimal text becomes ticks and lots, and the only place
where a time becomes a trading day. Both conversions are exact or they raise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike

from orderflow_core.types import Bool, Float64, Int64
from orderflow_core.validate import INT64_MAX, require_int64, require_same_length, require_sorted

DayRule: TypeAlias = Literal["utc", "local", "roll"]
DAY_RULES: tuple[DayRule, ...] = ("utc", "local", "roll")
DAY_NS = 86_400_000_000_000
EPOCH = date(1970, 1, 1)

# ASCII digits only: Decimal also takes "1_000", "Infinity", " 1 " and digits of other scripts.
_DECIMAL_TEXT = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,3}))?")
_HALT = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MINUTE_NS = 60_000_000_000
_QUARTER_NS = 15 * _MINUTE_NS
# A longer text is no price; the limit keeps a damaged file from asking for huge powers of ten.
_MAX_TEXT = 64
_MAX_SEEN = 1 << 20


class OffGridError(ValueError):
    """A number lies between two steps of its grid."""


class BeyondRangeError(ValueError):
    """A number of steps does not fit in int64."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sessions:
    """Opening hours of a market, one element a session, in time order.

    Attributes
    ----------
    day : ndarray of int64, shape (n_sessions,), days since 1970-01-01, strictly increasing
        Trading day that the session belongs to.
    open_ns, close_ns : ndarray of int64, shape (n_sessions,), unit ns UTC
        Half-open: a time equal to ``close_ns`` is outside. Sessions do not overlap.

    Raises
    ------
    ValueError
        Lengths differ, there is no session, or the sessions overlap or run back.
    """

    day: Int64
    open_ns: Int64
    close_ns: Int64

    def __post_init__(self) -> None:
        for name in ("day", "open_ns", "close_ns"):
            object.__setattr__(self, name, require_int64(name, getattr(self, name)))
        if not require_same_length(day=self.day, open_ns=self.open_ns, close_ns=self.close_ns):
            raise ValueError("sessions must hold at least one session, got none")
        require_sorted("day", self.day, strict=True)
        edges = np.column_stack([self.open_ns, self.close_ns]).ravel()
        require_sorted("session opens and closes", edges)

    def __len__(self) -> int:
        return len(self.day)


class _Grid:
    # Exact conversion of decimal text to a whole number of steps; remembers what it has seen,
    # because a day of trades repeats a few thousand different texts.

    __slots__ = ("exponent", "mantissa", "name", "seen", "step")

    def __init__(self, name: str, step: Decimal) -> None:
        _, digits, exponent = step.as_tuple()
        self.name = name
        self.step = step
        self.mantissa = int("".join(map(str, digits)))
        self.exponent = int(exponent)
        self.seen: dict[str, int] = {}

    def convert(self, text: str) -> int:
        found = self.seen.get(text)
        if found is None:
            if len(self.seen) >= _MAX_SEEN:  # a process that lives for weeks
                self.seen.clear()
            found = self.seen[text] = self.parse(text)
        return found

    def parse(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"{self.name} must be decimal text, got {type(text).__name__} {text!r}")
        match = _DECIMAL_TEXT.fullmatch(text) if len(text) <= _MAX_TEXT else None
        if match is None:
            raise ValueError(f"{self.name} {text[:_MAX_TEXT]!r} is not a decimal number")
        sign, whole, fraction, exponent = match.groups()
        fraction = (fraction or "").rstrip("0")
        units = int(whole + fraction)
        shift = int(exponent or 0) - len(fraction) - self.exponent
        divisor = self.mantissa
        if shift >= 0:
            units *= 10**shift
        else:
            divisor *= 10**-shift
        steps, rest = divmod(units, divisor)
        if rest:
            raise OffGridError(f"{self.name} {text} is off the {self.step:f} grid")
        if steps > INT64_MAX:
            raise BeyondRangeError(
                f"{self.name} {text} is beyond the int64 range of {self.step:f} steps"
            )
        return -steps if sign == "-" else steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One symbol of one venue.

    Attributes
    ----------
    symbol : str
        Name in every table, unique over venues.
    venue, venue_symbol, kind : str
        ``kind`` is one of ``spot``, ``linear_perpetual``, ``inverse_perpetual``, ``future``,
        ``equity``, ``option``, ``forex``, ``cfd``.
    price_step : Decimal, > 0, quote currency
        Finest step the venue ever reported: the grid that ``price_ticks`` counts.
    tick_size : Decimal, a multiple of ``price_step``
        Grid on which the venue quotes today and on which footprint rows lie.
    lot_step : Decimal, > 0
        Finest step of a size: what ``qty_lots`` counts.
    contract_value : Decimal, > 0
        Quote currency earned by one contract (lot x lot_step) when the price rises by 1;
        for ``inverse_perpetual`` the face value of one contract.
    quote_currency : str
    day_rule : {"utc", "local", "roll"}
        ``utc``: the UTC date. ``local``: the date in ``timezone``. ``roll``: the session of
        ``calendar``; a time outside every session belongs to the next one.
    calendar, timezone : str
        ``calendar`` may be empty where the market never closes.
    maker_fee, taker_fee : Decimal
        Fractions of the notional.
    fee_per_contract : Decimal
        Quote currency a contract and side.
    quote_lag_ms : int
        Subtracted from the time of a trade when its quote has a receive time only.
    daily_halt : str
        Local hours of ``timezone`` in which the market pauses inside a session or between two, such
        as ``16:00-17:00``; the end is excluded. Empty: none.
    max_id_step : int
        Largest step of consecutive trade ids that is no gap: 1, or 2 where the venue leaves
        single holes on purpose; 0 where ids carry no meaning.
    source : str
        Source that can read this symbol on a fresh machine, or empty.
    sessions : Sessions or None
        Needed by ``roll``; with ``local`` it marks what lies outside opening hours.

    Raises
    ------
    ValueError
        A field is outside its domain; the message names symbol, field and value.
    """

    symbol: str
    venue: str
    venue_symbol: str
    kind: str
    price_step: Decimal
    tick_size: Decimal
    lot_step: Decimal
    contract_value: Decimal
    quote_currency: str
    day_rule: DayRule
    calendar: str = ""
    timezone: str = "UTC"
    maker_fee: Decimal = Decimal(0)
    taker_fee: Decimal = Decimal(0)
    fee_per_contract: Decimal = Decimal(0)
    daily_halt: str = ""
    quote_lag_ms: int = 0
    max_id_step: int = 1
    source: str = ""
    sessions: Sessions | None = field(default=None, compare=False, repr=False)
    _price_grid: _Grid = field(init=False, compare=False, repr=False)
    _lot_grid: _Grid = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("price_step", "tick_size", "lot_step", "contract_value"):
            value = getattr(self, name)
            if not isinstance(value, Decimal) or not value.is_finite() or value <= 0:
                raise ValueError(f"{self.symbol}: {name} must be a positive Decimal, got {value!r}")
        if self.tick_size % self.price_step:
            raise ValueError(
                f"{self.symbol}: tick_size must be a multiple of price_step {self.price_step}, "
                f"got {self.tick_size}"
            )
        if self.day_rule not in DAY_RULES:
            raise ValueError(
                f"{self.symbol}: day_rule must be in {DAY_RULES}, got {self.day_rule!r}"
            )
        for name in ("quote_lag_ms", "max_id_step"):
            if getattr(self, name) < 0:
                raise ValueError(f"{self.symbol}: {name} must be >= 0, got {getattr(self, name)}")
        self._halt_minutes()
        object.__setattr__(self, "_price_grid", _Grid("price", self.price_step))
        object.__setattr__(self, "_lot_grid", _Grid("quantity", self.lot_step))

    # -- decimal text and integers ---------------------------------------------------------------

    def price_to_ticks(self, text: str) -> int:
        """Return the price ``text`` as a whole number of ``price_step``.

        Raises
        ------
        ValueError
            The text is no plain decimal number, off the grid, or beyond int64.
        TypeError
            It is no text: a float has already lost the vendor's digits.

        Examples
        --------
        >>> es.price_to_ticks("1640.25")
        6561
        """
        return self._price_grid.convert(text)

    def qty_to_lots(self, text: str) -> int:
        """Return the size ``text`` as a whole number of ``lot_step``; errors as for prices."""
        return self._lot_grid.convert(text)

    def prices_to_ticks(self, texts: Sequence[str]) -> tuple[Int64, list[tuple[int, str]]]:
        """Convert many prices; a bad one gives 0 there and an entry in the list of rejects.

        Returns
        -------
        ticks : ndarray of int64, shape (n,), unit ticks
        rejects : list of (position, reason)
        """
        return _convert_all(self._price_grid, texts)

    def qtys_to_lots(self, texts: Sequence[str]) -> tuple[Int64, list[tuple[int, str]]]:
        """Convert many sizes; see :meth:`prices_to_ticks`."""
        return _convert_all(self._lot_grid, texts)

    def ticks_to_price(self, ticks: ArrayLike) -> Float64:
        """Return prices for people: the float64 nearest to ticks x ``price_step``."""
        return _scale(ticks, self.price_step)

    def lots_to_qty(self, lots: ArrayLike) -> Float64:
        """Return sizes for people: the float64 nearest to lots x ``lot_step``."""
        return _scale(lots, self.lot_step)

    @property
    def tick_steps(self) -> int:
        """Number of ``price_step`` in one ``tick_size``."""
        return int(self.tick_size / self.price_step)

    @property
    def tick_value(self) -> float:
        """Quote currency that one lot earns when the price rises by one ``price_step``."""
        return float(self.price_step * self.lot_step * self.contract_value)

    # -- times and trading days ------------------------------------------------------------------

    def trading_day_of(self, ts_ns: ArrayLike) -> Int64:
        """Return the trading day of each time, in days since 1970-01-01.

        Parameters
        ----------
        ts_ns : array_like of int64, shape (n,), unit ns UTC, any order

        Raises
        ------
        ValueError
            ``roll``: a time lies outside the span of the known sessions.

        Notes
        -----
        ``trading_day_of(t) == d`` exactly when ``t`` lies in ``trading_day_window(d)``. With
        ``roll`` a time that equals a close belongs to the next session.
        """
        ts = require_int64("ts_ns", ts_ns)
        if self.day_rule == "utc" or not len(ts):
            return ts // DAY_NS
        if self.day_rule == "local":
            first, starts = self._local_days(ts)
            return first + np.searchsorted(starts, ts, side="right") - 1
        sessions = self._known_sessions()
        if ts.min() < sessions.open_ns[0] or ts.max() >= sessions.close_ns[-1]:
            found = ts.min() if ts.min() < sessions.open_ns[0] else ts.max()
            raise ValueError(
                f"{self.symbol}: time {found} lies outside the sessions known of {self.calendar}, "
                f"[{sessions.open_ns[0]}, {sessions.close_ns[-1]})"
            )
        return sessions.day[np.searchsorted(sessions.close_ns, ts, side="right")]

    def trading_day_window(self, day: date) -> tuple[int, int]:
        """Return the half-open range of times ``[start_ns, end_ns)`` that belong to ``day``.

        With ``roll`` it starts at the previous session's close, because what happens between two
        sessions belongs to the later one; :meth:`session_window` has the opening hours.

        Raises
        ------
        ValueError
            ``roll``: the calendar has no session on that day.
        """
        if self.day_rule == "utc":
            start = (day - EPOCH).days * DAY_NS
            return start, start + DAY_NS
        if self.day_rule == "local":
            return self._local_midnight(day), self._local_midnight(day + timedelta(days=1))
        i, sessions = self._session_of(day)
        start = sessions.close_ns[i - 1] if i else sessions.open_ns[0]
        return int(start), int(sessions.close_ns[i])

    def session_window(self, day: date) -> tuple[int, int]:
        """Return the opening hours ``[open_ns, close_ns)`` of ``day``; the whole day without any.

        Raises
        ------
        ValueError
            ``roll``: the calendar has no session on that day.
        """
        if self.day_rule != "roll" and not self._has_session(day):
            return self.trading_day_window(day)
        i, sessions = self._session_of(day)
        return int(sessions.open_ns[i]), int(sessions.close_ns[i])

    def is_outside_session(self, ts_ns: ArrayLike) -> Bool:
        """Return which times lie in no session or in the daily halt; none where the market never closes."""
        ts = require_int64("ts_ns", ts_ns)
        halted = self.is_in_halt(ts)
        if self.day_rule == "utc" or (self.sessions is None and self.day_rule == "local"):
            return halted
        sessions = self._known_sessions()
        i = np.searchsorted(sessions.open_ns, ts, side="right") - 1
        return halted | (i < 0) | (ts >= sessions.close_ns[np.maximum(i, 0)])

    def is_in_halt(self, ts_ns: ArrayLike) -> Bool:
        """Return which times lie in the daily halt, on any day of the week."""
        ts = require_int64("ts_ns", ts_ns)
        halt = self._halt_minutes()
        if halt is None or not len(ts):
            return np.zeros(len(ts), np.bool_)
        zone = ZoneInfo(self.timezone)
        # Offsets change at quarters of an hour at most, so one conversion each is enough.
        quarters, which = np.unique(ts // _QUARTER_NS, return_inverse=True)
        minutes = np.array([_local_minute(int(q), zone) for q in quarters], np.int64)
        minute = minutes[which] + ts % _QUARTER_NS // _MINUTE_NS
        found: Bool = (minute >= halt[0]) & (minute < halt[1])
        return found

    def _halt_minutes(self) -> tuple[int, int] | None:
        if not self.daily_halt:
            return None
        match = _HALT.fullmatch(self.daily_halt)
        hours = [int(text) for text in match.groups()] if match else []
        if (
            not hours
            or max(hours[1::2]) > 59
            or not 0 <= _minutes(hours[:2]) < _minutes(hours[2:]) <= 1440
        ):
            raise ValueError(
                f"{self.symbol}: daily_halt must be HH:MM-HH:MM within a day, got {self.daily_halt!r}"
            )
        return _minutes(hours[:2]), _minutes(hours[2:])

    def _known_sessions(self) -> Sessions:
        if self.sessions is None:
            raise ValueError(f"{self.symbol}: day_rule {self.day_rule!r} needs sessions, got none")
        return self.sessions

    def _has_session(self, day: date) -> bool:
        return self.sessions is not None and bool((self.sessions.day == (day - EPOCH).days).any())

    def _session_of(self, day: date) -> tuple[int, Sessions]:
        sessions = self._known_sessions()
        wanted = (day - EPOCH).days
        i = int(np.searchsorted(sessions.day, wanted))
        if i == len(sessions) or sessions.day[i] != wanted:
            raise ValueError(f"{self.symbol}: {self.calendar} has no session on {day}")
        return i, sessions

    def _local_midnight(self, day: date) -> int:
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.timezone))
        # Whole seconds: an offset has no fraction, and float timestamps would lose nanoseconds.
        return int(local.astimezone(UTC).timestamp()) * 1_000_000_000

    def _local_days(self, ts: Int64) -> tuple[int, Int64]:
        # A zone lies within a day of UTC, so one day more on each side covers every local date.
        first = int(ts.min()) // DAY_NS - 1
        last = int(ts.max()) // DAY_NS + 1
        days = [EPOCH + timedelta(days=d) for d in range(first, last + 1)]
        return first, np.array([self._local_midnight(day) for day in days], np.int64)


def _minutes(clock: Sequence[int]) -> int:
    return clock[0] * 60 + clock[1]


def _local_minute(quarter: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone)
    return local.hour * 60 + local.minute


def _convert_all(grid: _Grid, texts: Sequence[str]) -> tuple[Int64, list[tuple[int, str]]]:
    steps_of: dict[str, int] = {}
    reason_of: dict[str, str] = {}
    for text in dict.fromkeys(texts):
        try:
            steps_of[text] = grid.convert(text)
        except ValueError as error:
            steps_of[text] = 0
            reason_of[text] = str(error)
    steps = np.fromiter(map(steps_of.__getitem__, texts), np.int64, len(texts))
    if not reason_of:
        return steps, []
    return steps, [(i, reason_of[text]) for i, text in enumerate(texts) if text in reason_of]


def _scale(steps: ArrayLike, step: Decimal) -> Float64:
    # Multiply and divide by exact integers: 3 * 0.1 is not 0.3, 3 * 1 / 10 is.
    numerator, denominator = step.as_integer_ratio()
    return np.asarray(steps, np.float64) * float(numerator) / float(denominator)
