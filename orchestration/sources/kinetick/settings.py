"""What the files do not say themselves: the zone of their stamps, and when the market is shut."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

HALT_ZONE = "America/Chicago"
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSettings:
    """How NinjaTrader's files are to be read.

    Attributes
    ----------
    export_timezone : str
        Zone of the stamps in text exports. NinjaTrader's help says they are UTC.
    replay_timezone : str
        Zone of the stamps in market-replay dumps: that of the PC that wrote them. Empty: not
        known, and a dump is refused, because nothing in it says so.
    halt_minutes : tuple of int
        First and last (excluded) minute of the Chicago day in which CME futures do not trade.
    check_halt : bool
        Refuse a file of CME futures with a trade inside the halt: its zone is not what it
        should be.

    Raises
    ------
    ValueError
        The halt is no range of minutes of a day.
    zoneinfo.ZoneInfoNotFoundError
        A zone is not known.
    """

    export_timezone: str = "UTC"
    replay_timezone: str = ""
    halt_minutes: tuple[int, int] = (16 * 60, 17 * 60)
    check_halt: bool = True

    def __post_init__(self) -> None:
        first, end = self.halt_minutes
        if not 0 <= first < end <= _DAY_MINUTES:
            raise ValueError(f"halt_minutes must be 0 <= first < end <= 1440, got {first}, {end}")
        for name in (self.export_timezone, self.replay_timezone):
            if name:
                ZoneInfo(name)


DEFAULTS = ReadSettings()
