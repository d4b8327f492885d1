"""Predictions into trades, and a symbol's days added up, on markets that fit in a comment."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from orchestration.arrays import column
from orchestration.backtest_summary import (
    SIGNAL,
    SUMMARY,
    equity_frame,
    interval_pnl,
    null_runs,
    pooled_backtest,
    stated_terms,
)
from orchestration.config import Settings
from orchestration.defs.backtest import tables
from orchestration.defs.inference.tables import (
    day_predictions,
    model_versions,
    rung_unseen,
)
from orchestration.instruments import load_instruments
from orderflow_core.backtest.sharpe import deflated_sharpe_ratio, probabilistic_sharpe_ratio
from orderflow_core.instrument import Instrument
from tests.orchestration.rows import NS_PER_S, classified, raw_quotes, rows_of

DAYS = (date(2024, 8, 8), date(2024, 8, 9))
MINUTE = 60
# A contract that earns 2 a tick: price step 0.5, lot 1, contract value 4; 1 % taker fee.
TOY = Instrument(
    symbol="TOY", venue="toy", venue_symbol="TOY", kind="linear_perpetual",
    price_step=Decimal("0.5"), tick_size=Decimal("0.5"), lot_step=Decimal(1),
    contract_value=Decimal(4), quote_currency="USD", day_rule="utc", taker_fee=Decimal("0.01"),
)  # fmt: skip
SESSION = (0, 3600 * NS_PER_S)
NO_QUOTES = raw_quotes(ts=[], bid=[], ask=[])


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Settings(n_null_runs=20, latency_ms=0, signal_threshold=0.25, seed=3)


def predictions(*rows):
    """From (seconds, p_down, p_up)."""
    seconds, down, up = (np.array([row[i] for row in rows], float) for i in range(3))
    return pa.table(
        {
            "t0_ns": (seconds * NS_PER_S).astype(np.int64),
            "p_down": down,
            "p_flat": 1 - down - up,
            "p_up": up,
        }
    )


def judged(trades, predicted, config, quotes=NO_QUOTES):
    market = tables.market_path(trades, quotes, TOY)
    return tables.judge(market, predicted, tables.rules(TOY, SESSION, config), config)


def test_market_path_takes_quotes_where_there_are_any():
    trades = classified((1, 100, 1, 1))
    quoted = tables.market_path(trades, raw_quotes(ts=[5], bid=[99], ask=[102]), TOY)
    assert (quoted.is_quoted, quoted.bid_ticks.tolist(), quoted.ask_ticks.tolist()) == (
        True,
        [99],
        [102],
    )
    # Without, or with quotes on our receive clock: one full tick worse than the trade.
    received = raw_quotes(ts=[5], bid=[99], ask=[102], ts_source=1)
    for quotes in (NO_QUOTES, received):
        traded = tables.market_path(trades, quotes, TOY)
        assert (traded.is_quoted, traded.bid_ticks.tolist(), traded.ask_ticks.tolist()) == (
            False,
            [99],
            [101],
        )
    both = pa.concat_tables([received, raw_quotes(ts=[6], bid=[99], ask=[102])])
    with pytest.raises(ValueError, match="must be on one clock"):
        tables.market_path(trades, both.unify_dictionaries(), TOY)


def test_rules_turn_settings_into_units_of_the_engine(config):
    slow = config.model_copy(update={"latency_ms": 1.5, "slippage_ticks": 2})
    made = tables.rules(TOY, SESSION, slow)
    assert made.latency_ns == 1_500_000
    assert made.tick_value == 2.0  # 0.5 * 1 * 4
    assert made.costs.slippage_ticks == 2
    coarse = replace(TOY, tick_size=Decimal("1.5"))  # three price steps: 2 of its ticks are 6
    assert tables.rules(coarse, SESSION, slow).costs.slippage_ticks == 6


def test_inverse_contracts_are_refused(config):
    with pytest.raises(ValueError, match="BTCUSD_PERP is inverse"):
        tables.rules(load_instruments()["BTCUSD_PERP"], SESSION, config)


# Trades at 100, 102, 105, 103, 101 in five minutes. Up is said at 30 s, down at 150 s.
TRADES = classified(
    *[(s, p, 1, 1) for s, p in ((30, 100), (90, 102), (150, 105), (210, 103), (270, 101))]
)
SAID = predictions((30, 0.1, 0.9), (150, 0.9, 0.1))


def test_fills_are_a_full_tick_worse_than_the_next_trade(config):
    made = tables.signal_rows(judged(TRADES, SAID, config))
    fills = made.filter(pa.array([kind == "fill" for kind in made["kind"].to_pylist()]))
    # Up at 30 s: bought at the trade of 90 s, 102 + 1. Down at 150 s: sold 2 at 210 s, 103 - 1.
    # Session's end: bought back at the last trade, 101 + 1.
    names = ("ts_event_ns", "sign", "qty_lots", "price_ticks", "position_lots")
    assert rows_of(fills, *names) == [
        (90 * NS_PER_S, 1, 1, 103, 1),
        (210 * NS_PER_S, -1, 2, 102, -1),
        (270 * NS_PER_S, 1, 1, 102, 0),
    ]
    # 1 % of the notional: price in ticks * 2 USD a tick and lot.
    assert column(fills, "fee").tolist() == pytest.approx([2.06, 4.08, 2.04], rel=1e-12)


def test_totals_of_the_day(config):
    found = judged(TRADES, SAID, config)
    rows = tables.summary_rows(found)
    totals = {m: v for m, s, v in rows_of(rows, "metric", "seq", "value") if "null" not in m}
    # Cash in ticks: -103 + 2 * 102 - 102 = -1, at 2 USD.
    assert totals["gross_pnl"] == -2.0
    assert totals["fees"] == pytest.approx(8.18, rel=1e-12)
    assert totals["net_pnl"] == pytest.approx(-10.18, rel=1e-12)
    # At the trades themselves: -102 + 2 * 103 - 101 = 3 ticks; the fills paid 4 * 1 tick more.
    assert (totals["mark_pnl"], totals["crossing_cost"]) == (6.0, 8.0)
    assert totals["turnover"] == 2.0 * (103 + 2 * 102 + 102)
    assert (totals["n_fills"], totals["n_round_trips"], totals["n_won"]) == (3.0, 2.0, 0.0)
    # Buy-and-hold from the first prediction on: bought at 101 (its next event), sold at 101 - 1.
    assert totals["buy_and_hold_net_pnl"] == found.benchmark.net_pnl


def test_buy_and_hold_starts_with_the_first_prediction(config):
    late = predictions((150, 0.9, 0.1))
    found = judged(TRADES, late, config)
    assert found.benchmark.fill_ts_ns[0] >= 150 * NS_PER_S
    assert found.benchmark.fill_lots.tolist() == [1, 1]


def test_equity_is_marked_every_minute_and_ends_at_the_net_result(config):
    found = judged(TRADES, SAID, config)
    made = tables.signal_rows(found)
    marks = made.filter(pa.array([kind == "mark" for kind in made["kind"].to_pylist()]))
    assert column(marks, "ts_event_ns").tolist() == [m * MINUTE * NS_PER_S for m in range(1, 6)]
    assert column(marks, "equity")[-1] == pytest.approx(found.strategy.net_pnl, rel=1e-12)
    assert column(marks, "benchmark_equity")[-1] == pytest.approx(
        found.benchmark.net_pnl, rel=1e-12
    )
    # After the first fill, at the mark of 102: 102 - 103 = -1 tick, less the fee.
    assert column(marks, "equity")[:2].tolist() == pytest.approx([0.0, -2.0 - 2.06], rel=1e-12)
    assert column(marks, "position_lots").tolist() == [0, 1, 1, -1, 0]
    times = column(made, "ts_event_ns")
    assert (np.diff(times) >= 0).all()


def test_the_null_is_seeded_and_has_a_row_a_run(config):
    rows = [tables.summary_rows(judged(TRADES, SAID, config)) for _ in range(2)]
    assert rows[0].equals(rows[1])
    for metric in ("null_net_pnl", "null_mark_pnl"):
        assert len(null_runs(rows[0], metric)) == config.n_null_runs


def test_a_day_without_predictions_trades_nothing(config):
    found = judged(TRADES, predictions((1, 0.5, 0.5)).slice(0, 0), config)
    assert tables.signal_rows(found).num_rows == 0
    totals = dict(
        zip(*(tables.summary_rows(found)[c].to_pylist() for c in ("metric", "value")), strict=True)
    )
    assert (totals["net_pnl"], totals["n_fills"], totals["buy_and_hold_net_pnl"]) == (0.0, 0.0, 0.0)


def out_of_fold():
    """Two rungs over two days; 2024-08-08 is day 19943 since 1970."""
    rung = ["naive", "naive", "lightgbm", "lightgbm"]
    n = len(rung)
    return pa.table(
        {
            "rung": rung,
            "trading_day": np.array([19943, 19944, 19943, 19944]),
            "fold": np.arange(n),
            "train_end_ns": np.arange(n),
            "t0_ns": 10 + np.arange(n),
            "t1_ns": 20 + np.arange(n),
            "decision_id": np.arange(n),
            **{name: np.full(n, 0.25) for name in ("p_down", "p_flat", "p_up", "value")},
        }
    )


MODEL = {"run_id": "abc", "rung": "lightgbm", "model_version": "orderflow-direction_20-TOY/3"}


def test_predictions_of_a_day_name_the_model_that_said_them():
    versions = model_versions(MODEL)
    made = day_predictions(out_of_fold(), task="direction_20", versions=versions, day=DAYS[1])
    names = ("clock", "task", "rung", "model_version", "role", "t0_ns")
    # The registered rung by name and version, the others by the run that trained them.
    assert rows_of(made, *names) == [
        ("sweep", "direction_20", "naive", "abc:naive", "oof", 11),
        ("sweep", "direction_20", "lightgbm", "orderflow-direction_20-TOY/3", "oof", 13),
    ]


def test_a_day_that_no_fold_reached_has_no_predictions():
    made = day_predictions(
        out_of_fold(), task="direction_20", versions=model_versions(MODEL), day=date(2024, 1, 1)
    )
    assert made.num_rows == 0


def test_one_rung_of_one_task_in_time_order():
    versions = model_versions(MODEL)
    first, second = (
        day_predictions(out_of_fold(), task=task, versions=versions, day=DAYS[0])
        for task in ("direction_20", "return_60s")
    )
    both = pa.concat_tables([second, first.take([1, 0])]).unify_dictionaries()
    made = rung_unseen(both, "direction_20", "naive")
    assert rows_of(made, "task", "rung", "t0_ns") == [("direction_20", "naive", 10)]
    shuffled = first.set_column(
        first.schema.get_field_index("rung"), "rung", pa.array(["naive"] * 2)
    )
    again = rung_unseen(shuffled.take([1, 0]), "direction_20", "naive")
    assert column(again, "t0_ns").tolist() == [10, 12]


def test_a_day_after_the_training_is_traded_by_the_champion_if_that_is_the_rung():
    versions = model_versions(MODEL)
    of_folds = day_predictions(out_of_fold(), task="direction_20", versions=versions, day=DAYS[0])

    def as_role(role, rung):
        n = of_folds.num_rows
        made = of_folds.set_column(
            of_folds.schema.get_field_index("role"), "role", pa.array([role] * n)
        )
        return made.set_column(made.schema.get_field_index("rung"), "rung", pa.array([rung] * n))

    champion = as_role("champion", "champion:network")
    later = pa.concat_tables(
        [as_role("challenger", "challenger:network"), champion.take([1, 0])],
        promote_options="permissive",
    )
    assert rung_unseen(later, "direction_20", "network").num_rows == 2
    assert set(rung_unseen(later, "direction_20", "network")["role"].to_pylist()) == {"champion"}
    assert column(rung_unseen(later, "direction_20", "network"), "t0_ns").tolist() == [10, 12]
    assert rung_unseen(later, "direction_20", "lightgbm").num_rows == 0
    # Where there are out-of-fold rows of the rung, they are the ones.
    both = pa.concat_tables([as_role("oof", "network"), champion], promote_options="permissive")
    assert set(rung_unseen(both, "direction_20", "network")["role"].to_pylist()) == {"oof"}


def publish_backtest(store, symbol, day, found):
    with store.publish(symbol, day, run_id="test", code_version="1") as publication:
        publication.write(SIGNAL, tables.signal_rows(found))
        publication.write(SUMMARY, tables.summary_rows(found))
        publication.commit()


@pytest.fixture
def two_days(store, config, request):
    """Two days of opposite signals under a symbol of the test's own."""
    symbol = replace(TOY, symbol=f"backtest {request.node.name}")
    said = (SAID, predictions((30, 0.9, 0.1)))
    found = [judged(TRADES, one, config) for one in said]
    for day, one in zip(DAYS, found, strict=True):
        publish_backtest(store, symbol.symbol, day, one)
    return symbol, found


