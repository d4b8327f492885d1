"""Which Binance market a recorded frame comes from, by what the frame itself carries.

Spot and USD-M use the same symbols and almost the same frames, so a file of the wrong market reads
well and means something else. What tells them apart:

==============  =========================================  =====================================
frame           spot                                       futures
==============  =========================================  =====================================
``trade``       has ``M``, no ``X``                        has ``X`` (what made the trade)
``aggTrade``    has ``M``                                  has no ``M``
``bookTicker``  no event name and no time                  has ``e`` and ``T``
``depth``       has no ``pu`` and no ``T``                 has ``pu`` and ``T``
==============  =========================================  =====================================

Among futures ``st`` decides where it is there (1 USD-M, 2 COIN-M), then the symbol: only COIN-M
contracts end like ``BTCUSD_PERP`` or ``BTCUSD_240927``. ``ps`` says no more than that a frame is
of futures: since both run on one engine, USD-M frames may carry it too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

SPOT, USD_M, COIN_M, FUTURES = "spot", "USD-M futures", "COIN-M futures", "futures"
# An aggregate without M: of futures, unless the other frames of the file say that M was damaged.
UNMARKED = "futures (aggTrade without M)"

_COIN_M_SYMBOL = re.compile(r"[A-Z0-9]+USD_(?:PERP|[0-9]{6})")
_CONTRADICTS = {
    "spot": {USD_M, COIN_M, FUTURES, UNMARKED},
    "linear_perpetual": {SPOT, COIN_M},
    "inverse_perpetual": {SPOT, USD_M},
    "future": {SPOT},
}


def market_of(kind: str, data: Mapping[str, Any]) -> str:
    """Return the market of a readable frame, or "" where it does not say.

    Parameters
    ----------
    kind : str
        ``trade``, ``aggTrade``, ``bookTicker`` or ``depth``.
    data : mapping
        The frame without its ``stream`` wrapper.
    """
    number = data.get("st")
    if type(number) is int and number in (1, 2):
        return USD_M if number == 1 else COIN_M
    if _COIN_M_SYMBOL.fullmatch(data["s"]):
        return COIN_M
    if kind == "depth":
        is_futures, is_spot = "pu" in data and "T" in data, data.keys().isdisjoint(("pu", "T"))
    elif kind == "bookTicker":
        is_futures = "e" in data and "T" in data
        is_spot = data.keys().isdisjoint(("e", "E", "T"))
    else:
        is_futures, is_spot = "X" in data, type(data.get("M")) is bool
        if kind == "aggTrade" and not is_spot and "ps" not in data:
            return UNMARKED
    is_futures |= "ps" in data
    if is_futures == is_spot:
        return ""
    return FUTURES if is_futures else SPOT


def require_market(path: Path, instrument: Instrument, first_line: Mapping[str, int]) -> None:
    """Demand that no frame of a file is of another market than the instrument.

    Parameters
    ----------
    path : Path
    instrument : Instrument
    first_line : mapping of str to int
        Market -> first line on which a frame of it stood.

    Raises
    ------
    SourceError
        Names the line, what the frame is, and the symbol that was probably meant.
    """
    against = _CONTRADICTS.get(instrument.kind, set())
    if SPOT in first_line:
        against = against - {UNMARKED}
    wrong = {line: market for market, line in first_line.items() if market in against}
    if not wrong:
        return
    line = min(wrong)
    venue_symbol = instrument.venue_symbol
    likely = f"{venue_symbol}.SPOT" if wrong[line] == SPOT else venue_symbol
    advice = "" if likely == instrument.symbol else f" Was --symbol {likely} meant?"
    raise SourceError(
        path,
        f"line {line}: the {venue_symbol} frames are {wrong[line]}, but {instrument.symbol} is "
        f"{instrument.kind}: nothing of the file is taken.{advice}",
    )
