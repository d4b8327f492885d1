"""What the files do not say themselves: the zone of their stamps."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo


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
    check_halt : bool
        Refuse a file with a trade inside the instrument's ``daily_halt``: its zone is not what it
        should be.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        A zone is not known.
    """

    export_timezone: str = "UTC"
    replay_timezone: str = ""
    check_halt: bool = True

    def __post_init__(self) -> None:
        for name in (self.export_timezone, self.replay_timezone):
            if name:
                ZoneInfo(name)


DEFAULTS = ReadSettings()
