"""The ``orderflow`` command: what a person types, and what a script reads with ``--json``.

Exit codes: 0 done, 1 failed (one line on standard error says why), 2 wrong usage,
130 a run was interrupted.
"""

import logging
import os
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestration.console import (
    INTERRUPTED,
    AsJson,
    Day,
    Symbol,
    err,
    fail,
    out,
    print_json,
    progress,
)
from orchestration.db_commands import db
from orchestration.errors import EXPECTED, told, writing
from orchestration.explain_commands import explain
from orchestration.ingest_commands import ingest
from orchestration.interruptible import in_thread
from orchestration.live_commands import live, replay
from orchestration.models_commands import models
from orchestration.quarantine_commands import quarantine
from orchestration.size_commands import size

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Market ticks to order-flow knowledge: ingest, run, look, judge.",
)
app.command()(ingest)
app.command()(live)
app.command()(replay)
app.command()(models)
app.command()(explain)
app.command()(size)
app.add_typer(db, name="db")
app.add_typer(quarantine, name="quarantine")


@app.command()
def repair(symbol: Symbol, day: Day = None, as_json: AsJson = False) -> None:
    """Ask the venue for trades that are missing: by id, then from the archive of the day."""
    from orchestration.repair import days_with_gaps, repair_gaps
    from orchestration.runtime import instrument, open_store, settings
    from orchestration.sources.binance.addresses import rest_settings

    known, store, config = instrument(symbol), open_store(), settings()
    found = []
    with progress("asking for what is missing", quiet=as_json) as say:
        for each in [day.date()] if day else days_with_gaps(store, known):
            say(f"{symbol} {each}")
            found += repair_gaps(
                store, known, each, cache_dir=config.downloads_path,
                settings=rest_settings(config.binance_urls),
            )  # fmt: skip
    if as_json:
        print_json({"gaps": [gap.as_json() for gap in found]})
        return
    from orchestration.terminal import repair_table

    out.print(repair_table(symbol, found))


