"""Names of NinjaTrader's files and contracts: ``ES 03-24.Last.txt``, ``MSFT.Bid (1).txt``."""

import re
from dataclasses import dataclass
from pathlib import Path

from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

LAST, BID, ASK = "Last", "Bid", "Ask"
_NAME = re.compile(
    r"(?P<contract>.+?)(?: Tick)?\.(?P<side>Last|Bid|Ask)(?: \([0-9]+\))?\.txt(?:\.gz)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportName:
    """What the name of an export says: its contract and ``Last``, ``Bid`` or ``Ask``."""

    contract: str
    side: str


def export_name(path: Path) -> ExportName | None:
    """Return what a file's name says, or None for a name that NinjaTrader did not give."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    return ExportName(contract=match["contract"], side=match["side"].capitalize())


def is_contract_of(contract: str, instrument: Instrument) -> bool:
    """Return whether ``ES 03-24`` belongs to an instrument.

    An instrument whose ``venue_symbol`` has no month (``ES``) takes every month.
    """
    wanted = instrument.venue_symbol.upper()
    found = contract.upper()
    return wanted in (found, found.split(" ")[0])


def require_contract(path: Path, instrument: Instrument) -> None:
    """Refuse a file whose name says that it is of another instrument.

    Raises
    ------
    SourceError
        Names both.
    """
    name = export_name(path)
    if name is not None and not is_contract_of(name.contract, instrument):
        raise SourceError(
            path,
            f"is named after {name.contract}, and {instrument.symbol} is "
            f"{instrument.venue_symbol} at the venue",
        )


def counterpart(path: Path) -> Path:
    """Return the name of the Ask file beside a Bid file, or of the Bid file beside an Ask file."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path.name!r} is no name of an export")
    start, end = match.span("side")
    other = ASK if match["side"].capitalize() == BID else BID
    return path.with_name(path.name[:start] + other + path.name[end:])
