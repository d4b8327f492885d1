"""Opening hours from ``exchange_calendars``, handed to the core as plain arrays."""

import warnings
from functools import cache
from typing import Any

import numpy as np

from orderflow_core.instrument import DAY_NS, Sessions

# Opened with an explicit span: the package's default reaches back 20 years from *today*, so the
# same trade could fall in and out of it. The end lies a few years ahead of any data.
FIRST_DAY = "2000-01-01"
LAST_DAY = "2035-12-31"


class UnknownCalendar(ValueError):  # noqa: N818  says what it is
    """No trading calendar has that name."""


@cache
def open_sessions(
    calendar: str, *, first_day: str = FIRST_DAY, last_day: str = LAST_DAY
) -> Sessions:
    """Return the sessions of ``calendar`` between two days, both included.

    Parameters
    ----------
    calendar : str
        Name or alias in ``exchange_calendars``, such as ``CMES`` or ``XNYS``.
    first_day, last_day : str, ISO dates

    Raises
    ------
    UnknownCalendar
        There is no such calendar.

    Notes
    -----
    The sessions are the calendar's, not the exchange's books: CME books a holiday Monday into
    Tuesday, the calendar has a short session of its own.
    """
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    with warnings.catch_warnings():
        # The package (4.13) reads its own schedule in a way that pandas 3.1 announces to change.
        warnings.filterwarnings("ignore", message="Series.values returning an ndarray")
        try:
            opened = exchange_calendars.get_calendar(calendar, start=first_day, end=last_day)
        except InvalidCalendarName as error:
            raise UnknownCalendar(f"exchange_calendars has no calendar {calendar!r}") from error
    schedule = opened.schedule
    return Sessions(
        day=_int64_ns(schedule.index) // DAY_NS,
        open_ns=_int64_ns(schedule["open"]),
        close_ns=_int64_ns(schedule["close"]),
    )


def _int64_ns(times: Any) -> np.ndarray:
    # The unit of a pandas time depends on its version: say it, then take the integers.
    return np.asarray(times.to_numpy(dtype="datetime64[ns]")).astype(np.int64)
