"""Published tables as Parquet files, and back: a user can leave, or move to another store.

One file a published generation, ``TABLE/symbol=S/trading_day=D/GENERATION.parquet``, in the layout
that polars, DuckDB, Spark and pandas read as one partitioned dataset. The manifest row travels in
the file's metadata, its content hash included, so that what comes back is proven to be what left, and
the names of the files of the same table and day, so that none is missing and none of another state is
among them. A file appears under its name only when it is whole.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.storage.checksum import checksum
from orchestration.storage.conform import conform
from orchestration.storage.content_hash import content_hash
from orchestration.storage.engine import Checksum
from orchestration.storage.errors import StoreCorruptError, StoreError
from orchestration.storage.manifest import Input, ManifestRow
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES, table_named

_Origin: TypeAlias = tuple[str, tuple[Input, ...]]  # code version and inputs
_KEY, _DIGEST_KEY = b"orderflow", b"orderflow.sha256"
_FORMAT = 2


class _File(NamedTuple):
    """A file to import, what it says it holds, and the files of its table and day, itself included."""

    path: Path
    row: ManifestRow
    checksum: Checksum
    names: list[str]

    @property
    def unit(self) -> str:
        """The unit of its rows; of a table without units its rows are a segment, or all."""
        return self.row.unit if table_named(self.row.table).has_units else ""


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

    All are of one state of the store. What an earlier export wrote of the same tables and days and is
    not of that state is removed from the folder.

    Parameters
    ----------
    store : Store
    folder : Path
        Made if it is not there.
    symbol : str
    tables : sequence of str
    days : sequence of date, optional
        All published ones when left out.
    snapshot : int, optional
        As of this publication; of the latest one when left out.
    on_file : callable
        Hears of each file: for a progress bar.

    Raises
    ------
    StoreError
        Nothing is published there, a file cannot be written, or retention has removed rows.
    """
    made: list[Exported] = []
    # One state, also while others publish.
    bound = store.snapshot() if snapshot is None else snapshot
    for name in tables:
        by_day: dict[date, list[ManifestRow]] = defaultdict(list)
        for row in store.published(table_named(name).name, symbol, snapshot=bound):
            if days is None or row.trading_day in days:
                by_day[row.trading_day].append(row)
        for rows in by_day.values():
            made += _export_day(store, folder, rows, on_file)
    if not made:
        raise StoreError(f"{symbol}: none of {', '.join(tables)} is published in that range")
    return made


def _export_day(
    store: Store,
    folder: Path,
    published: Sequence[ManifestRow],
    on_file: Callable[[Exported], None],
) -> list[Exported]:
    made = []
    names = sorted(_path(folder, row).name for row in published)
    for row in published:
        rows = store.read_generation(row)
        path = _path(folder, row)
        _write_whole(path, rows.replace_schema_metadata(_described(row, rows, names)))
        exported = Exported(
            path=path,
            table=row.table,
            symbol=row.symbol,
            trading_day=row.trading_day,
            rows=row.rows,
            hash=row.hash,
        )
        made.append(exported)
        on_file(exported)
    _remove_others(made[0].path.parent, names)
    return made


def import_tables(
    store: Store,
    folder: Path,
    *,
    run_id: str,
    on_day: Callable[[str, date, int], None] = lambda *_: None,
) -> list[ManifestRow]:
    """Publish every exported file below a folder, once all files of a symbol's day are proven whole.

    What one computation had made of a day becomes visible at once, as it did where it was made. A day
    that is published as its files state stays as it is, unless the store no longer holds it whole.

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
        The rows of a file do not have the hash that it states, or the files of a table's day are not
        those that were exported together: nothing of the day is published.
    """
    by_day: dict[tuple[str, date], list[_File]] = defaultdict(list)
    for path in sorted(folder.rglob("*.parquet")):
        file = _described_by(path)
        by_day[file.row.symbol, file.row.trading_day].append(file)
    if not by_day:
        raise StoreError(f"{folder}: no Parquet file is there")
    published: list[ManifestRow] = []
    for (symbol, day), files in sorted(by_day.items()):
        _require_exported_together(files)
        checked = {file.path: _checked_rows(file) for file in files}
        if missing := _missing(store, files):
            pairs = [(file, checked[file.path]) for file in missing]
            published += _publish_day(store, pairs, run_id)
        on_day(symbol, day, sum(file.row.rows for file in files))
    return published


def _missing(store: Store, files: Sequence[_File]) -> list[_File]:
    """Return the files of a symbol's day whose rows are not published, or not whole in the store."""

    def content(row: ManifestRow) -> tuple[object, ...]:
        return row.table, row.unit, row.rows, row.hash, row.code_version, row.inputs

    first = files[0].row
    current = store.published(symbol=first.symbol, day=first.trading_day)
    by_content = {content(row): row for row in current}
    found = [by_content.get(content(file.row)) for file in files]
    held = [row is not None and _is_whole(store, row) for row in found]
    missing = [file for file, is_held in zip(files, held, strict=True) if not is_held]
    # What is written whole takes the place of segments: they are written again beside it.
    anew = {file.row.table for file in missing if not file.row.unit}
    return [file for file in files if file in missing or file.row.table in anew]


