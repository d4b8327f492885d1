import numpy as np
import pyarrow as pa
import pytest

from orchestration.instruments import load_instruments
from orchestration.quality.contracts import CONTRACTS
from orchestration.quality.expectations import check_contract
from orchestration.quality.invariants import (
    check_conservation,
    check_jumps,
    check_order,
    check_out_of_fold,
    check_sessions,
)
from orchestration.storage.tables import TABLES


def trades(**changed):
    columns = {
        "ts_event_ns": np.array([1, 1, 2], np.int64),
        "trade_id": np.array([1, 2, 3], np.int64),
        "price_ticks": np.array([5, 6, 7], np.int64),
        "qty_lots": np.array([1, 2, 3], np.int64),
        "native_sign": np.array([1, -1, 0], np.int8),
        "is_market": np.array([1, 1, 1], np.int8),
    }
    return pa.table(columns | {name: np.asarray(values) for name, values in changed.items()})


def test_every_table_has_a_contract_and_no_contract_lacks_a_table():
    assert set(CONTRACTS) == set(TABLES)


def test_contracts_name_columns_that_exist():
    for name, contract in CONTRACTS.items():
        columns = set(TABLES[name].column_names())
        for _, rule in (*contract.extremes, *contract.sample):
            named = {v.rsplit("__", 1)[0] for k, v in rule.items() if k.startswith("column")}
            assert named <= columns, (name, rule)


def test_good_trades_pass():
    outcome = check_contract("raw.trades", trades(), blocking=True)
    assert outcome.passed
    assert len(outcome.rows) > 5


@pytest.mark.parametrize(
    ("column", "values"),
    [("qty_lots", [1, 0, 1]), ("price_ticks", [1, -1, 1]), ("native_sign", [0, 2, 0])],
)
def test_one_bad_value_fails_and_is_named(column, values):
    outcome = check_contract("raw.trades", trades(**{column: values}), blocking=True)
    assert not outcome.passed
    assert column in outcome.failures()


def test_a_missing_column_fails():
    assert not check_contract(
        "raw.trades", trades().drop_columns(["qty_lots"]), blocking=True
    ).passed


def test_a_bad_value_beyond_the_sample_is_seen():
    n = 200_001
    qty = np.ones(n, np.int64)
    qty[n // 2 + 1] = 0
    wide = {name: np.ones(n, np.int64) for name in trades().column_names}
    assert not check_contract(
        "raw.trades", pa.table(wide | {"qty_lots": qty}), blocking=True
    ).passed


def test_an_empty_day_passes():
    assert check_contract("raw.trades", trades().slice(0, 0), blocking=True).passed


@pytest.mark.parametrize(
    ("column", "values"),
    [("ts_event_ns", [2, 1, 3]), ("trade_id", [2, 1, 3]), ("trade_id", [1, 2, 1])],
)
def test_order_sees_time_running_back_and_repeated_ids(column, values):
    assert check_order(trades()).passed
    assert not check_order(trades(**{column: values})).passed


@pytest.mark.parametrize(
    ("ids", "venue_ids", "passes"),
    [
        ([1, 2, 3], ["", "", ""], True),
        ([2, 4, 3], ["", "", ""], False),  # its time is the latest, its id is not
        # Aggregates after trades: two counts, each in order; then one of them not.
        ([8, 9, 3], ["", "", "20-21"], True),
        ([8, 4, 3], ["", "22-23", "20-21"], False),
    ],
)
def test_ids_never_run_back_along_the_day(ids, venue_ids, passes):
    table = trades(ts_event_ns=[1, 2, 3], trade_id=ids, venue_id=venue_ids)
    assert check_order(table).passed is passes


@pytest.mark.parametrize(("price", "passes"), [([100, 105, 100], True), ([100, 120, 100], False)])
def test_a_leap_of_the_price_is_told_and_blocks_nothing(price, passes):
    outcome = check_jumps(trades(price_ticks=price, line=[7, 8, 9]), 1)
    assert (outcome.passed, outcome.blocking) == (passes, False)
    assert ("2, the first at 1 ns, line 8" in outcome.failures()) is not passes


@pytest.mark.parametrize(("symbol", "passes"), [("ES", False), ("AAPL", True)])
def test_trades_while_the_market_is_shut_are_told_where_nothing_trades_then(symbol, passes):
    known = load_instruments()[symbol]
    outcome = check_sessions(trades(is_outside_session=[0, 1, 1]), known)
    assert (outcome.passed, outcome.blocking) == (passes, False)
    assert ("2 of 3" in outcome.failures()) is not passes
    assert check_sessions(trades(is_outside_session=[0, 0, 0]), known).passed


def test_conservation_is_exact():
    parts = pa.table({"bid_lots": [1, 2], "ask_lots": [3, 0]})
    assert check_conservation("volume", trades(), parts, "bid_lots", "ask_lots").passed
    assert not check_conservation("volume", trades(), parts, "bid_lots").passed


def test_a_prediction_at_the_moment_its_training_ended_is_refused():
    made = pa.table({"train_end_ns": [10, 20], "t0_ns": [11, 21]})
    assert check_out_of_fold(made).passed
    assert not check_out_of_fold(made.set_column(0, "train_end_ns", pa.array([10, 21]))).passed
