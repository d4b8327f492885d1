import gzip
import itertools
from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.backtest.engine import prepare, run, run_signal
from orderflow_core.backtest.fills import match_orders
from tests.core.backtest_cases import FREE, cases, ints, path, rules_for, run_case
from tests.naive import backtest as naive


@given(cases())
def test_run_equals_the_naive_loop(case):
    check_against_naive(case)


def check_against_naive(case):
    result = run_case(case)
    market, (signal_ts, target) = case["market"], case["signal"]
    rows = naive.fills(
        *market, signal_ts, target, case["latency"], case["slippage"], case["sessions"]
    )
    ours = zip(
        result.fill_ts_ns.tolist(),
        result.fill_signal_idx.tolist(),
        (result.fill_sign * result.fill_lots).tolist(),
        result.fill_price_ticks.tolist(),
        result.fill_position_lots.tolist(),
        strict=True,
    )
    assert list(ours) == [(market[0][e], s, change, p, pos) for e, s, change, p, pos in rows]
    assert (result.fill_lots > 0).all()

    times = naive.mark_times(market[0], case["sessions"], case["interval"])
    marks = naive.marks(*market, rows, times)
    assert result.mark_ts_ns.tolist() == times
    assert result.mark_position_lots.tolist() == [position for position, _ in marks]
    assert result.mark_gross_half_tick_lots.tolist() == [gross2 for _, gross2 in marks]

    _, superseded, cancelled = naive.match_orders(
        market[0], signal_ts, case["latency"], case["sessions"]
    )
    assert (result.n_superseded, result.n_cancelled) == (superseded, cancelled)
    fees = naive.fill_fees(
        result.fill_price_ticks.tolist(), result.fill_lots.tolist(), 0.0005, 1.25, 0.5, 1.0
    )
    np.testing.assert_allclose(result.fill_fee, fees, rtol=1e-15, atol=0)


@given(cases())
def test_equity_reconciles_with_the_cash_of_the_fills(case):
    result = run_case(case)
    cash = 0
    for sign, lots, price in zip(
        result.fill_sign.tolist(),
        result.fill_lots.tolist(),
        result.fill_price_ticks.tolist(),
        strict=True,
    ):
        cash -= sign * lots * price
    assert result.gross_pnl_tick_lots == cash  # integers: exact
    fees = 0.0
    for fee in result.fill_fee.tolist():  # added in the order of the fills: exact as well
        fees += fee
    final = result.equity[-1] if len(result.equity) else 0.0
    assert final == result.net_pnl == cash * 0.5 - fees
    # Marks alone, less what crossing the spread cost, is the same cash.
    assert result.mark_pnl == result.gross_pnl + result.crossing_cost == mark_pnl(case, result)


def mark_pnl(case, result):
    _, bid, ask = case["market"]
    rows = naive.fills(
        *case["market"], *case["signal"], case["latency"], case["slippage"], case["sessions"]
    )
    return -sum(change * (bid[e] + ask[e]) / 2 for e, _, change, _, _ in rows) * result.tick_value


@given(cases())
def test_positions_are_conserved_and_sessions_end_flat(case):
    result = run_case(case)
    change = result.fill_sign * result.fill_lots
    assert np.array_equal(np.cumsum(change), result.fill_position_lots)
    assert change.sum() == 0
    for start, end in case["sessions"]:
        inside = (result.fill_ts_ns >= start) & (result.fill_ts_ns < end)
        assert change[inside].sum() == 0
    in_session = [
        any(start <= t < end for start, end in case["sessions"]) for t in result.fill_ts_ns.tolist()
    ]
    assert all(in_session)


@given(cases())
def test_a_fill_comes_strictly_after_its_signal_and_latency(case):
    result = run_case(case)
    signal_ts = ints(case["signal"][0])
    is_order = result.fill_signal_idx >= 0
    decided = signal_ts[result.fill_signal_idx[is_order]]
    assert (result.fill_ts_ns[is_order] > decided + case["latency"]).all()


@given(cases())
def test_no_signal_earns_nothing(case):
    flat = {**case, "signal": (case["signal"][0], [0] * len(case["signal"][1]))}
    result = run_case(flat)
    assert len(result.fill_lots) == 0
    assert result.net_pnl == 0.0
    assert not result.equity.any()


@given(cases())
def test_the_opposite_signal_loses_what_this_one_earns_at_the_mark(case):
    opposite = {**case, "signal": (case["signal"][0], [-t for t in case["signal"][1]])}
    ours = run_case(case, costs=FREE)
    theirs = run_case(opposite, costs=FREE)
    assert np.array_equal(ours.fill_sign, -theirs.fill_sign)
    # Both pay the half-spread, and apart from it one's gain is the other's loss: exactly.
    assert ours.crossing_half_tick_lots == theirs.crossing_half_tick_lots
    assert (
        2 * (ours.gross_pnl_tick_lots + theirs.gross_pnl_tick_lots)
        == -2 * ours.crossing_half_tick_lots
    )
    ts, bid, _ = case["market"]
    without_spread = {**case, "market": (ts, bid, bid)}
    mirrored = {**opposite, "market": (ts, bid, bid)}
    assert np.array_equal(
        run_case(without_spread, costs=FREE).mark_gross_half_tick_lots,
        -run_case(mirrored, costs=FREE).mark_gross_half_tick_lots,
    )


