"""Feature matrix: oracle, golden rows, no look-ahead (and proof that the test sees one), chunks."""

import ast
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import orderflow_core
from orderflow_core.features import (
    FEATURES,
    FeatureMatrix,
    continue_decision_features,
    decision_features,
)
from tests.core.feature_streams import (
    SECOND,
    call,
    capture_stream,
    drawn_streams,
    emini_stream,
    seeded_stream,
    stream_of,
)
from tests.naive import features as naive

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
needs_jit = pytest.mark.skipif(JIT_OFF, reason="too many trades for interpreted kernels")
# Interpreted kernels take the same paths on fewer trades.
N_SEEDED = 600 if JIT_OFF else 3_000


def build(stream):
    return call(decision_features, stream)


def assert_same_rows(got, expected, names):
    """Demand equal keys and bit-identical values; the message names the feature."""
    np.testing.assert_array_equal(got.t0_ns, expected.t0_ns)
    np.testing.assert_array_equal(got.decision_id, expected.decision_id)
    for i, name in enumerate(names):
        bits = np.ascontiguousarray(got.values[:, i]).view(np.int64)
        wanted = np.ascontiguousarray(expected.values[:, i]).view(np.int64)
        np.testing.assert_array_equal(bits, wanted, err_msg=f"feature {name}")


def rows_of(matrix, stop):
    return replace(
        matrix,
        t0_ns=matrix.t0_ns[:stop],
        decision_id=matrix.decision_id[:stop],
        last_idx=matrix.last_idx[:stop],
        values=matrix.values[:stop],
    )


def assert_no_look_ahead(build_matrix, stream, cuts):
    """Demand that no row depends on what comes after its deciding sweep, bit for bit.

    For each cut: (1) the trades before it alone emit the first rows of the whole; (2) so do they
    when the cut is moved to the end of its sweep and the session ends there, so that not even the
    trade that closes the sweep is left; (3) so does a stream with another future from there on.
    """
    whole = build_matrix(stream)
    first_fills = stream.first_fills()
    assert len(whole) == stream.n_closed()
    for cut in cuts:
        part = build_matrix(stream.part(0, cut))
        assert len(part) == stream.part(0, cut).n_closed()
        assert_same_rows(part, rows_of(whole, len(part)), whole.names)
        later = [i for i in first_fills if i >= cut]
        if later and later[0] > 0:
            n_closed = len(first_fills) - len(later)
            closed = build_matrix(stream.part(0, later[0], ended=True))
            assert len(closed) == n_closed
            assert_same_rows(closed, rows_of(whole, n_closed), whole.names)
            other = build_matrix(stream.with_other_future(later[0]))
            assert_same_rows(rows_of(other, n_closed), rows_of(whole, n_closed), whole.names)


def with_column(matrix, values):
    """Return the matrix with a column ``peek`` more."""
    return FeatureMatrix(
        t0_ns=matrix.t0_ns,
        decision_id=matrix.decision_id,
        last_idx=matrix.last_idx,
        values=np.column_stack([matrix.values, values]),
        names=(*matrix.names, "peek"),
    )


def peeks_at_next_trade(stream):
    """The price one trade later: the crudest leak."""
    matrix, price = build(stream), stream.trades.price_ticks
    return with_column(matrix, price[np.minimum(matrix.last_idx + 1, len(price) - 1)])


def peeks_at_equal_times(stream):
    """Everything with ts <= t: takes in trades of the same millisecond that come later."""
    matrix, trades = build(stream), stream.trades
    known = np.searchsorted(trades.ts_event_ns, matrix.t0_ns, side="right")
    return with_column(matrix, np.cumsum(trades.qty_lots)[known - 1])


def peeks_at_the_days_sizes(stream):
    """The mean size of the whole input, as one would scale sizes by."""
    matrix, qty = build(stream), stream.trades.qty_lots
    return with_column(matrix, np.full(len(matrix), qty.mean()))


def peeks_at_the_open_sweep(stream):
    """Emits the open sweep's row as if the session had ended."""
    return build(replace(stream, session_ended=True))


def peeks_at_the_mean(stream):
    """A feature standardised with the moments of all rows."""
    matrix = build(stream)
    cvd = matrix.column("cvd_lots")
    return with_column(matrix, cvd - cvd.mean())


PEEKS = (
    peeks_at_next_trade,
    peeks_at_equal_times,
    peeks_at_the_days_sizes,
    peeks_at_the_open_sweep,
    peeks_at_the_mean,
)


@given(drawn_streams())
def test_agrees_with_the_obvious_loop(stream):
    trades, at_trade = stream.trades, stream.at_trade
    quotes = None
    if at_trade is not None:
        columns = (at_trade.bid_ticks, at_trade.bid_lots, at_trade.ask_ticks, at_trade.ask_lots)
        rows = list(zip(*(c.tolist() for c in columns), strict=True))
        quotes = [q if k else None for q, k in zip(rows, at_trade.is_known, strict=True)]
    expected = naive.decision_features(
        trades.ts_event_ns.tolist(),
        trades.trade_id.tolist(),
        trades.price_ticks.tolist(),
        trades.qty_lots.tolist(),
        trades.sign.tolist(),
        stream.sweep.tolist(),
        quotes,
        session_start_idx=stream.session_start_idx.tolist(),
        gap_idx=stream.gap_idx.tolist(),
        session_ended=stream.session_ended,
    )
    matrix = build(stream)
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


