"""Features, labels, and what a training reads of them, on hand-made days."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from orchestration.arrays import column, gap_positions, trade_arrays
from orchestration.defs.features import label_rows, tables
from orderflow_core.features import ALL_FEATURES
from orderflow_core.instrument import Instrument
from tests.orchestration.rows import NS_PER_S, classified, gaps, no_gaps, raw_quotes, rows_of

#  s, price, lots, sign: five sweeps of one fill each; the last one is not known to be closed.
TRADES = classified((1, 100, 5, 1), (2, 101, 3, 1), (3, 99, 2, -1), (4, 100, 1, 1), (5, 100, 1, -1))
SESSION_END_NS = 3600 * NS_PER_S
NO_QUOTES = raw_quotes(ts=[], bid=[], ask=[])
# All steps are 1, so that ticks are prices.
ONE = Instrument(
    symbol="ONE", venue="", venue_symbol="ONE", kind="spot", price_step=Decimal(1),
    tick_size=Decimal(1), lot_step=Decimal(1), contract_value=Decimal(1), quote_currency="USD",
    day_rule="utc",
)  # fmt: skip
SETTINGS = tables.feature_settings(row_ticks=1, min_lots=2, bar_seconds=1, bucket_lots=3)


def locked(trades, ts_source=0):
    """Quotes whose mid is each trade's price at its time."""
    price = column(trades, "price_ticks")
    return raw_quotes(ts=column(trades, "ts_event_ns"), bid=price, ask=price, ts_source=ts_source)


def features(trades=TRADES, holes=None, quotes=NO_QUOTES):
    return tables.features(trades, holes or no_gaps(), quotes, settings=SETTINGS)


def labels(
    trades=TRADES, quotes=None, holes=None, *, tasks=("direction_1", "return_2s"),
    end=SESSION_END_NS, n_sigmas=2, without_quotes="last_trade", taker_fee="0",
    direction_costs=False,
):  # fmt: skip
    holes = holes or no_gaps()
    return label_rows.labels(
        features(trades, holes),
        trades,
        locked(trades) if quotes is None else quotes,
        holes,
        session_end_ns=end,
        instrument=replace(ONE, taker_fee=Decimal(taker_fee)),
        terms=label_rows.LabelTerms(
            tasks=tasks,
            n_sigmas=n_sigmas,
            sigma_window_s=600,
            without_quotes=without_quotes,
            direction_costs=direction_costs,
        ),
    )


def of_task(made, task):
    return made.filter(pa.array([name == task for name in made["task"].to_pylist()]))


def test_one_feature_row_a_closed_sweep():
    made = features()
    assert made.column_names == ["clock", "t0_ns", "decision_id", *(f.name for f in ALL_FEATURES)]
    assert rows_of(made, "clock", "t0_ns", "decision_id") == [
        ("sweep", s * NS_PER_S, s) for s in (1, 2, 3, 4, 5)
    ]
    # Delta since the session's start: 5, 5+3, 8-2, 6+1, 7-1.
    assert column(made, "cvd_lots").tolist() == [5.0, 8.0, 6.0, 7.0, 6.0]


def test_a_later_file_of_the_day_only_adds_rows_after_those_whose_sweep_had_closed():
    made, earlier = features(), features(TRADES.slice(0, 3))
    for name in (f.name for f in ALL_FEATURES):
        np.testing.assert_array_equal(column(made, name)[:3], column(earlier, name))


def test_a_sweep_of_several_fills_is_decided_by_its_last():
    sweep = pa.array([0, 0, 1, 2, 3])
    at = TRADES.schema.get_field_index("sweep")
    same_time = np.array([1, 1, 3, 4, 5]) * NS_PER_S
    trades = TRADES.set_column(at, "sweep", sweep).set_column(0, "ts_event_ns", pa.array(same_time))
    made = features(trades)
    assert column(made, "decision_id").tolist() == [2, 3, 4, 5]
    assert column(made, "sweep_n_fills").tolist() == [2.0, 1.0, 1.0, 1.0]


