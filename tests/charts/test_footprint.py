import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.charts import theme
from orchestration.charts.footprint import FULL_WIDTH, footprint_panel
from orchestration.charts.ladder import busiest_row, last_ladder
from orderflow_core.value_area import point_of_control
from tests.charts import market

T0 = pd.Timestamp("2024-03-04 14:30", tz="UTC")


def cells(rows: list[tuple[float, int, int, int]], flags: tuple[bool, bool] = (False, False)):
    return pd.DataFrame(
        [(T0, *row, *flags) for row in rows],
        columns=["t0", "price", "bid", "ask", "unsigned", "is_buy_imbalance", "is_sell_imbalance"],
    )


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9).filter(any))
def test_the_poc_of_a_bar_follows_the_rule_of_the_session_profile(volumes):
    row = np.arange(len(volumes), dtype=np.int64)
    volume = np.asarray(volumes, dtype=np.int64)
    kept = volume > 0
    expected = point_of_control(row[kept], volume[kept], ticks_per_row=1)
    assert busiest_row(row[kept], volume[kept].astype(float)) == expected


def test_ladder_keeps_untraded_rows_and_sums():
    ladder = last_ladder(cells([(100.0, 5, 7, 0), (100.75, 2, 0, 1)]), 0.25, "UTC")
    assert ladder.row_prices.tolist() == [100.0, 100.25, 100.5, 100.75]
    assert ladder.cells["row"].tolist() == [0, 3]
    assert ladder.cells["delta"].tolist() == [2, -2]
    assert ladder.cells["total"].tolist() == [12, 3]
    assert ladder.cells["is_poc"].tolist() == [True, False]
    assert ladder.merged == 1


def test_too_many_rows_are_joined_on_whole_edges_without_imbalance_marks():
    rows = [(float(price), 1, 2, 0) for price in range(101, 301)]
    ladder = last_ladder(cells(rows, (True, True)), 1.0, "UTC", max_rows=50)
    # 200 rows from 101: 4 rows joined give 51 (100..300 on edges of 4), so 5 are needed.
    assert ladder.merged == 5
    assert len(ladder.row_prices) <= 50
    assert (ladder.row_prices % 5 == 0).all()
    assert ladder.cells["total"].sum() == 600
    assert not ladder.cells[["is_buy_imbalance", "is_sell_imbalance"]].to_numpy().any()


def test_the_last_bars_are_shown_whatever_the_row_order():
    frame = market.footprint(market.bars(n_days=1)).sample(frac=1.0, random_state=1)
    ladder = last_ladder(frame, 0.25, "America/Chicago", n_bars=7)
    assert len(ladder.times) == 7
    assert ladder.times.iloc[-1] == frame["t0"].max()
    assert str(ladder.times.dt.tz) == "America/Chicago"
    newest = frame[frame["t0"] == frame["t0"].max()]
    last = ladder.cells[ladder.cells["bar"] == 6]
    assert last["total"].sum() == newest[["bid", "ask", "unsigned"]].to_numpy().sum()


def test_drawing_shows_cells_poc_imbalance_and_totals():
    frame = cells([(100.0, 1234, 7, 0), (100.25, 20, 600, 0)])
    frame.loc[1, "is_buy_imbalance"] = True
    caption, svg, _ = footprint_panel(market.report(footprint=frame))
    assert "rows of 0.25" in caption
    assert "unsigned" not in caption
    assert ">1,234</text>" in svg
    assert svg.count('stroke-width="2"') == 1  # one POC
    assert re.search(rf'fill="{theme.BUY}"/><text[^>]*font-weight="700" fill="#fff">600<', svg)
    assert ">−647</text>" in svg  # lifted 7 + 600, hit 1,234 + 20: 607 - 1,254
    assert ">1,861</text>" in svg  # 607 + 1,254


def test_unsigned_volume_is_shown_beside_the_cell_and_below_the_bar():
    caption, svg, _ = footprint_panel(market.report(footprint=cells([(100.0, 10, 20, 33)])))
    assert "(unsigned)" in caption
    assert ">(33)</text>" in svg
    assert ">Unsigned</text>" in svg


def test_wide_numbers_show_fewer_bars_so_that_the_drawing_fits():
    frame = market.footprint(market.bars(n_days=1))
    frame[["bid", "ask", "unsigned"]] = frame[["bid", "ask", "unsigned"]] * 0.123
    frame["unsigned"] = 0.01
    caption, svg, _ = footprint_panel(market.report(footprint=frame))
    assert float(re.search(r'width="(\d+)"', svg).group(1)) <= FULL_WIDTH
    assert 6 <= int(re.search(r"Last (\d+) bars", caption).group(1)) <= 12


def test_a_footprint_without_its_bars_still_draws():
    _, svg, _ = footprint_panel(market.report(bars=pd.DataFrame()))
    assert svg.startswith("<svg")


@pytest.mark.parametrize("flag", [1, True, np.int8(1)])
def test_flags_may_be_numbers_or_booleans(flag):
    frame = cells([(100.0, 10, 20, 0)])
    frame["is_buy_imbalance"] = pd.Series([flag])
    assert last_ladder(frame, 0.25, "UTC").cells["is_buy_imbalance"].tolist() == [True]
