"""Point of control and value areas: oracle, invariants, golden ties, disagreement, a peer."""

from itertools import pairwise

import market_profile
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderflow_core.profile import volume_profile
from orderflow_core.value_area import ValueArea, point_of_control, value_area
from orderflow_core.value_area_report import VARIANTS, value_area_disagreement
from tests.core import captures
from tests.naive import profile as naive

RULES = st.sampled_from(list(VARIANTS.values()))


def area(volume, height=1, **options):
    prices = sorted(volume)
    return value_area(prices, [volume[p] for p in prices], ticks_per_row=height, **options)


def poc_tick(volume):
    prices = sorted(volume)
    return prices[point_of_control(prices, [volume[p] for p in prices], ticks_per_row=1)]


# Few distinct volumes and sparse prices: ties and gaps in most examples.
ladders = st.dictionaries(st.integers(-20, 20), st.integers(0, 4), min_size=1, max_size=25)


@given(ladders, st.integers(1, 3), st.integers(1, 10), RULES)
def test_value_area_agrees_with_walking_every_row(volume, height, share_num, variant):
    assume(any(volume.values()))
    volume = {p * height: v for p, v in volume.items()}
    rule = dict(zip(("algorithm", "tie"), variant, strict=True)) | {"share_num": share_num}
    got = area(volume, height, **rule)
    assert (got.poc_tick, got.val_tick, got.vah_tick, got.volume_lots, got.total_lots) == (
        naive.value_area(volume, ticks_per_row=height, **rule)
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


# POC 12 of 10 lots (6), wanted 7; on each side one row of 1, then one of 1.
LEVEL = {10: 1, 11: 1, 12: 6, 13: 1, 14: 1}


@pytest.mark.parametrize(
    ("algorithm", "tie", "val", "vah", "inside"),
    [
        # Pairs (13, 14) and (11, 10) hold 2 each: above; above; below; both.
        ("two_row_A", None, 12, 14, 8),
        ("two_row_B", "above", 12, 14, 8),
        ("two_row_B", "below", 10, 12, 8),
        ("two_row_B", "both", 10, 14, 10),
        # Row 13 against 11: above, 7 lots are the share and not more: then 14 against 11: above.
        ("one_row", None, 12, 14, 8),
        # Lacking 1, each side gives at least 1/2: 13 and 11.
        ("equal_split", None, 11, 13, 8),
    ],
)
def test_one_profile_five_areas(algorithm, tie, val, vah, inside):
    got = area(LEVEL, algorithm=algorithm, tie=tie)
    assert (got.val_tick, got.vah_tick, got.volume_lots) == (val, vah, inside)


def test_one_row_wants_more_than_the_share():
    # 7 of 10 at the POC are the share exactly: two_row_A stops, one_row adds the row above.
    assert area({10: 7, 11: 3}).vah_tick == 10
    assert area({10: 7, 11: 3}, algorithm="one_row").vah_tick == 11
    # There is not more than everything: it ends with the rows.
    assert area({10: 7, 11: 3}, algorithm="one_row", share_num=10).volume_lots == 10


def test_both_sides_grow_over_empty_rows_together():
    # POC 10 (5 of 10, wanted 7). Pairs: (11, 12) and (9, 8) hold nothing: both; (13, 14) holds 3
    # and (7, 6) nothing: above, 8. The area keeps the empty pair below.
    got = area({3: 2, 10: 5, 14: 3}, algorithm="two_row_B", tie="both")
    assert (got.val_tick, got.vah_tick, got.volume_lots) == (8, 14, 8)


def test_what_one_half_cannot_give_the_other_adds():
    # POC 10 (4 of 10, wanted 7) lacks 3, so each side 1.5: below there is only 1 at row 9, above
    # 11 (1) and 12 (1) give 2: 4 + 1 + 2 = 7.
    got = area({9: 1, 10: 4, 11: 1, 12: 1, 13: 3}, algorithm="equal_split")
    assert (got.val_tick, got.vah_tick, got.volume_lots) == (9, 12, 7)
    # Nothing below: above gives all of it.
    got = area({10: 4, 11: 1, 12: 1, 13: 1, 14: 3}, algorithm="equal_split")
    assert (got.val_tick, got.vah_tick, got.volume_lots) == (10, 13, 7)
    # And nothing above.
    got = area({6: 3, 7: 1, 8: 1, 9: 1, 10: 4}, algorithm="equal_split")
    assert (got.val_tick, got.vah_tick, got.volume_lots) == (7, 10, 7)


def test_shares_of_large_totals_are_exact():
    # 7/10 of 10 k + 10 with k = 2**59: products of total and share would leave int64.
    k = 2**59
    assert area({10: 7 * k + 7, 11: 3 * k + 3}).vah_tick == 10
    assert area({10: 7 * k + 6, 11: 3 * k + 4}).vah_tick == 11


def test_differences_are_counted():
    # 1, 8, 2, 1 from tick 10: two_row_A takes 12 and 13, one_row 12 only. In 8, 1 all take all.
    days = [
        volume_profile([10, 11, 12, 13], [1, 8, 2, 1], [1, 1, 1, 1], ticks_per_row=1),
        volume_profile([10, 11], [2, 1], [1, 1], ticks_per_row=1),
    ]
    found = {(x.first, x.second): x for x in value_area_disagreement(days, ticks_per_row=1)}
    pair = found["two_row_A", "one_row"]
    assert (pair.n_profiles, pair.n_differ, pair.share, pair.largest_ticks) == (2, 1, 0.5, 1)
    assert len(found) == 10
    assert np.isnan(value_area_disagreement([], ticks_per_row=1)[0].share)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "two_row_B"}, "tie must be one of above, below, both for two_row_B"),
        ({"algorithm": "one_row", "tie": "above"}, "tie must be None for one_row"),
        ({"share_den": 2**31 + 1}, "share_den must be at most 2"),
    ],
)
def test_broken_rules_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        area({1: 1}, **options)


