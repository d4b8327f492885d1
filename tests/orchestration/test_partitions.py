from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest

from orchestration.instruments import load_instruments
from orchestration.partitions import (
    daily_by_symbol,
    partition_key,
    symbol_and_day,
    symbols,
    trading_days,
)

DAY = date(2024, 8, 8)


def test_every_packaged_instrument_is_a_partition():
    assert set(load_instruments()) <= set(symbols.get_partition_keys())


def test_days_reach_from_the_first_setting_to_today():
    keys = trading_days.get_partition_keys(current_time=datetime(2024, 8, 9, 12, tzinfo=UTC))
    # Today is not over, but its ticks come in.
    assert (keys[0], keys[-1]) == ("2012-01-01", "2024-08-09")
    assert len(keys) == (date(2024, 8, 9) - date(2012, 1, 1)) // timedelta(days=1) + 1


def test_a_key_names_symbol_and_day_in_either_spelling():
    key = partition_key("BTCUSDT", DAY)
    assert key == "BTCUSDT|2024-08-08"
    for spelling in (key, daily_by_symbol.get_partition_key_from_str("BTCUSDT|2024-08-08")):
        with dg.build_asset_context(partition_key=spelling) as context:
            assert symbol_and_day(context) == ("BTCUSDT", DAY)


def test_a_day_may_be_a_weekend_or_holiday():
    # Which days a market trades is the instrument's business, never the orchestrator's.
    assert daily_by_symbol.has_partition_key(partition_key("ES", date(2024, 12, 25)))


def test_a_key_of_another_kind_is_refused():
    with (
        dg.build_asset_context(partition_key="BTCUSDT") as context,
        pytest.raises(dg.Failure, match="symbol x trading_day"),
    ):
        symbol_and_day(context)
