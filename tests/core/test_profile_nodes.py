"""High and low volume nodes: two oracles, golden nodes, gaps, bad settings, recorded trades."""

import os

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.signal import find_peaks

from orderflow_core.profile import volume_profile
from orderflow_core.profile_nodes import profile_nodes
from tests.core import captures
from tests.naive import profile_nodes as naive

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT") == "1"
ladders = st.dictionaries(st.integers(-15, 15), st.integers(0, 9), min_size=1, max_size=20)


def nodes_of(volume, height=1, **options):
    prices = sorted(volume)
    return profile_nodes(
        prices,
        [volume[p] for p in prices],
        ticks_per_row=height,
        **{"bandwidth_rows": 1.0, "min_prominence": 0.05} | options,
    )


@given(ladders, st.sampled_from([0.3, 1.0, 2.5]), st.integers(1, 3))
def test_nodes_agree_with_scipy_and_with_looking_at_each_way(volume, bandwidth, height):
    assume(any(volume.values()))
    got = nodes_of({p * height: v for p, v in volume.items()}, height, bandwidth_rows=bandwidth)
    reach = int(np.ceil(4 * bandwidth)) + 1
    values = naive.smoothed(volume, bandwidth, reach)
    dense = np.array(list(values.values()))
    # Rounding may turn equal rows into tiny hills: far below what must stand out.
    dense, least = dense.round(9), 0.05 * dense.max()
    rows = {}
    for kind, signed in ((1, dense), (-1, -dense)):
        peaks, found = find_peaks(signed, prominence=0)
        for peak, height_above in zip(peaks, found["prominences"], strict=True):
            if abs(height_above - least) < 1e-6:
                assume(False)
            if height_above >= least:
                rows[list(values)[peak]] = (kind, height_above)
    assert got.kind.tolist() == [kind for _, (kind, _) in sorted(rows.items())]
    assert np.allclose(got.prominence_lots, [p for _, (_, p) in sorted(rows.items())], atol=1e-6)
    assert np.abs(got.price_tick // height - sorted(rows)).max(initial=0) <= 1  # of flat tops
    for price, kind, value, above in zip(
        got.price_tick.tolist(),
        got.kind.tolist(),
        got.smoothed_lots.tolist(),
        got.prominence_lots.tolist(),
        strict=True,
    ):
        assert value == pytest.approx(values[price // height], abs=1e-9)
        signed = {row: kind * round(v, 9) for row, v in values.items()}
        assert above == pytest.approx(naive.prominence(signed, price // height), abs=1e-6)


def test_a_gap_is_one_low_node_and_not_many():
    # Two heaps 10 rows apart; the kernel of 4 rows leaves rows 15 empty: one node in its middle.
    got = nodes_of({10: 5, 20: 4})
    assert (got.price_tick.tolist(), got.kind.tolist()) == ([10, 15, 20], [1, -1, 1])
    assert got.smoothed_lots[1] == 0.0
    # The valley is as deep as the lower heap is high; so is the lower heap's own prominence.
    assert got.prominence_lots[1] == got.prominence_lots[2] == got.smoothed_lots[2]
    assert got.prominence_lots[0] == got.smoothed_lots[0]
    assert len(got) == 3


def test_a_flat_top_counts_once_in_its_middle():
    # A kernel that ends before the next row leaves the profile as it is: rows 10..13 hold 3 each.
    got = nodes_of(dict.fromkeys(range(10, 14), 3), bandwidth_rows=0.2)
    assert (got.price_tick.tolist(), got.kind.tolist()) == ([11], [1])
    assert got.smoothed_lots.tolist() == [3.0]


def test_many_peaks_on_a_slope():
    # Peaks of 3 n, 3 n - 3, ... with a row 2 lower after each: the highest stands out by all it has,
    # each other one by the 1 that lies between its foot before it and its top. Work that grew with
    # the way down to the end, peak by peak, would take minutes.
    n = 500 if JIT_OFF else 300_000
    tops = 3 * np.arange(n, 0, -1)
    lots = np.column_stack([tops, tops - 4]).ravel()
    lots[-1] = 1
    got = profile_nodes(
        np.arange(2 * n), lots, ticks_per_row=1, bandwidth_rows=0.2, min_prominence=1e-9
    )
    highs = got.prominence_lots[got.kind > 0]
    assert highs[0] == 3 * n
    assert (highs[1:] == 1).all()
    assert len(highs) == n


def test_what_does_not_stand_out_is_left_out():
    # 8, 7, 8 unsmoothed: the valley is 1 deep, 1/8 of the maximum.
    volume = {10: 8, 11: 7, 12: 8}
    assert len(nodes_of(volume, bandwidth_rows=0.2, min_prominence=0.125)) == 3
    assert len(nodes_of(volume, bandwidth_rows=0.2, min_prominence=0.126)) == 2


def test_no_volume_no_nodes():
    assert len(nodes_of({1: 0, 2: 0})) == 0
    assert len(profile_nodes([], [], ticks_per_row=1, bandwidth_rows=1.0, min_prominence=0.1)) == 0


@pytest.mark.parametrize(
    ("volume", "options", "message"),
    [
        ({1: 1}, {"bandwidth_rows": 0.0}, r"bandwidth_rows must be in \(0, 10000\], got 0.0"),
        ({1: 1}, {"bandwidth_rows": np.nan}, "bandwidth_rows must be in"),
        ({1: 1}, {"min_prominence": 1.1}, r"min_prominence must be in \(0, 1\], got 1.1"),
        ({1: -1}, {}, "volume_lots must not be negative"),
        ({0: 1, 2**22: 1}, {}, "price_tick must span fewer than 4194304 rows, got 4194304"),
        ({0: 1, 3: 1}, {"height": 2}, "multiples of ticks_per_row 2"),
    ],
)
def test_broken_contracts_are_named(volume, options, message):
    with pytest.raises(ValueError, match=message):
        nodes_of(volume, **options)


def test_recorded_trades_have_few_nodes_in_alternation(test_data):
    (_, _, price, qty, _), *_ = captures.read_capture(
        test_data / captures.FOLDER / captures.FUTURES[0]
    )
    rows = volume_profile(price, qty, np.zeros(len(price), np.int8), ticks_per_row=10)
    got = profile_nodes(
        rows.price_tick, rows.volume_lots, ticks_per_row=10, bandwidth_rows=10, min_prominence=0.1
    )
    raw = rows.volume_lots
    n_raw = np.count_nonzero((raw[1:-1] > raw[:-2]) & (raw[1:-1] > raw[2:]))
    assert 0 < len(got) < n_raw / 10
    assert (got.kind[1:] != got.kind[:-1]).all()
    assert got.kind[0] == got.kind[-1] == 1
