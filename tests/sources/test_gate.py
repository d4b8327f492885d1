from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.gate import (
    END_NS,
    FIRST_NS,
    epoch_ns,
    epoch_text_ns,
    fewest_inversions,
)
from orchestration.sources.id_gaps import trade_gaps
from orchestration.sources.jumps import jumps
from tests.sources.cases import (
    PERP,
    SPOT,
    aggregate,
    column,
    parse,
    quote,
    reasons,
    spot_quote,
    spot_trade,
    trade,
)

# -- times ------------------------------------------------------------------------------------------


def test_unit_of_an_epoch_follows_from_its_magnitude():
    for value in (1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000 * 10**9):
        assert epoch_ns(value) == 1_700_000_000 * 10**9
    assert epoch_ns(1_700_000_000_123_456_789) == 1_700_000_000_123_456_789


@pytest.mark.parametrize("value", [-1, 0, 1, 946_684_799, 4_102_444_800, 10**20, 10**30])
def test_a_time_outside_2000_to_2099_is_none(value):
    assert epoch_ns(value) is None


def test_epoch_text():
    # 1617647603.4249449 has 7 decimals: .4249449 s = 424,944,900 ns, with no float between.
    assert epoch_text_ns("1617647603.4249449") == 1_617_647_603_424_944_900
    assert epoch_text_ns("1723161256207640365") == 1_723_161_256_207_640_365
    assert epoch_text_ns("1680652800004107") == 1_680_652_800_004_107_000
    for bad in ("", "1.", ".5", "1e9", "-1", "1700000000.0000000001", "٣", "1700000000,5", "x"):
        assert epoch_text_ns(bad) is None
    assert epoch_text_ns("946684800.0") == FIRST_NS
    assert epoch_text_ns("4102444800.0") is None
    assert END_NS == 4_102_444_800 * 10**9


# -- time that runs back ----------------------------------------------------------------------------


def most_that_fit(times):
    for n in range(len(times), -1, -1):
        for kept in combinations(range(len(times)), n):
            if all(times[a] <= times[b] for a, b in pairwise(kept)):
                return n
    return 0


@given(st.lists(st.integers(0, 6), max_size=8))
def test_fewest_records_are_refused(times):
    keep = fewest_inversions(np.array(times, np.int64))
    kept = [t for t, k in zip(times, keep, strict=True) if k]
    assert kept == sorted(kept)
    assert len(kept) == most_that_fit(times)


def test_which_record_is_refused_when_the_choice_is_free():
    # 5 4: one must go; the later one does, as if each was compared with the latest time kept.
    assert fewest_inversions(np.array([5, 4])).tolist() == [True, False]
    assert fewest_inversions(np.array([5, 4, 5, 6])).tolist() == [True, False, True, True]
    # 1 9 2 3 4: the one far ahead goes, not the three after it.
    assert fewest_inversions(np.array([1, 9, 2, 3, 4])).tolist() == [True, False, True, True, True]
    assert fewest_inversions(np.array([7, 7, 7])).all()


def test_inversions_are_quarantined_alone():
    batch = parse([trade(1), trade(2, ms=50_000), trade(3, ms=2), trade(4, ms=3), trade(5, ms=3)])
    assert column(batch.trades, "trade_id") == [1, 3, 4, 5]
    assert reasons(batch) == {2: "time_inversion"}


# -- ids --------------------------------------------------------------------------------------------


def test_records_are_ordered_by_id_not_by_arrival():
    batch = parse([trade(2, ms=2), trade(1, ms=1), quote(9, ms=9), quote(8, ms=8)])
    assert column(batch.trades, "trade_id") == [1, 2]
    assert column(batch.quotes, "quote_id") == [8, 9]
    assert not batch.quarantined


def test_equal_records_of_one_id_keep_the_first():
    batch = parse([trade(1), trade(2), trade(1), trade(1)])
    assert column(batch.trades, "line") == [1, 2]
    assert reasons(batch) == {3: "duplicate", 4: "duplicate"}


