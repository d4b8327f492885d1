"""Events of a day: each kind where it must stand, and none before it was known."""

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from orchestration.arrays import column
from orchestration.config import Settings
from orchestration.defs.flow import tables as flow
from orchestration.defs.flow.events import EventRules, event_rules, events
from orchestration.instruments import load_instruments
from orchestration.quality.contracts import EVENT_KINDS
from tests.orchestration.rows import NS_PER_S, classified, gaps, no_gaps, rows_of

MINUTE = 60 * NS_PER_S
SESSION_LEVELS = {"session_poc", "session_vah", "session_val"}


def events_of(trades, holes=None, *, min_lots=4, end=10**15, earlier=None):
    holes = holes or no_gaps()
    bars = {"clock": "time:60s", "bar_seconds": 60}
    return events(
        trades,
        holes,
        flow.bars(trades, holes, **bars),
        flow.footprint_cells(trades, **bars, ticks_per_row=1, min_lots=min_lots),
        flow.profile_rows(trades, ticks_per_row=1),
        rules=EventRules(
            row_ticks=1,
            min_lots=min_lots,
            bar_seconds=60,
            day_start_ns=0,
            session_start_ns=0,
            session_end_ns=end,
        ),
        earlier=earlier,
    )


def of_kind(made, *kinds):
    return made.filter(pa.array([kind in kinds for kind in made["kind"].to_pylist()]))


def test_session_levels_are_known_at_the_sessions_end():
    # Rows 100: 9 lots, 101: 5 lots of 14. POC 100; 9 < 0.7 * 14 = 9.8, so 101 joins: all of it.
    trades = classified((1, 100, 5, 1), (2, 101, 3, -1), (61, 101, 2, 1), (62, 100, 4, 0))
    made = of_kind(events_of(trades, end=777), *SESSION_LEVELS)
    assert rows_of(made, "ts_event_ns", "kind", "price_tick", "qty_lots", "value") == [
        (777, "session_poc", 100, 14, 1.0),
        (777, "session_vah", 101, 14, 1.0),
        (777, "session_val", 100, 14, 1.0),
    ]


def test_a_zone_is_born_at_its_bars_close_and_touched_and_filled_by_trades():
    # Buys of 9 at 100 to 103 against empty bids one tick below; the lowest row has none below, so
    # 101 to 103 are stacked. Later trades: at 104 outside, at 103 inside, at 100 below.
    bought = [(1, price, 9, 1) for price in (100, 101, 102, 103)]
    trades = classified(*bought, (70, 104, 1, 1), (80, 103, 1, -1), (90, 100, 1, -1))
    made = of_kind(events_of(trades), "zone_birth", "zone_touch", "zone_fill", "zone_expiry")
    names = ("ts_event_ns", "kind", "bar_id", "price_tick", "sign", "value")
    assert rows_of(made, *names) == [
        (MINUTE, "zone_birth", 0, 103, 1, 101.0),
        (80 * NS_PER_S, "zone_touch", 0, 103, 1, 101.0),
        (90 * NS_PER_S, "zone_fill", 0, 103, 1, 101.0),
    ]


def test_a_zone_ends_where_records_are_missing():
    sold = [(1, price, 9, -1) for price in (100, 101, 102, 103)]
    trades = classified(*sold, (130, 90, 1, -1))
    hole = gaps((61 * NS_PER_S, 120 * NS_PER_S))
    made = of_kind(events_of(trades, hole), "zone_birth", "zone_expiry")
    assert rows_of(made, "ts_event_ns", "kind", "price_tick", "sign") == [
        (MINUTE, "zone_birth", 100, -1),
        (130 * NS_PER_S, "zone_expiry", 100, -1),
    ]


def test_a_sweep_above_those_before_it_is_big_once_a_hundred_are_known():
    # 200 sweeps of one lot, then one of 7: the quantile of the trades before is 1, which all reach.
    ones = [(i, 100, 1, 1) for i in range(200)]
    made = of_kind(events_of(classified(*ones, (300, 101, 7, -1))), "big_trade")
    assert rows_of(made, "ts_event_ns", "price_tick", "sign", "qty_lots", "value")[-1] == (
        300 * NS_PER_S, 101, -1, 7, 1.0,
    )  # fmt: skip
    assert made["ts_event_ns"][0].as_py() == 100 * NS_PER_S


