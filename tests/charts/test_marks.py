"""Events on the charts: where they stand, how long, what is left out, and the switches."""

import json
import re
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from orchestration.charts.footprint_marks import visible_marks
from orchestration.charts.ladder import last_ladder
from orchestration.charts.marks import GROUPS, MARK_COLUMNS, MOST_A_DAY, placed_marks
from orchestration.charts.png import cvd_png, footprint_png
from orchestration.charts.report import render_report
from orchestration.event_marks import event_marks
from orchestration.instruments import load_instruments
from tests.charts import market

NS = 1_000_000_000
DAY = date(2024, 3, 4)


def table(rows):
    """``flow.events`` of one day: (kind, second, bar, tick, sign, lots, value)."""
    kind, ts, bar, tick, sign, lots, value = zip(*rows, strict=True)
    return pa.table(
        {
            "trading_day": pa.array([DAY] * len(rows), pa.date32()),
            "kind": pa.array(kind), "ts_event_ns": pa.array([NS * t for t in ts]),
            "bar_id": pa.array(bar), "price_tick": pa.array(tick),
            "sign": pa.array(sign, pa.int8()), "qty_lots": pa.array(lots),
            "value": pa.array(value, pa.float64()),
        }
    )  # fmt: skip


BARS = pa.table(
    {"trading_day": pa.array([DAY, DAY], pa.date32()), "t1_ns": pa.array([60 * NS, 900 * NS])}
)


