"""``orderflow quarantine``: rejected records listed, exported, tried again."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.console import AsJson, Day, Symbol, out, print_json, progress

if TYPE_CHECKING:
    from orchestration.quarantine import Chosen

quarantine = typer.Typer(
    invoke_without_command=True, help="Rejected records: list (the default), export, replay."
)
Reason = Annotated[
    list[str] | None, typer.Option("--reason", help="Only this reason; repeat for more.")
]
Source = Annotated[str | None, typer.Option("--source", help="Only records of this source.")]


@quarantine.callback()
def listed(
    context: typer.Context,
    symbol: Annotated[
        str | None, typer.Option("--symbol", "-s", help="A name from instruments.toml.")
    ] = None,
    day: Day = None,
    reason: Reason = None,
    source: Source = None,
    limit: Annotated[int, typer.Option("--limit", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """List rejected records with source, line and reason."""
    if context.invoked_subcommand is not None:
        return
    if symbol is None:
        raise typer.BadParameter("which symbol? --symbol S", param_hint="--symbol")
    from orchestration.quarantine import quarantined
    from orchestration.runtime import instrument, open_store
    from orchestration.terminal import quarantine_table

    chosen = _chosen(day, reason, source)
    rows = quarantined(open_store(), instrument(symbol).symbol, chosen)
    shown = rows.slice(0, limit).to_pylist()
    if as_json:
        print_json({"total": rows.num_rows, "records": shown})
    else:
        out.print(quarantine_table(shown, rows.num_rows))


@quarantine.command()
def export(
    file: Annotated[Path, typer.Argument(help="To write; .csv, .jsonl or .parquet.")],
    symbol: Symbol,
    day: Day = None,
    reason: Reason = None,
    source: Source = None,
    as_json: AsJson = False,
) -> None:
    """Write rejected records to a file, with source, unit, line, reason and raw text."""
    from orchestration.quarantine import FORMATS, quarantined
    from orchestration.quarantine import export as write
    from orchestration.runtime import instrument, open_store

    if file.suffix not in FORMATS:
        raise typer.BadParameter(f"FILE must end in one of {', '.join(FORMATS)}")
    chosen = _chosen(day, reason, source)
    rows = quarantined(open_store(), instrument(symbol).symbol, chosen)
    write(rows, file)
    if as_json:
        print_json({"path": str(file), "records": rows.num_rows})
    else:
        out.print(f"{rows.num_rows:,} records: {file}")


@quarantine.command()
def replay(
    symbol: Symbol,
    path: Annotated[
        list[Path] | None,
        typer.Option("--path", help="A file of which records are in quarantine; repeat."),
    ] = None,
    day: Day = None,
    reason: Reason = None,
    source: Source = None,
    as_json: AsJson = False,
) -> None:
    """Try rejected records again, after a repair of column map, instrument or reader."""
    from orchestration.quarantine import replay as try_again
    from orchestration.runtime import instrument, open_store

    chosen = _chosen(day, reason, source)
    with progress("reading the quarantine", quiet=as_json):
        done = try_again(
            open_store(), instrument(symbol), chosen, paths=path or (), run_id="cli-replay"
        )
    if as_json:
        print_json(done.as_json())
        return
    out.print(
        f"tried {done.tried:,}: {done.stored:,} stored now, {done.still:,} stay in quarantine"
    )
    for unit, n in sorted(done.needs_file.items()):
        out.print(f"{n:,} of unit {unit[:12]} cannot be read without their file: --path FILE")


def _chosen(day: datetime | None, reasons: list[str] | None, source: str | None) -> "Chosen":
    from orchestration.quarantine import Chosen

    return Chosen(day=day.date() if day else None, reasons=tuple(reasons or ()), source=source)
