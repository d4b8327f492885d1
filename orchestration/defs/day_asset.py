"""An asset of one symbol-day and one table: read published rows, compute, publish what passes."""

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
import pyarrow as pa

from orchestration.config import Settings
from orchestration.defs import publishing
from orchestration.defs.inputs import DayReader
from orchestration.partitions import daily_by_symbol
from orchestration.quality.outcome import CheckOutcome
from orchestration.resources.store import StoreResource
from orchestration.runtime import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The rows of one table, judged beyond its contract, with what one wants to see of them."""

    table: pa.Table
    outcomes: Sequence[CheckOutcome] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)


def day_asset(
    table: str,
    *,
    group: str,
    deps: Sequence[str],
    checks: Sequence[str] = (),
    code_version: str = "1",
    terms: Callable[[Settings], str] = lambda _: "",
) -> Callable[[Callable[[DayReader], Made]], dg.AssetsDefinition]:
    """Make an asset of a function from a `DayReader` to a `Made`; its docstring describes the table.

    Parameters
    ----------
    table : str
        ``database.table``, which is also the asset's key.
    group : str
        Stage, the name of the folder.
    deps : sequence of str
        Tables that the function reads.
    checks : sequence of str
        Names of the outcomes that it returns besides the contract.
    code_version : str
        Bumped when the meaning of a column changes.
    terms : callable
        Returns the settings that decide what the rows are. They are part of the version, so that days
        made with other ones count as stale.
    """

    def version(config: Settings) -> str:
        said = terms(config)
        return f"{code_version}; {said}" if said else code_version

    def decorate(compute: Callable[[DayReader], Made]) -> dg.AssetsDefinition:
        spec = publishing.asset_spec(
            table,
            group,
            inspect.getdoc(compute) or table,
            deps=[publishing.asset_key(name) for name in deps],
            code_version=version(Settings()),
        )

        @dg.multi_asset(
            name=compute.__name__,
            specs=[spec],
            check_specs=publishing.check_specs(table, *checks),
            partitions_def=daily_by_symbol,
            pool=publishing.WRITE_POOL,
        )
        def step(context: dg.AssetExecutionContext, store: StoreResource) -> publishing.Events:
            started = time.monotonic()
            day = DayReader.of(context, store.get())
            made = compute(day)
            draft = day.draft(
                started,
                version(settings()),
                {table: made.table},
                outcomes={table: made.outcomes},
                metadata={table: made.metadata},
            )
            yield from publishing.publish(context, day.store, draft)

        return step

    return decorate
