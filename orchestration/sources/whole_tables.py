"""Trades of a table in which every row is plain, taken column by column.

Reading such a table as texts, row by row, takes a hundred times as long and a kilobyte a row. What
is not plain is left to :mod:`orchestration.sources.generic`, which says what is wrong with which row;
so nothing may be taken here that is refused there, and both must say the same of what is taken.
"""

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa

from orchestration.sources.coded import CodedTexts
from orchestration.sources.column_map import ColumnMap
from orchestration.sources.files import SourceFile
from orchestration.sources.gate import END_NS, FIRST_NS, TradeRecords, epoch_ns
from orchestration.sources.records import SourceError

# Distinct texts are converted one by one: where nearly all differ, nothing is won.
_MAX_DISTINCT = 1_000_000
NUMBERS = frozenset({"price", "qty", "bid", "bid_qty", "ask", "ask_qty"})
PARQUET_MAGIC, FEATHER_MAGIC = b"PAR1", b"ARROW1"


class RowTexts(Sequence[bytes]):
    """What the quarantine shows of the rows of a table; made only for those that are refused."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, i: int) -> bytes: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[bytes]: ...
    def __getitem__(self, i: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        (row,) = self.table.slice(i, 1).to_pylist()
        return str(row).encode()


def read_arrow(file: SourceFile) -> pa.Table:
    """Return the table of a Parquet or Feather file; SourceError where it is damaged.

    Names and texts that are not UTF-8 count as damage: pyarrow reads them without a word and raises
    when they are looked at.
    """
    source = pa.BufferReader(file.data)
    try:
        if file.data.startswith(PARQUET_MAGIC):
            from pyarrow import parquet as reader
        else:
            from pyarrow import feather as reader
        table: pa.Table = reader.read_table(source)
        table.validate(full=True)
        _ = table.schema.names
        return table
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise SourceError(file.path, f"is a damaged table: {error}") from error


def decimal_texts(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return a column of prices or sizes as decimal texts, None where there is none.

    Notes
    -----
    A double holds each decimal of 15 digits apart from all others, and no more: so many are what was
    written, also where a program computed with it and left ``0.00031099999999999997``. Of singles it
    is the shortest decimal that gives the same number, of other types the text that the column has.
    """
    if pa.types.is_float64(values.type):
        return [None if v is None else f"{v:.15g}" for v in values.to_pylist()]
    return list(values.cast(pa.string()).to_pylist())


def plain_trades(
    rows: pa.Table,
    one: ColumnMap,
    venue_symbol: str,
    signs: Mapping[str, int],
    *,
    first_line: int = 1,
) -> TradeRecords | None:
    """Return the trades of a table, or None where some row is not plain.

    Parameters
    ----------
    rows : pyarrow.Table
    one : ColumnMap
        Which column is what.
    venue_symbol : str
        What stands in the column of symbols, where there is one.
    signs : mapping of str to int
        Sign of each word, in small letters, that the column of sides (or makers) may have.
    first_line : int
        Line of the first row.

    Notes
    -----
    Plain: no nulls; times and ids whole numbers (all times of one unit); only known words; no other
    symbol.
    """
    n = len(rows)
    names = {name: str(column) for name, column in one.columns().items()}
    if not n or any(rows[name].null_count for name in names.values()):
        return None
    ts = _times(rows[names["time"]])
    received = _times(rows[names["recv_time"]]) if "recv_time" in names else ts
    line = np.arange(first_line, first_line + n)
    ids = _whole_numbers(rows[names["id"]]) if "id" in names else line
    texts = {
        name: _coded(rows[names[name]], is_number=name in NUMBERS)
        for name in ("price", "qty", "side", "maker", "symbol")
        if name in names
    }
    sign = _signs(texts.get("side") or texts.get("maker"), signs, n)
    if ts is None or received is None or ids is None or sign is None or None in texts.values():
        return None
    symbols = texts.get("symbol")
    if symbols is not None and symbols.distinct != [venue_symbol]:
        return None
    none = np.full(n, -1)
    return TradeRecords(
        line=line, trade_id=ids, ts_event_ns=ts, ts_recv_ns=received, price=texts["price"],
        qty=texts["qty"], native_sign=sign, is_market=np.ones(n, np.int64), first_id=none,
        last_id=none,
    )  # fmt: skip


def _whole_numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    if not pa.types.is_integer(column.type) or column.type == pa.uint64():
        return None
    numbers = column.to_numpy().astype(np.int64, copy=False)
    return numbers if numbers.min() >= 0 else None


def _times(column: pa.ChunkedArray) -> np.ndarray | None:
    numbers = _whole_numbers(column)
    if numbers is None:
        return None
    low, high = int(numbers.min()), int(numbers.max())
    ends = epoch_ns(low), epoch_ns(high)
    if ends[0] is None or ends[1] is None:
        return None
    factor = ends[0] // low
    is_one_unit = factor == ends[1] // high
    return numbers * factor if is_one_unit and FIRST_NS <= ends[0] <= ends[1] < END_NS else None


def _coded(column: pa.ChunkedArray, *, is_number: bool) -> CodedTexts | None:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    if len(whole.dictionary) > _MAX_DISTINCT or whole.dictionary.null_count:
        return None
    try:
        found = whole.dictionary
        texts = decimal_texts(found) if is_number else found.cast(pa.string()).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    return CodedTexts(texts, whole.indices.to_numpy())


def _signs(texts: CodedTexts | None, signs: Mapping[str, int], n: int) -> np.ndarray | None:
    if texts is None:
        return np.zeros(n, np.int64)
    used = set(np.unique(texts.code).tolist())
    found = [signs.get(text.lower()) for text in texts.distinct]
    if any(found[i] is None for i in used):
        return None
    return np.array([sign or 0 for sign in found], np.int64)[texts.code]
