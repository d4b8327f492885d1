"""Obvious forms of the conversions: Decimal arithmetic with room to spare, loops over sessions."""

from datetime import UTC, date, datetime
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

_WIDE = Context(prec=400, Emax=10**6, Emin=-(10**6))


def to_steps(text, step):
    """Return how often ``step`` goes into the number, or None when it does not do so exactly."""
    value = _WIDE.create_decimal(text)
    steps = int(_WIDE.to_integral_value(_WIDE.divide(value, Decimal(step))))
    return steps if _WIDE.multiply(Decimal(steps), Decimal(step)) == value else None


def roll_day(t, sessions):
    """sessions: list of (day, open_ns, close_ns). The first session that is not over by ``t``."""
    for day, _, close in sessions:
        if t < close:
            return day
    return None


def is_outside(t, sessions):
    return not any(start <= t < close for _, start, close in sessions)


def local_day(t, zone):
    when = datetime.fromtimestamp(t // 10**9, UTC).astimezone(ZoneInfo(zone))
    return (when.date() - date(1970, 1, 1)).days