@app.command()
def run(
    symbol: Symbol,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First trading day.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last trading day.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--job", help="day, training or judging; default all.")
    ] = None,
    quote_proxy: Annotated[
        bool,
        typer.Option(
            "--quote-proxy",
            help="Bars and footprints made of quotes, where a market has no trades.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the asset graph of a symbol: classify, flow, features, labels, train, backtest."""
    if quote_proxy:
        os.environ["ORDERFLOW_QUOTE_PROXY"] = "true"  # what the assets of this process go by
    from orchestration.runtime import instrument, open_store, open_tracking

    instrument(symbol)
    store = open_store()
    days = [
        day
        for day in store.days("raw.trades", symbol)
        if (first is None or day >= first.date()) and (last is None or day <= last.date())
    ]
    if not days:
        fail(f"{symbol} has no published trades in that range: orderflow ingest comes first")
    from orchestration.pipeline import JOBS, run_jobs

    jobs = tuple(only or JOBS)
    tables: tuple[str, ...] = ()
    if quote_proxy:
        from orchestration.quote_proxy import TABLES

        if only not in (None, ["day"]):
            raise typer.BadParameter("no model is trained or judged on a quote proxy: --job day")
        if any(row.rows for row in store.published("raw.trades", symbol)):
            raise typer.BadParameter(f"{symbol} has trades: --quote-proxy is for markets without")
        jobs, tables = ("day",), TABLES
    unknown = [job for job in jobs if job not in JOBS]
    if unknown:
        raise typer.BadParameter(f"unknown job {unknown[0]!r}: choose from {', '.join(JOBS)}")
    try:
        with progress("starting", quiet=as_json) as say:
            made = in_thread(lambda: run_jobs(symbol, days, on_job=say, jobs=jobs, tables=tables))
    except KeyboardInterrupt:
        err.print("interrupted: days and tables that were published stay published", style="red")
        os._exit(INTERRUPTED)  # a killed run harms nothing, and its thread would not stop
    from orchestration.summary import run_summary
    from orchestration.terminal import summary_tables

    # A day alone trains nothing: opening the registry would only cost its seconds.
    tracking = open_tracking() if {"training", "judging"} & set(jobs) else None
    summary = run_summary(store, tracking, symbol, days, made)
    if as_json:
        print_json(summary)
    else:
        for table in summary_tables(summary):
            out.print(table)


@app.command()
def classify(
    symbol: Symbol,
    day: Annotated[datetime, typer.Option("--day", formats=["%Y-%m-%d"])],
    rules: Annotated[
        str, typer.Option("--rules", help="Comma-separated; layers joined with +.")
    ] = "tick,quote,lee_ready",
    inclusive: Annotated[
        bool, typer.Option("--inclusive", help="The usual, wrong quote join: a negative control.")
    ] = False,
    by_position: Annotated[
        bool, typer.Option("--by-position", help="Also for each place in the spread.")
    ] = False,
    lags: Annotated[
        str | None,
        typer.Option("--lags", help="Milliseconds, as in 0,5,50: Lee-Ready by the quotes' lag."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score classification rules against the true side: per fill, per sweep, by volume."""
    from orchestration.runtime import instrument, open_store
    from orchestration.scoring import SCORABLE, lags_from_text, score_lags, score_rules
    from orchestration.terminal import lag_table, score_table

    names = [name.strip() for name in rules.split(",") if name.strip()]
    for layer in [layer for name in names or [""] for layer in name.split("+")]:
        if layer not in SCORABLE:
            raise typer.BadParameter(f"cannot score {layer!r}: choose from {', '.join(SCORABLE)}")
    try:
        lags_ms = lags_from_text(lags) if lags else []
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    store, known = open_store(), instrument(symbol)
    if lags_ms:
        result, table = score_lags(store, known, day.date(), lags_ms), lag_table
    else:
        result, table = (
            score_rules(
                store, known, day.date(), names, inclusive=inclusive, by_position=by_position
            ),
            score_table,
        )
    print_json(result) if as_json else out.print(table(result))


@app.command()
def chart(
    symbol: Symbol,
    day: Annotated[datetime, typer.Option("--day", formats=["%Y-%m-%d"])],
    kind: Annotated[str, typer.Option("--kind", help="footprint or cvd.")] = "footprint",
    bars: Annotated[int, typer.Option("--bars", min=1, help="Last bars of the footprint.")] = 8,
    output: Annotated[Path | None, typer.Option("--out", help="PNG file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw one picture of a day: the footprint of its last bars, or delta and CVD."""
    from orchestration.report import CHARTS, draw_chart

    if kind not in CHARTS:
        raise typer.BadParameter(f"unknown kind {kind!r}: choose from {', '.join(CHARTS)}")
    from orchestration.runtime import instrument, open_store, settings

    known = instrument(symbol)
    target = output or settings().reports_path / f"{symbol}-{day:%Y-%m-%d}-{kind}.png"
    png = draw_chart(open_store(), known, day.date(), kind, bars)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png)
    print_json({"path": str(target)}) if as_json else out.print(f"Chart: {target}")


@app.command()
def report(
    symbol: Symbol,
    output: Annotated[Path | None, typer.Option("--out", help="HTML file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained page: price, VWAP, delta, CVD, footprint, models, equity."""
    from orchestration.report import write_report
    from orchestration.runtime import instrument, open_store, open_tracking, settings

    known = instrument(symbol)
    target = output or settings().reports_path / f"{symbol}.html"
    with progress("drawing the report", quiet=as_json):
        write_report(open_store(), open_tracking(), known, target)
    if as_json:
        print_json({"path": str(target)})
        return
    out.print(f"Report:      {target}")
    out.print(f"Dagster UI:  make ui, then http://127.0.0.1:{settings().dagster_port}")
    out.print(f"MLflow UI:   make ui, then http://127.0.0.1:{settings().mlflow_port}")


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Read and hash every published row, not only count.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the settings, secrets masked, and check the store and what it was built with."""
    from orchestration.doctor import doctor_tables, examine

    found = examine(deep=deep)
    if as_json:
        print_json(found)
    else:
        for table in doctor_tables(found):
            out.print(table)
    if found["problems"]:
        raise typer.Exit(1)


@app.command()
def ui(
    dagster_port: Annotated[int | None, typer.Option(help="Port of the Dagster UI.")] = None,
    mlflow_port: Annotated[int | None, typer.Option(help="Port of the MLflow UI.")] = None,
) -> None:
    """Serve the Dagster and MLflow UIs on loopback until interrupted."""
    from orchestration.runtime import settings
    from orchestration.ui import serve

    serve(dagster_port or settings().dagster_port, mlflow_port or settings().mlflow_port)


def main() -> None:
    """Entry point of the ``orderflow`` command."""
    warnings.filterwarnings("ignore", module=r"dagster|mlflow|great_expectations|sqlalchemy")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It prints a traceback of what it then raises.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    try:
        app()
    except EXPECTED as error:
        err.print("error:", told(error), style="red", highlight=False, markup=False)
        sys.exit(1)
