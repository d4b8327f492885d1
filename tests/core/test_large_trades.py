"""Large trades by a trailing quantile, and their clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.large_trades import (
    continue_large_trade_clusters,
    continue_large_trades,
    large_trade_clusters,
    large_trades,
)
from orderflow_core.sweeps import assign_sweeps, sweep_table
from orderflow_core.types import TradeArrays
from tests.core import bar_cases, captures
from tests.core import trade_cases as cases
from tests.naive import large_trades as naive

SIZES = st.one_of(st.integers(1, 9), st.integers(100, 1100), st.integers(1, 2**63 - 1))


@st.composite
def rules(draw):
    n_trailing, share_den = draw(st.integers(1, 12)), draw(st.integers(1, 20))
    return {
        "n_trailing": n_trailing,
        "n_least": draw(st.integers(1, n_trailing)),
        "share_num": draw(st.integers(1, share_den)),
        "share_den": share_den,
    }


@st.composite
def sizes(draw):
    qty = np.array(draw(st.lists(SIZES, max_size=40)), np.int64)
    return qty, draw(cases.session_starts(len(qty)))[draw(st.integers(0, 1)) :]


@given(sizes(), rules())
def test_large_trades_equal_the_obvious_loop(drawn, rule):
    qty, starts = drawn
    got = large_trades(qty, **rule, session_start_idx=starts)
    assert bar_cases.rows(got) == naive.large_trades(qty.tolist(), *rule.values(), starts.tolist())


@given(st.data(), sizes(), rules())
def test_chunks_equal_the_whole(data, drawn, rule):
    qty, starts = drawn

    def step(state, first, end, inside, is_last):
        return continue_large_trades(state, qty[first:end], **rule, session_start_idx=inside)

    got = bar_cases.in_chunks(data, len(qty), starts, step)
    whole = large_trades(qty, **rule, session_start_idx=starts)
    bar_cases.same_bits(got, bar_cases.columns(whole))


@given(st.data(), sizes(), rules())
def test_later_trades_change_nothing(data, drawn, rule):
    qty, starts = drawn
    cut = data.draw(st.integers(0, len(qty)))
    prefix = large_trades(qty[:cut], **rule, session_start_idx=starts[starts < cut])
    whole = large_trades(qty, **rule, session_start_idx=starts)
    assert bar_cases.rows(prefix) == bar_cases.rows(whole)[:cut]


def test_thresholds_by_hand():
    # Median of the last three. None before the 1st and 2nd. {5, 1}: ceil(2 / 2) = 1st smallest: 1.
    # {5, 1, 2}: the 2nd: 2. {1, 2, 9}: 2. 1 at a threshold of 2 is not large.
    got = large_trades([5, 1, 2, 9, 1], n_trailing=3, n_least=2, share_num=1, share_den=2)
    assert got.threshold_lots.tolist() == [0, 0, 1, 2, 2]
    assert got.is_large.tolist() == [False, False, True, True, False]
    # 1000 = 0b1111101000 keeps 1111101: 125 * 8 = 1000; 1001 has the same seven digits; 1016 has not.
    got = large_trades([1001, 1000, 999], n_trailing=1, n_least=1, share_num=1, share_den=1)
    assert got.threshold_lots.tolist() == [0, 1000, 1000]
    assert got.is_large.tolist() == [False, True, False]


@st.composite
def judged(draw):
    drawn = draw(cases.trades())
    n = len(drawn["ts"])
    drawn["large"] = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), np.bool_)
    drawn["starts"] = drawn["starts"][draw(st.integers(0, 1)) :]
    return drawn


def cluster_columns(drawn, first=0, end=None):
    return tuple(drawn[name][first:end] for name in ("ts", "sign", "qty", "large"))


@given(judged(), st.integers(0, 4), st.integers(1, 3))
def test_clusters_equal_the_obvious_loop(drawn, gap, n_least):
    got = large_trade_clusters(
        *cluster_columns(drawn),
        max_gap_ns=gap,
        n_least=n_least,
        session_start_idx=drawn["starts"],
    )
    lists = [column.tolist() for column in cluster_columns(drawn)]
    expected = naive.large_trade_clusters(*lists, gap, n_least, drawn["starts"].tolist())
    assert bar_cases.rows(got) == expected


@given(st.data(), judged(), st.integers(0, 4), st.integers(1, 3))
def test_chunks_of_clusters_equal_the_whole(data, drawn, gap, n_least):
    rule = {"max_gap_ns": gap, "n_least": n_least}

    def step(state, first, end, inside, is_last):
        return continue_large_trade_clusters(
            state, *cluster_columns(drawn, first, end), **rule, session_start_idx=inside
        )

    got = bar_cases.in_chunks(data, len(drawn["ts"]), drawn["starts"], step)
    whole = large_trade_clusters(*cluster_columns(drawn), **rule, session_start_idx=drawn["starts"])
    bar_cases.same_bits(got, bar_cases.columns(whole))


def test_a_cluster_by_hand():
    # Buys at 0 and 5, 5 ns apart, which is allowed; an unsigned and a small sell change nothing; the
    # large sell at 7 ends it; 13 is 6 ns after the sell at 7: nothing is left.
    got = large_trade_clusters(
        [0, 5, 5, 6, 7, 13],
        [1, 1, 0, -1, -1, 1],
        [10, 20, 99, 1, 30, 1],
        np.array([True, True, True, False, True, False]),
        max_gap_ns=5,
        n_least=2,
    )
    assert got.sign.tolist() == [0, 1, 1, 1, 0, 0]
    assert got.n_large.tolist() == [1, 2, 2, 2, 1, 0]
    assert got.lots.tolist() == [10, 30, 30, 30, 30, 0]


def test_large_sweeps_of_recorded_trades(test_data):
    (ids, ts, price, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / "usdm/btcusdt_20240719.gz"
    )
    trades = TradeArrays(
        ts_event_ns=ts, trade_id=ids, price_ticks=price, qty_lots=qty, sign=sign.astype(np.int8)
    )
    sweeps = sweep_table(assign_sweeps(ts, ids, price, sign, max_id_step=2), trades)
    large = large_trades(sweeps.qty_lots)
    judged_here = large.threshold_lots > 0
    assert judged_here.sum() == len(sweeps) - 100
    # A causal 95th percentile of sizes that come in bursts: about one in twenty.
    assert 0.03 < large.is_large[judged_here].mean() < 0.08
    clusters = large_trade_clusters(
        sweeps.ts_ns, sweeps.sign, sweeps.qty_lots, large.is_large, max_gap_ns=10**9
    )
    assert {-1, 0, 1} == set(clusters.sign.tolist())


def test_nothing_and_errors():
    assert len(large_trades([])) == 0
    assert len(large_trade_clusters([], [], [], np.empty(0, bool), max_gap_ns=1)) == 0
    with pytest.raises(ValueError, match="qty_lots"):
        large_trades([0])
    with pytest.raises(ValueError, match="n_least must be at most"):
        large_trades([1], n_trailing=3, n_least=4)
    with pytest.raises(ValueError, match="share_num"):
        large_trades([1], share_num=3, share_den=2)
    with pytest.raises(TypeError, match="n_trailing"):
        large_trades([1], n_trailing=1.5)
    _, state = continue_large_trades(None, [1], n_trailing=200)
    with pytest.raises(ValueError, match="n_trailing must stay 200"):
        continue_large_trades(state, [1], n_trailing=300)
    yes = np.array([True])
    with pytest.raises(TypeError, match="is_large"):
        large_trade_clusters([0], [1], [1], [1], max_gap_ns=1)
    with pytest.raises(ValueError, match="max_gap_ns"):
        large_trade_clusters([0], [1], [1], yes, max_gap_ns=-1)
    with pytest.raises(ValueError, match="max_gap_ns"):
        large_trade_clusters([0], [1], [1], yes, max_gap_ns=2**63)
    with pytest.raises(ValueError, match="is_large must be one-dimensional"):
        large_trade_clusters([0], [1], [1], np.array([[True, False]]), max_gap_ns=1)
    with pytest.raises(ValueError, match="qty_lots may overflow"):
        large_trade_clusters([0, 0], [1, 1], [2**62, 1], np.array([True, True]), max_gap_ns=1)
    with pytest.raises(ValueError, match="ts_ns must span"):
        large_trade_clusters(
            [-(2**63), 2**62], [1, 1], [1, 1], np.array([True, True]), max_gap_ns=1
        )
    _, state = continue_large_trade_clusters(None, [5], [1], [1], yes, max_gap_ns=1)
    with pytest.raises(ValueError, match="ts_ns must be non-decreasing"):
        continue_large_trade_clusters(state, [4], [1], [1], yes, max_gap_ns=1)