def test_quotes_reach_the_features_only_where_the_trades_met_one():
    assert np.isnan(column(features(), "spread_ticks")).all()
    met = TRADES
    for name, value in {
        "has_quote": 1,
        "bid_ticks": 99,
        "ask_ticks": 102,
        "bid_lots": 3,
        "ask_lots": 1,
    }.items():
        at = met.schema.get_field_index(name)
        met = met.set_column(at, name, pa.array([value] * len(met), met.schema.field(name).type))
    made = features(met)
    assert column(made, "spread_ticks").tolist() == [3.0] * 5
    # 3 lots bid, 1 offered: 2 of 4.
    assert column(made, "queue_imbalance").tolist() == [0.5] * 5


def test_order_flow_imbalance_is_of_quotes_strictly_before_and_on_the_exchange_clock_only():
    # Trades at 0, 10, .. 70 s; the bid grows by 4 lots a quote, 1 ns before each trade.
    trades = classified(*[(10 * i, 100, 1, 1) for i in range(8)])
    ts = column(trades, "ts_event_ns") - 1
    quotes = raw_quotes(ts=ts[1:], bid=[99] * 7, ask=[101] * 7)
    at = quotes.schema.get_field_index("bid_lots")
    quotes = quotes.set_column(at, "bid_lots", pa.array(4 * np.arange(1, 8)))
    found = column(features(trades, quotes=quotes), "ofi_60s_lots")
    # Six quotes after the first within the 60 s to the last trade: 24 lots.
    assert found[-1] == 24.0
    receive = quotes.set_column(
        quotes.schema.get_field_index("ts_source"), "ts_source", pa.array(np.ones(7, np.int8))
    )
    assert np.isnan(column(features(trades, quotes=receive), "ofi_60s_lots")).all()


@pytest.mark.parametrize(
    ("spans", "positions"),
    [
        ([], []),
        # Trades at 1..5 s: a gap that ends at 2.5 s puts the third trade (position 2) after it.
        ([(1.5, 2.5)], [2]),
        # It ends at a trade's own time: that trade comes after it.
        ([(1.5, 3.0)], [2]),
        # Two gaps before one trade count once; before the first and after the last: not at all.
        ([(1.1, 1.2), (1.3, 1.4)], [1]),
        ([(0.1, 0.2), (6.0, 7.0)], []),
    ],
)
def test_gaps_stand_at_the_first_trade_after_them(spans, positions):
    ns = [tuple(int(s * NS_PER_S) for s in span) for span in spans]
    assert gap_positions(trade_arrays(TRADES), gaps(*ns)).tolist() == positions


# Ids 1..3 at 1 s, 5 and 6 at 1 s, 7 at 2 s: number 4 is missing within one time.
SAME_TIME = TRADES.take([0, 0, 0, 0, 0, 1]).set_column(1, "trade_id", pa.array([1, 2, 3, 5, 6, 7]))


@pytest.mark.parametrize(
    ("gap", "position"),
    [
        ({"reason": "missing_ids", "first_missing_id": 4}, 3),
        ({"reason": "id_leap", "first_missing_id": 4}, 3),
        # A fill's or a quote's number says nothing about trade ids: after that time.
        ({"reason": "missing_fills", "first_missing_id": 4}, 5),
        ({"reason": "reconnect"}, 5),
    ],
)
def test_a_gap_within_one_time_stands_where_the_ids_say(gap, position):
    hole = gaps((NS_PER_S, NS_PER_S), **gap)
    assert gap_positions(trade_arrays(SAME_TIME), hole).tolist() == [position]


def test_labels_have_a_row_a_decision_and_task():
    made = labels()
    keys = rows_of(features(), "t0_ns", "decision_id")
    for task in ("direction_1", "return_2s"):
        assert rows_of(of_task(made, task), "t0_ns", "decision_id") == keys
    assert made.num_rows == 2 * len(keys)
    assert set(made["clock"].to_pylist()) == {"sweep"}
    assert (column(made, "t1_ns") >= column(made, "t0_ns")).all()