def test_each_days_equity_stands_on_the_last(store, two_days):
    known, (first, second) = two_days
    frame = equity_frame(store, known, DAYS)
    n = len(first.strategy.equity)
    assert frame["equity"].tolist()[:n] == first.strategy.equity.tolist()
    expected = [first.strategy.net_pnl + e for e in second.strategy.equity]
    assert frame["equity"].tolist()[n:] == pytest.approx(expected, rel=1e-12)
    total = first.benchmark.net_pnl + second.benchmark.net_pnl
    assert frame["benchmark"].iloc[-1] == pytest.approx(total, rel=1e-12)
    assert interval_pnl(store, known, DAYS).sum() == pytest.approx(
        first.strategy.net_pnl + second.strategy.net_pnl, rel=1e-12
    )


def test_null_runs_add_up_run_by_run(store, two_days):
    known, found = two_days
    rows = store.read(SUMMARY, known.symbol, DAYS)
    expected = found[0].null.null_pnl + found[1].null.null_pnl
    np.testing.assert_allclose(null_runs(rows, "null_net_pnl"), expected, rtol=1e-12)


def test_pooled_backtest_adds_the_days_and_states_its_terms(store, two_days, config):
    known, found = two_days
    told = pooled_backtest(store, known, DAYS, config, n_trials=8)
    net = sum(one.strategy.net_pnl for one in found)
    assert told["net result"] == f"{net:,.2f} USD"
    n_fills = sum(len(one.strategy.fill_ts_ns) for one in found)
    assert f"in {n_fills} fills" in told["turnover"]
    assert "20 runs" in told["shuffled signal"]
    # Eight minutes marked: without a trial that beat chance, deflated by the best of 8.
    pnl = interval_pnl(store, known, DAYS)
    alone = probabilistic_sharpe_ratio(pnl)
    best = deflated_sharpe_ratio(pnl, n_trials=8, var_sharpe=1 / (len(pnl) - 1))
    assert 0 < best < alone < 1
    assert told["odds of skill"] == (
        f"P(Sharpe > 0) = {alone:.3f} (PSR), above the best of 8 trials without skill "
        f"{best:.3f} (deflated)"
    )
    assert told["terms"] == (
        "predictions of lightgbm of rows unseen by it; latency 0 ms; slippage 0 ticks; "
        "|p_up - p_down| >= 0.25; 20 shuffled runs"
    )