@given(drawn_streams(), st.data())
def test_no_look_ahead_on_drawn_streams(stream, data):
    n = len(stream.trades)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=6))
    assert_no_look_ahead(build, stream, cuts)


@pytest.mark.parametrize("seed", range(4))
def test_no_look_ahead_on_seeded_streams(seed):
    stream = seeded_stream(seed, N_SEEDED)
    assert_no_look_ahead(build, stream, stream.cuts(seed, n=8))


@needs_jit
def test_no_look_ahead_on_recorded_futures_trades(test_data):
    stream = emini_stream(test_data)
    cuts = stream.cuts(seed=1, n=5)
    cuts += [stream.session_start_idx[1], stream.session_start_idx[1] + 1, stream.gap_idx[0]]
    assert_no_look_ahead(build, stream, cuts)


@needs_jit
def test_no_look_ahead_on_recorded_trades_with_quotes(test_data):
    stream = capture_stream(test_data)
    cuts = stream.cuts(seed=2, n=6)
    assert_no_look_ahead(build, stream, cuts)
    assert np.isfinite(build(stream).values).all(axis=1).any(), "some rows have every feature"


@pytest.mark.parametrize("peek", PEEKS, ids=lambda peek: peek.__name__)
def test_a_planted_leak_is_caught(peek):
    stream = seeded_stream(7, N_SEEDED)
    with pytest.raises(AssertionError):
        assert_no_look_ahead(peek, stream, stream.cuts(seed=7, n=8))


@needs_jit
@pytest.mark.parametrize("peek", PEEKS, ids=lambda peek: peek.__name__)
def test_a_planted_leak_is_caught_on_recorded_trades(test_data, peek):
    stream = emini_stream(test_data, 60_000)
    with pytest.raises(AssertionError):
        assert_no_look_ahead(peek, stream, stream.cuts(seed=9, n=4))


def rows_in_chunks(stream, edges):
    """Return the matrices of consecutive chunks and the longest tail that a state carried."""
    state, matrices, longest = None, [], 0
    edges = [0, *sorted(edges), len(stream.trades)]
    for k in range(len(edges) - 1):
        is_last = k == len(edges) - 2
        chunk = stream.part(edges[k], edges[k + 1], ended=stream.session_ended and is_last)
        matrix, state = call(continue_decision_features, chunk, state)
        matrices.append(replace(matrix, last_idx=matrix.last_idx + edges[k]))
        longest = max(longest, len(state.tail) if state else 0)
    return matrices, longest


def joined(matrices):
    return FeatureMatrix(
        t0_ns=np.concatenate([m.t0_ns for m in matrices]),
        decision_id=np.concatenate([m.decision_id for m in matrices]),
        last_idx=np.concatenate([m.last_idx for m in matrices]),
        values=np.concatenate([m.values for m in matrices]),
        names=matrices[0].names,
    )


@given(drawn_streams(), st.data())
def test_chunks_give_the_rows_of_the_whole(stream, data):
    edges = data.draw(st.lists(st.integers(0, len(stream.trades)), max_size=6))
    whole, parts = build(stream), joined(rows_in_chunks(stream, edges)[0])
    assert_same_rows(parts, whole, whole.names)
    np.testing.assert_array_equal(parts.last_idx, whole.last_idx)


@pytest.mark.parametrize("seed", range(3))
def test_chunks_of_seeded_streams_carry_no_more_than_they_need(seed):
    stream = seeded_stream(seed, N_SEEDED)
    edges = np.random.default_rng(seed).integers(0, N_SEEDED, 60).tolist()
    matrices, longest = rows_in_chunks(stream, edges)
    whole = build(stream)
    assert_same_rows(joined(matrices), whole, whole.names)
    # 60 s hold 60 / (0.4 * 0.6) = 250 trades on average.
    assert longest < 400


@needs_jit
def test_chunks_of_recorded_trades(test_data):
    stream = emini_stream(test_data, 60_000)
    edges = np.random.default_rng(5).integers(0, 60_000, 25).tolist()
    whole, parts = build(stream), joined(rows_in_chunks(stream, edges)[0])
    assert_same_rows(parts, whole, whole.names)


def test_registry_names_each_column_once():
    matrix = build(stream_of([], [], [], [], []))
    assert matrix.names == tuple(feature.name for feature in FEATURES)
    assert len(set(matrix.names)) == len(FEATURES) == 26
    assert matrix.values.shape == (0, 26)
    for feature in FEATURES:
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
    matrix = build(stream)
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
        row = build(replace(stream, **starts))
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
    matrix = build(stream)
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
    ],
)
def test_broken_contracts_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        build(replace(GOOD, **change))


def test_chunk_that_runs_back_is_refused():
    _, state = call(continue_decision_features, GOOD, None)
    with pytest.raises(ValueError, match="ts_event_ns must be non-decreasing, got 0 after 1"):
        call(continue_decision_features, replace(GOOD, session_start_idx=np.array([])), state)


def test_only_labels_look_ahead():
    """No module of the core imports the labels: features must not be able to read the future."""
    root = Path(orderflow_core.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
            assert not any(name.startswith("orderflow_core.labels") for name in names), path
