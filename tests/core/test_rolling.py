"""Rolling window: oracle, golden examples of the quantile and of the window's edges."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core import row_ranges
from orderflow_core.rolling import last_known_idx, rolling_quantile, rolling_sums
from tests.naive import rolling as naive

SUMS = (
    "buy_lots", "sell_lots", "n_buy", "n_sell", "imbalance", "avg_buy_lots", "avg_sell_lots",
    "is_warm",
)  # fmt: skip
LARGE = ("quantile_lots", "large_buy_ratio", "large_sell_ratio")


def assert_rows(found, names, expected):
    for i, name in enumerate(names):
        wanted = np.array([row[i] for row in expected])
        np.testing.assert_array_equal(getattr(found, name), wanted, err_msg=name)


# Sizes near each other, spread over the counters of 64 buckets, and past the direct range, where
# buckets are shared: 70,000 to 70,003 are of one bucket, as are the largest two.
sizes = st.one_of(
    st.integers(1, 5),
    st.integers(1, 65_535),
    st.sampled_from([64, 128, 4096, 65_535, 65_536, 10**12]),
    st.integers(70_000, 70_003),
    st.integers(2**55 - 3, 2**55 + 2**40),
)


@st.composite
def streams(draw, max_size=40):
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 4), sizes, st.sampled_from([-1, 0, 1])), max_size=max_size
        )
    )
    ts = np.cumsum([step for step, _, _ in rows]).astype(np.int64).tolist()
    ends = sorted(draw(st.lists(st.integers(1, len(rows)), max_size=15))) if rows else []
    starts = sorted({0, *draw(st.sets(st.integers(0, max(len(rows) - 1, 0)), max_size=3))})
    return ts, [q for _, q, _ in rows], [s for _, _, s in rows], ends, starts


def arrays(ts, qty, sign, ends):
    return (
        np.array(ts, np.int64),
        np.array(qty, np.int64),
        np.array(sign, np.int8),
        np.array(ends, np.int64),
    )


@given(streams(), st.integers(1, 12), st.sampled_from([(95, 100), (1, 2), (1, 1), (1, 100)]))
def test_agrees_with_the_obvious_loop(stream, window, share):
    *columns, starts = stream
    rule = {"window_ns": window, "session_start_idx": starts}
    assert_rows(rolling_sums(*arrays(*columns), **rule), SUMS, naive.rolling_sums(*columns, **rule))
    rule |= {"share_num": share[0], "share_den": share[1]}
    found = rolling_quantile(*arrays(*columns), **rule)
    assert_rows(found, LARGE, naive.rolling_quantile(*columns, **rule))


@given(streams(max_size=25), st.integers(1, 12), st.integers(1, 4))
def test_ranges_of_rows_give_the_rows_of_the_whole(stream, window, rows_a_range):
    *columns, starts = stream
    rule = {"window_ns": window, "session_start_idx": starts}
    whole = rolling_sums(*arrays(*columns), **rule), rolling_quantile(*arrays(*columns), **rule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_ranges, "_MIN_ROWS", rows_a_range)
        patch.setattr(row_ranges.os, "cpu_count", lambda: 5)
        parts = rolling_sums(*arrays(*columns), **rule), rolling_quantile(*arrays(*columns), **rule)
    for names, one, other in zip((SUMS, LARGE), whole, parts, strict=True):
        for name in names:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("largest", [9, 100_000, 2**50])
def test_many_rows_agree_with_the_obvious_loop(largest):
    # More rows than a block has; windows that hold the sizes of blocks before; all three forms of
    # sums: of small sizes, of sizes that share buckets, and of lots beyond exact floats.
    rng = np.random.default_rng(5)
    n = 1_100
    ts = np.cumsum(rng.integers(0, 3, n)).tolist()
    qty, sign = rng.integers(1, largest, n).tolist(), rng.integers(-1, 2, n).tolist()
    ends = np.sort(rng.integers(1, n + 1, 900)).tolist()
    rule = {"window_ns": 40, "session_start_idx": [0, 300, 301, 1_000]}
    columns = (ts, qty, sign, ends)
    assert_rows(rolling_sums(*arrays(*columns), **rule), SUMS, naive.rolling_sums(*columns, **rule))
    rule |= {"share_num": 9, "share_den": 10}
    found = rolling_quantile(*arrays(*columns), **rule)
    assert_rows(found, LARGE, naive.rolling_quantile(*columns, **rule))


@given(st.lists(st.integers(0, 9), max_size=12), st.lists(st.integers(-2, 12), max_size=12))
def test_last_known_agrees_with_the_obvious_loop(ts, at):
    ts, at = sorted(ts), sorted(at)
    assert last_known_idx(ts, at).tolist() == naive.last_known_idx(ts, at)


def flow_at_end(ts, qty, window, share=(95, 100), sign=None):
    columns = arrays(ts, qty, sign or [1] * len(ts), [len(ts)])
    rule = {"window_ns": window, "session_start_idx": [0]}
    sums = rolling_sums(*columns, **rule)
    large = rolling_quantile(*columns, **rule, share_num=share[0], share_den=share[1])
    found = {name: getattr(sums, name)[0] for name in SUMS}
    return found | {name: getattr(large, name)[0] for name in LARGE}


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
    flow = rolling_sums(
        [5, 5, 5], [1, 2, 4], np.ones(3, np.int8), [2, 3], window_ns=1, session_start_idx=[0]
    )
    assert flow.buy_lots.tolist() == [3, 7]


def test_quantile_is_the_nearest_rank():
    # ceil(0.95 * 20) = 19: the 19th of 1..20 is 19. Above it: 20.
    got = flow_at_end(list(range(20)), list(range(1, 21)), window=100)
    assert (got["quantile_lots"], got["large_buy_ratio"]) == (19, 20 / 210)
    # ceil(0.95 * 21) = ceil(19.95) = 20.
    assert flow_at_end(list(range(21)), list(range(1, 22)), window=100)["quantile_lots"] == 20
    # One trade is its own quantile and never larger than it.
    assert flow_at_end([0], [7], window=100)["large_buy_ratio"] == 0


def test_quantile_counts_in_integers():
    # 0.95 * 100 = 95 exactly; in floats 100 * 0.95 = 94.99999999999999 or 95.00000000000001 elsewhere.
    got = flow_at_end([0] * 100, list(range(1, 101)), window=1)
    assert got["quantile_lots"] == 95


def test_sizes_equal_to_the_quantile_are_not_large():
    # Sizes 1, 5, 5, 5: ceil(0.5 * 4) = 2nd smallest = 5; nothing is above 5, though ranks 3, 4 are "beyond".
    got = flow_at_end([0] * 4, [1, 5, 5, 5], window=1, share=(1, 2))
    assert (got["quantile_lots"], got["large_buy_ratio"]) == (5, 0)


def test_unsigned_trades_count_for_the_quantile():
    # Sizes 1 (buy), 2 (unsigned), 9 (sell): ceil(0.5 * 3) = 2nd = 2; large: the sell of 9.
    got = flow_at_end([0] * 3, [1, 2, 9], window=1, share=(1, 2), sign=[1, 0, -1])
    large = got["large_buy_ratio"], got["large_sell_ratio"]
    assert (got["quantile_lots"], *large) == (2, 0, 9 / 12)


def test_quantile_is_exact_among_sizes_that_share_a_bucket():
    # 70,000 = 546.9 * 128: sizes 69,888..70,015 share a bucket. ceil(0.5 * 5) = 3rd of 69,999,
    # 70,000, 70,001, 70,002, 10**6 is 70,001; above it 70,002 sold and 10**6 bought of 1,280,002.
    sizes = [70_001, 70_000, 10**6, 70_002, 69_999]
    got = flow_at_end([0] * 5, sizes, window=1, share=(1, 2), sign=[1, 1, 1, -1, -1])
    assert got["quantile_lots"] == 70_001
    assert got["large_buy_ratio"] == 10**6 / 1_280_002
    assert got["large_sell_ratio"] == 70_002 / 1_280_002
    # The trades that come first leave their bucket first.
    late = rolling_quantile(*arrays([0, 1, 2], [70_001, 70_000, 70_003], [1, 1, 1], [2, 3]),
                            window_ns=2, session_start_idx=[0], share_num=1, share_den=2)  # fmt: skip
    assert late.quantile_lots.tolist() == [70_000, 70_000]


def test_quantile_falls_over_sizes_that_do_not_occur():
    # 1,000 alone is its own quantile; with 5 the ceil(0.5 * 2) = 1st of the two is 5, 15 counts of 64
    # sizes below. At time 2 the first 1,000 has left and another has come: 5 and 1,000 still.
    flow = rolling_quantile(
        *arrays([0, 1, 2], [1_000, 5, 1_000], [1, -1, 1], [1, 2, 3]),
        window_ns=2, session_start_idx=[0], share_num=1, share_den=2,
    )  # fmt: skip
    assert flow.quantile_lots.tolist() == [1_000, 5, 5]
    assert flow.large_buy_ratio.tolist() == [0, 1_000 / 1_005, 1_000 / 1_005]


def test_session_start_empties_the_window():
    flow = rolling_sums(
        [0, 1, 2], [1, 2, 4], np.ones(3, np.int8), [2, 3], window_ns=100, session_start_idx=[0, 2]
    )
    assert flow.buy_lots.tolist() == [3, 4]


@given(streams(), st.integers(1, 12))
def test_results_written_over_earlier_ones_are_those_of_new_arrays(stream, window):
    *columns, starts = stream
    rule = {"window_ns": window, "session_start_idx": starts}
    for function, names in ((rolling_sums, SUMS), (rolling_quantile, LARGE)):
        wanted = function(*arrays(*columns), **rule)
        old = dataclasses.replace(
            wanted, **{name: np.full_like(getattr(wanted, name), 7) for name in names}
        )
        assert function(*arrays(*columns), **rule, out=old) is old
        for name in names:
            np.testing.assert_array_equal(getattr(old, name), getattr(wanted, name), err_msg=name)


def read_only(array):
    array.flags.writeable = False
    return array


TS = np.array([1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"buy_lots": np.zeros(3, np.int64)}, r"out.buy_lots must be int64 of shape \(2,\)"),
        ({"n_buy": np.zeros(2, np.int32)}, "out.n_buy must be int64 of shape"),
        ({"is_warm": [True, True]}, "out.is_warm must be bool of shape"),
        ({"imbalance": np.zeros(4)[::2]}, "out.imbalance must be contiguous and writeable"),
        ({"imbalance": read_only(np.zeros(2))}, "out.imbalance must be contiguous and writeable"),
        ({"sell_lots": TS}, "out.sell_lots must not share memory with ts_ns"),
        ({"buy_lots": TS.copy()[:], "sell_lots": None}, "out.sell_lots must not share memory with"),
    ],
)
def test_results_need_arrays_of_their_own(change, message):
    columns, rule = (TS, [1, 1], [1, -1], [1, 2]), {"window_ns": 1, "session_start_idx": [0]}
    flow = rolling_sums(*columns, **rule)
    change = {name: change["buy_lots"] if a is None else a for name, a in change.items()}
    with pytest.raises(ValueError, match=message):
        rolling_sums(*columns, **rule, out=dataclasses.replace(flow, **change))


def test_no_rows():
    for function in (rolling_sums, rolling_quantile):
        assert len(function([], [], [], [], window_ns=1, session_start_idx=[])) == 0
        assert len(function([1], [1], [1], [], window_ns=1, session_start_idx=[0])) == 0


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ts_ns": [2, 1]}, ValueError, "ts_ns must be non-decreasing"),
        ({"qty_lots": [1, 0]}, ValueError, "qty_lots must be positive"),
        ({"sign": [1, 5]}, ValueError, "sign must be in"),
        ({"sign": np.array([1, 5], np.int8)}, ValueError, "sign must be in"),
        ({"end_idx": [0]}, ValueError, "end_idx must lie in 1..2"),
        ({"end_idx": [3]}, ValueError, "end_idx must lie in 1..2"),
        ({"end_idx": [2, 1]}, ValueError, "end_idx must be non-decreasing"),
        ({"window_ns": 0}, ValueError, "window_ns must be positive"),
        ({"session_start_idx": [1]}, ValueError, "session_start_idx must start at 0"),
        ({"share_num": 101}, ValueError, "at most 1, got 101 / 100"),
        ({"qty_lots": [1.0, 2.0]}, TypeError, "qty_lots must hold integers"),
        ({"ts_ns": [-(2**62) - 1, 2**62]}, ValueError, "span less than"),
        ({"ts_ns": [-(2**63), 0]}, ValueError, "a window of 1 included"),
        ({"qty_lots": [2**62, 2**62]}, ValueError, "qty_lots may overflow int64"),
    ],
)
def test_broken_contracts_are_named(change, error, message):
    arguments = {"ts_ns": [1, 2], "qty_lots": [1, 1], "sign": [1, -1], "end_idx": [1, 2]}
    rule = {"window_ns": 1, "session_start_idx": [0]}
    with pytest.raises(error, match=message):
        rolling_quantile(**(arguments | rule | change))
