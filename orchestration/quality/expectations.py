"""Great Expectations, run on bounded frames; one outcome a table."""

import logging
import os
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.quality.contracts import CONTRACTS, Expectation
from orchestration.quality.frames import extremes, sample
from orchestration.quality.outcome import CheckOutcome, rule

CONTRACT_CHECK = "contract"


@cache
def _batch_definition() -> Any:
    # Importing the library takes seconds: only who validates pays.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("bounded_frames")
    return source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole")


def _found(result: Any) -> str:
    if result.exception_info and _raised(result.exception_info):
        return f"error: {_raised(result.exception_info)}"
    details = result.result
    if "observed_value" in details:
        return str(details["observed_value"])
    return f"{details.get('unexpected_count', 0)} unexpected, e.g. {details.get('partial_unexpected_list', [])[:3]}"


def _raised(info: dict[str, Any]) -> str:
    # A metric that failed nests its error one level deeper than an expectation that failed.
    entries = [info, *[value for value in info.values() if isinstance(value, dict)]]
    return "; ".join(str(e["exception_message"]) for e in entries if e.get("raised_exception"))


def _validate(
    frame: pd.DataFrame, expectations: tuple[Expectation, ...]
) -> list[dict[str, str | bool]]:
    import great_expectations as gx

    if not expectations:
        return []
    suite = gx.ExpectationSuite(
        name="contract",
        expectations=[getattr(gx.expectations, kind)(**kwargs) for kind, kwargs in expectations],
    )
    batch = _batch_definition().get_batch({"dataframe": frame})
    results = batch.validate(suite, result_format="BASIC").results
    return [rule(_words(r.expectation_config), bool(r.success), _found(r)) for r in results]


def _words(config: Any) -> str:
    kwargs = {k: v for k, v in config.kwargs.items() if k != "batch_id"}
    return f"{config.type}({', '.join(f'{k}={v}' for k, v in kwargs.items())})"


def _judgeable(rules: tuple[Expectation, ...], table: pa.Table) -> tuple[Expectation, ...]:
    # Without a value (an empty day, a feature that is nowhere known) there are no extremes to
    # judge; a column that the table lacks altogether stays in and fails.
    def has_values(column: str) -> bool:
        if column not in table.column_names:
            return True
        values = table[column]
        if pa.types.is_floating(values.type):
            return bool(pc.any(pc.invert(pc.is_nan(values))).as_py())
        return len(values) > 0

    return tuple(r for r in rules if has_values(r[1]["column"].rsplit("__", 1)[0]))


def check_contract(table_name: str, table: pa.Table, *, blocking: bool) -> CheckOutcome:
    """Judge a table by its contract.

    Parameters
    ----------
    table_name : str
        ``database.table``; a table without a contract is an error, not a pass.
    table : pyarrow.Table
        All rows of one symbol-day.
    blocking : bool
        Whether a failure keeps the rows unpublished.
    """
    contract = CONTRACTS[table_name]
    rows = _validate(extremes(table), _judgeable(contract.extremes, table))
    if table.num_rows:
        rows += _validate(sample(table), contract.sample)
    return CheckOutcome(
        name=CONTRACT_CHECK,
        passed=all(bool(row["passed"]) for row in rows),
        blocking=blocking,
        rows=tuple(rows),
    )
