"""``orderflow db``: care for the store."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.console import AsJson, Symbol, fail, out, print_json, progress

if TYPE_CHECKING:
    from orchestration.storage.store import Store

db = typer.Typer(no_args_is_help=True, help="Care for the store.")
_DATES = ["%Y-%m-%d"]
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]

First = Annotated[
    datetime | None, typer.Option("--from", formats=_DATES, help="First trading day.")
]
Last = Annotated[datetime | None, typer.Option("--to", formats=_DATES, help="Last trading day.")]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=_TIMES, help="As the store was at that time, UTC."),
]
Tables = Annotated[
    list[str] | None, typer.Option("--table", help="Such as raw.trades; repeat. Default: all.")
]


@db.command()
def status(as_json: AsJson = False) -> None:
    """Show what each table holds, what it takes of the disk, and which migrations were applied."""
    from dataclasses import asdict

    from orchestration.ingest_summary import iso_utc
    from orchestration.runtime import open_store
    from orchestration.terminal import store_tables

    store = open_store()
    found: dict[str, Any] = {
        "publication": store.snapshot(),
        "tables": [asdict(table) for table in store.status()],
        "migrations": [
            {"version": m.version, "name": m.name, "applied_at": iso_utc(m.applied_at)}
            for m in store.migrations()
        ],
    }
    if as_json:
        print_json(found)
        return
    for table in store_tables(found):
        out.print(table)


@db.command()
def migrate(
    every_node: Annotated[
        bool, typer.Option("--every-node", help="Make what a new node of the cluster lacks.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the store to this version's schema, as every command does when it opens the store."""
    from orchestration.runtime import open_store

    if every_node:
        open_store().make_missing()
    applied = [f"{m.version:04d}_{m.name}" for m in open_store().migrations()]
    if as_json:
        print_json({"applied": applied})
    else:
        out.print(f"schema is up to date: {', '.join(applied)}")


@db.command()
def vacuum(
    min_age_h: Annotated[
        float | None,
        typer.Option(
            "--min-age-h",
            min=0,
            max=1e6,
            help="Leave younger ones, whose writer may be at work. Default: 24 on a server, else 0.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove rows that were never published: what a killed process left behind."""
    from orchestration.runtime import open_store

    min_age_s = None if min_age_h is None else min_age_h * 3600
    _say_removed("unpublished", open_store().vacuum(min_age_s=min_age_s), as_json)


@db.command()
def pages(symbol: Symbol, as_json: AsJson = False) -> None:
    """Store the pages that small questions are answered from, of days that have none.

    A run makes them after each publication; days that were imported, or published by an earlier
    version, have none until then, and are answered from their tables.
    """
    from orchestration.runtime import instrument, open_store
    from orchestration.storage.answers import Answers

    n_pages = Answers(open_store(), instrument(symbol)).fill()
    print_json({"pages": n_pages}) if as_json else out.print(f"{n_pages} pages stored")


@db.command()
def retain(
    days: Annotated[
        int, typer.Option("--days", min=1, max=36_500, help="Keep what was replaced since.")
    ] = 30,
    model_data: Annotated[
        bool, typer.Option("--model-data", help="Also what registered models were trained on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove rows that were replaced long ago, so that earlier states can no longer be read."""
    from orchestration.runtime import open_store, open_tracking

    kept = set() if model_data else open_tracking().data_generations()
    since = datetime.now(UTC) - timedelta(days=days)
    _say_removed("replaced", open_store().retain(_ns(since), kept=kept), as_json)


@db.command()
def history(
    symbol: Symbol,
    table: Annotated[str, typer.Option("--table", help="Such as flow.bars.")],
    day: Annotated[datetime, typer.Option("--day", formats=_DATES)],
    as_json: AsJson = False,
) -> None:
    """List every publication of a table's day: when, by which run, how many rows, which hash."""
    from orchestration.ingest_summary import iso_utc
    from orchestration.runtime import open_store
    from orchestration.storage.tables import TABLES
    from orchestration.terminal import history_table

    _known([table], list(TABLES))
    rows = [
        {
            "publication": row.seq,
            "published_at": iso_utc(row.published_at),
            "unit": row.unit,
            "rows": row.rows,
            "hash": row.hash,
            "code_version": row.code_version,
            "run_id": row.run_id,
        }
        for row in open_store().history(table, symbol, day.date())
    ]
    print_json({"history": rows}) if as_json else out.print(history_table(rows))


@db.command(name="export")
def export_command(
    symbol: Symbol,
    folder: Annotated[Path, typer.Option("--out", help="Folder; made if it is not there.")],
    table: Tables = None,
    first: First = None,
    last: Last = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write published tables as Parquet files that any tool reads, and that import takes back."""
    from orchestration.runtime import open_store
    from orchestration.storage.parquet import export_tables
    from orchestration.storage.tables import TABLES

    store = open_store()
    names = _known(table or list(TABLES), list(TABLES))
    snapshot = None if as_of is None else store.snapshot_at(_ns(as_of))
    days = None if first is None and last is None else _days(store, symbol, first, last)
    with progress("exporting", quiet=as_json) as say:
        made = export_tables(
            store,
            folder,
            symbol,
            tables=names,
            days=days,
            snapshot=snapshot,
            on_file=lambda file: say(f"{file.table} {file.trading_day}: {file.rows:,} rows"),
        )
    result = {"files": len(made), "rows": sum(file.rows for file in made), "folder": str(folder)}
    if as_json:
        print_json(result)
    else:
        out.print(f"{result['files']} files, {result['rows']:,} rows: {folder}")


@db.command(name="import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="A folder that export wrote.")],
    as_json: AsJson = False,
) -> None:
    """Publish exported Parquet files, after proving each against the hash that it states."""
    from orchestration.runtime import open_store
    from orchestration.storage.parquet import import_tables

    with progress("importing", quiet=as_json) as say:
        new = import_tables(
            open_store(),
            folder,
            run_id="cli-import",
            on_day=lambda symbol, day, rows: say(f"{symbol} {day}: {rows:,} rows"),
        )
    result = {"published": len(new), "rows": sum(row.rows for row in new)}
    if as_json:
        print_json(result)
    else:
        out.print(f"{result['published']} generations published, {result['rows']:,} rows")


def _say_removed(kind: str, removed: dict[str, int], as_json: bool) -> None:
    if as_json:
        print_json({"removed": removed})
    else:
        out.print(f"removed {kind} rows: {sum(removed.values()):,}")


def _known(names: list[str], all_names: list[str]) -> list[str]:
    for name in names:
        if name not in all_names:
            raise typer.BadParameter(f"unknown table {name!r}: choose from {', '.join(all_names)}")
    return names


def _days(store: "Store", symbol: str, first: datetime | None, last: datetime | None) -> list[date]:
    found = sorted({row.trading_day for row in store.published(symbol=symbol)})
    low = first.date() if first else date.min
    high = last.date() if last else date.max
    chosen = [day for day in found if low <= day <= high]
    if not chosen:
        fail(f"{symbol} has nothing published in that range")
    return chosen


def _ns(moment: datetime) -> int:
    # Nanoseconds end in 1677 and 2262; a state of the store is no older and no younger.
    ns = int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    return min(max(ns, -(2**63)), 2**63 - 1)
