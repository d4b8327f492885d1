"""Volume profile, point of control, value area: oracle, invariants, golden ties, a peer."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderflow_core.profile import volume_profile
from orderflow_core.value_area import ValueArea, point_of_control, value_area
from tests.naive import profile as naive


def area(volume, height=1, **options):
    prices = sorted(volume)
    return value_area(prices, [volume[p] for p in prices], ticks_per_row=height, **options)


def poc_tick(volume):
    prices = sorted(volume)
    return prices[point_of_control(prices, [volume[p] for p in prices], ticks_per_row=1)]


trades = st.lists(
    st.tuples(st.integers(-30, 30), st.integers(1, 9), st.sampled_from([-1, 0, 1])), max_size=40
)
# Few distinct volumes and sparse prices: ties and gaps in most examples.
ladders = st.dictionaries(st.integers(-20, 20), st.integers(0, 4), min_size=1, max_size=25)


@given(trades, st.integers(1, 7), st.integers(-9, 9), st.randoms(use_true_random=False))
def test_profile_agrees_with_the_obvious_loop_in_any_order(rows, height, anchor, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    expected = naive.volume_profile(
        *(list(column) for column in zip(*rows, strict=True)) if rows else ([], [], []),
        ticks_per_row=height,
        anchor_tick=anchor,
    )
    for order in (rows, shuffled):
        price, qty, sign = np.array(order, np.int64).reshape(-1, 3).T
        got = volume_profile(price, qty, sign, ticks_per_row=height, anchor_tick=anchor)
        columns = (got.price_tick, got.bid_lots, got.ask_lots, got.unsigned_lots)
        assert list(zip(*(c.tolist() for c in columns), strict=True)) == expected
        assert got.volume_lots.sum() == sum(q for _, q, _ in rows)


@given(ladders, st.integers(1, 3), st.integers(1, 10))
def test_value_area_agrees_with_walking_every_row(volume, height, share_num):
    assume(any(volume.values()))
    volume = {p * height: v for p, v in volume.items()}
    got = area(volume, height, share_num=share_num, share_den=10)
    assert (got.poc_tick, got.val_tick, got.vah_tick, got.volume_lots, got.total_lots) == (
        naive.value_area(volume, ticks_per_row=height, share_num=share_num, share_den=10)
    )
    assert got.val_tick <= got.poc_tick <= got.vah_tick
    assert got.volume_lots * 10 >= share_num * got.total_lots
    inside = sum(v for p, v in volume.items() if got.val_tick <= p <= got.vah_tick)
    assert inside == got.volume_lots


@given(ladders, ladders)
def test_rows_without_volume_change_nothing(volume, more):
    assume(any(volume.values()))
    padded = dict.fromkeys(more, 0) | volume
    assert area(padded) == area(volume)
    assert poc_tick(padded) == poc_tick(volume) == naive.point_of_control(volume)


def test_poc_tie_goes_to_the_middle_of_the_range():
    # Range 10..20, middle 15. Rows 11 and 16 hold 5 each: |11 - 15| = 4, |16 - 15| = 1.
    assert poc_tick({10: 1, 11: 5, 16: 5, 20: 1}) == 16


def test_poc_tie_at_equal_distance_goes_to_the_heavier_side():
    # Middle of 10..14 is 12; rows 11 and 13 are 1 away. Above 12: 5 + 2 = 7, below: 5 + 1 = 6.
    assert poc_tick({10: 1, 11: 5, 13: 5, 14: 2}) == 13
    assert poc_tick({10: 2, 11: 5, 13: 5, 14: 1}) == 11


def test_poc_tie_on_equal_sides_goes_to_the_lower_price():
    assert poc_tick({10: 1, 11: 5, 13: 5, 14: 1}) == 11
    # Middle between two rows: 10.5, both 0.5 away, sides equal.
    assert poc_tick({10: 5, 11: 5}) == 10


def test_poc_of_the_middle_row_wins_over_both_sides():
    # 12 is the middle itself; 11 and 13 hold as much.
    assert poc_tick({10: 1, 11: 5, 12: 5, 13: 5, 14: 1}) == 12


def test_two_rows_at_a_time():
    # Total 100, wanted 70. POC 15 (30).
    #   above 16 + 17 = 15 + 9 = 24, below 14 + 13 = 20 + 5 = 25: below, 55.
    #   above 24 again, below 12 + 11 = 4 + 1 = 5: above, 79 >= 70: stop.
    volume = {11: 1, 12: 4, 13: 5, 14: 20, 15: 30, 16: 15, 17: 9, 18: 10, 19: 6}
    assert area(volume) == ValueArea(
        poc_tick=15, val_tick=13, vah_tick=17, volume_lots=79, total_lots=100
    )


def test_pair_tie_goes_above():
    # POC 12 (6 of 10, wanted 7): above 13 + 14 = 2, below 11 + 10 = 2: not strictly greater below.
    assert area({10: 1, 11: 1, 12: 6, 13: 1, 14: 1}) == ValueArea(
        poc_tick=12, val_tick=12, vah_tick=14, volume_lots=8, total_lots=10
    )


def test_pair_past_the_edge_is_what_exists():
    # POC 12 (5 of 12, wanted 8.4): above only 13 (3), below 11 + 10 = 2 + 2 = 4: below, 9 >= 8.4.
    assert area({10: 2, 11: 2, 12: 5, 13: 3}) == ValueArea(
        poc_tick=12, val_tick=10, vah_tick=12, volume_lots=9, total_lots=12
    )
    # With 13 at 4 the tie goes above, one row: 5 + 4 = 9 of 13, wanted 9.1; then below: 13.
    assert area({10: 2, 11: 2, 12: 5, 13: 4}) == ValueArea(
        poc_tick=12, val_tick=10, vah_tick=13, volume_lots=13, total_lots=13
    )


def test_poc_at_the_edge_grows_one_way():
    # POC 10 is the lowest row (4 of 10): 11 + 12 = 3, then 13 + 14 = 3; wanted 7: stop at 7.
    assert area({10: 4, 11: 2, 12: 1, 13: 1, 14: 2}) == ValueArea(
        poc_tick=10, val_tick=10, vah_tick=12, volume_lots=7, total_lots=10
    )


def test_share_met_exactly_is_enough():
    # 7 of 10 at the POC: 7 * 10 >= 7 * 10. In floats 0.7 * 10 = 7.000000000000001 on some paths.
    assert area({10: 7, 11: 3}).vah_tick == 10
    assert area({10: 7, 11: 3}, share_num=71, share_den=100).vah_tick == 11


def test_empty_pairs_climb_first():
    # POC 10 (5 of 12, wanted 8.4), traded above at 15 (4), below at 6 (3).
    #   above: (11, 12), (13, 14) hold 0, below (9, 8) holds 0: ties go above, twice;
    #   above (15) = 4 against 0: above, 9 >= 8.4: stop. The edge is what exists: 15.
    assert area({6: 3, 10: 5, 15: 4}) == ValueArea(
        poc_tick=10, val_tick=10, vah_tick=15, volume_lots=9, total_lots=12
    )


def test_edge_of_the_area_may_be_an_untraded_row():
    # POC 10 (5 of 9, wanted 6.3): above (11, 12) = 2 + 0, below (9) = 1: above, 7. VAH is 12.
    assert area({9: 1, 10: 5, 11: 2, 13: 1}) == ValueArea(
        poc_tick=10, val_tick=10, vah_tick=12, volume_lots=7, total_lots=9
    )


def test_far_print_costs_no_walk_over_the_range():
    far = area({0: 5, 1: 4, 10**15: 1}, share_num=1, share_den=1)
    assert (far.val_tick, far.vah_tick, far.volume_lots) == (0, 10**15, 10)


def test_single_row():
    assert area({10: 3}) == ValueArea(
        poc_tick=10, val_tick=10, vah_tick=10, volume_lots=3, total_lots=3
    )


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (([], []), {}, "hold volume in at least one row"),
        (([1, 2], [0, 0]), {}, "hold volume in at least one row"),
        (([1, 2], [1, -1]), {}, "must not be negative, got -1"),
        (([2, 1], [1, 1]), {}, "strictly increasing"),
        (([1, 2], [1]), {}, "one length"),
        (([1, 2], [1, 1]), {"ticks_per_row": 2}, "multiples of ticks_per_row 2"),
        (([1, 2], [1, 1]), {"share_num": 11}, "at most 1, got 11 / 10"),
        (([1, 2], [1, 1]), {"share_num": 0}, "share_num must be positive"),
        (([1, 2], [1, 1]), {"algorithm": "two_row_C"}, "algorithm must be one of two_row_A"),
    ],
)
def test_broken_contracts_are_named(rows, options, message):
    with pytest.raises(ValueError, match=message):
        value_area(*rows, **({"ticks_per_row": 1} | options))


def test_poc_and_totals_agree_with_a_peer_on_recorded_trades(test_data):
    """MarketProfile takes one row at a time: only its profile, POC and total are comparable."""
    peer = pytest.importorskip("market_profile")
    pd = pytest.importorskip("pandas")
    path = test_data / "emini_mlfinpy/tick_data.csv.gz"
    frame = pd.read_csv(path, nrows=30_000)
    price = np.rint(frame["Price"].to_numpy() * 4).astype(np.int64)
    qty = frame["Volume"].to_numpy().astype(np.int64)
    rows = volume_profile(price, qty, np.zeros(len(price), np.int8), ticks_per_row=1)

    bars = pd.DataFrame(
        dict.fromkeys(("Open", "High", "Low", "Close"), frame["Price"])
        | {"Volume": frame["Volume"]}
    ).set_index(pd.to_datetime(frame["DateTime"]))
    theirs = peer.MarketProfile(bars, tick_size=0.25, mode="vol")[bars.index[0] : bars.index[-1]]
    assert (theirs.profile.index.to_numpy() * 4).astype(
        np.int64
    ).tolist() == rows.price_tick.tolist()
    assert theirs.profile.to_numpy().tolist() == rows.volume_lots.tolist()
    ours = value_area(rows.price_tick, rows.volume_lots, ticks_per_row=1)
    assert (ours.poc_tick / 4, ours.total_lots) == (theirs.poc_price, theirs.total_volume)
