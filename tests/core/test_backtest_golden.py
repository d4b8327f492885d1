from dataclasses import replace

import numpy as np
import pytest

from orderflow_core.backtest.engine import run_signal
from orderflow_core.backtest.fills import MarketPath, market_from_quotes, market_from_trades
from orderflow_core.types import QuoteArrays, TradeArrays
from tests.core.backtest_cases import DEAR, FREE, ints, path, rules_for


def test_golden_arithmetic():
    # Two quotes share time 20. Latency 5, slippage 1, tick value 0.5, fee 0.0005 of the notional
    # + 1.25 a contract, 2 contracts a lot.
    #   event   0        1        2        3        4        5
    #   time   10       20       20       30       40       50
    #   bid   100      101      104      103       99       98
    #   ask   101      103      105      105      100      101
    # signal  +2 at 10 -> due 15 -> event 1, the first of the two at 20: buy 2 at 103 + 1 = 104
    # signal  +1 at 15 -> due 20 -> strictly after 20: event 3; superseded there by
    # signal  -1 at 24 -> due 29 -> event 3: sell 3 at 103 - 1 = 102, position -1
    # signal  -1 at 31 -> due 36 -> event 4: already at its target, no fill
    # signal  +4 at 40 -> due 45 -> event 5 is the session's last: cancelled
    # exit    event 5: buy 1 at 101 + 1 = 102
    # signal  +1 at 60 -> outside the session [0, 60): cancelled
    market = path(
        [10, 20, 20, 30, 40, 50], [100, 101, 104, 103, 99, 98], [101, 103, 105, 105, 100, 101]
    )
    rules = rules_for(latency_ns=5, costs=DEAR, contracts_per_lot=2.0, session_end_ns=60)
    result = run_signal(market, ints([10, 15, 24, 31, 40, 60]), ints([2, 1, -1, -1, 4, 1]), rules)
    assert result.fill_ts_ns.tolist() == [20, 30, 50]
    assert result.fill_sign.tolist() == [1, -1, 1]
    assert result.fill_lots.tolist() == [2, 3, 1]
    assert result.fill_price_ticks.tolist() == [104, 102, 102]
    assert result.fill_position_lots.tolist() == [2, -1, 0]
    assert result.fill_signal_idx.tolist() == [0, 2, -1]
    assert (result.n_superseded, result.n_cancelled) == (1, 2)
    # cash = -2*104 + 3*102 - 1*102 = -4 tick-lots
    assert result.gross_pnl_tick_lots == -4
    # fees: 2*104*0.5*0.0005 + 1.25*4 = 5.052; 3*102*0.5*0.0005 + 1.25*6 = 7.5765;
    #       1*102*0.5*0.0005 + 1.25*2 = 2.5255
    np.testing.assert_allclose(result.fill_fee, [5.052, 7.5765, 2.5255], rtol=1e-15)
    assert result.net_pnl == pytest.approx(-4 * 0.5 - 15.154)
    # Doubled marks at 20, 30, 40, 50: 209, 208, 199, 199; doubled cash: -416, +196, +196, -8.
    #   20: -416 + 2*209 = 2;  30: 196 - 208 = -12;  40: 196 - 199 = -3;  50: -8
    # At 10 nothing is held. Time 20's mark uses the second quote at 20, known by then.
    assert result.mark_ts_ns.tolist() == [10, 20, 30, 40, 50]
    assert result.mark_gross_half_tick_lots.tolist() == [0, 2, -12, -3, -8]
    np.testing.assert_allclose(
        result.equity, [0, 0.5 - 5.052, -3 - 12.6285, -0.75 - 12.6285, -2 - 15.154], rtol=1e-14
    )
    # Paid away from the doubled marks 204, 208, 199: 2*(208-204) + 3*(208-204) + 1*(204-199) = 25
    assert result.crossing_half_tick_lots == 25


