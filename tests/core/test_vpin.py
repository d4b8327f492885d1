"""VPIN."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.vpin import continue_vpin, vpin
from tests.core import trade_cases as cases
from tests.naive import vpin as naive

FIRST = np.array([0])


@given(cases.trades(), st.integers(1, 30), st.integers(1, 4))
def test_equals_the_obvious_loop(trades, bucket, n_buckets):
    got = vpin(
        trades["qty"], trades["sign"], trades["starts"], bucket_lots=bucket, n_buckets=n_buckets
    )
    rows = naive.vpin(
        trades["qty"].tolist(),
        trades["sign"].tolist(),
        trades["starts"].tolist(),
        bucket,
        n_buckets,
    )
    assert np.array_equal(got, rows, equal_nan=True)


@given(st.data(), st.integers(1, 30), st.integers(1, 4))
def test_estimated_shares_equal_the_obvious_loop(data, bucket, n_buckets):
    n = data.draw(st.integers(1, 30))
    qty = data.draw(cases.int64s(n, 0, 90))
    share = data.draw(cases.int64s(n, -8, 8)) / 8  # sums of eighths are exact
    got = vpin(qty, share, FIRST, bucket_lots=bucket, n_buckets=n_buckets)
    rows = naive.vpin(qty.tolist(), share.tolist(), [0], bucket, n_buckets)
    assert np.allclose(got, rows, rtol=1e-14, atol=0, equal_nan=True)


@given(st.data(), cases.trades(), st.integers(1, 30))
def test_chunks_equal_the_whole_and_prefixes_are_final(data, trades, bucket):
    rule = {"bucket_lots": bucket, "n_buckets": 3}
    qty, share = trades["qty"], trades["sign"] * 0.3
    whole = vpin(qty, share, trades["starts"], **rule)
    state, parts = None, []
    for first, end in pairwise(data.draw(cases.cuts(len(qty)))):
        inner, opens = cases.starts_within(trades["starts"], first, end)
        part, state = continue_vpin(
            None if opens else state, qty[first:end], share[first:end], inner, **rule
        )
        parts.append(part)
        prefix = np.concatenate(parts)
        assert prefix.tobytes() == whole[: len(prefix)].tobytes()


@given(cases.trades(), st.integers(1, 30))
def test_properties(trades, bucket):
    rule = {"session_start_idx": trades["starts"], "bucket_lots": bucket, "n_buckets": 2}
    got = vpin(trades["qty"], trades["sign"], **rule)
    known = got[~np.isnan(got)]
    assert ((known >= 0) & (known <= 1)).all()
    flipped = vpin(trades["qty"], -trades["sign"], **rule)
    assert np.array_equal(got, flipped, equal_nan=True)
    # The same order as two prints: what is known after the second is the same.
    twice = vpin(
        np.repeat(trades["qty"], 2),
        np.repeat(trades["sign"], 2),
        trades["starts"] * 2,
        bucket_lots=2 * bucket,
        n_buckets=2,
    )
    assert np.array_equal(got, twice[1::2], equal_nan=True)


def test_split_trades_by_hand():
    # Buckets of 10, two of them: 7 bought; 13 sold fill it (|7 - 3| / 10 = .4) and the next (1).
    # 4 of unknown side and 6 bought: .6. Their means: .7 and .8. A session starts empty.
    qty, sign = np.array([7, 13, 4, 6, 10, 10]), np.array([1, -1, 0, 1, 1, 1])
    got = vpin(qty, sign, [0, 4], bucket_lots=10, n_buckets=2)
    assert got[1:4].tolist() == [0.7, 0.7, 0.8]
    assert np.isnan(got[[0, 4]]).all()
    assert got[5] == 1.0
    # 12 bought close one (1) and leave 2; 8 sold close the next: |2 - 8| / 10 = .6.
    assert vpin([12, 8], [1, -1], [0], bucket_lots=10, n_buckets=1).tolist() == [1.0, 0.6]


def test_one_trade_that_fills_very_many_buckets():
    # 10**15 buckets: the loop must not visit each of them. The rest of 5 lots stays open.
    qty = np.array([3, 10**16 + 2, 5])
    got = vpin(qty, np.array([-1, 1, -1]), FIRST, bucket_lots=10, n_buckets=3)
    assert got[1] == 1.0
    # 3 + 10**16 + 2 = 5 (mod 10): 5 bought, 5 sold: imbalance 0, mean (1 + 1 + 0) / 3.
    assert got[2] == 2 / 3


def test_nothing_and_errors():
    values, state = continue_vpin(None, [], [], [], bucket_lots=5)
    assert len(values) == 0
    assert math.isnan(state.vpin)
    one = np.array([1])
    with pytest.raises(ValueError, match="n_buckets must be that of the state, got 3"):
        continue_vpin(state, one, one, FIRST, bucket_lots=5, n_buckets=3)
    with pytest.raises(ValueError, match="bucket_lots must be that of the state, got 4"):
        continue_vpin(state, one, one, FIRST, bucket_lots=4)
    for arguments, message in (
        ((-one, one), "qty_lots must not be negative, got -1"),
        ((one, np.array([2])), r"net_share must be in \[-1, 1\], got 2"),
        ((one, np.array([np.nan])), r"net_share must be in \[-1, 1\], got nan"),
        ((one, np.array([[1.0]])), "net_share must be one-dimensional"),
        ((one, np.array([1, 1])), "one length"),
    ):
        with pytest.raises(ValueError, match=message):
            vpin(*arguments, FIRST, bucket_lots=5)
    with pytest.raises(TypeError, match="net_share must hold numbers"):
        vpin(one, np.array(["a"]), FIRST, bucket_lots=5)
    for bucket, message in ((0, "must be positive"), (2**53 + 1, r"at most 2\*\*53")):
        with pytest.raises(ValueError, match=message):
            vpin(one, one, FIRST, bucket_lots=bucket)
