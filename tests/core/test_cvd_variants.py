"""CVD of counts, of notional and by size, and where a running sum starts anew."""

from itertools import pairwise

import numpy as np
import pytest
import wickra
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.cvd_variants import (
    RESET_POLICIES,
    continue_cumulative_count,
    continue_cumulative_notional,
    continue_cvd_by_bucket,
    cumulative_count,
    cumulative_notional,
    cvd_by_bucket,
    restart_idx,
    size_bucket,
)
from orderflow_core.delta import cumulative_delta
from orderflow_core.sweeps import assign_sweeps, sweep_table
from orderflow_core.types import TradeArrays
from tests.core import captures
from tests.core import trade_cases as cases
from tests.naive import cvd_variants as naive


def lists(trades, *names):
    return [trades[name].tolist() for name in names]


@given(cases.trades(), st.lists(st.integers(1, 9), max_size=3, unique=True).map(sorted))
def test_variants_equal_the_obvious_loops(trades, edges):
    starts, sign, qty = trades["starts"], trades["sign"], trades["qty"]
    got = cumulative_count(sign, starts)
    assert got.tolist() == naive.cumulative_count(*lists(trades, "sign", "starts"))
    got = cumulative_notional(sign, trades["price"], qty, starts)
    expected = naive.cumulative_notional(*lists(trades, "sign", "price", "qty", "starts"))
    assert got.tolist() == expected
    bucket = size_bucket(qty, edges)
    assert bucket.tolist() == naive.size_bucket(qty.tolist(), edges)
    got = cvd_by_bucket(sign, qty, bucket, len(edges) + 1, starts)
    assert got.tolist() == naive.cvd_by_bucket(
        *lists(trades, "sign", "qty"), bucket.tolist(), len(edges) + 1, starts.tolist()
    )
    assert got.sum(axis=0).tolist() == cumulative_delta(sign, qty, starts).tolist()


@given(st.data(), cases.trades())
def test_chunks_equal_the_whole(data, trades):
    starts, names = trades["starts"], ("sign", "price", "qty")
    bucket = size_bucket(trades["qty"], [4, 7])
    count = notional = 0
    by_bucket, parts = np.zeros(3, np.int64), []
    for first, end in pairwise(data.draw(cases.cuts(len(trades["ts"])))):
        inner, opens = cases.starts_within(starts, first, end)
        if opens:
            count = notional = 0
            by_bucket = np.zeros(3, np.int64)
        sign, price, qty = (trades[name][first:end] for name in names)
        counted, count = continue_cumulative_count(count, sign, inner)
        paid, notional = continue_cumulative_notional(notional, sign, price, qty, inner)
        sized, by_bucket = continue_cvd_by_bucket(by_bucket, sign, qty, bucket[first:end], inner)
        parts.append(np.vstack((counted, paid, sized)))
    sign, price, qty = (trades[name] for name in names)
    whole = np.vstack(
        (
            cumulative_count(sign, starts),
            cumulative_notional(sign, price, qty, starts),
            cvd_by_bucket(sign, qty, bucket, 3, starts),
        )
    )
    assert np.hstack(parts).tobytes() == whole.tobytes()


@given(st.data(), cases.trades(), st.sampled_from(RESET_POLICIES))
def test_restarts_equal_the_obvious_loop_also_in_chunks(data, trades, policy):
    n, ts = len(trades["ts"]), trades["ts"]
    gaps = data.draw(cases.session_starts(n))
    anchors = sorted(data.draw(st.sets(st.integers(-8, 60), max_size=4)))
    known = {"session_start_idx": trades["starts"], "gap_idx": gaps}
    got = restart_idx(policy, ts, **known, anchor_ns=anchors).tolist()
    assert got == naive.restart_idx(
        policy, ts.tolist(), trades["starts"].tolist(), gaps.tolist(), anchors
    )
    parts = []
    for first, end in pairwise(data.draw(cases.cuts(n))):
        inside = {k: v[(v >= first) & (v < end)] - first for k, v in known.items()}
        earlier = int(ts[first - 1]) if first else None
        here = restart_idx(policy, ts[first:end], **inside, anchor_ns=anchors, earlier_ns=earlier)
        parts += (here + first).tolist()
    assert parts == got


