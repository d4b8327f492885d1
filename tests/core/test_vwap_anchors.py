"""Anchored VWAP, and what the flow says about the price's side of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.delta import cumulative_delta
from orderflow_core.vwap import (
    anchored_vwap,
    continue_anchored_vwap,
    session_vwap,
    vwap_deviation_signal,
)
from tests.core import bar_cases, captures
from tests.core import trade_cases as cases
from tests.naive import vwap as naive

ANCHORS = st.sets(st.integers(-8, 60), max_size=4).map(sorted)


@given(cases.trades(), ANCHORS)
def test_vwap_equals_the_obvious_loop_to_the_bit(trades, anchors):
    got = anchored_vwap(trades["ts"], trades["price"], trades["qty"], anchors)
    expected = naive.anchored_vwap(
        *(trades[name].tolist() for name in ("ts", "price", "qty")), anchors
    )
    assert np.array(bar_cases.rows(got)).tobytes() == np.array(expected).tobytes()


@given(st.data(), cases.trades(), ANCHORS)
def test_chunks_equal_the_whole(data, trades, anchors):
    columns = [trades[name] for name in ("ts", "price", "qty")]

    def step(state, first, end, inside, is_last):
        return continue_anchored_vwap(state, *(c[first:end] for c in columns), anchors)

    got = bar_cases.in_chunks(data, len(columns[0]), trades["starts"], step)
    bar_cases.same_bits(got, bar_cases.columns(anchored_vwap(*columns, anchors)))


@given(st.data(), cases.trades(), ANCHORS)
def test_later_trades_change_nothing(data, trades, anchors):
    columns = [trades[name] for name in ("ts", "price", "qty")]
    cut = data.draw(st.integers(0, len(columns[0])))
    prefix = anchored_vwap(*(column[:cut] for column in columns), anchors)
    whole = anchored_vwap(*columns, anchors)
    assert prefix.vwap_ticks.tobytes() == whole.vwap_ticks[:cut].tobytes()
    assert prefix.sd_ticks.tobytes() == whole.sd_ticks[:cut].tobytes()


def test_an_anchor_by_hand():
    # Nothing before 2; 10; then 10 + 3 * 4 / 4 = 13; the anchor at 5 meets the trade at 6 first.
    got = anchored_vwap([1, 2, 3, 6], [10, 10, 14, 20], [9, 1, 3, 2], [2, 5])
    assert np.array_equal(got.vwap_ticks, [np.nan, 10.0, 13.0, 20.0], equal_nan=True)
    assert np.isnan(anchored_vwap([1], [10], [1], []).vwap_ticks).all()
    assert len(anchored_vwap([], [], [], [3])) == 0
    # The end of time is no anchor either.
    assert np.isnan(anchored_vwap([2**63 - 1], [10], [1], []).vwap_ticks).all()


def test_an_anchor_that_comes_too_late_takes_no_part():
    # The anchor at 1 is named only after the chunk that it lies in: nothing is anchored by it.
    _, state = continue_anchored_vwap(None, [1, 2], [10, 10], [1, 1], [])
    got, state = continue_anchored_vwap(state, [3, 4], [10, 14], [1, 1], [1])
    assert np.isnan(got.vwap_ticks).all()
    got, _ = continue_anchored_vwap(state, [5, 6, 7], [9, 10, 14], [1, 1, 3], [1, 6])
    assert np.array_equal(got.vwap_ticks, [np.nan, 10.0, 13.0], equal_nan=True)


def test_anchor_errors_name_the_argument():
    with pytest.raises(ValueError, match="ts_ns"):
        anchored_vwap([2, 1], [1, 1], [1, 1], [0])
    with pytest.raises(ValueError, match="anchor_ns"):
        anchored_vwap([1, 2], [1, 1], [1, 1], [3, 0])


@given(
    st.lists(
        st.tuples(
            st.sampled_from([-1.5, 0.0, 2.0, np.nan]),
            st.sampled_from([-1.0, -0.3, -0.2, 0.0, 0.3, 0.5, np.nan]),
        )
    ),
    st.sampled_from([0.3, 0.5, 1.0]),
)
def test_signal_equals_the_obvious_loop(pairs, threshold):
    deviation, flow = (np.array([pair[k] for pair in pairs], np.float64) for k in (0, 1))
    trend, reversal = vwap_deviation_signal(deviation, flow, min_imbalance=threshold)
    rows = list(zip(trend.tolist(), reversal.tolist(), strict=True))
    assert rows == naive.vwap_deviation_signal(deviation.tolist(), flow.tolist(), threshold)
    mirrored = vwap_deviation_signal(-deviation, -flow, min_imbalance=threshold)
    assert (mirrored[0] == -trend).all()
    assert (mirrored[1] == -reversal).all()


def test_signal_by_hand():
    # Above with 0.3 bought: the threshold counts. Above with 0.3 sold. The mirrors. At the VWAP: none.
    trend, reversal = vwap_deviation_signal(
        np.array([1.0, 1.0, -1.0, -1.0, 0.0]),
        np.array([0.3, -0.3, -0.3, 0.3, 1.0]),
        min_imbalance=0.3,
    )
    assert trend.tolist() == [1, 0, -1, 0, 0]
    assert reversal.tolist() == [0, -1, 0, 1, 0]


def test_signal_errors_name_the_argument():
    one = np.ones(1)
    for threshold in (0, -0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match="min_imbalance"):
            vwap_deviation_signal(one, one, min_imbalance=threshold)
    with pytest.raises(TypeError, match="vwap_dev_ticks"):
        vwap_deviation_signal(np.ones(1, int), one, min_imbalance=0.3)
    with pytest.raises(ValueError, match="one length"):
        vwap_deviation_signal(one, np.ones(2), min_imbalance=0.3)


def test_signal_on_recorded_trades(test_data):
    (_, ts, price, qty, sign), *_ = captures.read_capture(
        test_data / captures.FOLDER / "usdm/btcusdt_20240719.gz"
    )
    average = session_vwap(price, qty, [0])
    total, net = np.append(0, np.cumsum(qty)), np.append(0, np.cumsum(qty * sign))
    first, end = np.searchsorted(ts, ts - 60 * 10**9, side="right"), np.arange(1, len(ts) + 1)
    imbalance = (net[end] - net[first]) / (total[end] - total[first])
    trend, reversal = vwap_deviation_signal(
        price - average.vwap_ticks, imbalance, min_imbalance=0.2
    )
    assert not ((trend != 0) & (reversal != 0)).any()
    for signal in (trend, reversal):
        assert 0 < (signal != 0).mean() < 0.9
    # Anchored in the middle: the CVD and the average since then.
    middle = len(ts) // 2
    first = int(np.searchsorted(ts, ts[middle]))
    anchored = anchored_vwap(ts, price, qty, [ts[middle]])
    assert np.isnan(anchored.vwap_ticks[:first]).all()
    assert anchored.vwap_ticks[first] == price[first]
    assert cumulative_delta(sign, qty, [0, first])[first] == sign[first] * qty[first]