def test_a_bar_that_stands_still_on_much_volume_absorbs():
    # 25 minutes of two lots or four at one price, then one of 99 sold: resting bids took it.
    quiet = [(60 * i, 100, 2 + 2 * (i % 2), 1) for i in range(25)]
    made = of_kind(events_of(classified(*quiet, (1501, 100, 99, -1))), "absorption")
    assert rows_of(made, "ts_event_ns", "bar_id", "price_tick", "sign", "qty_lots") == [
        (26 * MINUTE, 25, 100, 1, 99)
    ]
    assert made["value"][0].as_py() > 50


def test_a_lower_delta_at_a_higher_high_is_a_divergence_known_five_bars_later():
    # Minute highs: 110 in minute 6, 112 in minute 13; the running delta is lower at the second.
    highs = {6: (110, 50, 1), 13: (112, 5, 1)}
    trades = [(60 * i, *highs.get(i, (100, 2, -1))) for i in range(20)]
    made = of_kind(events_of(classified(*trades)), "divergence")
    assert rows_of(made, "ts_event_ns", "price_tick", "sign", "value") == [
        (19 * MINUTE, 112, -1, 5.0)
    ]


def test_unfinished_extremes_and_turnaround_of_a_bar():
    # Minute 0 up, minute 1 up, minute 2 opens at the high and closes lower with more sold. Its high
    # of 104 trades on both sides, more than 4 lots bought: unfinished, covered by minute 3.
    trades = classified(
        (1, 100, 1, 1), (30, 102, 1, 1), (61, 102, 1, 1), (90, 104, 1, 1),
        (121, 104, 6, 1), (122, 104, 3, -1), (150, 103, 9, -1), (181, 103, 1, 1), (182, 105, 1, 1),
    )  # fmt: skip
    made = events_of(trades)
    assert rows_of(of_kind(made, "delta_turnaround"), "ts_event_ns", "sign", "qty_lots") == [
        (3 * MINUTE, -1, 6)
    ]
    found = of_kind(made, "unfinished_auction", "unfinished_covered")
    assert rows_of(found, "ts_event_ns", "kind", "bar_id", "price_tick", "sign") == [
        (3 * MINUTE, "unfinished_auction", 2, 104, 1),
        (4 * MINUTE, "unfinished_covered", 2, 104, 1),
    ]


def test_volume_that_dries_up_towards_the_high_is_exhaustion_of_buyers():
    # From the high down 1, 2, 3, 4, 5 lots bought; the low is bought too: no lots sold there.
    trades = classified(*[(i, 105 - i, 1 + i, 1) for i in range(5)])
    made = of_kind(events_of(trades), "exhaustion")
    assert rows_of(made, "ts_event_ns", "price_tick", "sign") == [(MINUTE, 105, -1)]


def test_a_session_opens_with_the_calendars_hours(tmp_path, monkeypatch):
    # The day begins where the one before ended, five hours before the E-mini opens at 17:00 Chicago.
    monkeypatch.chdir(tmp_path)
    rules = event_rules(Settings(), load_instruments()["ES"], date(2013, 9, 3))
    assert (
        rules.session_start_ns == int(datetime(2013, 9, 2, 22, tzinfo=UTC).timestamp()) * NS_PER_S
    )
    assert rules.session_end_ns == int(datetime(2013, 9, 3, 22, tzinfo=UTC).timestamp()) * NS_PER_S


def test_the_initial_balance_is_known_when_its_hour_is_over():
    trades = classified((1, 100, 1, 1), (1800, 109, 1, 1), (3599, 95, 1, -1), (3700, 120, 1, 1))
    made = of_kind(events_of(trades), "initial_balance_high", "initial_balance_low")
    assert rows_of(made, "ts_event_ns", "kind", "price_tick") == [
        (3600 * NS_PER_S, "initial_balance_high", 109),
        (3600 * NS_PER_S, "initial_balance_low", 95),
    ]


