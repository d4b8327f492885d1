"""Updates of a book in recorded frames: read, gated, and where the book is unknown."""

import json

import pytest

from orchestration.arrays import depth_updates
from orchestration.sources.day_split import split_by_day
from orderflow_core.level_book import follow_book
from tests.sources.cases import (
    MS,
    PERP,
    SPOT,
    T0_MS,
    column,
    depth,
    parse,
    quote,
    reasons,
    snapshot,
    spot_depth,
    trade,
)

B, A = [["99.90", "1.000"], ["99.80", "2.000"]], [["100.00", "3.000"]]


def gaps(batch) -> list[tuple]:
    names = ("reason", "start_ns", "end_ns", "first_missing_id")
    return [
        (g[names[0]], g[names[1]] // MS - T0_MS, g[names[2]] // MS - T0_MS, g[names[3]])
        for g in batch.gaps.to_pylist()
        if g["kind"] == "depth"
    ]


def test_an_update_in_full():
    batch = parse([depth(5, 9, ms=3, b=B, a=[["100.00", "0.000"]], pu=3)])
    assert batch.depth.to_pylist() == [
        {
            "ts_event_ns": (T0_MS + 3) * MS, "ts_recv_ns": (T0_MS + 8) * MS, "ts_source": 0,
            "first_id": 5, "last_id": 9, "previous_id": 3, "is_snapshot": 0, "change_idx": i,
            "side": side, "price_ticks": price, "qty_lots": lots, "source": "capture",
            "unit": "0" * 64, "line": 1,
        }
        for i, (side, price, lots) in enumerate([(1, 9990, 1000), (1, 9980, 2000), (-1, 10000, 0)])
    ]  # fmt: skip
    assert (batch.offered, batch.depth_offered, batch.depth_stored) == (0, 1, 1)


def test_an_update_without_changes_keeps_its_place_in_the_chain():
    batch = parse([snapshot(1, bids=B, asks=A), depth(2, 2), depth(3, 3, a=A)])
    assert column(batch.depth, "side") == [1, 1, -1, 0, -1]
    assert (batch.depth_stored, gaps(batch)) == (3, [])
    made = follow_book(depth_updates(batch.depth), n_levels=1)
    assert len(made.depth) == 3


def test_spot_chains_by_the_next_id_and_stamps_no_snapshots():
    lines = [
        spot_depth(5, 6, ms=1, b=B), spot_depth(7, 9, ms=2, a=A), snapshot(8, ms=90, bids=B, asks=A),
        spot_depth(10, 10, ms=3), spot_depth(12, 12, ms=4), spot_depth(13, 13, ms=5),
    ]  # fmt: skip
    batch = parse(lines, SPOT)
    first = [row for row in batch.depth.to_pylist() if row["change_idx"] == 0]
    # The snapshot's book is that of update 8, within 7-9: it gets that update's time.
    assert [(r["last_id"], r["is_snapshot"], r["ts_event_ns"] // MS - T0_MS) for r in first] == [
        (6, 0, 1), (8, 1, 2), (9, 0, 2), (10, 0, 3), (12, 0, 4), (13, 0, 5),
    ]  # fmt: skip
    assert first[1]["ts_source"] == 1
    assert gaps(batch) == [("no_snapshot", 1, 2, 0), ("missing_updates", 3, 5, 11)]


def test_a_break_of_futures_until_the_next_snapshot():
    lines = [
        snapshot(10, T=T0_MS, bids=B, asks=A), depth(11, 12, ms=1, pu=9), depth(15, 16, ms=2, pu=14),
        depth(17, 18, ms=3, pu=16), snapshot(17, T=T0_MS + 3, bids=B, asks=A),
        depth(19, 20, ms=4, pu=18),
    ]  # fmt: skip
    batch = parse(lines)
    assert gaps(batch) == [("missing_updates", 1, 3, 13)]
    # The hole is hidden by a snapshot that came in between: still a gap.
    batch = parse([*lines[:2], snapshot(14, T=T0_MS + 1), depth(15, 16, ms=2, pu=14)])
    assert gaps(batch) == [("missing_updates", 1, 2, 13)]


def test_nothing_but_changes_is_one_gap():
    batch = parse([depth(1, 2, ms=1), depth(3, 4, ms=7)])
    assert gaps(batch) == [("no_snapshot", 1, 7, 0)]


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"b": [["99.905", "1"]]}, "off_grid", "0.01"),
        ({"b": [["99.90", "0.0001"]]}, "off_grid", "0.001"),
        ({"b": [["0.00", "1"]]}, "out_of_range", "a level of"),
        ({"b": [["99.90", "-1"]]}, "out_of_range", ""),
        ({"b": [["99.90", 1]]}, "malformed", "a level of b must be"),
        ({"b": [["99.90"]]}, "malformed", "a level of b must be"),
        ({"a": 7}, "malformed", "a must be a list"),
        ({"u": 0}, "malformed", "runs from update 3 back to 0"),
        ({"U": -1}, "out_of_range", "U must not be negative"),
        ({"pu": "1"}, "malformed", "pu must be an integer"),
        ({"T": 17}, "out_of_range", "T 17 is no time"),
        ({"T": None}, "malformed", "T must be an integer"),
    ],
)
def test_a_damaged_update_is_refused_whole_and_breaks_the_chain(change, reason, detail):
    lines = [
        snapshot(2, bids=B, asks=A, T=T0_MS),
        depth(3, 4, **({"b": B} | change)),
        depth(5, 6, ms=9),
    ]
    batch = parse(lines)
    assert reasons(batch) == {2: reason}
    assert detail in column(batch.quarantine, "detail")[0]
    assert column(batch.quarantine, "kind") == ["depth"]
    assert (batch.depth_offered, batch.depth_stored, batch.depth_quarantined) == (3, 2, 1)
    assert [g[0] for g in gaps(batch)] == ["missing_updates"]