def test_restarts_by_hand():
    ts = [10, 20, 20, 30]
    # Both anchors in (10, 20] meet the first trade at 20; 31 meets none.
    assert restart_idx("anchor", ts, anchor_ns=[15, 20, 31]).tolist() == [0, 1]
    assert restart_idx("never", ts, session_start_idx=[2]).tolist() == [0]
    assert restart_idx("session", ts, session_start_idx=[0, 2], gap_idx=[1]).tolist() == [0, 2]
    assert restart_idx("gap", ts, session_start_idx=[0, 2], gap_idx=[1]).tolist() == [0, 1, 2]
    # Of a later chunk: an anchor at the time of the trade before has acted.
    assert restart_idx("anchor", ts, anchor_ns=[10], earlier_ns=10).tolist() == []
    assert restart_idx("anchor", [], anchor_ns=[10]).tolist() == []


def test_a_size_at_an_edge_belongs_above_it():
    assert size_bucket([4, 5, 6], [5]).tolist() == [0, 1, 1]
    assert size_bucket([4], []).tolist() == [0]


def test_sweeps_of_recorded_trades_by_size(test_data):
    (ids, ts, price, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / "usdm/btcusdt_20240719.gz"
    )
    trades = TradeArrays(
        ts_event_ns=ts, trade_id=ids, price_ticks=price, qty_lots=qty, sign=sign.astype(np.int8)
    )
    sweeps = sweep_table(assign_sweeps(ts, ids, price, sign, max_id_step=2), trades)
    bucket = size_bucket(sweeps.qty_lots, [10**7, 10**8, 10**9])
    by_size = cvd_by_bucket(sweeps.sign, sweeps.qty_lots, bucket, 4, [0])
    cvd = cumulative_delta(sign, qty, [0])
    assert by_size.sum(axis=0).tolist() == cvd[sweeps.end_idx - 1].tolist()
    # Bucketing fills would call much of the large orders' volume small.
    of_fills = cvd_by_bucket(sign, qty, size_bucket(qty, [10**9]), 2, [0])
    assert of_fills[1, -1] != by_size[3, -1]
    reference = wickra.CumulativeVolumeDelta()
    signed = [reference.update(1.0, float(q), bool(s > 0)) for q, s in zip(qty, sign, strict=True)]
    assert signed[-1] == float(cvd[-1])


def test_nothing_and_errors():
    assert cumulative_count([], []).tolist() == []
    assert continue_cumulative_notional(7, [], [], [], [])[1] == 7
    assert cvd_by_bucket([], [], [], 2, []).shape == (2, 0)
    with pytest.raises(ValueError, match="policy"):
        restart_idx("daily", [1])
    with pytest.raises(ValueError, match="anchor_ns"):
        restart_idx("anchor", [1], anchor_ns=[2, 2])
    with pytest.raises(ValueError, match="gap_idx"):
        restart_idx("gap", [1], gap_idx=[1])
    with pytest.raises(ValueError, match="ts_ns"):
        restart_idx("never", [1], earlier_ns=2)
    with pytest.raises(ValueError, match="edges_lots"):
        size_bucket([1], [2, 2])
    with pytest.raises(ValueError, match=r"bucket must lie in 0\.\.1"):
        cvd_by_bucket([1], [1], [2], 2, [0])
    with pytest.raises(ValueError, match="n_buckets"):
        cvd_by_bucket([1], [1], [0], 0, [0])
    with pytest.raises(ValueError, match="qty_lots"):
        cumulative_notional([1], [1], [0], [0])
    for price in (2**62, -(2**62)):
        with pytest.raises(ValueError, match="overflow int64"):
            cumulative_notional([1], [price], [3], [0])
    with pytest.raises(ValueError, match="overflow int64"):
        cumulative_notional([1, 1], [2**61, 2**61], [3, 3], [0])
    with pytest.raises(TypeError):
        continue_cumulative_count(1.5, [1], [0])
    # Beyond the cheap bound, within int64: 2**60 and 99 of 1.
    paid = cumulative_notional([1] * 100, [2**60] + [1] * 99, [1] * 100, [0])
    assert paid[-1] == 2**60 + 99
