"""Queue imbalance and microprice."""

import math

import numpy as np
import pytest
from hypothesis import given

from orderflow_core.book import microprice, queue_imbalance
from tests.core import trade_cases as cases
from tests.naive import book as naive


@given(cases.quotes())
def test_both_equal_the_exact_formula(quotes):
    touch = (quotes.bid_ticks, quotes.bid_lots, quotes.ask_ticks, quotes.ask_lots)
    lists = [column.tolist() for column in touch]
    imbalance = queue_imbalance(quotes.bid_lots, quotes.ask_lots).tolist()
    assert imbalance == naive.queue_imbalance(lists[1], lists[3])
    for got, exact in zip(microprice(*touch).tolist(), naive.microprice(*lists), strict=True):
        if exact is None:
            assert math.isnan(got)
        else:
            assert got == pytest.approx(float(exact), rel=1e-15)


def test_edges_by_hand():
    # 3 on the bid at 10, 1 on the ask at 12: (12 * 3 + 10 * 1) / 4 = 11.5. Locked: its price.
    # Crossed, and no size at all: none. One empty side: the price of the other's opposite.
    bid, ask = np.array([10, 10, 12, 10, 10]), np.array([12, 10, 10, 12, 12])
    bid_lots, ask_lots = np.array([3, 3, 3, 0, 3]), np.array([1, 1, 1, 0, 0])
    price = microprice(bid, bid_lots, ask, ask_lots)
    assert price.tolist()[:2] == [11.5, 10.0]
    assert np.isnan(price[2:4]).all()
    assert price[4] == 12.0
    imbalance = queue_imbalance(bid_lots, ask_lots)
    assert imbalance.tolist()[:3] == [0.5, 0.5, 0.5]
    assert np.isnan(imbalance[3])
    assert imbalance[4] == 1.0


def test_sizes_whose_products_leave_int64():
    # (a B + b A) with prices and sizes of 10**10 leaves int64; the mid of equal queues remains.
    big = np.array([10**10])
    assert microprice(big, big, big + 2, big)[0] == 10**10 + 1


def test_errors_name_the_argument():
    one = np.array([1])
    with pytest.raises(ValueError, match="ask_lots must not be negative, got -1 at position 0"):
        queue_imbalance(one, -one)
    with pytest.raises(ValueError, match="bid_lots may overflow"):
        queue_imbalance(one * 2**62, one)
    with pytest.raises(ValueError, match=r"bid_ticks must lie within 2\*\*62"):
        microprice(one * -(2**62) - 1, one, one, one)
    with pytest.raises(ValueError, match=r"ask_ticks must lie within 2\*\*62"):
        microprice(one, one, one * 2**62, one)
    with pytest.raises(TypeError, match="bid_ticks"):
        microprice(np.array([1.5]), one, one, one)
    with pytest.raises(ValueError, match="one length"):
        microprice(one, np.array([1, 1]), one, np.array([1, 1]))
    assert len(queue_imbalance([], [])) == 0
    assert len(microprice([], [], [], [])) == 0