def test_rows_too_far_apart_are_refused():
    with pytest.raises(ValueError, match="price_tick must span at most"):
        area({-(2**62): 1, 2**62: 1})


def hourly_profiles(test_data, ticks_per_row):
    frame = pd.read_csv(test_data / "emini_mlfinpy/tick_data.csv.gz")
    price = np.rint(frame["Price"].to_numpy() * 4).astype(np.int64)
    qty = frame["Volume"].to_numpy().astype(np.int64)
    hour = pd.to_datetime(frame["DateTime"]).dt.floor("h").to_numpy()
    edges = [*np.flatnonzero(np.append(True, hour[1:] != hour[:-1])), len(hour)]
    unsigned = np.zeros(len(price), np.int8)
    return frame, [
        (first, end, volume_profile(price[first:end], qty[first:end], unsigned[first:end],
                                    ticks_per_row=ticks_per_row))
        for first, end in pairwise(edges)
    ]  # fmt: skip


def test_two_rows_against_one_on_recorded_hours(test_data):
    _, hours = hourly_profiles(test_data, 1)
    found = value_area_disagreement([rows for _, _, rows in hours], ticks_per_row=1)
    pairs = {(x.first, x.second): x for x in found}
    pair = pairs["two_row_A", "one_row"]
    by_hand = sum(
        naive.value_area(volume, ticks_per_row=1)[1:3]
        != naive.value_area(volume, ticks_per_row=1, algorithm="one_row")[1:3]
        for volume in (
            dict(zip(rows.price_tick.tolist(), rows.volume_lots.tolist(), strict=True))
            for _, _, rows in hours
        )
    )
    assert (pair.n_profiles, pair.n_differ) == (39, by_hand) == (39, 31)


def test_one_row_agrees_with_a_peer_on_recorded_hours(test_data):
    """MarketProfile, one row at a time: rows, point of control and area are equal in all 39 hours."""
    frame, hours = hourly_profiles(test_data, 1)
    bars = pd.DataFrame(
        dict.fromkeys(("Open", "High", "Low", "Close"), frame["Price"])
        | {"Volume": frame["Volume"]}
    )
    for first, end, rows in hours:
        part = bars.iloc[first:end].set_index(pd.to_datetime(frame["DateTime"].iloc[first:end]))
        span = slice(part.index[0], part.index[-1])
        theirs = market_profile.MarketProfile(part, tick_size=0.25, mode="vol")[span]
        assert (np.diff(rows.price_tick) == 1).all()  # over a gap its neighbour is another one
        assert theirs.profile.to_numpy().tolist() == rows.volume_lots.tolist()
        ours = value_area(rows.price_tick, rows.volume_lots, ticks_per_row=1, algorithm="one_row")
        assert (ours.val_tick / 4, ours.vah_tick / 4) == theirs.value_area
        assert (ours.poc_tick / 4, ours.total_lots) == (theirs.poc_price, theirs.total_volume)


def test_areas_of_recorded_crypto_trades_hold_their_share(test_data):
    for name in captures.FUTURES[:2]:
        (_, _, price, qty, _), *_ = captures.read_capture(test_data / captures.FOLDER / name)
        rows = volume_profile(price, qty, np.zeros(len(price), np.int8), ticks_per_row=10)
        for algorithm, tie in VARIANTS.values():
            got = value_area(
                rows.price_tick, rows.volume_lots, ticks_per_row=10, algorithm=algorithm, tie=tie
            )
            assert got.volume_lots * 10 >= 7 * got.total_lots
            assert got.val_tick <= got.poc_tick <= got.vah_tick
