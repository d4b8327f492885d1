"""Feature matrix: oracle on each clock, golden rows, contracts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from orderflow_core.decision_clocks import Decisions
from orderflow_core.features import ALL_FEATURES, FEATURES, continue_decision_features
from tests.core.feature_checks import build, naive_decisions
from tests.core.feature_streams import (
    CLOCKS,
    SECOND,
    call,
    drawn_streams,
    named,
    quote_rows,
    stream_of,
)
from tests.naive import features as naive


@pytest.mark.parametrize("clock", CLOCKS, ids=named)
@given(drawn_streams())
def test_agrees_with_the_obvious_loop(clock, stream):
    trades = stream.trades
    expected = naive.decision_features(
        trades.ts_event_ns.tolist(),
        trades.trade_id.tolist(),
        trades.price_ticks.tolist(),
        trades.qty_lots.tolist(),
        trades.sign.tolist(),
        stream.sweep.tolist(),
        quote_rows(stream.at_trade),
        decisions=naive_decisions(stream, clock),
        is_end_included=clock != "time:5s",
        starts={0, *stream.session_start_idx.tolist(), *stream.gap_idx.tolist()},
    )
    matrix = build(stream, clock, settings=None)
    keys = zip(
        matrix.t0_ns.tolist(), matrix.decision_id.tolist(), matrix.last_idx.tolist(), strict=True
    )
    assert list(keys) == [row[:3] for row in expected]
    for i, name in enumerate(matrix.names):
        wanted = np.array([row[3][name] for row in expected], np.float64)
        # 1e-9: the naive microprice subtracts two prices, ours never leaves the spread.
        np.testing.assert_allclose(
            matrix.values[:, i], wanted, rtol=1e-12, atol=1e-9, err_msg=f"feature {name}"
        )


def test_registry_names_each_column_once():
    nothing = stream_of([], [], [], [], [])
    assert build(nothing, settings=None).names == tuple(f.name for f in FEATURES)
    matrix = build(nothing)
    assert matrix.names == tuple(feature.name for feature in ALL_FEATURES)
    assert len(set(matrix.names)) == len(ALL_FEATURES) == 68
    assert ALL_FEATURES[:26] == FEATURES
    assert matrix.values.shape == (0, 68)
    for feature in ALL_FEATURES:
        assert feature.klass == "session"
        assert all((feature.definition, feature.unit, feature.window, feature.source))


def test_row_of_a_sweep_is_golden():
    # Sweep 0 at 0 s: buy 2 @ 100. Sweep 1 at 30 s: sell 1 @ 99. Sweep 2 at 60 s: buy 3 @ 100 and
    # 5 @ 101. Sweep 3 at 60 s, later in the order: not known to the row of sweep 2.
    stream = stream_of(
        [0, 30 * SECOND, 60 * SECOND, 60 * SECOND, 60 * SECOND],
        [100, 99, 100, 101, 90],
        [2, 1, 3, 5, 50],
        [1, -1, 1, 1, -1],
        [0, 1, 2, 2, 3],
        quotes=[None, None, (99, 3, 100, 1), (99, 3, 101, 1), (99, 1, 101, 1)],
    )
    matrix = build(stream, settings=None)
    assert matrix.decision_id.tolist() == [100, 101, 103]  # sweep 3 is open
    row = {name: matrix.column(name)[2] for name in matrix.names}
    # The window (0 s, 60 s] leaves out sweep 0 and is warm: 60 s have passed since the start.
    assert (row["buy_lots_60s"], row["sell_lots_60s"]) == (8, 1)
    assert (row["n_buy_60s"], row["n_sell_60s"]) == (2, 1)
    assert row["imbalance_60s"] == 7 / 9
    assert (row["avg_buy_lots_60s"], row["avg_sell_lots_60s"]) == (4, 1)
    # Sizes 1, 3, 5: ceil(2.85) = 3rd = 5, nothing is larger.
    assert (row["large_buy_ratio_60s"], row["large_sell_ratio_60s"]) == (0, 0)
    assert row["cvd_lots"] == 2 - 1 + 8
    # About 100: sum q = 11, sum q d = -1 + 5 = 4, sum q d^2 = 1 + 5 = 6.
    vwap, sd = 100 + 4 / 11, np.sqrt(6 / 11 - (4 / 11) ** 2)
    assert row["vwap_dev_sd"] == pytest.approx((101 - vwap) / sd)
    # At 59 s and 50 s the last trade was 99; at 0 s, which counts (ts <= t - 60 s), 100.
    assert (row["return_1s_ticks"], row["return_10s_ticks"], row["return_60s_ticks"]) == (2, 2, 1)
    # Last prices of the sweeps 100, 99, 101: changes -1 and 2 lie in the window.
    assert row["volatility_60s_ticks"] == np.sqrt(1 + 4)
    assert row["last_tick_sign"] == 1
    assert (row["sweep_sign"], row["sweep_lots"], row["sweep_n_fills"]) == (1, 8, 2)
    assert (row["sweep_sign_lag1"], row["sweep_sign_lag2"]) == (-1, 1)
    assert row["sweeps_10s"] == 1  # only itself lies in (50 s, 60 s]
    # The quote of the last fill: mid 100, spread 2, queue (3 - 1) / 4, microprice 100.5.
    assert (row["spread_ticks"], row["queue_imbalance"]) == (2, 0.5)
    assert (row["microprice_dev_ticks"], row["mid_dev_ticks"]) == (0.5, 1)


def test_first_row_of_a_session_knows_nothing_of_the_past():
    stream = stream_of(
        [0, 90 * SECOND, 95 * SECOND], [100, 101, 103], [1, 1, 1], [1, 1, 1], [0, 1, 2]
    )
    for starts in ({"session_start_idx": np.array([0, 1])}, {"gap_idx": np.array([1])}):
        row = build(replace(stream, **starts), settings=None)
        cold = {name for name in row.names if np.isnan(row.column(name)[1])}
        # Its own sweep and the running sums that start with it are all it has; sd is 0.
        assert set(row.names) - cold == {"cvd_lots", "sweep_sign", "sweep_lots", "sweep_n_fills"}
        assert row.column("cvd_lots").tolist() == [1, 1]
    assert build(stream).column("cvd_lots").tolist() == [1, 2]


def test_start_and_gap_close_a_sweep_of_one_ordinal():
    stream = stream_of([0, 0, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0])
    assert len(build(stream)) == 0
    assert len(build(replace(stream, gap_idx=np.array([1])))) == 1
    assert len(build(replace(stream, session_start_idx=np.array([0, 2])))) == 1
    assert len(build(replace(stream, session_ended=True))) == 1


def test_locked_and_crossed_quotes():
    # Locked 100/100: spread 0, microprice = mid, no negative zero. Crossed 101/100: no value.
    stream = stream_of(
        [0, 1, 2], [100] * 3, [1] * 3, [1] * 3, [0, 1, 2],
        quotes=[(100, 1, 100, 3), (101, 1, 100, 1), (99, 0, 101, 0)], ended=True,
    )  # fmt: skip
    matrix = build(stream, settings=None)
    deviation = matrix.column("microprice_dev_ticks")
    assert deviation[0] == 0
    assert not np.signbit(deviation[0])
    assert matrix.column("queue_imbalance")[0] == -0.5
    for name in ("spread_ticks", "queue_imbalance", "microprice_dev_ticks", "mid_dev_ticks"):
        assert np.isnan(matrix.column(name)[1])
    # Nothing quoted on either side: the sizes say nothing, the prices do.
    assert matrix.column("spread_ticks")[2] == 2
    assert np.isnan(matrix.column("queue_imbalance")[2])
    assert np.isnan(deviation[2])


@given(drawn_streams())
def test_flipped_signs_negate_the_signed_features(stream):
    flipped = replace(stream, trades=replace(stream.trades, sign=-stream.trades.sign))
    ours, theirs = build(stream), build(flipped)
    for name in ("imbalance_60s", "cvd_lots", "sweep_sign", "sweep_sign_lag1"):
        np.testing.assert_array_equal(ours.column(name), -theirs.column(name))
    for buy, sell in (("buy_lots_60s", "sell_lots_60s"), ("avg_buy_lots_60s", "avg_sell_lots_60s")):
        np.testing.assert_array_equal(ours.column(buy), theirs.column(sell))


GOOD = stream_of([0, 1], [1, 2], [1, 1], [1, -1], [0, 1], quotes=[None, None])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sweep": np.array([0])}, "one length"),
        ({"sweep": np.array([1, 0])}, "sweep must be non-decreasing"),
        ({"sweep": np.array([0, 0])}, "sweep must hold fills of one time, got 0 and 1"),
        ({"session_start_idx": np.array([1])}, "session_start_idx must start at 0, got 1"),
        ({"gap_idx": np.array([2])}, "gap_idx must lie in 0..1"),
        ({"gap_idx": np.array([1, 1])}, "gap_idx must be strictly increasing"),
        (
            {"trades": replace(GOOD.trades, qty_lots=np.array([1, 0]))},
            "trades.qty_lots must be posi",
        ),
        ({"trades": replace(GOOD.trades, sign=np.array([1, 2]))}, "trades.sign must be in"),
        ({"trades": replace(GOOD.trades, ts_event_ns=np.array([1, 0]))}, "must be non-decreasing"),
        ({"at_trade": GOOD.part(0, 1).at_trade}, "one length"),
        ({"trades": replace(GOOD.trades, qty_lots=np.array([1, 2**62]))}, "may overflow int64"),
        (
            {
                "trades": replace(GOOD.trades, price_ticks=np.array([2**40, -(2**40)])),
                "session_ended": True,
            },
            "overflow int64: sums of squared price changes",
        ),
        (
            {"trades": replace(GOOD.trades, price_ticks=np.array([0, 2**40 + 1]))},
            r"trades.price_ticks must lie within 2\*\*40",
        ),
        (
            {"trades": replace(GOOD.trades, ts_event_ns=np.array([-(2**63), 0]))},
            "must leave room for windows",
        ),
    ],
)
def test_broken_contracts_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build(replace(GOOD, **change))


def test_chunk_that_runs_back_is_refused():
    _, state = call(continue_decision_features, GOOD, None)
    with pytest.raises(ValueError, match="ts_event_ns must be non-decreasing, got 0 after 1"):
        call(continue_decision_features, replace(GOOD, session_start_idx=np.array([])), state)


@pytest.mark.parametrize("clock", ["second", "time:", "time:0s", "time:1.5s", "time:5m", "bar"])
def test_unknown_clocks_are_named(clock):
    with pytest.raises(ValueError, match=f"clock must be 'sweep', 'time:<n>s' or .* got '{clock}'"):
        build(GOOD, clock)


@pytest.mark.parametrize("ends", [[0, 1], [1, 3], [2, 1]])
def test_decisions_outside_of_the_trades_are_refused(ends):
    clock = Decisions(
        t0_ns=np.array([0, 1]), end_idx=np.array(ends), decision_id=np.array([0, 0]),
        is_end_included=True,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"clock\.end_idx"):
        build(GOOD, clock)


@pytest.mark.parametrize(
    ("t0", "is_end_included"), [([0, 0], True), ([0, 1], False), ([2, 2], True)]
)
def test_decisions_that_do_not_know_what_is_before_them_are_refused(t0, is_end_included):
    # Trades at 0 and 1: the first decision knows one of them, the second both.
    clock = Decisions(
        t0_ns=np.array(t0), end_idx=np.array([1, 2]), decision_id=np.array([0, 0]),
        is_end_included=is_end_included,
    )  # fmt: skip
    with pytest.raises(ValueError, match="must part the trades"):
        build(GOOD, clock)