def _is_whole(store: Store, row: ManifestRow) -> bool:
    try:
        return content_hash(table_named(row.table), store.read_generation(row)) == row.hash
    except StoreCorruptError:
        return False


def _publish_day(
    store: Store, checked: Sequence[tuple[_File, pa.Table]], run_id: str
) -> list[ManifestRow]:
    # A publication has one code version and one list of inputs. What is written whole takes the place of
    # segments and is first: those stand beside it.
    by_origin: dict[_Origin, list[tuple[_File, pa.Table]]] = defaultdict(list)
    for file, rows in sorted(checked, key=lambda pair: pair[0].row.unit != ""):
        by_origin[file.row.code_version, file.row.inputs].append((file, rows))
    published: list[ManifestRow] = []
    first, _ = checked[0]
    key = first.row.symbol, first.row.trading_day
    for (code_version, inputs), mine in by_origin.items():
        with store.publish(
            *key, run_id=run_id, code_version=code_version, inputs=inputs
        ) as publication:
            for file, rows in mine:
                segment = "" if file.unit else file.row.unit
                publication.write(file.row.table, rows, unit=file.unit, segment=segment)
            published += publication.commit()
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


def _remove_others(folder: Path, names: Collection[str]) -> None:
    # Named by a generation: what export wrote, and nothing of the user's.
    for path in folder.glob("*.parquet"):
        if path.stem.isdigit() and path.name not in names:
            path.unlink()


def _described(row: ManifestRow, rows: pa.Table, names: Sequence[str]) -> dict[bytes, bytes]:
    # The manifest row, and the names of the files of its table and day.
    told = {
        "format": _FORMAT,
        "files": list(names),
        "table": row.table,
        "symbol": row.symbol,
        "trading_day": row.trading_day.isoformat(),
        "unit": row.unit,
        "rows": row.rows,
        "hash": row.hash,
        # Of all columns: the content hash leaves out where a record was read.
        "checksum": list(checksum(table_named(row.table), rows)),
        "inputs": [[i.table, i.trading_day.isoformat(), i.hash] for i in row.inputs],
        "code_version": row.code_version,
    }
    text = json.dumps(told).encode()
    # The content hash says nothing of the symbol, the day or the inputs.
    return {_KEY: text, _DIGEST_KEY: sha256(text).hexdigest().encode()}


def _described_by(path: Path) -> _File:
    try:
        metadata = pq.read_schema(path).metadata or {}
        told = json.loads(metadata[_KEY])
        if told["format"] != _FORMAT:
            raise StoreError(f"{path} has format {told['format']}, this version reads {_FORMAT}")
        if sha256(metadata[_KEY]).hexdigest().encode() != metadata[_DIGEST_KEY]:
            raise StoreCorruptError(f"{path}: what it says of its rows is not what export wrote")
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
        sums, names = Checksum(*told["checksum"]), told["files"]
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path} cannot be read as Parquet: {error}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{path} was not written by orderflow export: {error!r}") from error
    return _File(path, row, sums, names)


def _require_exported_together(files: Sequence[_File]) -> None:
    """Demand of each table of a symbol's day the files of one export: no other, none twice, none missing."""
    by_table: dict[str, list[_File]] = defaultdict(list)
    for file in files:
        by_table[file.row.table].append(file)
    for table, mine in by_table.items():
        there = sorted(file.path.name for file in mine)
        for file in mine:
            if file.names != there:
                raise StoreCorruptError(
                    f"{file.path} was exported as one of {file.names}, of {table} {file.row.symbol} "
                    f"{file.row.trading_day} there are {there}: export that day again"
                )


def _checked_rows(file: _File) -> pa.Table:
    path, row = file.path, file.row
    # A path that says symbol=... would add columns of its own.
    try:
        rows = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path} cannot be read as Parquet: {error}") from error
    table = table_named(row.table)
    try:
        found = content_hash(table, rows)
        payload = conform(table, rows.select(table.arrow_schema().names), unit=file.unit)
        summed = checksum(table, payload)
    except (pa.ArrowException, LookupError, ValueError, TypeError) as error:
        raise StoreError(f"{path} does not hold the columns of {row.table}: {error}") from error
    if (len(rows), found, summed) != (row.rows, row.hash, file.checksum):
        raise StoreCorruptError(
            f"{path} states {row.rows} rows with hash {row.hash}, it holds {len(rows)} with {found}"
            f"{'' if summed == file.checksum else ' and another checksum'}"
        )
    return payload