@given(cases(), st.integers(1, 5))
def test_more_latency_never_makes_a_fill_earlier(case, extra):
    starts = [start for start, _ in case["sessions"]]
    ends = [end for _, end in case["sessions"]]

    def event_of_signal(latency, signal_ts):
        orders = match_orders(
            path(*case["market"]),
            ints([signal_ts]),
            latency_ns=latency,
            session_start_ns=ints(starts),
            session_end_ns=ints(ends),
        )
        placed = orders.event_idx[orders.signal_idx >= 0]
        return placed[0] if len(placed) else np.inf

    for t in case["signal"][0]:
        assert event_of_signal(case["latency"] + extra, t) >= event_of_signal(case["latency"], t)


@given(cases(), st.integers(0, 60), st.integers(1, 50))
def test_the_future_changes_nothing_before(case, now, jump):
    # After `now` other prices and other targets: the same fills and marks up to it. The event
    # times stay, since the exit knows which event is its session's last.
    ts, bid, ask = case["market"]
    signal_ts, target = case["signal"]
    other = {
        **case,
        "market": (
            ts,
            [b + jump * (t > now) for b, t in zip(bid, ts, strict=True)],
            [a + 2 * jump * (t > now) for a, t in zip(ask, ts, strict=True)],
        ),
        "signal": (
            signal_ts,
            [q if t <= now else 1 - q for q, t in zip(target, signal_ts, strict=True)],
        ),
    }
    a, b = run_case(case), run_case(other)
    fills, marks = a.fill_ts_ns <= now, a.mark_ts_ns <= now
    assert a.fill_ts_ns[fills].tolist() == b.fill_ts_ns[b.fill_ts_ns <= now].tolist()
    for name in ("fill_sign", "fill_lots", "fill_price_ticks", "fill_fee"):
        assert np.array_equal(
            getattr(a, name)[fills], getattr(b, name)[: np.count_nonzero(fills)]
        ), name
    for name in ("mark_ts_ns", "mark_position_lots", "mark_gross_half_tick_lots", "equity"):
        assert np.array_equal(getattr(a, name)[marks], getattr(b, name)[marks]), name


@given(cases(), st.integers(0, 60))
def test_cutting_the_future_off_changes_no_fill_before_the_last_known_event(case, now):
    ts, bid, ask = case["market"]
    n = sum(t <= now for t in ts)
    if n == 0:
        return
    # The cut session ends at its last known event, so only what lies before it is comparable.
    last = ts[n - 1]
    whole, cut = run_case(case), run_case({**case, "market": (ts[:n], bid[:n], ask[:n])})
    before = whole.fill_ts_ns < last
    for name in ("fill_ts_ns", "fill_sign", "fill_lots", "fill_price_ticks", "fill_signal_idx"):
        cut_before = getattr(cut, name)[cut.fill_ts_ns < last]
        assert np.array_equal(getattr(whole, name)[before], cut_before), name


@given(cases(), st.integers(1, 3))
def test_a_position_limit_cuts_targets(case, limit):
    result = run_case(case, max_position_lots=limit)
    cut = {
        **case,
        "signal": (case["signal"][0], [max(-limit, min(limit, t)) for t in case["signal"][1]]),
    }
    expected = run_case(cut)
    assert np.array_equal(result.fill_position_lots, expected.fill_position_lots)
    assert np.array_equal(result.equity, expected.equity)
    assert (np.abs(result.fill_position_lots) <= limit).all()


@given(cases())
def test_a_schedule_serves_many_signals(case):
    rules = rules_for(latency_ns=case["latency"], mark_interval_ns=case["interval"])
    ts, target = ints(case["signal"][0]), ints(case["signal"][1])
    schedule = prepare(path(*case["market"]), ts, rules)
    first = run(schedule, target)
    run(schedule, -target)
    again = run(schedule, target)
    assert np.array_equal(first.equity, again.equity)
    assert np.array_equal(first.equity, run_signal(path(*case["market"]), ts, target, rules).equity)


def test_recorded_trades_fill_as_in_the_naive_loop(test_data):
    # E-mini prints share their milliseconds, so that nearly every fill meets a tie in time.
    ts, price = [], []
    with gzip.open(test_data / "emini_mlfinpy" / "tick_data.csv.gz", "rt") as lines:
        next(lines)
        for line in itertools.islice(lines, 2_000):
            stamp, text, _ = line.split(",")
            moment = datetime.fromisoformat(stamp).replace(tzinfo=UTC)  # only differences matter
            ts.append(round(moment.timestamp() * 1000) * 1_000_000)
            price.append(round(float(text) * 4))
    decided = list(range(0, 2_000, 7))
    case = {
        "market": (ts, [p - 1 for p in price], [p + 1 for p in price]),
        "signal": (
            [ts[i] for i in decided],
            [
                (price[i] > price[max(0, i - 20)]) - (price[i] < price[max(0, i - 20)])
                for i in decided
            ],
        ),
        "sessions": [(ts[0], ts[-1] + 1)],
        "latency": 50_000_000,
        "slippage": 0,
        "interval": 60_000_000_000,
    }
    check_against_naive(case)
