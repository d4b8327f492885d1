"""Layouts of Binance's public data files: which columns, which market, which name.

========================  =====================================================================
file                      fields, in order
========================  =====================================================================
spot aggTrades            agg id, price, qty, first id, last id, time, buyer is maker, best match
spot trades               id, price, qty, quote qty, time, buyer is maker, best match
futures aggTrades         agg id, price, qty, first id, last id, time, buyer is maker
futures trades            id, price, qty, quote (COIN-M: base) qty, time, buyer is maker
futures bookTicker        update id, bid, bid qty, ask, ask qty, transaction time, event time
========================  =====================================================================

Some files have a header and some of the same kind have none, so the layout is told from the first
line that reads like one: from how many fields it has and which of them are true or false.
"""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from orchestration.sources.markets import COIN_M, FUTURES, SPOT
from orchestration.sources.records import SourceError
from orderflow_core.instrument import Instrument

_NAME = re.compile(
    r"([A-Z0-9_]+)-(aggTrades|trades|bookTicker)-([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?"
)
_REPLY_NAME = re.compile(r"([A-Z0-9_]+)-(aggTrades|trades)-ids-")
_HEADER = re.compile(rb"[A-Za-z][A-Za-z_]*(?:,[A-Za-z][A-Za-z_]*)+\r?")
_FLAG = re.compile(rb"(?i:true|false)")
_NUMBER = re.compile(rb"[0-9.]+(?:[eE][+-]?[0-9]+)?|-1")
_FOLDERS = {
    "binance_spot": "spot", "binance_um": "futures/um", "binance_cm": "futures/cm",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Fields of one kind of file.

    Attributes
    ----------
    kind : {"aggTrades", "trades", "bookTicker"}
    market : str
        As :mod:`orchestration.sources.markets` names it.
    fields : tuple of str
        Empty where the field is not read.
    flags : tuple of int
        Positions of true and false.
    """

    kind: str
    market: str
    fields: tuple[str, ...]
    flags: tuple[int, ...] = ()


_AGGREGATE = ("trade_id", "price", "qty", "first_id", "last_id", "time", "is_buyer_maker")
# The fourth field is never read: files were seen whose base quantities lack their exponent.
_TRADE = ("trade_id", "price", "qty", "", "time", "is_buyer_maker")
LAYOUTS = (
    Layout(kind="aggTrades", market=SPOT, fields=(*_AGGREGATE, "is_best_match"), flags=(6, 7)),
    Layout(kind="trades", market=SPOT, fields=(*_TRADE, "is_best_match"), flags=(5, 6)),
    Layout(kind="aggTrades", market=FUTURES, fields=_AGGREGATE, flags=(6,)),
    Layout(kind="trades", market=FUTURES, fields=_TRADE, flags=(5,)),
    Layout(
        kind="bookTicker", market=FUTURES,
        fields=("quote_id", "bid", "bid_qty", "ask", "ask_qty", "time", "time_sent"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveName:
    """What the name of a file says: symbol, kind, and the day or month it covers."""

    symbol: str
    kind: str
    year: int
    month: int
    day: int = 0

    def first_and_end(self) -> tuple[date, date]:
        """Return the first day covered and the first one after.

        Raises
        ------
        ValueError
            There is no such day.
        """
        first = date(self.year, self.month, self.day or 1)
        if self.day:
            return first, date.fromordinal(first.toordinal() + 1)
        return first, date(self.year + self.month // 12, self.month % 12 + 1, 1)


def parse_name(name: str) -> ArchiveName | None:
    """Return what the name of an archive, its member or its CSV says; None where it says nothing."""
    match = _NAME.match(PurePosixPath(name).name)
    if match is None:
        return None
    symbol, kind, year, month, day = match.groups()
    found = ArchiveName(
        symbol=symbol, kind=kind, year=int(year), month=int(month), day=int(day or 0)
    )
    try:
        found.first_and_end()
    except ValueError:
        return None
    return found


def archive_folder(instrument: Instrument) -> str:
    """Return the folder of an instrument's market in the archive.

    Raises
    ------
    SourceError
        The venue publishes no archive of that market.
    """
    folder = _FOLDERS.get(instrument.venue)
    if folder is None:
        known = ", ".join(sorted(_FOLDERS))
        raise SourceError(
            instrument.symbol,
            f"its venue {instrument.venue} has no public archive at Binance, only {known} have",
        )
    return folder


def archive_path(instrument: Instrument, kind: str, day: date, *, is_month: bool = False) -> str:
    """Return where a file lies under the archive's root; errors as :func:`archive_folder`."""
    symbol = instrument.venue_symbol.upper()
    period = f"{day:%Y-%m}" if is_month else f"{day:%Y-%m-%d}"
    span = "monthly" if is_month else "daily"
    name = f"{symbol}-{kind}-{period}.zip"
    return f"data/{archive_folder(instrument)}/{span}/{kind}/{symbol}/{name}"


def is_header(line: bytes) -> bool:
    """Return whether a line has the names of columns instead of a record."""
    return _HEADER.fullmatch(line) is not None and not all(
        _FLAG.fullmatch(field) for field in line.rstrip(b"\r").split(b",")
    )


def layout_of(lines: list[bytes]) -> Layout | None:
    """Return the layout of the first line that has one; None where no line has."""
    for line in lines:
        fields = line.removesuffix(b"\r").split(b",")
        flags = tuple(i for i, field in enumerate(fields) if _FLAG.fullmatch(field))
        is_plain = all(_NUMBER.fullmatch(field) for i, field in enumerate(fields) if i not in flags)
        for layout in LAYOUTS if is_plain else ():
            if (len(fields), flags) == (len(layout.fields), layout.flags):
                return layout
    return None


def market_of_header(line: bytes, layout: Layout) -> str:
    """Return the market of a file: COIN-M files say so in the name of their fourth column."""
    if layout.market == FUTURES and re.search(rb"(?i)base_?qty", line):
        return COIN_M
    return layout.market


def parse_reply_name(name: str) -> tuple[str, str] | None:
    """Return symbol and kind of a file of REST records; None where its name says nothing."""
    match = _REPLY_NAME.match(name)
    return (match[1], match[2]) if match else None