def seconds(times):
    return (times.astype("int64") // NS).tolist()


def test_what_ends_an_event_ends_its_mark():
    made = event_marks(
        table(
            [
                ("zone_birth", 60, 0, 103, 1, 0, 101.0), ("zone_touch", 80, 0, 103, 1, 0, 101.0),
                ("zone_fill", 90, 0, 103, 1, 0, 101.0), ("zone_birth", 120, 1, 90, -1, 0, 95.0),
                ("unfinished_auction", 60, 0, 110, 1, 0, None),
                ("unfinished_covered", 240, 0, 110, 1, 0, None),
                ("naked_poc", 0, -1, 80, 0, 9, 2.0), ("big_trade", 33, -1, 100, -1, 7, 5.0),
            ]
        ),
        BARS,
        load_instruments()["ES"],
    )  # fmt: skip
    rows = zip(
        made["group"], seconds(made["t_from"]), seconds(made["t_to"]), made["low"], made["high"],
        made["sign"], made["size"], strict=True,
    )  # fmt: skip
    # The second zone and the naked POC stand to the end of the last bar. ES: ticks of 0.25.
    assert list(rows) == [
        ("naked", 0, 900, 20.0, 20.0, 0, 9.0),
        ("large", 33, 33, 25.0, 25.0, -1, 7.0),
        ("zones", 60, 90, 25.25, 25.75, 1, 0.0),
        ("unfinished", 60, 240, 27.5, 27.5, 1, 0.0),
        ("zones", 120, 900, 22.5, 23.75, -1, 0.0),
    ]


def test_the_largest_come_first_and_only_so_many_are_drawn():
    n = MOST_A_DAY + 5
    made = event_marks(
        table([("big_trade", i, -1, 100, 1, 1 + i, None) for i in range(n)]),
        BARS,
        load_instruments()["ES"],
    )
    assert made["rank"].tolist() == list(range(n))[::-1]
    frame = market.bars()
    given = made.assign(t_from=frame["t0"].iloc[3], t_to=frame["t0"].iloc[3])
    drawn = placed_marks(given, frame.assign(x=np.arange(len(frame))), "UTC")
    assert sorted(drawn["size"]) == [float(1 + i) for i in range(5, n)]
    # One cell of the footprint shows the largest alone.
    ladder = last_ladder(market.footprint(frame), market.STEP, "UTC", n_bars=len(frame))
    seen = visible_marks(given.assign(low=100.0, high=100.0), ladder, market.STEP)
    assert seen["size"].tolist() == [float(n)]


def test_no_event_no_mark():
    nothing = table([("session_poc", 1, -1, 100, 0, 5, 0.7)])
    made = event_marks(nothing, BARS, load_instruments()["ES"])
    assert list(made.columns) == [*MARK_COLUMNS]
    assert made.empty


def marks(frame):
    """One mark of each group on the bars of a test market."""
    t0 = frame["t0"].iloc[[-6, -6, -4, -3, -50, -5]].reset_index(drop=True)
    price = float(frame["close"].iloc[-6])
    return pd.DataFrame(
        {
            "group": [group.name for group in GROUPS], "kind": "made </title>up",
            "trading_day": frame["trading_day"].iloc[-1], "t_from": t0,
            "t_to": [*t0.iloc[:1] + pd.Timedelta(minutes=3), *t0.iloc[1:4], *[frame["t0"].iloc[-1]] * 2],
            "low": price, "high": price + market.STEP, "sign": [1, -1, 1, -1, 0, 1], "size": 12.0, "rank": 0,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def page():
    frame = market.bars()
    return render_report(market.report(marks=marks(frame)))


def test_each_group_has_a_switch_and_a_drawing_on_both_charts(page):
    for group in GROUPS:
        checked = " checked" if group.is_shown else ""
        for attribute in ("data-group", "data-mark"):
            assert f'<input type="checkbox"{checked} {attribute}="{group.name}">' in page
        assert f'<g class="mark-{group.name}"' in page
    assert "made &lt;/title&gt;up" in page
    (flow, _) = json.loads(re.search(r'id="chart-data">(.*?)</script>', page, re.S).group(1))
    shown = {
        role[1]: trace["visible"] for role, trace in zip(flow["roles"], flow["data"], strict=True)
    }
    assert {group.name: shown[group.name] for group in GROUPS} == {
        group.name: group.is_shown for group in GROUPS
    }


def test_a_span_lies_over_the_bars_that_it_stood_through(page):
    (flow, _) = json.loads(re.search(r'id="chart-data">(.*?)</script>', page, re.S).group(1))
    (zone,) = (
        trace for role, trace in zip(flow["roles"], flow["data"], strict=True) if role[1] == "zones"
    )
    bars = flow["levels"][0]["x"]
    # Known when bar -6 begins, over three minutes later; half a tick above and below its rows.
    assert zone["x"][:2] == [bars[-6] - 0.5, bars[-3] + 0.5]
    assert max(zone["y"][:4]) - min(zone["y"][:4]) == 2 * market.STEP


def test_marks_outside_of_the_drawn_bars_and_rows_are_left_out():
    frame = market.bars()
    ladder = last_ladder(market.footprint(frame), market.STEP, "UTC")
    given = marks(frame)
    placed = visible_marks(given, ladder, market.STEP)
    assert set(placed["group"]) == {group.name for group in GROUPS}
    # The naked one began before the first drawn bar and goes on to the last.
    naked = placed[placed["group"] == "naked"].iloc[0]
    assert (naked["first"], naked["last"]) == (0, len(ladder.times) - 1)
    early = given.assign(t_from=frame["t0"].iloc[0], t_to=frame["t0"].iloc[1])
    assert visible_marks(early, ladder, market.STEP).empty
    assert visible_marks(given.assign(low=1e6, high=1e6), ladder, market.STEP).empty


def test_pictures_carry_the_marks():
    frame = market.bars()
    cells = market.footprint(frame)
    assert cvd_png(frame, marks=marks(frame)) != cvd_png(frame)
    assert footprint_png(cells, marks=marks(frame), row_size=market.STEP) != footprint_png(
        cells, row_size=market.STEP
    )
    assert np.frombuffer(cvd_png(frame, marks=marks(frame))[:4], np.uint8)[1:].tobytes() == b"PNG"