def test_labels_look_one_sweep_and_some_seconds_ahead():
    made = labels()
    # Prices 100 101 99 100 100: up, down, up, same; after the last decision no further sweep.
    direction = column(of_task(made, "direction_1"), "label")
    np.testing.assert_array_equal(direction, [1, -1, 1, 0, np.nan])
    # 2 s later: 99/100, 100/101, 100/99; 6 s and 7 s are past the last trade.
    known = [1e4 * (99 - 100) / 100, 1e4 * (100 - 101) / 101, 1e4 * (100 - 99) / 99]
    expected = [*known, np.nan, np.nan]
    np.testing.assert_allclose(column(of_task(made, "return_2s"), "label"), expected, rtol=1e-12)


def on_last_trades(quotes, task="direction_200", without_quotes="last_trade"):
    # Prices 1, 2, 3 ... a second apart: 200 sweeps later every price is higher.
    trades = classified(*[(s, s, 1, 1) for s in range(1, 204)])
    tasks = (task, "return_2s")
    return labels(trades, quotes(trades), tasks=tasks, without_quotes=without_quotes)


@pytest.mark.parametrize(
    "quotes",
    [
        lambda _: NO_QUOTES,
        # Mids of the other way round, on our clock: they say nothing about exchange times.
        lambda trades: raw_quotes(
            ts=column(trades, "ts_event_ns"),
            bid=column(trades, "price_ticks")[::-1],
            ask=column(trades, "price_ticks")[::-1],
            ts_source=1,
        ),
    ],
)
def test_labels_without_quotes_on_the_exchange_clock_are_of_the_last_trade_and_say_so(quotes):
    made = on_last_trades(quotes)
    assert set(made["mid_proxy"].to_pylist()) == {"last_trade"}
    # 203 sweeps: three of them have a 200th later one.
    direction = column(of_task(made, "direction_200"), "label")
    assert direction[:3].tolist() == [1, 1, 1]
    assert np.isnan(direction[3:]).all()
    # 2 s later: (3 - 1) / 1.
    assert column(of_task(made, "return_2s"), "label")[0] == 2e4
    with pytest.raises(ValueError, match=r"at least 200 sweeps, got 199 \(direction_199\).*bounce"):
        on_last_trades(quotes, "direction_199")
    with pytest.raises(
        ValueError, match=r"at least 200 trades, got 199 \(direction_199t\).*bounce"
    ):
        on_last_trades(quotes, "direction_199t")
    between = on_last_trades(quotes, "direction_10t", "side_mid")
    assert set(between["mid_proxy"].to_pylist()) == {"side_mid"}
    assert column(of_task(between, "direction_10t"), "label")[:3].tolist() == [1, 1, 1]


def test_side_mid_lies_between_the_sides_and_forgets_over_gaps():
    made = labels(quotes=NO_QUOTES, without_quotes="side_mid", tasks=("direction_1",))
    # Buys at 100, 101, 100 and sells at 99, 100. Twice the mid: 200, 202, 200, 199, 200.
    np.testing.assert_array_equal(column(made, "label"), [1, -1, -1, 1, np.nan])
    hole = gaps((int(2.4 * NS_PER_S), int(2.6 * NS_PER_S)))
    made = labels(quotes=NO_QUOTES, holes=hole, without_quotes="side_mid", tasks=("direction_1",))
    # From the third trade on 198 (no buy known), 199, 200.
    np.testing.assert_array_equal(column(made, "label"), [1, np.nan, 1, 1, np.nan])


def test_half_spread_mid_takes_half_a_spread_off_the_last_trade():
    made = labels(quotes=NO_QUOTES, without_quotes="half_spread_mid", tasks=("direction_1",))
    assert set(made["mid_proxy"].to_pylist()) == {"half_spread_mid"}
    # Spreads at changes of side: 2, 1, 0 (a tick at least: 1). Usual ones: 1, 1, 2, 1, 1.
    # Twice the price less it, by side: 200 - 1, 202 - 1, 198 + 2, 200 - 1, 200 + 1.
    np.testing.assert_array_equal(column(made, "label"), [1, -1, -1, 1, np.nan])
    with pytest.raises(
        ValueError, match="without_quotes must be half_spread_mid, side_mid or last"
    ):
        labels(quotes=NO_QUOTES, without_quotes="microprice")


