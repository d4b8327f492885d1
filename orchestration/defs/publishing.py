"""Write, audit, publish: how every asset of a symbol-day ends.

The rows are inserted unpublished, judged, and become visible in one moment only if no blocking
check failed. Then, and only then, is a materialization recorded.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version

import dagster as dg
import pyarrow as pa

from orchestration.live.published import CODE_VERSION as LIVE_VERSION
from orchestration.live.published import TABLES as LIVE_TABLES
from orchestration.quality.expectations import CONTRACT_CHECK, check_contract
from orchestration.quality.outcome import CheckOutcome, rule
from orchestration.storage.answers import prepare
from orchestration.storage.manifest import ManifestRow
from orchestration.storage.store import Store
from orchestration.storage.tables import TABLES

Events = Iterator[dg.AssetCheckResult | dg.MaterializeResult]
OWNERS = ["team:orderflow"]
EQUALS_LIVE = "equals_live"
WRITE_POOL = "clickhouse_writes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything that one publication needs besides the store.

    Attributes
    ----------
    tables : mapping of "database.table" to pyarrow.Table
    outcomes : sequence of CheckOutcome by table
        Checks beyond each table's contract, already judged.
    inputs : sequence of ManifestRow
        The published generations that the rows were made of.
    metadata : mapping by table
        What one wants to look at.
    started : float
        ``time.monotonic()`` when the work began.
    """

    symbol: str
    day: date
    code_version: str
    tables: Mapping[str, pa.Table]
    inputs: Sequence[ManifestRow] = ()
    outcomes: Mapping[str, Sequence[CheckOutcome]] = field(default_factory=dict)
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    is_blocking: bool = True
    started: float


def asset_key(table: str) -> dg.AssetKey:
    """Return the asset of a table: ``flow.bars`` is ``flow/bars``."""
    return dg.AssetKey(table.split("."))


def check_specs(table: str, *names: str, blocking: bool = True) -> list[dg.AssetCheckSpec]:
    """Return the specifications of a table's contract and of further checks."""
    specs = [
        dg.AssetCheckSpec(name, asset=asset_key(table), blocking=blocking)
        for name in (CONTRACT_CHECK, *names)
    ]
    if table in LIVE_TABLES:
        specs.append(dg.AssetCheckSpec(EQUALS_LIVE, asset=asset_key(table), blocking=False))
    return specs


def asset_spec(table: str, group: str, description: str, **more: object) -> dg.AssetSpec:
    """Return the specification of a table's asset, with the constants that all share."""
    return dg.AssetSpec(
        asset_key(table),
        group_name=group,
        description=description,
        kinds={"clickhouse", "numba"} if group != "ingest" else {"clickhouse"},
        owners=OWNERS,
        **more,
    )


def publish(context: dg.AssetExecutionContext, store: Store, draft: Draft) -> Events:
    """Insert, judge and publish a draft; yield its check results and materializations.

    Raises
    ------
    dagster.Failure
        A blocking check failed; nothing was published.
    """
    outcomes = {
        name: [
            check_contract(name, table, blocking=draft.is_blocking),
            *draft.outcomes.get(name, ()),
        ]
        for name, table in draft.tables.items()
    }
    with store.publish(
        draft.symbol,
        draft.day,
        run_id=context.run.run_id,
        code_version=draft.code_version,
        inputs=draft.inputs,
    ) as publication:
        for name, table in draft.tables.items():
            publication.write(name, table)
        audits = publication.audit()
        for name in set(draft.tables) & set(LIVE_TABLES):
            outcomes[name].append(equals_live(store, draft, name, audits[name].hash))
        for name, judged in outcomes.items():
            yield from (check_result(name, outcome) for outcome in judged)
        refuse_failures(outcomes)
        rows = publication.commit()
    prepare(store, rows)
    published = {row.table for row in rows}
    for name, table in draft.tables.items():
        yield dg.MaterializeResult(
            asset_key=asset_key(name),
            metadata=table_metadata(name, table, draft, is_new=name in published),
        )


def equals_live(store: Store, draft: Draft, table: str, digest: str) -> CheckOutcome:
    """Return whether what a live session published of a day is what the whole day gives.

    Not blocking: the whole day is right, also where raw rows came after the session.
    """
    rows = store.published(table, draft.symbol, draft.day)
    is_live = any(row.unit or row.code_version == LIVE_VERSION for row in rows)
    found = store.content_hash(table, draft.symbol, draft.day) if is_live else digest
    said = found if is_live else "no live session published the day"
    same = found == digest
    checked = rule("content hash of the live segments is that of the whole day", same, said)
    return CheckOutcome(name=EQUALS_LIVE, passed=same, blocking=False, rows=(checked,))


def check_result(table: str, outcome: CheckOutcome) -> dg.AssetCheckResult:
    """Return an outcome in Dagster's terms."""
    columns = [dg.TableColumn(name) for name in ("rule", "passed", "found")]
    records = [dg.TableRecord({k: str(v) for k, v in row.items()}) for row in outcome.rows]
    return dg.AssetCheckResult(
        asset_key=asset_key(table),
        check_name=outcome.name,
        passed=outcome.passed,
        severity=dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN,
        metadata={"rules": dg.TableMetadataValue(records, dg.TableSchema(columns))},
    )


def refuse_failures(outcomes: Mapping[str, Sequence[CheckOutcome]]) -> None:
    """Raise when a blocking check failed: what was inserted stays unpublished."""
    failed = {
        f"{table}: {outcome.name}": outcome.failures()
        for table, judged in outcomes.items()
        for outcome in judged
        if outcome.blocking and not outcome.passed
    }
    if failed:
        said = "; ".join(f"{where} ({what})" for where, what in failed.items())
        raise dg.Failure(f"not published, a blocking check failed: {said}", allow_retries=False)


def table_metadata(name: str, table: pa.Table, draft: Draft, *, is_new: bool) -> dict[str, object]:
    """Return what the asset page shows of a table."""
    schema = dg.TableSchema([dg.TableColumn(c.name, c.type) for c in TABLES[name].payload])
    return {
        "dagster/row_count": table.num_rows,
        "dagster/table_name": name,
        "dagster/column_schema": schema,
        "published": "new rows" if is_new else "unchanged: equal rows were published already",
        # Tables of one step share its time: the first of them carries it.
        "elapsed_s": round(time.monotonic() - draft.started, 3)
        if name == next(iter(draft.tables))
        else 0.0,
        "versions": ", ".join(f"{p} {version(p)}" for p in ("orderflow", "numba", "chdb")),
    } | dict(draft.metadata.get(name, {}))


def time_range(table: pa.Table, column: str) -> dict[str, object]:
    """Return the first and last time of a table that is sorted by ``column``."""
    if not table.num_rows:
        return {}
    first, last = (table[column][i].as_py() for i in (0, table.num_rows - 1))
    return {
        "first_time": dg.TimestampMetadataValue(first / 1e9),
        "last_time": dg.TimestampMetadataValue(last / 1e9),
    }


def picture(png: bytes) -> dg.MarkdownMetadataValue:
    """Return a small picture that the asset page shows in place."""
    import base64

    return dg.MarkdownMetadataValue(
        f"![picture](data:image/png;base64,{base64.b64encode(png).decode()})"
    )
