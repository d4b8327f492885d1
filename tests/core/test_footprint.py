"""Footprint: oracle, conservation, golden examples, an independent implementation on real trades."""

import gzip
import json
import os
from itertools import pairwise

import numpy as np
import pytest
import wickra
from hypothesis import given
from hypothesis import strategies as st

import orderflow_core.footprint
from orderflow_core import row_ranges
from orderflow_core.footprint import footprint, row_of
from orderflow_core.types import BarIndex
from tests.naive import footprint as naive

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"


def bars_of(ranges):
    """Return a BarIndex of (bar_id, first, end) triples."""
    columns = np.array(ranges, np.int64).reshape(-1, 3).T
    zero = np.zeros(len(ranges), np.int64)
    return BarIndex(
        bar_id=columns[0], t0_ns=zero, t1_ns=zero, first_idx=columns[1], end_idx=columns[2]
    )


def as_tuples(cells):
    names = ("bar_id", "price_tick", "bid_lots", "ask_lots", "unsigned_lots")
    counts = ("n_bid", "n_ask", "n_unsigned")
    columns = [getattr(cells, name).tolist() for name in names + counts]
    return list(zip(*columns, strict=True))


@st.composite
def barred_trades(draw):
    n = draw(st.integers(0, 40))
    near = st.integers(-12, 12)
    # A far print makes the ladder sparse, so that both ways of summing are compared.
    price = draw(st.lists(st.one_of(near, st.just(10**9)), min_size=n, max_size=n))
    qty = draw(st.lists(st.integers(1, 50), min_size=n, max_size=n))
    sign = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=n, max_size=n))
    edges = sorted(draw(st.sets(st.integers(0, n), max_size=6)))
    ranges = [(10 * k, a, b) for k, (a, b) in enumerate(pairwise(edges)) if draw(st.booleans())]
    return price, qty, sign, ranges


@given(barred_trades(), st.integers(1, 5), st.integers(-7, 7))
def test_agrees_with_the_obvious_loop_and_conserves_volume(trades, height, anchor):
    price, qty, sign, ranges = trades
    cells = footprint(
        np.array(price, np.int64),
        np.array(qty, np.int64),
        np.array(sign, np.int8),
        bars_of(ranges),
        ticks_per_row=height,
        anchor_tick=anchor,
    )
    expected = naive.footprint(price, qty, sign, ranges, ticks_per_row=height, anchor_tick=anchor)
    assert as_tuples(cells) == expected
    for bar_id, first, end in ranges:
        own = cells.bar_id == bar_id
        assert cells.volume_lots[own].sum() == sum(qty[first:end])
        delta = sum(q * s for q, s in zip(qty[first:end], sign[first:end], strict=True))
        assert cells.ask_lots[own].sum() - cells.bid_lots[own].sum() == delta
        assert (cells.n_bid + cells.n_ask + cells.n_unsigned)[own].sum() == end - first


def test_rows_are_floored_on_both_sides_of_the_anchor():
    # Rows of 5 from 0: -1 and -5 lie in row [-5, 0), -6 in [-10, -5), 4 in [0, 5), 5 in [5, 10).
    # Truncation towards zero would put -1 and 4 into one row.
    cells = footprint(
        [-1, -5, -6, 4, 5], [1, 2, 4, 8, 16], [1] * 5, bars_of([(0, 0, 5)]), ticks_per_row=5
    )
    assert cells.price_tick.tolist() == [-10, -5, 0, 5]
    assert cells.ask_lots.tolist() == [4, 3, 8, 16]


def test_anchor_moves_the_row_edges():
    # Anchor 2, rows of 5: edges at -3, 2, 7. Prices 1 -> -3, 2 -> 2, 6 -> 2.
    cells = footprint(
        [1, 2, 6], [1, 2, 4], [1, -1, 0], bars_of([(3, 0, 3)]), ticks_per_row=5, anchor_tick=2
    )
    assert as_tuples(cells) == [(3, -3, 0, 1, 0, 0, 1, 0), (3, 2, 2, 0, 4, 1, 0, 1)]


def test_far_print_is_summed_without_a_ladder_of_that_height():
    prices = np.array([100, 2**60, 100, 101], np.int64)
    cells = footprint(prices, [1, 2, 3, 4], [1, 1, -1, 0], bars_of([(0, 0, 4)]), ticks_per_row=1)
    assert as_tuples(cells) == naive.footprint(
        prices, [1, 2, 3, 4], [1, 1, -1, 0], [(0, 0, 4)], ticks_per_row=1
    )