def test_direction_over_trades_counts_fills_and_not_sweeps():
    sweep = TRADES.set_column(
        TRADES.schema.get_field_index("sweep"), "sweep", pa.array([0, 0, 1, 2, 3])
    )
    same_time = np.array([1, 1, 3, 4, 5]) * NS_PER_S
    trades = sweep.set_column(0, "ts_event_ns", pa.array(same_time))
    made = labels(trades, tasks=("direction_1t", "direction_2t", "direction_2"))
    # Decisions after trades 2, 3, 4, 5 at prices 101, 99, 100, 100.
    over = {task: column(of_task(made, task), "label") for task in ("direction_1t", "direction_2t")}
    np.testing.assert_array_equal(over["direction_1t"], [-1, 1, 0, np.nan])
    np.testing.assert_array_equal(over["direction_2t"], [-1, 1, np.nan, np.nan])


def test_direction_over_seconds_is_flat_within_half_the_spread_and_a_fee():
    # In half ticks the price moves by 2, -4, 2, 0. The last buy less the last sell, a tick at least:
    # 1, 1, 2, 1, 1; half of it in half ticks is the same number. A move equal to it is flat.
    made = labels(tasks=("direction_1s",))
    np.testing.assert_array_equal(column(made, "label"), [1, -1, 0, 0, np.nan])
    # A fee of a hundredth is about 1, in half ticks 2: 1 + 2 holds back the first, not the second.
    made = labels(tasks=("direction_1s",), taker_fee="0.01")
    np.testing.assert_array_equal(column(made, "label"), [0, -1, 0, 0, np.nan])


@pytest.mark.parametrize("task", ["direction_1", "direction_1t"])
def test_direction_over_sweeps_and_trades_is_flat_within_costs_where_the_setting_says_so(task):
    # The same moves and costs as over seconds: each sweep is one trade, a second after the last.
    made = labels(tasks=(task,), direction_costs=True)
    np.testing.assert_array_equal(column(made, "label"), [1, -1, 0, 0, np.nan])
    made = labels(tasks=(task,), direction_costs=True, taker_fee="0.01")
    np.testing.assert_array_equal(column(made, "label"), [0, -1, 0, 0, np.nan])
    made = labels(tasks=(task,), taker_fee="0.01")
    np.testing.assert_array_equal(column(made, "label"), [1, -1, 1, 0, np.nan])


def test_moves_and_barriers_are_measured_in_usual_moves_and_costs():
    tasks = ("move_1s", "barrier_1s")
    made = {n: labels(tasks=tasks, n_sigmas=n) for n in (0.5, 1)}
    # Usual moves are known from 3 s on, two horizons after the start. Half ticks of moves that are
    # over: at 3 s 2, -4, sigma sqrt(10) = 3.2; at 4 s 2, -4, 2, sigma sqrt(8) = 2.8. Half of either is
    # below a tick (2): barriers lie there, and the price moves by 2, then by 0.
    barrier = of_task(made[0.5], "barrier_1s")
    np.testing.assert_array_equal(column(barrier, "label"), [np.nan, np.nan, 1, 0, np.nan])
    assert column(barrier, "t1_ns")[2:4].tolist() == [4 * NS_PER_S, 5 * NS_PER_S]
    barrier = of_task(made[1], "barrier_1s")
    np.testing.assert_array_equal(column(barrier, "label"), [np.nan, np.nan, 0, 0, np.nan])
    # A round trip costs the spread: 2 ticks at 3 s, which is more than the move of 1.
    move = of_task(made[0.5], "move_1s")
    np.testing.assert_array_equal(column(move, "label"), [np.nan, np.nan, 0, 0, np.nan])
    # Price 100, 101, .. 110 by the second, then 150: the spread is a tick, usual moves are of one.
    path = classified(*[(s, 100 + s, 1, 1) for s in range(11)], (11, 150, 1, 1))
    move = labels(path, tasks=("move_1s",))
    assert column(move, "label")[2:11].tolist() == [0.0] * 8 + [1.0]


def test_labels_of_other_features_are_refused():
    found = features(TRADES.slice(0, 3))
    with pytest.raises(ValueError, match="decisions must be the ends of the day's 5 sweeps, got 3"):
        label_rows.labels(
            found, TRADES, NO_QUOTES, no_gaps(), session_end_ns=SESSION_END_NS, instrument=ONE,
            terms=label_rows.LabelTerms(
                tasks=("return_2s",), n_sigmas=2, sigma_window_s=60, without_quotes="last_trade",
                direction_costs=False,
            ),
        )  # fmt: skip