@pytest.mark.parametrize(
    "other", [{"p": "100.01"}, {"q": "0.002"}, {"m": True}, {"ms": 1}, {"X": "INSURANCE_FUND"}]
)
def test_different_records_of_one_id_are_all_refused(other):
    batch = parse([trade(1), trade(1, **other), trade(1), trade(2, ms=5)])
    assert column(batch.trades, "trade_id") == [2]
    assert reasons(batch) == {1: "conflict", 2: "conflict", 3: "conflict"}


def test_a_refused_copy_does_not_count_as_a_copy():
    batch = parse([trade(1, p="100.001"), trade(1)])
    assert column(batch.trades, "line") == [2]
    assert reasons(batch) == {1: "off_grid"}


def test_copies_of_quotes():
    batch = parse([quote(1), quote(1), quote(2), quote(2, b="99.80")])
    assert column(batch.quotes, "line") == [1]
    assert reasons(batch) == {2: "duplicate", 3: "conflict", 4: "conflict"}
    # Without an exchange time, copies that arrive at two times are still copies.
    batch = parse([spot_quote(1), spot_quote(1, ms=30), spot_quote(2, ms=40)], SPOT)
    assert reasons(batch) == {2: "duplicate"}


# -- ranges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"p": "0.00"}, "out_of_range"), ({"p": "-1.00"}, "out_of_range"),
        ({"q": "0.000"}, "out_of_range"), ({"q": "-0.001"}, "out_of_range"),
        ({"p": "100.001"}, "off_grid"), ({"q": "0.0001"}, "off_grid"),
        ({"p": "1e300"}, "out_of_range"), ({"p": ""}, "malformed"), ({"p": "NaN"}, "malformed"),
        ({"q": "1_000"}, "malformed"), ({"q": "0,001"}, "malformed"),
    ],
)  # fmt: skip
def test_prices_and_sizes(change, reason):
    batch = parse([trade(1), trade(2, **change), trade(3)])
    assert column(batch.trades, "trade_id") == [1, 3]
    assert reasons(batch) == {2: reason}
    assert column(batch.quarantine, "record") == [trade(2, **change)]


@pytest.mark.parametrize("change", [{"b": "0.00"}, {"a": "-1"}, {"B": "0.000"}, {"A": "-2"}])
def test_quotes_need_positive_prices_and_sizes(change):
    assert reasons(parse([quote(1), quote(2, **change)])) == {2: "out_of_range"}


def test_crossed_and_locked_quotes_are_stored_and_counted():
    batch = parse([quote(1), quote(2, b="100.00"), quote(3, b="100.10"), quote(4, b="100.20")])
    assert len(batch.quotes) == 4
    assert batch.counts == {"crossed_quotes": 2, "locked_quotes": 1}


def test_prices_that_leap_are_stored_and_counted():
    # A wrong print leaps there and back; 5 % is no leap yet, and neither are nine ticks.
    prices = ("100.00", "90.00", "100.00", "105.00")
    batch = parse([trade(i, ms=i, p=p) for i, p in enumerate(prices)])
    assert batch.stored == 4
    assert batch.counts == {"price_jumps": 2}
    bids = [quote(1), quote(2, ms=1, b="9.90", a="10.00"), quote(3, ms=2, b="9.90", a="10.00")]
    assert parse(bids).counts == {"quote_jumps": 1}


@pytest.mark.parametrize(
    ("prices", "tick", "found"),
    [
        ([1000, 1051], 1, [1]), ([1000, 1050], 1, []), ([1000, 949], 1, [1]), ([1000, 950], 1, []),
        ([100, 110], 1, [1]), ([100, 109], 1, []), ([1000, 1190], 20, []), ([1000, 1200], 20, [1]),
        ([2**62, 1, 2**62], 1, [1, 2]), ([5], 1, []), ([], 1, []),
    ],
)  # fmt: skip
def test_a_leap_is_more_than_five_percent_and_at_least_ten_ticks(prices, tick, found):
    assert jumps(np.array(prices, np.int64), tick).tolist() == found


# -- gaps -------------------------------------------------------------------------------------------


def gaps_of(batch):
    return [
        (g["first_missing_id"], g["n_missing"], g["reason"], g["kind"])
        for g in batch.gaps.to_pylist()
    ]


