"""Features beyond the core: obvious loops on each clock, golden rows of what is known, settings."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from orderflow_core.feature_settings import FeatureSettings
from orderflow_core.features import FEATURES
from orderflow_core.further_registry import FURTHER_FEATURES
from tests.core.feature_checks import build, naive_decisions
from tests.core.feature_streams import (
    CLOCKS,
    SECOND,
    SETTINGS,
    drawn_streams,
    named,
    quote_rows,
    seeded_stream,
    stream_of,
)
from tests.naive import further_features as naive

RULE = {
    "horizon": SECOND, "tape_trades": 3, "trailing": 20, "least": 2, "cluster_gap": 20 * SECOND,
    "cluster_least": 2, "min_imbalance": 0.3, "height": 1, "bar": 10 * SECOND, "stacked": 2,
    "zone_age": 20, "unfinished": 0, "exhaustion": 2, "pivot": 1, "bulk_bars": 21, "bucket": 20,
    "n_buckets": 2,
    "imbalance": {
        "ratio_num": 2, "ratio_den": 1, "compare": "ge", "min_lots": 2, "zero_opposite": "counts",
        "gap_policy": "zero",
    },
    "absorption": {"n_windows": 20, "least": 2, "z0": 0.5, "step": 1, "still": 1, "cap": 5},
}  # fmt: skip


def assert_agrees_with_loops(stream, clock, rows=slice(None)):
    trades, matrix = stream.trades, build(stream, clock)
    names = [feature.name for feature in FEATURES]
    core = [dict(zip(names, row[: len(names)].tolist(), strict=True)) for row in matrix.values]
    ofi = stream.ofi
    if ofi is not None:
        ofi = [v if k else None for v, k in zip(ofi.ofi_lots.tolist(), ofi.is_known, strict=True)]
    expected = naive.further_features(
        trades.ts_event_ns.tolist(),
        trades.price_ticks.tolist(),
        trades.qty_lots.tolist(),
        trades.sign.tolist(),
        stream.sweep.tolist(),
        quotes=quote_rows(stream.at_trade),
        ofi=ofi,
        decisions=naive_decisions(stream, clock)[rows],
        core=core[rows],
        starts={0, *stream.session_start_idx.tolist(), *stream.gap_idx.tolist()},
        clock_rule=(clock != "time:5s", not callable(clock)),
        rule=RULE,
    )
    for feature in FURTHER_FEATURES:
        wanted = np.array([row.get(feature.name, np.nan) for row in expected], np.float64)
        np.testing.assert_allclose(
            matrix.column(feature.name)[rows], wanted, rtol=1e-9, atol=1e-12,
            err_msg=f"feature {feature.name}",
        )  # fmt: skip


@pytest.mark.parametrize("clock", CLOCKS, ids=named)
@given(drawn_streams())
def test_agrees_with_the_obvious_loops(clock, stream):
    assert_agrees_with_loops(stream, clock)


@pytest.mark.parametrize("clock", CLOCKS, ids=named)
def test_agrees_with_the_obvious_loops_on_a_busier_stream(clock):
    stream = seeded_stream(11, 300, mean_gap_s=4.0)
    values = build(stream, clock).values[:, len(FEATURES) :]
    assert np.isfinite(values).any(axis=0).all(), "a column has no value"
    assert_agrees_with_loops(stream, clock, slice(None, None, 9))


@pytest.mark.parametrize("lots", [2**36, 2**39])
def test_agrees_with_the_obvious_loops_where_squares_of_lots_leave_int64(lots):
    # All within one bar. Volumes that are nearly alike tell the slope, however large they are.
    n, rng = 12, np.random.default_rng(lots)
    bid = 1_000 + rng.integers(-2, 3, n)
    stream = stream_of(
        np.arange(n) * SECOND // 2, bid, lots + rng.integers(0, 9, n), [1, 1, -1] * 4, range(n),
        quotes=[(int(b), 5, int(b) + 1, 5) for b in bid], ended=True,
    )  # fmt: skip
    assert np.isfinite(build(stream).column("kyle_lambda_60s")[4:]).all()
    assert_agrees_with_loops(stream, "sweep")
    alike = replace(stream, trades=replace(stream.trades, sign=np.ones(n, np.int8)))
    assert_agrees_with_loops(alike, "sweep")


@pytest.mark.parametrize(
    ("price", "lots", "message"),
    [
        (100, 2**40 + 1, "trades.qty_lots must be at most 1099511627776, got 1099511627777"),
        (2**39, 2**39, "overflow int64: products in a window sum to"),
    ],
)
def test_sizes_whose_products_leave_int64_are_refused(price, lots, message):
    stream = stream_of([0, SECOND], [price] * 2, [1, lots], [1, 1], [0, 1], ended=True)
    with pytest.raises(ValueError, match=message):
        build(stream)


def test_a_bar_is_known_from_its_end_on():
    # Bars of 10 s. The sweep at 9 s closes at 10 s, when its bar is over, but is decided at 9 s.
    ts = [SECOND, 9 * SECOND, 10 * SECOND, 12 * SECOND]
    stream = stream_of(ts, [100, 101, 101, 102], [5, 2, 1, 1], [1, -1, 1, 1], [0, 1, 2, 3])
    delta = build(stream).column("bar_delta_lots")
    assert np.isnan(delta[:2]).all()
    assert delta[2] == 5 - 2
    # The clock of seconds knows at 10 s what is before 10 s: the whole bar, and its value area.
    timed = build(stream, "time:5s")
    assert timed.t0_ns.tolist() == [5 * SECOND, 10 * SECOND]
    assert timed.column("bar_delta_lots")[1] == 3
    # POC 100 (5 of 7 lots); price of the last known trade 101.
    assert timed.column("poc_dev_ticks")[1] == 1


def test_a_sweep_counts_once_it_is_over():
    # Sweeps of 1, 1 and 9 lots; the third reaches the 95th percentile of the two before (1): large.
    ts = [SECOND, 2 * SECOND, 3 * SECOND, 3 * SECOND, 4 * SECOND]
    stream = stream_of(ts, [100] * 5, [1, 1, 4, 5, 1], [1, 1, 1, 1, -1], [0, 1, 2, 2, 3])
    matrix = build(stream)
    assert matrix.column("cvd_large_lots").tolist() == [0, 0, 9]
    assert matrix.column("cvd_small_lots").tolist() == [1, 2, 2]
    cut = build(stream, cut_within_the_sweep)  # knows 4 of its 9 lots, and not that it goes on
    assert cut.column("cvd_large_lots").tolist() == [0]
    assert cut.column("cvd_trades").tolist() == [3]


def cut_within_the_sweep(stream):
    every = CLOCKS[2](stream)
    ends = np.array([3])
    return replace(
        every,
        t0_ns=stream.trades.ts_event_ns[ends - 1],
        end_idx=ends,
        decision_id=stream.trades.trade_id[ends - 1],
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ticks_per_row": 0}, ValueError, "ticks_per_row must be positive"),
        ({"vpin_bucket_lots": 2.5}, TypeError, "vpin_bucket_lots must be an integer"),
        ({"unfinished_lots": -1}, ValueError, "unfinished_lots"),
        ({"min_imbalance": 0.0}, ValueError, "min_imbalance"),
    ],
)
def test_settings_outside_their_domain_are_named(change, error, message):
    with pytest.raises(error, match=message):
        replace(SETTINGS, **change)


def test_what_depends_on_the_instrument_has_no_default():
    with pytest.raises(TypeError, match="ticks_per_row"):
        FeatureSettings()
