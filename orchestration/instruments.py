"""The instruments that this installation knows: packaged defaults under the user's own file."""

import dataclasses
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from orchestration.calendars import open_sessions
from orderflow_core.instrument import Instrument

PACKAGED = Path(__file__).with_name("instruments.toml")
FILE_NAME = "instruments.toml"
CHICAGO_HALT = "16:00-17:00"
_DECIMALS = (
    "price_step", "tick_size", "lot_step", "contract_value",
    "maker_fee", "taker_fee", "fee_per_contract",
)  # fmt: skip
_INTEGERS = ("quote_lag_ms", "max_id_step")
_TEXTS = (
    "venue", "venue_symbol", "kind", "quote_currency", "day_rule", "calendar", "timezone", "daily_halt",
    "source",
)  # fmt: skip
_REQUIRED = (
    "venue", "venue_symbol", "kind", "price_step", "tick_size", "lot_step", "contract_value",
    "quote_currency", "day_rule",
)  # fmt: skip


class InstrumentError(ValueError):
    """An instruments file says something that no instrument can be."""


class UnknownSymbol(KeyError):  # noqa: N818  says what it is
    """No instrument has that name; the message lists the nearest ones."""

    def __init__(self, symbol: str, known: Mapping[str, object] | list[str]) -> None:
        super().__init__(symbol)
        self.symbol = symbol
        self.near = near_matches(symbol, list(known))

    def __str__(self) -> str:
        hint = f"the nearest are {', '.join(self.near)}" if self.near else "none is like it"
        return (
            f"unknown symbol {self.symbol!r}: {hint}; "
            f"a new one is a table in $ORDERFLOW_HOME/{FILE_NAME}"
        )


def near_matches(symbol: str, known: list[str], limit: int = 5) -> list[str]:
    """Return the known names that look like ``symbol``, best first; letter case is ignored."""
    by_upper = {name.upper(): name for name in known}
    wanted = symbol.upper()
    inside = sorted(n for n in by_upper if wanted and (wanted in n or n in wanted))
    close = difflib.get_close_matches(wanted, by_upper, n=limit, cutoff=0.5)
    return [by_upper[name] for name in dict.fromkeys(close + inside)][:limit]


class Instruments(dict[str, Instrument]):
    """Instruments by symbol, in the order of the files.

    A missing key raises :class:`UnknownSymbol`. Every table is checked when the files are read;
    a trading calendar is opened when its instrument is first asked for, because importing the
    calendars takes a second that a command about another symbol need not pay.
    """

    def __getitem__(self, symbol: str) -> Instrument:
        instrument = dict.get(self, symbol)
        if instrument is None:
            raise UnknownSymbol(symbol, list(self))
        if instrument.calendar and instrument.sessions is None:
            sessions = open_sessions(instrument.calendar)
            instrument = dataclasses.replace(instrument, sessions=sessions)
            self[symbol] = instrument
        return instrument

    def get(self, symbol: str, default: Any = None) -> Any:
        """Return the instrument, its calendar opened, or ``default``."""
        try:
            return self[symbol]
        except UnknownSymbol:
            return default

    def values(self) -> Any:
        """Return all instruments, their calendars opened."""
        return [self[symbol] for symbol in list(self)]

    def items(self) -> Any:
        """Return all (symbol, instrument) pairs, their calendars opened."""
        return [(symbol, self[symbol]) for symbol in list(self)]


def load_instruments(home: Path | None = None) -> Instruments:
    """Read the packaged instruments and lay ``home/instruments.toml`` over them.

    Parameters
    ----------
    home : Path or None
        ``ORDERFLOW_HOME``. A table of the same name there replaces the keys that it gives, a new
        one must be complete.

    Raises
    ------
    InstrumentError
        A file is no TOML, or a table misses a key, has an unknown one or a value out of domain;
        the message names file, table and key.

    Examples
    --------
    >>> load_instruments()["BTCUSDT"].tick_steps
    10
    """
    tables = _read_tables(PACKAGED)
    origin = dict.fromkeys(tables, PACKAGED)
    own = home / FILE_NAME if home is not None else None
    if own is not None and own.is_file():
        for symbol, table in _read_tables(own).items():
            tables[symbol] = {**tables.get(symbol, {}), **table}
            origin[symbol] = own
    return Instruments({s: _build(s, table, origin[s]) for s, table in tables.items()})


def _read_tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        # Decimal takes the digits as written, so a number without quotes is exact as well.
        tables = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InstrumentError(f"{path} is no valid TOML: {error}") from error
    for symbol, table in tables.items():
        if not isinstance(table, dict):
            raise InstrumentError(f"{path}: {symbol!r} must be a table, got {table!r}")
    return tables


def _build(symbol: str, table: dict[str, Any], path: Path) -> Instrument:
    missing = [key for key in _REQUIRED if key not in table]
    if missing:
        raise InstrumentError(f"{path}: [{symbol}] misses {', '.join(missing)}")
    if table["kind"] == "future" and table.get("timezone") == "America/Chicago":
        table = {"daily_halt": CHICAGO_HALT} | table
    try:
        return Instrument(symbol=symbol, **dict(_fields(table)))
    except ValueError as error:
        raise InstrumentError(f"{path}: [{symbol}] {error}") from error


def _fields(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if key == "columns":  # how to read a user's tables; the source `generic` checks it
            continue
        if key in _DECIMALS:
            yield key, _decimal(key, value)
        elif key in _INTEGERS:
            if isinstance(value, bool) or not isinstance(value, int):
                raise ValueError(f"{key} must be an integer, got {value!r}")
            yield key, value
        elif key in _TEXTS:
            if not isinstance(value, str):
                raise ValueError(f"{key} must be text, got {value!r}")
            yield key, value
        else:
            known = sorted((*_DECIMALS, *_INTEGERS, *_TEXTS))
            raise ValueError(f"has an unknown key {key!r}; known are {', '.join(known)}")


def _decimal(key: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"{key} must be decimal text, got {value!r}")
    try:
        return Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{key} must be decimal text, got {value!r}") from error
