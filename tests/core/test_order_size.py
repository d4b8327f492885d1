"""Largest order under a budget: oracle, monotone in the budget, edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.order_size import largest_order
from tests.naive import impact as naive


@st.composite
def quantiles(draw):
    sizes = sorted(draw(st.sets(st.integers(1, 10**6), min_size=1, max_size=6)))
    cost = st.floats(-3, 3, allow_nan=False).map(lambda x: round(x, 3))
    row = st.lists(cost, min_size=len(sizes), max_size=len(sizes)).map(sorted)
    rows = draw(st.lists(row, min_size=1, max_size=5))
    return np.array(sizes), np.array(rows)


@given(quantiles(), st.floats(-4, 4, allow_nan=False))
def test_agrees_with_the_obvious_loop(drawn, budget):
    sizes, cost = drawn
    got = largest_order(budget, sizes, cost)
    wanted = naive.largest_order(budget, sizes.tolist(), cost.tolist())
    np.testing.assert_allclose(got, wanted, atol=1)  # the logarithms' last bit may cost a lot


@given(quantiles(), st.floats(-4, 4), st.floats(0, 2))
def test_a_larger_budget_allows_no_smaller_order(drawn, budget, more):
    sizes, cost = drawn
    assert (largest_order(budget + more, sizes, cost) >= largest_order(budget, sizes, cost)).all()


@given(quantiles(), st.floats(-4, 4, allow_nan=False))
def test_what_is_allowed_lies_within_the_budget(drawn, budget):
    sizes, cost = drawn
    lots = largest_order(budget, sizes, cost)
    for row, q in zip(cost, lots.tolist(), strict=True):
        if q == 0:
            assert row[0] > budget
        else:
            assert np.interp(np.log(q), np.log(sizes), row) <= budget + 1e-6 * np.ptp(row)


def test_edges():
    sizes = np.array([1, 100])
    # Halfway between costs 1 and 2 lies the size 10; nothing is known beyond 100.
    assert largest_order(1.5, sizes, np.array([[1.0, 2.0]])).tolist() == [10]
    assert largest_order(9.0, sizes, np.array([[1.0, 2.0]])).tolist() == [100]
    assert largest_order(0.9, sizes, np.array([[1.0, 2.0]])).tolist() == [0]
    assert largest_order(1.0, sizes, np.array([[1.0, 1.0]])).tolist() == [100]
    assert largest_order(1.5, sizes, np.array([[1.0, np.nan]])).tolist() == [0]
    assert largest_order(1.5, sizes, np.array([[1.0, np.inf]])).tolist() == [1]
    assert largest_order(np.inf, sizes, np.array([[1.0, 2.0]])).tolist() == [100]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1.0, [1, 1], [[1.0, 2.0]]), ValueError, "size_lots"),
        ((1.0, [0, 1], [[1.0, 2.0]]), ValueError, "size_lots must be positive"),
        ((1.0, [1, 2], [[2.0, 1.0]]), ValueError, "must not fall with size"),
        ((1.0, [1, 2], [[1.0]]), ValueError, "one column a size"),
        ((1.0, [], np.empty((1, 0))), ValueError, "one column a size"),
        ((np.nan, [1, 2], [[1.0, 2.0]]), ValueError, "budget must be a number"),
        ((1.0, [1, 2], [[1, 2]]), TypeError, "cost_quantile must hold floats"),
    ],
)
def test_broken_contracts_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        largest_order(*arguments)