def test_single_holes_are_legitimate_where_the_venue_leaves_them():
    lines = [trade(1), trade(3, ms=1), trade(6, ms=2)]
    assert gaps_of(parse(lines, PERP)) == [(4, 2, "missing_ids", "trade")]
    spot_lines = [spot_trade(1), spot_trade(3, ms=1), spot_trade(6, ms=2)]
    assert gaps_of(parse(spot_lines, SPOT)) == [
        (2, 1, "missing_ids", "trade"),
        (4, 2, "missing_ids", "trade"),
    ]
    gap = parse(lines, PERP).gaps.to_pylist()[0]
    assert gap["end_ns"] - gap["start_ns"] == 1_000_000
    assert parse(lines, PERP).counts == {"gaps": 1, "missing_ids": 2}


def test_a_refused_record_leaves_a_gap():
    batch = parse([spot_trade(1), spot_trade(2, p="100.001"), spot_trade(3)], SPOT)
    assert gaps_of(batch) == [(2, 1, "missing_ids", "trade")]


def test_two_streams_of_ids_in_one_file_show_as_a_leap():
    batch = parse([trade(1), trade(2), trade(5_000_000, ms=1)])
    assert gaps_of(batch) == [(3, 4_999_997, "id_leap", "trade")]
    assert batch.counts["id_leaps"] == 1


def test_of_two_streams_mixed_in_time_the_longer_stays():
    # Even milliseconds are of one stream, odd ones of another, which is shorter by one.
    lines = [trade(i // 2 + (5_000_000 if i % 2 else 1), ms=i) for i in range(9)]
    batch = parse(lines)
    assert column(batch.trades, "trade_id") == [1, 2, 3, 4, 5]
    assert set(reasons(batch).values()) == {"time_inversion"}
    assert (batch.offered, batch.quarantined) == (9, 4)


def test_fills_between_aggregates():
    lines = [aggregate(1, 10, 12), aggregate(2, 13, 13, ms=1), aggregate(3, 15, 15, ms=2)]
    spot_lines = [
        aggregate(1, 10, 12, M=True),
        aggregate(2, 13, 13, ms=1, M=True),
        aggregate(3, 15, 15, ms=2, M=True),
    ]
    assert gaps_of(parse(spot_lines, SPOT)) == [(14, 1, "missing_fills", "trade")]
    assert gaps_of(parse(lines, PERP)) == []  # fills without an order are left out on purpose
    assert gaps_of(parse([lines[0], lines[2]], PERP)) == [(2, 1, "missing_ids", "trade")]


@pytest.mark.parametrize("block", [1, 2, 7])
def test_holes_are_found_wherever_a_block_begins(block, monkeypatch):
    rng = np.random.default_rng(0)
    ids = np.cumsum(rng.choice([1, 1, 3], 40))
    last = np.cumsum(rng.choice([2, 2, 5], 40))
    rows = {"trade_id": ids, "ts_event_ns": 10 * ids, "first_id": last - 1, "last_id": last}
    expected = trade_gaps(rows, 1, 1)
    assert {gap.reason for gap in expected} == {"missing_ids", "missing_fills"}
    assert len(expected) == sum(
        first > before + 1 for first, before in zip(last[1:] - 1, last[:-1], strict=True)
    )
    monkeypatch.setattr("orchestration.sources.id_gaps._BLOCK", block)
    assert trade_gaps(rows, 1, 1) == expected


def test_an_aggregate_without_fills_leaves_no_gap():
    # Aggregate 2 has first = last = -1 and is refused; 1 ends with fill 12 and 3 begins with 13.
    rows = {
        "trade_id": np.array([1, 3, 5]),
        "ts_event_ns": np.array([10, 20, 30]),
        "first_id": np.array([10, 13, 15]),
        "last_id": np.array([12, 13, 15]),
    }
    assert [(g.first_missing_id, g.n_missing) for g in trade_gaps(rows, 1)] == [(4, 1)]


def test_row_numbers_have_no_gaps():
    rows = {name: np.array([1, 9]) for name in ("trade_id", "ts_event_ns", "first_id", "last_id")}
    assert trade_gaps(rows, 0) == []
