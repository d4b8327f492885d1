"""Labels of orders and what a training reads of them, on hand-made days."""

import numpy as np
import pyarrow as pa
import pytest

from models.order_rows import hashed
from orchestration.arrays import column
from orchestration.defs.features import tables
from orchestration.defs.features.order_tables import order_labels
from orchestration.storage.tables import TABLES
from tests.orchestration.rows import NS_PER_S, classified, gaps, label, no_gaps, raw_quotes, rows_of

#  s, price, lots, sign: two fills of one buy at 2 s, then a sale at 4 s.
TRADES = classified(
    (1, 101, 2, 1), (2, 101, 3, 1), (2, 102, 1, 1), (4, 101, 5, -1), (9, 101, 1, -1)
)
TRADES = TRADES.set_column(
    TRADES.schema.get_field_index("sweep"), "sweep", pa.array([0, 1, 1, 2, 3])
)
# Bid and ask after each sweep, at its own time, and a move at 3 s.
QUOTES = raw_quotes(
    ts=[s * NS_PER_S for s in (0, 2, 3, 4)], bid=[100, 101, 103, 102], ask=[102, 103, 105, 104]
)
SETTINGS = tables.feature_settings(row_ticks=1, min_lots=2, bar_seconds=1, bucket_lots=3)


def native(trades):
    """The same trades with the venue's own sides."""
    at = trades.schema.get_field_index("rule")
    return trades.set_column(at, "rule", label("native", len(trades)))


def made(*tasks, trades=None, quotes=QUOTES, holes=None, end=3600 * NS_PER_S):
    trades = native(TRADES) if trades is None else trades
    holes = holes or no_gaps()
    found = tables.features(trades, holes, quotes, settings=SETTINGS)
    return order_labels(
        found, trades, quotes, holes, tasks=tasks, session_end_ns=end, latency_ns=0, tick_steps=1
    )


def test_a_row_belongs_to_the_decision_before_the_order():
    rows = rows_of(
        made("impact_1s", "slippage"),
        "task", "t0_ns", "t1_ns", "decision_id", "order_sign", "order_lots", "mid_proxy",
    )  # fmt: skip
    s = NS_PER_S
    # Decisions at trades 1, 3 and 4 are followed by sweeps at 2, 4 and 9 s; the last has none after it.
    assert rows == [
        ("impact_1s", 1 * s, 3 * s, 1, 1, 4, "quote_mid"),
        ("impact_1s", 2 * s, 5 * s, 3, -1, 5, "quote_mid"),
        ("impact_1s", 4 * s, 10 * s, 4, -1, 1, "quote_mid"),
        ("slippage", 1 * s, 2 * s, 1, 1, 4, "quote_mid"),
        ("slippage", 2 * s, 4 * s, 3, -1, 5, "quote_mid"),
        ("slippage", 4 * s, 9 * s, 4, -1, 1, "quote_mid"),
    ]


def test_markouts_are_of_the_average_fill_at_each_horizon():
    found = made("markout_1s", "markout_2s")
    # The buy of 2 s paid 101.25: the mid is 104 at 3 s and 103 at 4 s. The record of quotes ends at 4 s.
    worth = [1e4 * 2.75 / 101.25, np.nan, np.nan, 1e4 * 1.75 / 101.25, np.nan, np.nan]
    np.testing.assert_allclose(column(found, "label"), worth)
    assert column(found, "t1_ns")[[0, 3]].tolist() == [3 * NS_PER_S, 4 * NS_PER_S]
    assert column(found, "order_sign").tolist() == [1, -1, -1] * 2


def test_impact_and_slippage_are_measured_from_the_quote_before_the_order():
    found = made("impact_1s", "slippage")
    # Buy at 2 s: mid 101 before it, 104 at 3 s. Sale at 4 s: mid 104 before, 103 at 5 s. The record of
    # quotes ends at 4 s, before the outcomes of the last two.
    np.testing.assert_allclose(column(found, "label")[:3], [1e4 * 3 / 101, np.nan, np.nan])
    # 3 lots at 101 and 1 at 102 against 101; 5 lots sold at 101 against 104.
    np.testing.assert_allclose(
        column(found, "label")[3:], [1e4 * 0.25 / 101, 1e4 * 3 / 104, np.nan]
    )


def test_gaps_hide_outcomes():
    found = made("impact_1s", holes=gaps((3 * NS_PER_S // 2, 8 * NS_PER_S // 5)))
    assert np.isnan(column(found, "label")).all()


def test_without_quotes_the_last_trade_stands_for_the_mid_and_says_so():
    none = raw_quotes(ts=[], bid=[], ask=[])
    found = made("impact_1s", "slippage", "fill_1s", quotes=none)
    assert set(found["mid_proxy"].to_pylist()) == {"last_trade"}
    # Buy at 2 s after a trade at 101; the price is 102 a second later.
    assert column(found, "label")[0] == pytest.approx(1e4 * 1 / 101)
    # Sides that were read off the same prices would make every impact positive.
    ticks = TRADES.set_column(
        TRADES.schema.get_field_index("rule"), "rule", label("tick", len(TRADES))
    )
    found = made("impact_1s", "slippage", "fill_1s", quotes=none, trades=ticks)
    assert set(found["task"].to_pylist()) == {"fill_1s"}


def test_resting_orders_are_placed_at_each_decision_on_a_side_that_its_id_says():
    found = made("fill_1s", "adverse_1s", trades=native(TRADES))
    fills = found.filter(pa.array([task == "fill_1s" for task in found["task"].to_pylist()]))
    ids = column(fills, "decision_id")
    assert ids.tolist() == [1, 3, 4, 5]
    wanted = np.where(hashed(ids) & np.uint64(1), 1, -1)
    assert column(fills, "order_sign").tolist() == wanted.tolist()
    assert set(np.unique(np.where(hashed(np.arange(99)) & np.uint64(1), 1, -1))) == {-1, 1}
    known = column(fills, "label")
    assert ((known == 0) | (known == 1) | np.isnan(known)).all()


def test_a_markout_has_a_row_for_every_order_that_was_placed_filled_or_not():
    found = made("fill_1s", "adverse_1s", quotes=QUOTES)
    tasks = np.array(found["task"].to_pylist())
    ids, known = column(found, "decision_id"), column(found, "label")
    of_fill, of_adverse = tasks == "fill_1s", tasks == "adverse_1s"
    assert ids[of_adverse].tolist() == ids[of_fill].tolist() == [1, 3, 4, 5]
    assert np.isnan(known[of_adverse][known[of_fill] == 0]).all()
    assert (known[of_fill] == 0).any()


def test_rows_are_those_of_the_table():
    payload = [column.name for column in TABLES["research.labels"].payload]
    assert made("impact_1s", "fill_1s").column_names == payload
    assert made("impact_1s", trades=native(TRADES).slice(0, 0)).num_rows == 0


def test_a_task_that_belongs_to_no_order_is_refused():
    with pytest.raises(ValueError, match="order_tasks must be"):
        made("return_1s")