def test_terms_are_those_of_the_run_and_not_of_todays_settings(store, two_days, config):
    known, _ = two_days
    today = config.model_copy(
        update={"latency_ms": 9.0, "slippage_ticks": 7, "signal_rung": "naive", "n_null_runs": 99}
    )
    assert pooled_backtest(store, known, DAYS, today, n_trials=8) == pooled_backtest(
        store, known, DAYS, config, n_trials=8
    )


def test_days_on_different_terms_say_so_and_share_their_null_runs(store, two_days, config):
    known, found = two_days
    third = date(2024, 8, 10)
    other = config.model_copy(update={"latency_ms": 1.5, "n_null_runs": 30, "signal_rung": "naive"})
    later = judged(TRADES, SAID, other)
    publish_backtest(store, known.symbol, third, later)
    told = pooled_backtest(store, known, (*DAYS, third), config, n_trials=8)
    assert told["terms"].startswith("days were run on different terms")
    assert "2 days on: predictions of lightgbm of rows unseen by it; latency 0 ms" in told["terms"]
    assert "1 day on: predictions of naive of rows unseen by it; latency 1.5 ms" in told["terms"]
    # 20, 20 and 30 runs: the last ten of the third day have no counterpart.
    rows = store.read(SUMMARY, known.symbol, (*DAYS, third))
    expected = sum(one.null.null_pnl for one in found) + later.null.null_pnl[:20]
    np.testing.assert_allclose(null_runs(rows, "null_net_pnl"), expected, rtol=1e-12)
    assert "(20 runs)" in told["shuffled signal"]


def test_a_day_without_recorded_terms_says_so(two_days):
    rows = tables.summary_rows(two_days[1][0])
    day = pa.array([DAYS[0]] * rows.num_rows)
    old = rows.append_column("trading_day", day).slice(0, 14)  # the totals alone
    assert stated_terms(old) == "not recorded (made by an earlier version)"


def test_a_symbol_that_was_never_traded_has_no_backtest(store, config):
    assert (
        pooled_backtest(store, replace(TOY, symbol="never traded"), DAYS, config, n_trials=8) == {}
    )
    assert equity_frame(store, replace(TOY, symbol="never traded"), DAYS).empty


def test_days_without_a_backtest_count_nothing(store, two_days, config):
    known, _ = two_days
    later = (*DAYS, date(2024, 8, 10))
    assert pooled_backtest(store, known, later, config, n_trials=8) == pooled_backtest(
        store, known, DAYS, config, n_trials=8
    )