def test_updates_that_come_twice_or_contradict_themselves():
    lines = [
        snapshot(1, T=T0_MS, bids=B, asks=A), depth(2, 3, b=B), depth(4, 5, ms=1), depth(2, 3, b=B),
        depth(4, 5, ms=1, a=A), depth(6, 7, ms=2), snapshot(1, T=T0_MS, bids=B, asks=A),
        depth(8, 9, ms=-5),
    ]  # fmt: skip
    batch = parse(lines)
    assert reasons(batch) == {
        3: "conflict", 4: "duplicate", 5: "conflict", 7: "duplicate", 8: "time_inversion",
    }  # fmt: skip
    assert [r["last_id"] for r in batch.depth.to_pylist() if not r["change_idx"]] == [1, 3, 7]
    assert gaps(batch) == [("missing_updates", 0, 2, 4)]


def test_updates_in_any_order_are_put_in_theirs():
    lines = [depth(4, 5, ms=1), depth(2, 3), snapshot(1, T=T0_MS, bids=B, asks=A)]
    batch = parse(lines)
    assert (gaps(batch), batch.depth_quarantined) == ([], 0)


def test_whose_snapshot_it_is():
    bare = snapshot(1, bids=B, asks=A, name="")
    assert parse([depth(2, 3), bare]).depth_stored == 2
    batch = parse([depth(2, 3), bare, depth(7, 8, symbol="ETHUSDT")])
    assert (batch.depth_stored, batch.other) == (1, {"depth": 1, "snapshot": 1})
    batch = parse([depth(2, 3), snapshot(1, name="", symbol="ETHUSDT")])
    assert (batch.depth_stored, batch.other) == (1, {"snapshot": 1})
    assert parse([depth(2, 3), snapshot(1, name="", symbol="BTCUSDT")]).depth_stored == 2
    assert parse([trade(1), bare]).other == {"snapshot": 1}
    broken = bare.replace('"lastUpdateId":1', '"lastUpdateId":"1"')
    batch = parse([depth(2, 3), broken])
    assert (reasons(batch), batch.depth_quarantined) == ({2: "malformed"}, 1)


def test_the_stream_and_the_frame_must_name_one_symbol():
    line = depth(2, 3).replace('"s":"BTCUSDT"', '"s":"ETHUSDT"')
    assert reasons(parse([line, trade(1)])) == {1: "malformed"}


def test_frames_without_a_wrapper():
    recv, _, body = depth(2, 3, b=B).partition(" ")
    assert parse([f"{recv} {json.dumps(json.loads(body)['data'])}"]).depth_stored == 1


def test_depth_alone_tells_the_day():
    day_ms = 86_400_000
    lines = [depth(2, 3, b=B), depth(4, 5, ms=day_ms, b=B), depth(6, 7, ms=day_ms, b=[["1", 2]])]
    batch = parse(lines)
    days = split_by_day(batch, PERP)
    assert [p.depth_stored for p in days.values()] == [1, 1]
    assert [p.depth_quarantined for p in days.values()] == [0, 1]
    assert [p.depth_offered for p in days.values()] == [1, 2]
    assert (batch.first_ns, batch.last_ns) == (T0_MS * MS, (T0_MS + day_ms) * MS)
    assert sum(p.offered for p in days.values()) == batch.offered == 0


def test_trades_and_quotes_are_counted_as_before():
    batch = parse([trade(1), quote(1), depth(2, 3), trade(1)])
    assert (batch.offered, batch.stored, batch.quarantined) == (3, 2, 1)
