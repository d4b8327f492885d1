"""``orderflow ingest``: files that the user has, or days that a vendor is asked for."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.console import AsJson, Day, Symbol, err, out, print_json, progress

if TYPE_CHECKING:
    from orchestration.fetching import Asked
    from orchestration.ingest import DayTables
    from orchestration.sources.records import SourceBatch
    from orderflow_core.instrument import Instrument


def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="What reads them: samples, capture, simulated, or a vendor's name; README.md lists them."
        ),
    ],
    symbol: Symbol,
    path: Annotated[
        list[Path] | None, typer.Option("--path", help="A file; repeat once a file.")
    ] = None,
    day: Day = None,
    to: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of a range from --day."),
    ] = None,
    month: Annotated[
        datetime | None,
        typer.Option("--month", formats=["%Y-%m"], help="Binance: the archive's file of a month."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Binance: aggTrades (default), trades or bookTicker; repeat."),
    ] = None,
    recheck: Annotated[
        bool,
        typer.Option("--recheck", help="Binance: take in files that were replaced since."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take real ticks in: every record is stored or quarantined with its reason.

    With --path the user's files are read; with --day (and --to), --month or --recheck the vendor
    is asked: binance, dukascopy, iqfeed.
    """
    from orchestration.fetching import asked
    from orchestration.ingest import ingest as ingest_batches
    from orchestration.ingest_summary import summary_json
    from orchestration.runtime import instrument, open_store, settings

    _require_known(source, kind)
    _require_one_way(path=path, day=day, to=to, month=month, recheck=recheck)
    known = instrument(symbol)
    missing: list[str] = []
    reasons: Counter[str] = Counter()
    with progress(f"reading {source}", quiet=as_json) as say:
        ask = asked(settings(), tuple(kind or ("aggTrades",)))
        if recheck:
            from orchestration.fetching import units_replaced

            batches = units_replaced(source, known, ask, open_store())
        elif day is not None:
            last = (to or day).date()
            batches = _days(source, known, day.date(), last, ask, say, missing)
        elif month is not None:
            from orchestration.fetching import units_of_month

            say(f"{source} {symbol} {month:%Y-%m}: asking")
            batches = units_of_month(source, known, month.date(), ask)
        else:
            batches = _files(source, known, path)
        # The store is opened only when there is something to put into it.
        first = next(batches, None)
        store = open_store()

        def published(made: "DayTables") -> None:
            for found in made.tables["raw.quarantine"]["reason"].value_counts().to_pylist():
                reasons[str(found["values"])] += found["counts"]
            say(f"{symbol} {made.day}: {made.n_stored:,} records published")

        summary = ingest_batches(
            store,
            batches if first is None else chain([first], batches),
            known,
            run_id=f"cli-ingest-{source}",
            on_day=published,
        )
        result = summary_json(summary, store, symbol) | ({"missing": missing} if missing else {})
    _show(symbol, result, as_json=as_json)
    _warn_of_grid(symbol, reasons["off_grid"], summary.offered)
    _warn_of_sessions(known, summary.counts.get("trades_outside_session", 0), summary.stored)


def _require_known(source: str, kind: list[str] | None) -> None:
    from orchestration.fetching import BINANCE_KINDS
    from orchestration.sources import SOURCES

    if source not in SOURCES:
        raise typer.BadParameter(f"unknown source {source!r}: choose from {', '.join(SOURCES)}")
    unknown = [name for name in kind or () if name not in BINANCE_KINDS]
    if unknown:
        raise typer.BadParameter(
            f"unknown kind {unknown[0]!r}: choose from {', '.join(BINANCE_KINDS)}"
        )


def _require_one_way(
    *,
    path: list[Path] | None,
    day: datetime | None,
    to: datetime | None,
    month: datetime | None,
    recheck: bool,
) -> None:
    ways = [bool(path), day is not None, month is not None, recheck]
    if sum(ways) > 1:
        raise typer.BadParameter(
            "only one of --path, --day, --month and --recheck can be asked for"
        )
    if to is not None and (day is None or to < day):
        raise typer.BadParameter("--to needs a --day that is not after it")


def _warn_of_grid(symbol: str, n_off_grid: int, offered: int) -> None:
    # Some vendors' files do not name their symbol: that most prices do not fit is all that tells.
    if n_off_grid * 2 > offered:
        _note(
            f"{n_off_grid:,} of {offered:,} records are off the grid of {symbol}:"
            " is it the symbol of these files?"
        )


def _warn_of_sessions(known: "Instrument", n_outside: int, stored: int) -> None:
    # An equity trades before and after its session. Where nothing trades between two sessions,
    # times that lie there are mostly those of another zone.
    if known.day_rule == "roll" and n_outside * 1000 > stored:
        _note(
            f"{n_outside:,} of {stored:,} records are trades between two sessions of {known.calendar},"
            " when nothing trades: are their times of another zone?"
        )


def _note(text: str) -> None:
    err.print(f"note: {text}", style="yellow", highlight=False, markup=False)


def _show(symbol: str, result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    from orchestration.terminal import ingest_table

    out.print(ingest_table(symbol, result))


def _files(source: str, known: "Instrument", paths: list[Path] | None) -> Iterator["SourceBatch"]:
    from orchestration.ingest import read_units
    from orchestration.runtime import settings
    from orchestration.sources import SOURCES
    from orchestration.sources.ahead import ahead

    found = paths or SOURCES[source].fetch(known, settings().samples_path)
    # A unit is read while the one before it is published: at most two are in memory.
    return ahead(read_units(source, found, known))


def _days(
    source: str,
    known: "Instrument",
    first: date,
    last: date,
    ask: "Asked",
    say: Any,
    missing: list[str],
) -> Iterator["SourceBatch"]:
    # A range goes on over days that the vendor does not have, unless it has none of them.
    from orchestration.fetching import NothingPublished, units_of_day

    n_found = 0
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        say(f"{source} {known.symbol} {day}: asking")
        try:
            for batch in units_of_day(source, known, day, ask):
                n_found += 1
                yield batch
        except NothingPublished:
            if day == last and not n_found:
                raise
            missing.append(day.isoformat())
