"""What the columns of a user's own table mean: ``[SYMBOL.columns]`` of ``instruments.toml``."""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from orchestration.sources.records import SourceError

# A name in the header, or a position from 0 where there is no header.
Column: TypeAlias = str | int


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """The columns of a table of trades, of quotes, or of trades with the quotes that they met.

    Attributes
    ----------
    time : str or int
        Event time: an epoch in s, ms, us or ns (told by its magnitude), or ISO 8601.
    recv_time : str or int, optional
        Receive time; the event time without it.
    price, qty : str or int, optional
        A trade.
    side : str or int, optional
        The aggressor's side, one of the words of ``buy``, ``sell`` or ``unknown``.
    maker : str or int, optional
        Instead: whether the buyer was resting, true or false.
    id : str or int, optional
        The venue's id; whole numbers order the records.
    bid, bid_qty, ask, ask_qty : str or int, optional
        A quote; without sizes one lot stands on each side.
    symbol : str or int, optional
        Rows whose text differs from ``venue_symbol`` are another symbol's.
    buy, sell, unknown : tuple of str
        Words for the side, in any letter case.
    delimiter : str
    has_header : bool
    timezone : str
        Zone of ISO times that name none.

    Raises
    ------
    ValueError
        The map describes neither a trade nor a quote, or a value is out of its domain.
    """

    time: Column
    recv_time: Column | None = None
    price: Column | None = None
    qty: Column | None = None
    side: Column | None = None
    maker: Column | None = None
    id: Column | None = None
    bid: Column | None = None
    bid_qty: Column | None = None
    ask: Column | None = None
    ask_qty: Column | None = None
    symbol: Column | None = None
    buy: tuple[str, ...] = ("buy", "b", "1", "+1")
    sell: tuple[str, ...] = ("sell", "s", "a", "-1")
    unknown: tuple[str, ...] = ("unknown", "none", "n", "0", "")
    delimiter: str = ","
    has_header: bool = True
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        for pair in (("price", "qty"), ("bid", "ask"), ("bid_qty", "ask_qty")):
            if (getattr(self, pair[0]) is None) != (getattr(self, pair[1]) is None):
                raise ValueError(f"{pair[0]} and {pair[1]} must be given together")
        if self.price is None and self.bid is None:
            raise ValueError("price and qty, or bid and ask, must be given")
        if self.side is not None and self.maker is not None:
            raise ValueError("side and maker must not both be given")
        wanted = str if self.has_header else int
        for name, column in self.columns().items():
            if type(column) is not wanted or (wanted is int and int(column) < 0):
                kind = "a name" if self.has_header else "a position from 0"
                raise ValueError(f"{name} must be {kind}, got {column!r}")
        if len(self.delimiter) != 1 or not self.delimiter.isascii():
            raise ValueError(f"delimiter must be one ASCII character, got {self.delimiter!r}")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError) as error:
            raise ValueError(f"timezone must be a zone's name, got {self.timezone!r}") from error

    def columns(self) -> dict[str, Column]:
        """Return the columns that are given, by what they are."""
        given = {name: getattr(self, name) for name in _COLUMNS}
        return {name: column for name, column in given.items() if column is not None}

    @property
    def has_trades(self) -> bool:
        """Whether a row is a trade."""
        return self.price is not None

    @property
    def has_quotes(self) -> bool:
        """Whether a row is a quote, or holds the one that its trade met."""
        return self.bid is not None


_COLUMNS = (
    "time", "recv_time", "price", "qty", "side", "maker", "id", "bid", "bid_qty", "ask", "ask_qty",
    "symbol",
)  # fmt: skip
_WORDS = ("buy", "sell", "unknown")


def column_maps(symbol: str, toml_path: Path) -> list[ColumnMap]:
    """Return the maps that ``[SYMBOL.columns]`` or several ``[[SYMBOL.columns]]`` describe.

    Raises
    ------
    SourceError
        The file cannot be read, has none for the symbol, or one that is no map.

    Examples
    --------
    ``[XRPUSDT.columns]`` with ``time = "ts_ms"``, ``price = "price"``, ``qty = "quantity"``,
    ``maker = "is_buyer_maker"``, ``id = "trade_id"``.
    """
    try:
        tables = tomllib.loads(toml_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        tables = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SourceError(toml_path, f"cannot be read for [{symbol}.columns]: {error}") from error
    table = tables.get(symbol)
    found = table.get("columns") if isinstance(table, dict) else None
    if not found:
        raise SourceError(
            toml_path,
            f"needs a table [{symbol}.columns] that says what a file's columns are, as docs/files.md tells",
        )
    described = found if isinstance(found, list) else [found]
    return [_column_map(symbol, one, toml_path) for one in described]


def _column_map(symbol: str, table: Any, toml_path: Path) -> ColumnMap:
    known = {field.name for field in fields(ColumnMap)}
    if not isinstance(table, dict) or "time" not in table or not table.keys() <= known:
        odd = sorted(table.keys() - known) if isinstance(table, dict) else table
        raise SourceError(
            toml_path,
            f"[{symbol}.columns] needs time and knows {', '.join(sorted(known))}; not: {odd}",
        )
    words = {name: tuple(map(str, table[name])) for name in _WORDS if name in table}
    try:
        return ColumnMap(**{**table, **words})
    except (ValueError, TypeError) as error:
        raise SourceError(toml_path, f"[{symbol}.columns] {error}") from error


def fitting(maps: Collection[ColumnMap], names: Mapping[str, int]) -> ColumnMap | None:
    """Return the first map whose columns a header has."""
    for one in maps:
        if not one.has_header or all(column in names for column in one.columns().values()):
            return one
    return None