def profiles(*days, ticks_per_row=1):
    """``flow.volume_profile`` of consecutive days; each day is {price: lots sold}."""
    rows = [
        (date(2024, 1, 1 + n), price, lots)
        for n, levels in enumerate(days)
        for price, lots in sorted(levels.items())
    ]
    day, price, lots = zip(*rows, strict=True) if rows else ((), (), ())
    none = np.zeros(len(rows), np.int64)
    return pa.table(
        {
            "trading_day": pa.array(day, pa.date32()), "price_tick": pa.array(price, pa.int64()),
            "bid_lots": pa.array(lots, pa.int64()), "ask_lots": none, "unsigned_lots": none,
            "ticks_per_row": np.full(len(rows), ticks_per_row),
        }
    )  # fmt: skip


def test_points_of_control_of_earlier_days_are_naked_until_a_bar_comes_to_them():
    # Day 1: POC 100, day 2 trades 104 to 106, so 100 is naked; its own POC 105 is covered by day 3
    # (103 to 107), whose POC 107 is naked. Today: 110, then 107 in minute 1; 100 is not reached.
    before = profiles({99: 1, 100: 9}, {104: 1, 105: 8, 106: 1}, {103: 1, 105: 2, 107: 7})
    trades = classified((1, 110, 1, 1), (61, 107, 1, -1), (121, 108, 1, 1))
    made = of_kind(events_of(trades, earlier=before), "naked_poc", "naked_poc_covered")
    names = ("ts_event_ns", "kind", "bar_id", "price_tick", "qty_lots", "value")
    assert rows_of(made, *names) == [
        (0, "naked_poc", -1, 100, 9, 3.0),
        (0, "naked_poc", -1, 107, 7, 1.0),
        (2 * MINUTE, "naked_poc_covered", 1, 107, 7, 1.0),
    ]


def test_rows_of_another_height_end_what_is_looked_back_on():
    coarse = profiles({100: 9}, ticks_per_row=4)
    trades = classified((1, 110, 1, 1))
    for before in (coarse, profiles()):
        assert of_kind(events_of(trades, earlier=before), "naked_poc").num_rows == 0


def walk(n, seed):
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(rng.exponential(3.0, n))
    # Lively, then quiet: zones and divergences here, bars that stand still there.
    quiet = rng.choice([-1, 0, 1], n, p=[0.03, 0.94, 0.03])
    step = np.where(np.arange(n) < n // 2, rng.integers(-1, 2, n), quiet)
    price = 1000 + np.cumsum(step)
    lots = 1 + rng.pareto(2.0, n).astype(int)
    lots[n // 2 :: n // 40] = 200
    return classified(*zip(seconds, price, lots, rng.choice([-1, 1], n), strict=True))


def test_no_event_says_what_was_not_known():
    # What the trades up to a bar's end show is what the whole day shows up to there.
    trades = walk(5_000, 3)
    hole = gaps((900 * NS_PER_S, 905 * NS_PER_S))
    whole = events_of(trades, hole)
    kinds = set(whole["kind"].to_pylist())
    assert kinds <= set(EVENT_KINDS)
    assert kinds >= {
        "zone_birth", "zone_fill", "big_trade", "absorption", "divergence", "unfinished_auction",
        "delta_turnaround", "significant_level", "initial_balance_high",
        "absorption_at_price", "ratio_low",
    }  # fmt: skip
    ts = column(trades, "ts_event_ns")
    for minute in (17, 61, 150, 200):
        known = events_of(trades.filter(pa.array(ts < minute * MINUTE)), hole)
        for made in (whole, known):
            assert not SESSION_LEVELS - set(made["kind"].to_pylist())
        parts = [
            rows_of(made, *made.column_names)
            for made in (
                one.filter(
                    pa.array(
                        [
                            kind not in SESSION_LEVELS and when <= minute * MINUTE
                            for kind, when in rows_of(one, "kind", "ts_event_ns")
                        ]
                    )
                )
                for one in (whole, known)
            )
        ]
        assert [str(row) for row in parts[0]] == [str(row) for row in parts[1]]  # NaN equals NaN


def test_a_day_without_trades_has_no_events():
    trades = walk(50, 1)
    empty = events_of(trades.slice(0, 0))
    assert (empty.num_rows, empty.schema) == (0, events_of(trades).schema)
