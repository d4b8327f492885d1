"""Raw trades, quotes, updates of the book, gaps and quarantine of one symbol-day."""

import time
from collections.abc import Iterable
from datetime import date

import dagster as dg

from orchestration import ingest
from orchestration.defs import publishing
from orchestration.defs.inputs import DayReader
from orchestration.errors import IngestRefused
from orchestration.fetching import BY_DAY, asked, units_of_day
from orchestration.ingest_summary import missing_by_hour
from orchestration.partitions import daily_by_symbol, symbol_and_day
from orchestration.quality.invariants import check_jumps, check_sessions
from orchestration.resources.store import StoreResource
from orchestration.runtime import instrument, settings
from orchestration.sources import SELF_FETCHING, SourceBatch, SourceError
from orchestration.sources.records import DEPTH as DEPTH_SCHEMA
from orchestration.storage.store import Store
from orderflow_core.instrument import Instrument

DEPTH = "raw.depth"
TABLES = {
    "raw.trades": "Trades as the venue printed them, in integer ticks and lots.",
    "raw.quotes": "Best bid and ask after each change.",
    DEPTH: "Snapshots and changes of the book, one row a level.",
    "raw.gaps": "Stretches of which records are missing; no window spans one.",
    "raw.quarantine": "Every rejected record with its source, line and reason.",
}


@dg.multi_asset(
    name="raw",
    specs=[
        publishing.asset_spec(
            table,
            "ingest",
            description,
            code_version=ingest.CODE_VERSION,
            skippable=table == DEPTH,
        )
        for table, description in TABLES.items()
    ],
    check_specs=[spec for table in TABLES for spec in publishing.check_specs(table)]
    + publishing.check_specs("raw.trades", "order")[1:]
    + publishing.check_specs("raw.trades", "jumps", "sessions", blocking=False)[1:],
    partitions_def=daily_by_symbol,
    pool=publishing.WRITE_POOL,
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL),
)
def raw(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
    """Take in the day from the instrument's source, or judge what `orderflow ingest` published.

    A vendor is asked only for a day of which nothing is published.
    """
    started = time.monotonic()
    symbol, wanted = symbol_and_day(context)
    known = instrument(symbol)
    _take_in(store.get(), known, wanted, context.run.run_id)
    day = DayReader.of(context, store.get())
    tables = {table: day.read(table) for table in TABLES if table != DEPTH or day.has(DEPTH)}
    # Few sources bring a book. Where none does its asset is skipped, which its check cannot be.
    outcomes = ingest.judge({DEPTH: DEPTH_SCHEMA.empty_table()} | tables)
    trades = tables["raw.trades"]
    outcomes["raw.trades"] += [
        check_jumps(trades, known.tick_steps), check_sessions(trades, known),
    ]  # fmt: skip
    for name, judged in outcomes.items():
        yield from (publishing.check_result(name, outcome) for outcome in judged)
    publishing.refuse_failures(outcomes)
    draft = day.draft(
        started,
        ingest.CODE_VERSION,
        tables,
        metadata={
            name: publishing.time_range(tables[name], "ts_event_ns")
            for name in ("raw.trades", "raw.quotes", DEPTH)
            if name in tables
        }
        | {"raw.gaps": {"missing_ids_by_hour": missing_by_hour([tables["raw.gaps"]])}},
    )
    for name, table in tables.items():
        metadata = publishing.table_metadata(name, table, draft, is_new=True)
        yield dg.MaterializeResult(asset_key=publishing.asset_key(name), metadata=metadata)


def _take_in(store: Store, known: Instrument, wanted: date, run_id: str) -> None:
    # A damaged or refused file stays so, and the clients have tried a download again by themselves;
    # what a retry may heal is the store.
    try:
        for batch in _batches(store, known, wanted):
            for made in ingest.day_tables(store, batch, known):
                if made.day == wanted:
                    ingest.publish_day(store, known.symbol, made, run_id=run_id)
    except (SourceError, IngestRefused) as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _batches(store: Store, known: Instrument, wanted: date) -> Iterable[SourceBatch]:
    if known.source in SELF_FETCHING:
        return ingest.read_source(known.source, None, known, settings().samples_path)
    if known.source in BY_DAY and not store.published("raw.trades", known.symbol, wanted):
        return units_of_day(known.source, known, wanted, asked(settings()))
    return ()
