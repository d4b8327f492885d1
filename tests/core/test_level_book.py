"""The book of a venue's updates: in step or known not to be, level by level."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow_core.depth import continue_multi_level_ofi, multi_level_ofi
from orderflow_core.level_book import (
    BookStatus,
    DepthUpdates,
    book_status,
    continue_book,
    follow_book,
)
from tests.core import trade_cases as cases
from tests.naive import level_book as naive

BID, ASK = 1, -1
U, S, C, K, E = BookStatus


def updates_of(updates):
    """Elements of updates (ts, first, last, previous or None, is snapshot, changes)."""
    rows = [
        (ts, first, last, -1 if previous is None else previous, is_snapshot, *change)
        for ts, first, last, previous, is_snapshot, changes in updates
        for change in (changes or [(0, 0, 0)])
    ]
    columns = np.array(rows, np.int64).reshape(-1, 8).T
    return DepthUpdates(
        ts_event_ns=columns[0],
        first_id=columns[1],
        last_id=columns[2],
        previous_id=columns[3],
        is_snapshot=columns[4].astype(np.bool_),
        side=columns[5].astype(np.int8),
        price_ticks=columns[6],
        qty_lots=columns[7],
    )


def change(first, last, *changes, previous=None, ts=0):
    return (ts, first, last, previous, False, list(changes))


def snapshot(last, *levels, ts=0):
    return (ts, last, last, None, True, list(levels))


def statuses(*updates, **more):
    return book_status(updates_of(updates), **more).tolist()


def rows_of(made):
    depth = made.depth
    names = ("bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    levels = np.stack([getattr(depth, name) for name in names], axis=-1)
    is_start = np.isin(np.arange(len(depth)), made.start_idx)
    return list(
        zip(
            made.update_idx.tolist(),
            depth.ts_event_ns.tolist(),
            is_start.tolist(),
            [[tuple(level) for level in row] for row in levels.tolist()],
            strict=True,
        )
    )


@st.composite
def streams(draw, max_size=12):
    """Updates with ids that mostly follow, snapshots between, changes of few prices."""
    is_stamped = draw(st.booleans())
    out, ts, at = [], 0, draw(st.integers(0, 3))
    for _ in range(draw(st.integers(0, max_size))):
        ts += draw(st.integers(0, 2))
        n = draw(st.integers(0, 3))
        changes = [
            (draw(st.sampled_from((BID, ASK))), draw(st.integers(1, 4)), draw(st.integers(0, 2)))
            for _ in range(n)
        ]
        if draw(st.integers(0, 3)) == 0 and not (out and out[-1][2] == at and out[-1][4]):
            levels = {(s, p): q for s, p, q in changes if q}
            out.append(snapshot(at, *((s, p, q) for (s, p), q in levels.items()), ts=ts))
            at += draw(st.integers(0, 1))
            continue
        first = at + draw(st.sampled_from((1, 1, 1, 0, 2)))
        last = max(first, at + 1) + draw(st.integers(0, 2))
        previous = draw(st.sampled_from((at, at, at, max(at - 1, 0), at + 1)))
        out.append(change(first, last, *changes, previous=previous if is_stamped else None, ts=ts))
        at = last
    return out


@given(streams(), st.integers(1, 3), st.booleans())
def test_rows_equal_the_obvious_loop(updates, n_levels, starts_empty):
    made = follow_book(updates_of(updates), n_levels=n_levels, starts_empty=starts_empty)
    wanted, rows = naive.follow_book(updates, n_levels, starts_empty)
    assert made.status.tolist() == wanted
    assert rows_of(made) == rows
    assert statuses(*updates, starts_empty=starts_empty) == wanted


@given(st.data(), streams(), st.booleans())
def test_chunks_together_give_the_whole(data, updates, starts_empty):
    whole = follow_book(updates_of(updates), n_levels=2, starts_empty=starts_empty)
    state, rows, n_before = None, [], 0
    for first, end in pairwise(data.draw(cases.cuts(len(updates)))):
        made, state = continue_book(
            state, updates_of(updates[first:end]), n_levels=2, starts_empty=starts_empty
        )
        rows += [(i + n_before, *rest) for i, *rest in rows_of(made)]
        n_before += end - first
    assert rows == rows_of(whole)


@given(streams(), st.integers(0, 12))
def test_the_future_changes_nothing(updates, n):
    whole = follow_book(updates_of(updates), n_levels=2)
    part = follow_book(updates_of(updates[:n]), n_levels=2)
    assert rows_of(part) == rows_of(whole)[: len(part.depth)]
    assert part.status.tolist() == whole.status[: len(part.status)].tolist()


@given(streams())
def test_sides_mirror(updates):
    turned = [
        (*head, [(-side, 5 - price, size) for side, price, size in changes])
        for *head, changes in updates
    ]
    made = [follow_book(updates_of(u), n_levels=1) for u in (updates, turned)]
    assert made[0].depth.bid_lots.tolist() == made[1].depth.ask_lots.tolist()
    exists = made[0].depth.bid_lots > 0
    assert ((5 - made[0].depth.bid_ticks) == made[1].depth.ask_ticks)[exists].all()


def test_a_book_step_by_step():
    updates = [
        snapshot(8, (BID, 99, 5), (BID, 98, 1), (ASK, 101, 2), (ASK, 103, 9), ts=1),
        change(7, 9, (BID, 99, 0), (ASK, 102, 4), ts=2),  # the best bid goes, an ask comes between
        change(10, 12, (BID, 100, 3), (BID, 100, 7), ts=3),  # twice in one update: the later counts
        change(13, 13, ts=4),  # an update that changes nothing
        change(14, 14, (BID, 100, 0), (BID, 98, 0), (ASK, 101, 0), ts=5),
    ]
    made = follow_book(updates_of(updates), n_levels=2)
    assert made.status.tolist() == [S, C, C, C, C]
    assert [row[3] for row in rows_of(made)] == [
        [(99, 5, 101, 2), (98, 1, 103, 9)],
        [(98, 1, 101, 2), (97, 0, 102, 4)],
        [(100, 7, 101, 2), (98, 1, 102, 4)],
        [(100, 7, 101, 2), (98, 1, 102, 4)],
        [(0, 0, 102, 4), (-1, 0, 103, 9)],
    ]
    assert made.depth.ts_event_ns.tolist() == [1, 2, 3, 4, 5]
    # Row 2: the bid rose from 98 to 100, +7; the second bid is 98 where there was none: +1.
    assert multi_level_ofi(made.depth, made.start_idx)[2].tolist() == [7, 1]
    empty = follow_book(updates_of([snapshot(1)]), n_levels=2)
    assert rows_of(empty)[0][3] == [(0, 0, 2**60, 0), (-1, 0, 2**60 + 1, 0)]


def test_where_a_book_is_in_step():
    one = (BID, 1, 1)
    # Spot: the next first id is the last id + 1.
    assert statuses(change(5, 6, one), snapshot(8, one), change(7, 9), change(10, 12), change(14, 15)) == [
        U, S, C, C, U,
    ]  # fmt: skip
    assert statuses(snapshot(8), change(9, 9)) == [S, C]  # begins one past the snapshot
    assert statuses(snapshot(8), change(10, 10)) == [S, U]  # 9 is missing
    # Futures: what the update before ended with is stated.
    assert statuses(snapshot(8), change(20, 22, previous=8), change(30, 31, previous=22)) == [
        S,
        C,
        C,
    ]
    assert statuses(snapshot(8), change(20, 22, previous=9)) == [S, U]
    assert statuses(snapshot(8), change(20, 22, previous=8), change(30, 31, previous=23)) == [
        S,
        C,
        U,
    ]
    # Unknown until the next snapshot, whatever comes.
    assert statuses(snapshot(1), change(3, 3), change(4, 4), snapshot(5), change(6, 6)) == [
        S, U, U, S, C,
    ]  # fmt: skip


def test_a_snapshot_of_a_known_book_confirms_it_or_shows_a_hole():
    assert statuses(snapshot(1), change(2, 3), snapshot(4), change(4, 6)) == [S, C, K, C]
    # 4 is missing between 3 and 5, the snapshot at 6 holds it: a start, the changes are not known.
    assert statuses(snapshot(1), change(2, 3), snapshot(6), change(5, 8), change(9, 9)) == [
        S, C, K, S, C,
    ]  # fmt: skip
    assert statuses(snapshot(1), change(2, 3), snapshot(6), snapshot(7), change(4, 9)) == [
        S, C, K, K, C,
    ]  # fmt: skip
    # The snapshot's levels are those of the book from then on.
    made = follow_book(
        updates_of(
            [snapshot(1, (BID, 9, 1)), change(2, 3), snapshot(3, (BID, 8, 2)), change(4, 4)]
        ),
        n_levels=1,
    )
    assert made.depth.bid_ticks[:, 0].tolist() == [9, 9, 8]
    assert made.update_idx.tolist() == [0, 1, 3]


def test_changes_alone():
    updates = [change(1, 1, (BID, 9, 1)), change(2, 2, (BID, 8, 2)), change(5, 5, (BID, 7, 3))]
    assert statuses(*updates) == [U, U, U]
    made = follow_book(updates_of(updates), n_levels=2, starts_empty=True)
    assert made.status.tolist() == [E, C, E]
    assert made.start_idx.tolist() == [0, 2]
    assert made.depth.bid_ticks.tolist() == [[9, 8], [9, 8], [7, 6]]
    assert made.depth.bid_lots.tolist() == [[1, 0], [1, 2], [3, 0]]


def test_order_flow_of_chunks_equals_the_whole():
    rng = np.random.default_rng(5)
    updates = [snapshot(1, (BID, 99, 5), (ASK, 101, 5))]
    for i in range(2, 300):
        side = int(rng.choice((BID, ASK)))
        price = int(100 - side * rng.integers(1, 6))
        updates.append(change(i, i, (side, price, int(rng.integers(0, 9))), ts=i))
    whole = follow_book(updates_of(updates), n_levels=3)
    wanted = multi_level_ofi(whole.depth, whole.start_idx)
    book, flow, parts = None, None, []
    for first in range(0, 300, 37):
        made, book = continue_book(book, updates_of(updates[first : first + 37]), n_levels=3)
        if len(made.depth):
            part, flow = continue_multi_level_ofi(flow, made.depth, np.zeros(1, np.int64))
            parts.append(part)
    assert np.concatenate(parts).tobytes() == wanted.tobytes()


def test_nothing_and_bad_input():
    nothing = updates_of([])
    assert len(follow_book(nothing, n_levels=3).depth) == 0
    assert continue_book(None, nothing, n_levels=3)[1] is None
    good = updates_of([snapshot(1, (BID, 9, 1), (ASK, 10, 1)), change(2, 4, (BID, 9, 0))])
    _, state = continue_book(None, good, n_levels=1)
    assert continue_book(state, nothing, n_levels=1)[1] is state
    with pytest.raises(ValueError, match="n_levels must be at least 1, got 0"):
        follow_book(good, n_levels=0)
    with pytest.raises(ValueError, match=r"must follow the chunk before, which ended at \(4, 0\)"):
        continue_book(state, updates_of([change(3, 4)]), n_levels=1)
    for name, values, message in (
        ("qty_lots", [1, 1, -1], "must not be negative"),
        ("qty_lots", [1, 1, 1 << 62], "may overflow int64"),
        ("price_ticks", [1, 1, 1 << 62], "may overflow int64"),
        ("last_id", [1, 1, 1], "must not exceed last_id"),
        ("last_id", [4, 4, 4], "in the order of their last ids"),
        ("first_id", [1, 0, 2], "first_id must be one in an update, got 0 after 1 at position 1"),
        ("first_id", [-1, -1, 2], "must not be negative"),
        ("previous_id", [-2, -2, -1], "at least -1"),
        ("ts_event_ns", [5, 5, 4], "must be non-decreasing"),
        ("side", [1, 2, 1], r"must be in \{-1, 0, \+1\}"),
    ):
        kind = np.int8 if name == "side" else np.int64
        with pytest.raises(ValueError, match=message):
            follow_book(replace(good, **{name: np.array(values, kind)}), n_levels=1)
    with pytest.raises(TypeError, match="must hold integers"):
        follow_book(replace(good, qty_lots=np.array([1.0, 1.0, 1.0])), n_levels=1)
    with pytest.raises(ValueError, match="must have one length"):
        follow_book(replace(good, qty_lots=np.array([1, 1])), n_levels=1)