def test_marks_skip_the_closed_hours_and_share_a_common_interval():
    # Sessions [0, 25) and [25, 200): events 3..24 and 61..83; interval 20.
    # First: ceil(3/20)=1 .. ceil(24/20)=2 -> 20, 40. Second: ceil(61/20)=4 .. ceil(83/20)=5 -> 80, 100.
    market = path([3, 24, 61, 83], [10] * 4, [11] * 4)
    rules = rules_for(
        session_start_ns=ints([0, 25]), session_end_ns=ints([25, 200]), mark_interval_ns=20
    )
    assert run_signal(market, ints([]), ints([]), rules).mark_ts_ns.tolist() == [20, 40, 80, 100]
    # Interval 100: (0, 100] holds both sessions, once.
    daily = replace(rules, mark_interval_ns=100)
    assert run_signal(market, ints([]), ints([]), daily).mark_ts_ns.tolist() == [100]


def test_quotes_give_the_far_side_and_a_crossed_quote_gives_no_gain():
    # Element 1 is crossed (bid 105 over ask 103): a buy pays 105, a sell gets 103.
    # Element 2 has no ask: no market, left out.
    quotes = QuoteArrays(
        ts_event_ns=ints([1, 2, 3, 4]),
        bid_ticks=ints([100, 105, 100, 101]),
        bid_lots=ints([1, 1, 1, 1]),
        ask_ticks=ints([102, 103, 0, 102]),
        ask_lots=ints([1, 1, 0, 1]),
    )
    market = market_from_quotes(quotes)
    assert market.is_quoted
    assert market.ts_ns.tolist() == [1, 2, 4]
    assert market.bid_ticks.tolist() == [100, 103, 101]
    assert market.ask_ticks.tolist() == [102, 105, 102]


def test_trades_fill_a_full_tick_worse_than_the_next_trade():
    # Decided at 1 with the trade at 1 known; the next trade, at 2, is 204: with two price steps a
    # tick the buy pays 206. The exit at 3 (210) sells at 208.
    trades = TradeArrays(
        ts_event_ns=ints([1, 2, 3]),
        trade_id=ints([1, 2, 3]),
        price_ticks=ints([200, 204, 210]),
        qty_lots=ints([1, 1, 1]),
        sign=np.array([1, 1, 1], np.int8),
    )
    market = market_from_trades(trades, 2)
    assert not market.is_quoted
    result = run_signal(market, ints([1]), ints([1]), rules_for(mark_interval_ns=1))
    assert result.fill_price_ticks.tolist() == [206, 208]
    # At 2 one lot bought at 206 is worth the last price, 204: doubled -4.
    assert result.mark_gross_half_tick_lots.tolist() == [0, -4, 4]


def random_walk(n, seed):
    rng = np.random.default_rng(seed)
    bid = 10_000 + np.cumsum(rng.integers(-2, 3, n))
    return path(np.arange(n) * 10, bid, bid + 1)


def test_perfect_foresight_earns():
    market = random_walk(4_000, 1)
    decide = np.arange(0, 3_900, 50)
    # What no one can know: where the market stands at the next decision.
    target = np.sign(market.bid_ticks[decide + 50] - market.bid_ticks[decide])
    result = run_signal(market, market.ts_ns[decide], target, rules_for(mark_interval_ns=500))
    assert result.net_pnl > 0
    turned = run_signal(market, market.ts_ns[decide], -target, rules_for(mark_interval_ns=500))
    assert turned.net_pnl < 0


def test_noise_loses_about_its_costs():
    market = random_walk(20_000, 2)
    rng = np.random.default_rng(3)
    decide = np.arange(0, 19_900, 10)
    rules = rules_for(costs=DEAR, mark_interval_ns=500, tick_value=1.0)
    runs = [
        run_signal(market, market.ts_ns[decide], rng.integers(-1, 2, len(decide)), rules)
        for _ in range(20)
    ]
    net = np.array([r.net_pnl for r in runs])
    paid = np.array([r.crossing_cost + r.fees for r in runs])
    error = (net + paid).std(ddof=1) / np.sqrt(len(runs))
    assert abs((net + paid).mean()) < 3 * error
    assert (net < 0).all()


def test_an_empty_market_has_no_marks():
    empty = run_signal(path([], [], []), ints([5]), ints([1]), rules_for())
    assert len(empty.equity) == 0
    assert empty.net_pnl == empty.fees == 0.0
    assert (empty.n_cancelled, empty.n_sessions) == (1, 0)


