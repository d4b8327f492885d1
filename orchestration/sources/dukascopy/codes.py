"""Dukascopy's instruments: names in its two services, the point of its integer prices.

The hourly files hold prices as whole points and say nowhere how large a point is, so an
instrument needs an entry here; the range of plausible prices catches a wrong one, because files
of another instrument or divisor are off by a factor of ten or more. The API gives its multiplier
with every answer. Values: the vendor's instrument list as its public clients keep it.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

VENUE = "dukascopy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One instrument of the vendor.

    Attributes
    ----------
    code : str
        Name in the file service, such as ``USA500IDXUSD``: the ``venue_symbol``.
    api_code : str
        Name in the API, such as ``USA500.IDX-USD``.
    point : Decimal
        What one unit of an integer price is worth.
    low, high : Decimal
        Prices outside were never seen; the median of a file is held against them.
    """

    code: str
    api_code: str
    point: Decimal
    low: Decimal
    high: Decimal


_CLASSES = re.compile(r"([A-Z0-9]+?)(IDX|CMD|TR|US)([A-Z]{3})")

# Decimals of a point: then code, lowest and highest plausible price.
_LISTED = {
    5: """
        EURUSD .6 2, GBPUSD .9 2.6, AUDUSD .4 1.3, NZDUSD .3 1.1, USDCHF .6 2, USDCAD .8 1.8,
        EURGBP .5 1.2, EURCHF .8 1.9, EURAUD 1 2.5, EURCAD 1 2, EURNZD 1.2 2.8, GBPCHF .9 2.7,
        GBPAUD 1.2 3.2, GBPCAD 1.3 2.7, GBPNZD 1.5 3.6, AUDCAD .6 1.3, AUDCHF .4 1.3, AUDNZD .9 1.5,
        CADCHF .5 1.4, NZDCAD .5 1.2, NZDCHF .4 1.2, USDSGD .9 2, USDNOK 4 14, USDSEK 5 14,
        USDDKK 4 10, USDPLN 1.8 7, USDMXN 7 35, USDZAR 4 30, USDTRY 1 100, USDHKD 7 8.5
    """,
    4: "USDTHB 20 60, USDCZK 12 45, GASCMDUSD 1 25, COPPERCMDUSD .5 20",
    3: """
        USDJPY 60 300, EURJPY 80 300, GBPJPY 100 350, AUDJPY 45 200, NZDJPY 35 160, CADJPY 55 200,
        CHFJPY 55 300, SGDJPY 50 200, USDHUF 130 600, EURHUF 200 700, XAUUSD 200 20000,
        XAGUSD 3 300, USA500IDXUSD 400 40000, USATECHIDXUSD 700 120000, USA30IDXUSD 5000 200000,
        DEUIDXEUR 2000 100000, GBRIDXGBP 2500 40000, JPNIDXJPY 6000 200000, DOLLARIDXUSD 60 200,
        LIGHTCMDUSD 5 300, BRENTCMDUSD 8 300, BUNDTREUR 80 250, AAPLUSUSD 10 2000
    """,
    2: "VOLIDXUSD 5 200",
    1: "BTCUSD 50 5000000, ETHUSD 3 500000, LTCUSD .5 50000",
}


def api_code(code: str) -> str:
    """Return the API's name of an instrument of the file service.

    Raises
    ------
    ValueError
        The name follows none of the vendor's patterns.

    Examples
    --------
    >>> api_code("EURUSD"), api_code("USA500IDXUSD"), api_code("AAPLUSUSD")
    ('EUR-USD', 'USA500.IDX-USD', 'AAPL.US-USD')
    """
    if re.fullmatch("[A-Z]{6}", code):
        return f"{code[:3]}-{code[3:]}"
    match = _CLASSES.fullmatch(code)
    if match is None:
        raise ValueError(f"{code!r} is no code of the vendor's file service")
    return f"{match[1]}.{match[2]}-{match[3]}"


def _table() -> dict[str, Listing]:
    table = {}
    for decimals, entries in _LISTED.items():
        for entry in entries.split(","):
            code, low, high = entry.split()
            table[code] = Listing(
                code=code, api_code=api_code(code), point=Decimal(1).scaleb(-decimals),
                low=Decimal(low), high=Decimal(high),
            )  # fmt: skip
    return table


LISTINGS = _table()


def listing_of(instrument: Instrument) -> Listing:
    """Return the vendor's entry of an instrument.

    Raises
    ------
    SourceError
        The instrument is of another venue, or its point is not known.
    """
    require_venue(instrument)
    found = LISTINGS.get(instrument.venue_symbol)
    if found is None:
        raise SourceError(
            instrument.symbol,
            f"{instrument.venue_symbol!r} is not in the table of Dukascopy's instruments, so the "
            f"point of its prices is unknown; known are {', '.join(sorted(LISTINGS))}",
        )
    return found


def require_venue(instrument: Instrument) -> None:
    """Refuse an instrument of another venue."""
    if instrument.venue != VENUE:
        raise SourceError(
            instrument.symbol, f"is of venue {instrument.venue!r}, these files are of {VENUE!r}"
        )
