"""Run the asset graph of one symbol in this process, and say what came of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from orchestration.abandoned import HOLDS_STORE, close_abandoned_runs
from orchestration.definitions import defs
from orchestration.defs.publishing import asset_key
from orchestration.errors import RunFailed
from orchestration.partitions import partition_key
from orchestration.runtime import dagster_instance, open_store

JOBS = ("day", "training", "judging")
# Metadata in which a step says why it made what it made, or nothing.
_NOTES = ("reason", "models", "not traded", "note")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialized:
    """One asset partition that a run published."""

    table: str
    partition: str
    rows: int | None
    elapsed_s: float
    run_id: str
    note: str = ""


def run_jobs(
    symbol: str,
    days: Sequence[date],
    *,
    on_job: Callable[[str], None] = lambda _: None,
    jobs: Sequence[str] = JOBS,
    tables: Sequence[str] = (),
) -> list[Materialized]:
    """Run the jobs of one symbol in order: each day, training, then judging each day.

    ``tables`` names the only ones to make; empty: all of each job.

    Raises
    ------
    RunFailed
        A step failed; what earlier steps published stays published.
    """
    close_abandoned_runs(dagster_instance(), open_store())
    made: list[Materialized] = []
    for job in jobs:
        keys: Sequence[str] = (
            [symbol] if job == "training" else [partition_key(symbol, d) for d in days]
        )
        for key in keys:
            on_job(f"{job} {str(key).replace('|', ' ')}")
            made.extend(_run(job, key, tables))
    return made


def _run(job: str, key: str, tables: Sequence[str]) -> Iterator[Materialized]:
    result = defs.resolve_job_def(job).execute_in_process(
        partition_key=key,
        instance=dagster_instance(),
        run_config=_QUIET,
        tags=HOLDS_STORE,
        raise_on_error=False,
        asset_selection=[asset_key(table) for table in tables] or None,
    )
    if not result.success:
        raise RunFailed(f"{job} {key}: {_reason(result)} (run {result.run_id})")
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        rows = metadata.get("dagster/row_count")
        yield Materialized(
            table=".".join(event.materialization.asset_key.path),
            partition=str(key),
            rows=None if rows is None else int(rows.value),
            elapsed_s=float(metadata["elapsed_s"].value),
            run_id=result.run_id,
            note=next((str(metadata[n].value) for n in _NOTES if n in metadata), ""),
        )


def _reason(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            said = event.step_failure_data.user_failure_data
            words = said.description if said and said.description else str(error.message).strip()
            return f"{event.step_key}: {words}"
    return "failed without a failed step; see the run's log in the UI"