def test_a_single_event_takes_no_order():
    single = run_signal(path([6], [9], [10]), ints([5]), ints([1]), rules_for())
    assert len(single.fill_lots) == 0
    assert single.n_cancelled == 1


def test_read_only_and_strided_input_is_accepted():
    ts = np.arange(0, 80, 10)[::2]
    bid, ask = np.full(8, 100)[::2], np.full(8, 101)[::2]
    for array in (ts, bid, ask):
        array.flags.writeable = False
    market = MarketPath(ts_ns=ts, bid_ticks=bid, ask_ticks=ask, is_quoted=True)
    target = ints([1])
    target.flags.writeable = False
    assert run_signal(market, ints([0]), target, rules_for()).gross_pnl_tick_lots == -1


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"latency_ns": -1}, ValueError, "latency_ns must be at least 0, got -1"),
        ({"latency_ns": 1.5}, TypeError, "latency_ns must be an integer"),
        ({"tick_value": 0.0}, ValueError, "tick_value must be finite and positive"),
        ({"tick_value": float("nan")}, ValueError, "tick_value must be finite"),
        ({"contracts_per_lot": -1}, ValueError, "contracts_per_lot must be"),
        ({"mark_interval_ns": 0}, ValueError, "mark_interval_ns must be at least 1"),
        ({"max_position_lots": 0}, ValueError, "max_position_lots must be at least 1"),
        ({"session_end_ns": 0}, ValueError, "half-open windows in time order"),
        (
            {"session_start_ns": [0, 5], "session_end_ns": [6, 9]},
            ValueError,
            "do not overlap",
        ),
        ({"session_start_ns": [], "session_end_ns": []}, ValueError, "must hold a session"),
    ],
)
def test_rules_out_of_range_are_refused(changes, error, text):
    with pytest.raises(error, match=text):
        rules_for(**changes)


def test_costs_out_of_range_are_refused():
    with pytest.raises(
        ValueError, match=r"taker_fee must be finite and zero or positive, got -0\.1"
    ):
        replace(FREE, taker_fee=-0.1)
    with pytest.raises(TypeError, match="fee_per_contract must be a number"):
        replace(FREE, fee_per_contract="1")
    with pytest.raises(ValueError, match="slippage_ticks must be at least 0"):
        replace(FREE, slippage_ticks=-1)


def test_bad_arrays_are_refused():
    market = path([1, 2], [10, 10], [11, 11])
    with pytest.raises(ValueError, match="target_lots must hold 1 elements, got 2"):
        run_signal(market, ints([0]), ints([1, 1]), rules_for())
    with pytest.raises(TypeError, match="target_lots must hold integers"):
        run_signal(market, ints([0]), np.array([0.5]), rules_for())
    with pytest.raises(ValueError, match="signal_ts_ns must be non-decreasing"):
        run_signal(market, ints([3, 2]), ints([1, 1]), rules_for())
    with pytest.raises(ValueError, match=r"market.ts_ns must be non-decreasing"):
        run_signal(path([2, 1], [10, 10], [11, 11]), ints([0]), ints([1]), rules_for())
    with pytest.raises(ValueError, match=r"must not exceed ask_ticks, got 12 > 11 at position 0"):
        run_signal(path([1], [12], [11]), ints([0]), ints([1]), rules_for())
    with pytest.raises(ValueError, match="must fit int64"):
        run_signal(market, ints([2**63 - 2]), ints([1]), rules_for(latency_ns=5))


def test_sums_that_could_overflow_are_refused():
    market = path([1, 2, 3, 4], [10, 10, 10, 10], [11, 11, 11, 11])
    with pytest.raises(ValueError, match="target_lots may overflow int64"):
        run_signal(market, ints([1]), ints([2**62]), rules_for())
    with pytest.raises(ValueError, match="equity in half tick-lots may overflow int64"):
        run_signal(market, ints([1]), ints([2**60]), rules_for())
    with pytest.raises(ValueError, match="market prices with slippage may overflow int64"):
        run_signal(path([1], [2**62], [2**62]), ints([1]), ints([1]), rules_for())