def test_many_bars_in_parallel_equal_one_sort(monkeypatch):
    # Enough trades for every block; the reference sums a sorted key.
    rng = np.random.default_rng(3)
    n = 20_000 if JIT_OFF else 700_000
    monkeypatch.setattr(orderflow_core.footprint, "_TRADES_PER_BLOCK", n // 8)
    price = 5_000 + np.cumsum(rng.integers(-1, 2, n)) + rng.integers(0, 40, n)
    qty, sign = rng.integers(1, 1_000, n), rng.integers(-1, 2, n).astype(np.int8)
    edges = np.unique(np.concatenate([[0, n], rng.integers(0, n, n // 300)]))
    cells = footprint(
        price, qty, sign, bars_of([(k, *r) for k, r in enumerate(pairwise(edges))]), ticks_per_row=1
    )
    bar = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    keys, inverse = np.unique(bar * 2**32 + price, return_inverse=True)
    assert (cells.bar_id * 2**32 + cells.price_tick == keys).all()
    for side, name in ((-1, "bid"), (1, "ask"), (0, "unsigned")):
        own = sign == side
        lots = np.bincount(inverse, np.where(own, qty, 0), len(keys))
        assert (getattr(cells, f"{name}_lots") == lots).all()
        assert (getattr(cells, f"n_{name}") == np.bincount(inverse[own], minlength=len(keys))).all()


def test_few_trades_start_no_threads(monkeypatch):
    # A thread takes longer to begin than the sum of 1,000 trades.
    monkeypatch.setattr(row_ranges, "Thread", None)
    cells = footprint(
        [5] * 1_000, [1] * 1_000, [1] * 1_000, bars_of([(0, 9, 999)]), ticks_per_row=1
    )
    assert as_tuples(cells) == [(0, 5, 0, 990, 0, 0, 990, 0)]


def test_sizes_up_to_the_edge_of_int64_keep_every_lot():
    # Up to (2**63 - 1) / 3 lots in each of 3 trades; from about 2**58 on there is no room for a
    # count in the same word.
    large = (2**63 - 1) // 3
    for lots in (2**57, 2**60, large):
        cells = footprint(
            [10, 10, 400], [lots, lots, 1], [1, 1, 0], bars_of([(0, 0, 3)]), ticks_per_row=1
        )
        assert as_tuples(cells) == [
            (0, 10, 0, 2 * lots, 0, 0, 2, 0),
            (0, 400, 0, 0, 1, 0, 0, 1),
        ]
    with pytest.raises(ValueError, match="overflow"):
        footprint([10] * 3, [large + 1] * 3, [1] * 3, bars_of([(0, 0, 3)]), ticks_per_row=1)


def test_prices_at_the_edges_of_int64():
    edge = 2**61
    cells = footprint([-edge, edge], [1, 2], [1, -1], bars_of([(0, 0, 2)]), ticks_per_row=1)
    assert as_tuples(cells) == [(0, -edge, 0, 1, 0, 0, 1, 0), (0, edge, 2, 0, 0, 1, 0, 0)]
    for price in (edge + 1, -edge - 1, 2**63 - 1, -(2**63)):
        with pytest.raises(ValueError, match="within 2\\*\\*61"):
            footprint([price, 0], [1, 2], [1, -1], bars_of([(0, 0, 2)]), ticks_per_row=1)
        with pytest.raises(ValueError, match="within 2\\*\\*61"):
            footprint([price], [1], [1], bars_of([(0, 0, 1)]), ticks_per_row=3)


def test_faulty_trade_outside_of_the_bars_is_named_too():
    for qty, sign, message in (
        ([1, -5], [1, 1], "got -5 at position 1"),
        ([1, 1], [1, 3], "got 3"),
    ):
        for signs in (sign, np.array(sign, np.int8)):
            with pytest.raises(ValueError, match=message):
                footprint([5, 6], qty, signs, bars_of([(0, 0, 1)]), ticks_per_row=1)
            with pytest.raises(ValueError, match=message):
                footprint([5, 6], qty, signs, bars_of([(0, 0, 2)]), ticks_per_row=1)


def test_no_trades_no_cells():
    assert len(footprint([], [], [], bars_of([]), ticks_per_row=1)) == 0
    assert len(footprint([5], [1], [1], bars_of([]), ticks_per_row=1)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"qty_lots": [1, 0]}, "qty_lots must be positive, got 0 at position 1"),
        ({"sign": [1, 2]}, "sign must be in"),
        ({"sign": [1]}, "one length"),
        ({"ticks_per_row": 0}, "ticks_per_row must be positive, got 0"),
        ({"index": bars_of([(0, 0, 3)])}, "must lie within the 2 trades"),
        ({"index": bars_of([(0, -1, 2)])}, "must lie within the 2 trades"),
        ({"index": bars_of([(0, 0, 2), (1, 1, 2)])}, "must not overlap"),
        ({"index": bars_of([(0, 0, 0)])}, "must be positive, got 0"),
        ({"index": bars_of([(1, 0, 1), (1, 1, 2)])}, "strictly increasing"),
        ({"anchor_tick": 2**62}, "within 2\\*\\*61"),
        ({"anchor_tick": -(2**63) + 1}, "anchor_tick must be at least -2305843009213693952"),
        ({"ticks_per_row": 2**61 + 1}, "within 2\\*\\*61"),
        ({"qty_lots": [2**62, 2**62]}, "overflow"),
    ],
)
def test_broken_contracts_are_named(change, message):
    arguments = {
        "price_ticks": [1, 2],
        "qty_lots": [1, 1],
        "sign": [1, -1],
        "index": bars_of([(0, 0, 2)]),
        "ticks_per_row": 1,
    }
    with pytest.raises(ValueError, match=message):
        footprint(**(arguments | change))


@pytest.mark.parametrize("anchor", [0.5, np.nan, True])
@pytest.mark.parametrize("height", [1, 2])
def test_anchor_that_is_no_integer_is_refused(anchor, height):
    with pytest.raises(TypeError, match="anchor_tick must be an integer"):
        footprint([1], [1], [1], bars_of([(0, 0, 1)]), ticks_per_row=height, anchor_tick=anchor)
    with pytest.raises(TypeError, match="anchor_tick must be an integer"):
        row_of([1], height, anchor)


def test_lowest_row_of_the_widest_grid():
    # Anchor -2**61, rows of 2**61: the price just below lies in the row from -2**62 on.
    edge = 2**61
    cells = footprint(
        [-edge - 1], [1], [1], bars_of([(0, 0, 1)]), ticks_per_row=edge, anchor_tick=-edge
    )
    assert cells.price_tick.tolist() == [-(2**62)]


def test_float_prices_are_refused():
    with pytest.raises(TypeError, match="price_ticks must hold integers"):
        footprint([1.0], [1], [1], bars_of([(0, 0, 1)]), ticks_per_row=1)


def peer_rows(price, qty, is_buy, tick):
    """Rows of wickra's footprint after the given trades, as price -> (bid, ask) in floats."""
    peer = wickra.Footprint(tick)
    for p, q, b in zip(price[:-1], qty[:-1], is_buy[:-1], strict=True):
        peer.update(p, q, b)
    return np.array(peer.update(price[-1], qty[-1], is_buy[-1]).tolist())


def assert_agrees_with_peer(price_ticks, qty_lots, sign, ranges, tick, lot):
    cells = footprint(price_ticks, qty_lots, sign, bars_of(ranges), ticks_per_row=1)
    for bar_id, first, end in ranges:
        rows = peer_rows(
            (price_ticks[first:end] * tick).tolist(),
            (qty_lots[first:end] * lot).tolist(),
            (sign[first:end] > 0).tolist(),
            tick,
        )
        rows = rows[np.argsort(rows[:, 0])]
        own = cells.bar_id == bar_id
        np.testing.assert_array_equal(np.rint(rows[:, 0] / tick), cells.price_tick[own])
        np.testing.assert_allclose(rows[:, 1], cells.bid_lots[own] * lot, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(rows[:, 2], cells.ask_lots[own] * lot, rtol=1e-9, atol=1e-9)


def bar_ranges(ts, interval):
    bar = ts // interval
    first = np.flatnonzero(np.r_[True, bar[1:] != bar[:-1]])
    return list(
        zip(bar[first].tolist(), first.tolist(), [*first[1:].tolist(), len(ts)], strict=True)
    )


needs_jit = pytest.mark.skipif(JIT_OFF, reason="too many trades for interpreted kernels")


@needs_jit
@pytest.mark.parametrize(
    ("file", "step", "lot"),
    [("usdm/btcusdt_20240719.gz", "0.1", "0.001"), ("cm/btcusd_perp_20240808.gz", "0.1", "1")],
)
def test_agrees_with_an_independent_footprint_on_recorded_trades(test_data, file, step, lot):
    rows = []
    with gzip.open(test_data / "binance_ws/hftbacktest" / file, "rt") as frames:
        for line in frames:
            if "@trade" in line:
                data = json.loads(line.split(" ", 1)[1])["data"]
                rows.append(
                    (
                        data["T"],
                        round(float(data["p"]) / float(step)),
                        round(float(data["q"]) / float(lot)),
                        -1 if data["m"] else 1,
                    )
                )
    ts, price, qty, sign = np.array(rows, np.int64).T
    order = np.argsort(ts, kind="stable")
    ts, price, qty, sign = ts[order], price[order], qty[order], sign[order].astype(np.int8)
    ranges = bar_ranges(ts, 15_000)
    assert len(ranges) > 10
    assert_agrees_with_peer(price, qty, sign, ranges, float(step), float(lot))


@needs_jit
def test_agrees_with_an_independent_footprint_on_200_000_spot_trades(test_data):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = test_data / "trades_xrpusdt_ska/XRPUSDT_trades.parquet"
    table = next(parquet.ParquetFile(path).iter_batches(200_000))
    ts = table["ts_ms"].to_numpy()
    price = np.rint(table["price"].to_numpy() * 10_000).astype(np.int64)
    qty = np.rint(table["quantity"].to_numpy() * 10).astype(np.int64)
    sign = np.where(table["is_buyer_maker"].to_numpy(zero_copy_only=False), -1, 1).astype(np.int8)
    ranges = bar_ranges(ts, 3_600_000)
    assert len(ranges) >= 2
    assert_agrees_with_peer(price, qty, sign, ranges, 0.0001, 0.1)
