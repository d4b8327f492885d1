"""Rolling window: oracle, golden examples of the quantile and of the window's edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.rolling import last_known_idx, rolling_flow
from tests.naive import rolling as naive

COLUMNS = (
    "buy_lots", "sell_lots", "unsigned_lots", "n_buy", "n_sell", "n_unsigned",
    "quantile_lots", "large_buy_lots", "large_sell_lots", "is_warm",
)  # fmt: skip


def as_tuples(flow):
    return list(zip(*(getattr(flow, name).tolist() for name in COLUMNS), strict=True))


# Sizes near each other, spread over the counters of 64 and 4,096 ranks, and past the direct range.
sizes = st.one_of(
    st.integers(1, 5), st.integers(1, 65_000), st.sampled_from([64, 128, 4096, 4097, 10**12])
)


@st.composite
def streams(draw):
    rows = draw(
        st.lists(st.tuples(st.integers(0, 4), sizes, st.sampled_from([-1, 0, 1])), max_size=40)
    )
    ts = np.cumsum([step for step, _, _ in rows]).astype(np.int64).tolist()
    ends = sorted(draw(st.lists(st.integers(1, len(rows)), max_size=15))) if rows else []
    starts = sorted({0, *draw(st.sets(st.integers(0, max(len(rows) - 1, 0)), max_size=3))})
    return ts, [q for _, q, _ in rows], [s for _, _, s in rows], ends, starts


@given(streams(), st.integers(1, 12), st.sampled_from([(95, 100), (1, 2), (1, 1), (1, 100)]))
def test_agrees_with_the_obvious_loop(stream, window, share):
    ts, qty, sign, ends, starts = stream
    rule = {"window_ns": window, "session_start_idx": starts}
    rule |= {"share_num": share[0], "share_den": share[1]}
    flow = rolling_flow(np.array(ts, np.int64), np.array(qty, np.int64),
                        np.array(sign, np.int8), np.array(ends, np.int64), **rule)  # fmt: skip
    assert as_tuples(flow) == naive.rolling_flow(ts, qty, sign, ends, **rule)


@given(streams(), st.integers(1, 12))
def test_many_ranks_agree_with_the_obvious_loop(stream, window):
    """Sizes past the direct range become ranks, whichever sizes come later in the stream."""
    ts, qty, sign, ends, starts = stream
    if not ts:
        return
    rule = {"window_ns": window, "session_start_idx": starts}
    plain = rolling_flow(ts, qty, np.array(sign, np.int8), ends, **rule)
    late = ([*ts, ts[-1]], [*qty, 10**15], np.array([*sign, 0], np.int8))
    ranked = rolling_flow(*late, ends, **rule)
    assert as_tuples(ranked) == as_tuples(plain)


@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(-2, 12), max_size=12))
def test_last_known_agrees_with_the_obvious_loop(ts, at):
    ts, at = sorted(ts), sorted(at)
    assert last_known_idx(ts, at).tolist() == naive.last_known_idx(ts, at)


def flow_at_end(ts, qty, window, share=(95, 100), sign=None):
    flow = rolling_flow(
        ts,
        qty,
        np.array(sign or [1] * len(ts), np.int8),
        [len(ts)],
        window_ns=window,
        session_start_idx=[0],
        share_num=share[0],
        share_den=share[1],
    )
    return dict(zip(COLUMNS, as_tuples(flow)[0], strict=True))


def test_window_is_open_at_its_far_end():
    # t = 10, window 10: 0 is not > 0, so out; 1 is in.
    got = flow_at_end([0, 1, 10], [1, 2, 4], window=10)
    assert got["buy_lots"] == 6
    assert got["is_warm"]  # 10 - 10 >= 0


def test_window_is_warm_when_its_length_has_passed():
    assert not flow_at_end([1, 10], [1, 1], window=10)["is_warm"]
    assert flow_at_end([1, 11], [1, 1], window=10)["is_warm"]


def test_position_decides_what_is_known_at_equal_times():
    # Three trades at time 5; row 1 knows the first two only.
    flow = rolling_flow(
        [5, 5, 5], [1, 2, 4], np.ones(3, np.int8), [2, 3], window_ns=1, session_start_idx=[0]
    )
    assert flow.buy_lots.tolist() == [3, 7]


def test_quantile_is_the_nearest_rank():
    # ceil(0.95 * 20) = 19: the 19th of 1..20 is 19. Above it: 20.
    got = flow_at_end(list(range(20)), list(range(1, 21)), window=100)
    assert (got["quantile_lots"], got["large_buy_lots"]) == (19, 20)
    # ceil(0.95 * 21) = ceil(19.95) = 20.
    assert flow_at_end(list(range(21)), list(range(1, 22)), window=100)["quantile_lots"] == 20
    # One trade is its own quantile and never larger than it.
    assert flow_at_end([0], [7], window=100)["large_buy_lots"] == 0


def test_quantile_counts_in_integers():
    # 0.95 * 100 = 95 exactly; in floats 100 * 0.95 = 94.99999999999999 or 95.00000000000001 elsewhere.
    got = flow_at_end([0] * 100, list(range(1, 101)), window=1)
    assert got["quantile_lots"] == 95


def test_sizes_equal_to_the_quantile_are_not_large():
    # Sizes 1, 5, 5, 5: ceil(0.5 * 4) = 2nd smallest = 5; nothing is above 5, though ranks 3, 4 are "beyond".
    got = flow_at_end([0] * 4, [1, 5, 5, 5], window=1, share=(1, 2))
    assert (got["quantile_lots"], got["large_buy_lots"]) == (5, 0)


def test_unsigned_trades_count_for_the_quantile():
    # Sizes 1 (buy), 2 (unsigned), 9 (sell): ceil(0.5 * 3) = 2nd = 2; large: the sell of 9.
    got = flow_at_end([0] * 3, [1, 2, 9], window=1, share=(1, 2), sign=[1, 0, -1])
    assert (got["quantile_lots"], got["large_buy_lots"], got["large_sell_lots"]) == (2, 0, 9)


def test_session_start_empties_the_window():
    flow = rolling_flow(
        [0, 1, 2], [1, 2, 4], np.ones(3, np.int8), [2, 3], window_ns=100, session_start_idx=[0, 2]
    )
    assert flow.buy_lots.tolist() == [3, 4]


def test_no_rows():
    assert (
        len(rolling_flow([], [], np.array([], np.int8), [], window_ns=1, session_start_idx=[])) == 0
    )
    assert len(rolling_flow([1], [1], [1], [], window_ns=1, session_start_idx=[0])) == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ts_ns": [2, 1]}, ValueError, "ts_ns must be non-decreasing"),
        ({"qty_lots": [1, 0]}, ValueError, "qty_lots must be positive"),
        ({"sign": [1, 5]}, ValueError, "sign must be in"),
        ({"end_idx": [0]}, ValueError, "end_idx must lie in 1..2"),
        ({"end_idx": [3]}, ValueError, "end_idx must lie in 1..2"),
        ({"end_idx": [2, 1]}, ValueError, "end_idx must be non-decreasing"),
        ({"window_ns": 0}, ValueError, "window_ns must be positive"),
        ({"session_start_idx": [1]}, ValueError, "session_start_idx must start at 0"),
        ({"share_num": 101}, ValueError, "at most 1, got 101 / 100"),
        ({"qty_lots": [1.0, 2.0]}, TypeError, "qty_lots must hold integers"),
        ({"ts_ns": [-(2**62) - 1, 2**62]}, ValueError, "span less than"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    arguments = {"ts_ns": [1, 2], "qty_lots": [1, 1], "sign": [1, -1], "end_idx": [1, 2]}
    rule = {"window_ns": 1, "session_start_idx": [0]}
    with pytest.raises(error, match=message):
        rolling_flow(**(arguments | rule | change))
