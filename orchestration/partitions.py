"""Partitions: symbol x trading day, and symbol. Nothing else defines partitions.

A partition key names a trading day; which nanoseconds belong to it is
``Instrument.trading_day_window``'s business, never the orchestrator's.
"""

import warnings
from datetime import date

import dagster as dg

from orchestration.config import Settings
from orchestration.instruments import load_instruments

_SETTINGS = Settings()

trading_days = dg.DailyPartitionsDefinition(
    start_date=_SETTINGS.first_day.isoformat(), end_offset=1
)
symbols = dg.StaticPartitionsDefinition(sorted(load_instruments(_SETTINGS.root)))
daily_by_symbol = dg.MultiPartitionsDefinition({"symbol": symbols, "trading_day": trading_days})

# A model of a symbol reads a range of that symbol's days.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)  # beta; the lock file pins what was tested
    days_of_symbol = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="symbol")


def partition_key(symbol: str, day: date) -> dg.MultiPartitionKey:
    """Return the key of one symbol-day."""
    return dg.MultiPartitionKey({"symbol": symbol, "trading_day": day.isoformat()})


def symbol_and_day(context: dg.AssetExecutionContext) -> tuple[str, date]:
    """Return the symbol and the trading day that a run was asked for."""
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise dg.Failure(f"expected a symbol x trading_day partition, got {key!r}")
    dimensions = key.keys_by_dimension
    return dimensions["symbol"], date.fromisoformat(dimensions["trading_day"])
