"""Published tables as Parquet files, and back: a user can leave, or move to another store.

One file a published generation, ``TABLE/symbol=S/trading_day=D/GENERATION.parquet``, in the layout
that polars, DuckDB, Spark and pandas read as one partitioned dataset. The manifest row travels in
the file's metadata, its content hash included, so that what comes back is proven to be what left.
A file appears under its name only when it is whole.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.storage.content_hash import content_hash
from orchestration.storage.errors import StoreCorruptError, StoreError
from orchestration.storage.manifest import Input, ManifestRow
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES, table_named

_Origin: TypeAlias = tuple[str, tuple[Input, ...]]  # code version and inputs
_KEY = b"orderflow"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One file: what it holds and where it is."""

    path: Path
    table: str
    symbol: str
    trading_day: date
    rows: int
    hash: str


def export_tables(
    store: Store,
    folder: Path,
    symbol: str,
    *,
    tables: Sequence[str] = tuple(TABLES),
    days: Sequence[date] | None = None,
    snapshot: int | None = None,
    on_file: Callable[[Exported], None] = lambda _: None,
) -> list[Exported]:
    """Write the published generations of a symbol, one file each; memory holds one at a time.

    Parameters
    ----------
    store : Store
    folder : Path
        Made if it is not there. Files of the same generations are replaced by equal ones.
    symbol : str
    tables : sequence of str
    days : sequence of date, optional
        All published ones when left out.
    snapshot : int, optional
        As of this publication.
    on_file : callable
        Hears of each file: for a progress bar.

    Raises
    ------
    StoreError
        Nothing is published there, a file cannot be written, or retention has removed rows.
    """
    made = []
    for name in tables:
        for row in store.published(table_named(name).name, symbol, snapshot=snapshot):
            if days is not None and row.trading_day not in days:
                continue
            rows = store.read_generation(row)
            path = _path(folder, row)
            _write_whole(path, rows.replace_schema_metadata({_KEY: _described(row)}))
            made.append(
                Exported(
                    path=path,
                    table=name,
                    symbol=symbol,
                    trading_day=row.trading_day,
                    rows=row.rows,
                    hash=row.hash,
                )
            )
            on_file(made[-1])
    if not made:
        raise StoreError(f"{symbol}: none of {', '.join(tables)} is published in that range")
    return made


def import_tables(
    store: Store,
    folder: Path,
    *,
    run_id: str,
    on_day: Callable[[str, date, int], None] = lambda *_: None,
) -> list[ManifestRow]:
    """Publish every exported file below a folder, once all files of a symbol's day are proven whole.

    What one computation had made of a day becomes visible at once, as it did where it was made.

    Parameters
    ----------
    store : Store
    folder : Path
    run_id : str
    on_day : callable
        Hears symbol, day and rows of each publication.

    Returns
    -------
    list of ManifestRow
        What is new; files that are published already with the same content add nothing.

    Raises
    ------
    StoreError
        A file was not written by `export_tables`, or no file is there.
    StoreCorruptError
        The rows of a file do not have the hash that it states: nothing of its day is published.
    """
    by_day: dict[tuple[str, date], list[tuple[Path, ManifestRow]]] = defaultdict(list)
    for path in sorted(folder.rglob("*.parquet")):
        row = _manifest_row(path)
        by_day[row.symbol, row.trading_day].append((path, row))
    if not by_day:
        raise StoreError(f"{folder}: no Parquet file is there")
    published: list[ManifestRow] = []
    for (symbol, day), files in sorted(by_day.items()):
        # A publication has one code version and one list of inputs.
        by_origin: dict[_Origin, list[tuple[ManifestRow, pa.Table]]] = defaultdict(list)
        for path, row in files:
            by_origin[row.code_version, row.inputs].append((row, _checked_rows(path, row)))
        for (code_version, inputs), checked in by_origin.items():
            with store.publish(
                symbol, day, run_id=run_id, code_version=code_version, inputs=inputs
            ) as publication:
                for row, rows in checked:
                    publication.write(row.table, rows, unit=row.unit)
                published += publication.commit()
        on_day(symbol, day, sum(row.rows for _, row in files))
    return published


def _path(folder: Path, row: ManifestRow) -> Path:
    # A symbol may hold what a path must not.
    symbol = quote(row.symbol, safe="")
    day = f"trading_day={row.trading_day.isoformat()}"
    return folder / row.table / f"symbol={symbol}" / day / f"{row.generation}.parquet"


def _write_whole(path: Path, rows: pa.Table) -> None:
    partial = path.with_suffix(".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            pq.write_table(rows, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if partial.exists():
            partial.unlink()


def _described(row: ManifestRow) -> bytes:
    return json.dumps(
        {
            "format": _FORMAT,
            "table": row.table,
            "symbol": row.symbol,
            "trading_day": row.trading_day.isoformat(),
            "unit": row.unit,
            "rows": row.rows,
            "hash": row.hash,
            "inputs": [[i.table, i.trading_day.isoformat(), i.hash] for i in row.inputs],
            "code_version": row.code_version,
        }
    ).encode()


def _manifest_row(path: Path) -> ManifestRow:
    try:
        metadata = pq.read_schema(path).metadata or {}
        told = json.loads(metadata[_KEY])
        inputs = tuple(Input(t, date.fromisoformat(day), hash_) for t, day, hash_ in told["inputs"])
        row = ManifestRow(
            seq=0,
            table=table_named(told["table"]).name,
            symbol=told["symbol"],
            trading_day=date.fromisoformat(told["trading_day"]),
            generation=0,
            replaces=(),
            unit=told["unit"],
            rows=told["rows"],
            hash=told["hash"],
            inputs=inputs,
            code_version=told["code_version"],
            run_id="",
            published_at=0,
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path} cannot be read as Parquet: {error}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{path} was not written by orderflow export: {error!r}") from error
    if told["format"] != _FORMAT:
        raise StoreError(f"{path} has format {told['format']}, this version reads {_FORMAT}")
    return row


def _checked_rows(path: Path, row: ManifestRow) -> pa.Table:
    # A path that says symbol=... would add columns of its own.
    try:
        rows = pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path} cannot be read as Parquet: {error}") from error
    table = table_named(row.table)
    try:
        found = content_hash(table, rows)
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{path} does not hold the columns of {row.table}: {error}") from error
    if (len(rows), found) != (row.rows, row.hash):
        raise StoreCorruptError(
            f"{path} states {row.rows} rows with hash {row.hash}, it holds {len(rows)} with {found}"
        )
    return rows.select([column.name for column in table.payload])