def test_quotes_of_two_clocks_are_refused():
    mixed = pa.concat_tables([locked(TRADES), locked(TRADES, ts_source=1)]).unify_dictionaries()
    with pytest.raises(ValueError, match=r"one clock .* 5 with an exchange time and 5 with our"):
        labels(quotes=mixed)


def test_labels_with_quotes_are_measured_on_the_mid():
    # Mids 100.5 until 2.5 s, then 101.5. The quote of 3.5 s is crossed (bid 105, ask 104): left out.
    seconds = np.array([0.5, 2.5, 3.5, 9]) * NS_PER_S
    quotes = raw_quotes(ts=seconds.astype(int), bid=[100, 101, 105, 101], ask=[101, 102, 104, 102])
    made = labels(quotes=quotes)
    assert set(made["mid_proxy"].to_pylist()) == {"quote_mid"}
    direction = column(of_task(made, "direction_1"), "label")
    np.testing.assert_array_equal(direction, [0, 1, 0, 0, np.nan])
    # In half ticks: 201 -> 203, 201 -> 203, then 203 -> 203.
    expected = [1e4 * 2 / 201, 1e4 * 2 / 201, 0, 0, 0]
    np.testing.assert_allclose(column(of_task(made, "return_2s"), "label"), expected, rtol=1e-12)


def test_a_gap_between_decision_and_outcome_leaves_no_label():
    hole = gaps((int(2.4 * NS_PER_S), int(2.6 * NS_PER_S)))
    made = labels(holes=hole)
    # It meets [2, 3] of the second decision, [1, 3] and [2, 4] of the first two returns.
    np.testing.assert_array_equal(
        np.isnan(column(of_task(made, "direction_1"), "label")), [False, True, False, False, True]
    )
    np.testing.assert_array_equal(
        np.isnan(column(of_task(made, "return_2s"), "label")), [True, True, False, True, True]
    )


def test_an_outcome_after_the_sessions_end_is_not_known():
    made = labels(end=4 * NS_PER_S)
    np.testing.assert_array_equal(
        np.isnan(column(of_task(made, "return_2s"), "label")), [False, True, True, True, True]
    )


def test_a_day_without_trades_has_no_rows():
    empty = TRADES.slice(0, 0)
    assert features(empty).num_rows == 0
    assert labels(empty).num_rows == 0
    assert labels(empty, NO_QUOTES).num_rows == 0


def test_training_reads_exactly_the_published_rows(store):
    from models.tasks import Task
    from orchestration.defs.training.datasets import load_dataset, manifest_rows, training_days

    symbol, days = "training reads", [date(2024, 8, 8), date(2024, 8, 9)]
    for day in days:
        with store.publish(symbol, day, run_id="test", code_version="1") as publication:
            publication.write("research.features", features())
            publication.write("research.labels", labels())
            publication.commit()
    with store.publish(symbol, date(2024, 8, 10), run_id="test", code_version="1") as publication:
        publication.write("research.features", features())
        publication.commit()
    snapshot = store.snapshot()
    assert training_days(store, symbol, snapshot) == days
    # One day: the days here hold the same times, which no two days of a market do.
    made = load_dataset(store, symbol, days[:1], Task("direction_1"), snapshot)
    assert made.names == tuple(f.name for f in ALL_FEATURES)
    assert (made.label.tolist(), made.n_null_labels) == ([1.0, -1.0, 1.0, 0.0], 1)
    assert made.decision_id.tolist() == [1, 2, 3, 4]
    assert made.trading_day.tolist() == [19943] * 4  # 2024-08-08 in days since 1970
    prints = manifest_rows(store, symbol, days, snapshot)
    assert [(p["table"], p["trading_day"]) for p in prints] == [
        (table, day.isoformat())
        for table in ("research.features", "research.labels")
        for day in days
    ]
    for entry in prints:
        day = date.fromisoformat(entry["trading_day"])
        assert entry["hash"] == store.content_hash(entry["table"], symbol, day)
