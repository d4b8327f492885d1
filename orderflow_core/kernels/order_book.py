"""A limit order book with price-time priority: queues of orders as linked lists over price levels.

An order is named by the event that brought it; the last two names are the backstops, whose size
never runs out, so that both sides always hold a price. A price level holds bids or asks, never both.

``book`` is (levels, orders, live, count): by level the first and last order and the lots shown; by
order the one before, the one after, level, lots shown, lots hidden, peak and place in ``live``; the
orders that a cancellation may draw; best bid, best ask, number of live orders, number of fills.
"""

import math
from typing import Any

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _append_nb(book: Any, order: int, level: int, lots: int) -> None:
    head, tail, level_lots = book[0][0], book[0][1], book[0][2]
    prior, following, level_of, lots_of = book[1][0], book[1][1], book[1][2], book[1][3]
    last = tail[level]
    prior[order], following[order] = last, -1
    if last < 0:
        head[level] = order
    else:
        following[last] = order
    tail[level] = order
    level_of[order], lots_of[order] = level, lots
    level_lots[level] += lots


@njit(cache=True, nogil=True)
def _unlink_nb(book: Any, order: int) -> None:
    head, tail, level_lots = book[0][0], book[0][1], book[0][2]
    prior, following, level_of, lots_of = book[1][0], book[1][1], book[1][2], book[1][3]
    level, before, after = level_of[order], prior[order], following[order]
    if before < 0:
        head[level] = after
    else:
        following[before] = after
    if after < 0:
        tail[level] = before
    else:
        prior[after] = before
    level_lots[level] -= lots_of[order]
    lots_of[order] = 0


@njit(cache=True, nogil=True)
def _forget_nb(book: Any, order: int) -> None:
    # Takes an order out of the list that cancellations draw from; the last one fills its place.
    place_of = book[1][6]
    live = book[2]
    count = book[3]
    place = place_of[order]
    if place < 0:
        return
    count[2] -= 1
    moved = live[count[2]]
    live[place], place_of[moved] = moved, place
    place_of[order] = -1


@njit(cache=True, nogil=True)
def _remove_nb(book: Any, order: int) -> None:
    lots_of, hidden_of = book[1][3], book[1][4]
    if lots_of[order] > 0:
        _unlink_nb(book, order)
    hidden_of[order] = 0
    _forget_nb(book, order)


@njit(cache=True, nogil=True)
def _settle_nb(book: Any) -> None:
    level_lots = book[0][2]
    count = book[3]
    while level_lots[count[0]] == 0:
        count[0] -= 1
    while level_lots[count[1]] == 0:
        count[1] += 1


@njit(cache=True, nogil=True)
def _rest_nb(book: Any, order: int, side: int, level: int, size: tuple[int, int]) -> None:
    hidden_of, peak_of = book[1][4], book[1][5]
    count = book[3]
    lots, peak = size
    shown = min(lots, peak)
    hidden_of[order], peak_of[order] = lots - shown, peak
    _append_nb(book, order, level, shown)
    if side > 0:
        count[0] = max(count[0], level)
    else:
        count[1] = min(count[1], level)


@njit(cache=True, nogil=True)
def _take_nb(book: Any, event: int, side: int, size: tuple[int, int], fills: Int64) -> None:
    # size: lots, and how many levels behind the best one the order may reach.
    head, level_lots = book[0][0], book[0][2]
    lots_of, hidden_of, peak_of = book[1][3], book[1][4], book[1][5]
    count = book[3]
    lots, reach = size
    best = count[1] if side > 0 else count[0]
    limit = min(best + reach, len(head) - 1) if side > 0 else max(best - reach, 0)
    while lots > 0:
        level = count[1] if side > 0 else count[0]
        if (level - limit) * side > 0:
            break
        maker = head[level]
        traded = min(lots, lots_of[maker])
        row = count[3]
        fills[row, 0], fills[row, 1], fills[row, 2] = event, maker, level
        fills[row, 3], count[3] = traded, row + 1
        lots -= traded
        if traded < lots_of[maker]:
            lots_of[maker] -= traded
            level_lots[level] -= traded
            break
        _unlink_nb(book, maker)
        shown = min(hidden_of[maker], peak_of[maker])
        if shown > 0:  # what an iceberg shows next goes to the end of the queue
            hidden_of[maker] -= shown
            _append_nb(book, maker, level, shown)
        else:
            _forget_nb(book, maker)
        _settle_nb(book)


@njit(cache=True, nogil=True)
def _pull_level_nb(book: Any, level: int) -> int:
    # Market makers leave a level that the reference has passed; planted orders stay.
    head = book[0][0]
    following, place_of = book[1][1], book[1][6]
    n_pulled = 0
    order = head[level]
    while order >= 0:
        after = following[order]
        if place_of[order] >= 0:
            _remove_nb(book, order)
            n_pulled += 1
        order = after
    return n_pulled


@njit(cache=True, nogil=True)
def _refresh_nb(
    book: Any, event: int, side: int, size: tuple[int, int], mark: float, view: Any
) -> None:
    head = book[0][0]
    place_of = book[1][6]
    live = book[2]
    count = book[3]
    reference, half, slack, target = view
    lots, distance = size
    bid, ask = count[0], count[1]
    stale = bid if side > 0 else ask
    is_stale = (
        bid > math.floor(reference + slack) if side > 0 else ask < math.ceil(reference - slack)
    )
    if is_stale and _pull_level_nb(book, stale) > 0:
        _settle_nb(book)
        return
    n_live = count[2]
    share = n_live / (2.0 * target)
    if mark < share:
        pick = min(int(mark / share * n_live), n_live - 1)
        _remove_nb(book, live[pick])
        _settle_nb(book)
        return
    if side > 0:
        level = max(min(math.floor(reference - half) - distance, ask - 1), 1)
    else:
        level = min(max(math.ceil(reference + half) + distance, bid + 1), len(head) - 2)
    _rest_nb(book, event, side, level, (lots, lots))
    live[n_live], place_of[event] = event, n_live
    count[2] = n_live + 1


@njit(cache=True, nogil=True)
def _join_nb(book: Any, event: int, side: int, size: tuple[int, int], distance: int) -> None:
    head = book[0][0]
    count = book[3]
    if side > 0:
        level = max(count[0] - distance, 1)
    else:
        level = min(count[1] + distance, len(head) - 2)
    _rest_nb(book, event, side, level, size)


@njit(cache=True, nogil=True)
def _anchor_nb(
    book: Any, order: int, side: int, size: tuple[int, int], at: tuple[float, int]
) -> None:
    head = book[0][0]
    count = book[3]
    reference, distance = at
    if side > 0:
        level = max(min(math.floor(reference) - distance, count[1] - 1), 1)
    else:
        level = min(max(math.ceil(reference) + distance, count[0] + 1), len(head) - 2)
    _rest_nb(book, order, side, level, size)


@njit(cache=True, nogil=True)
def _snapshot_nb(book: Any, rows: Int64) -> None:
    # rows (n_levels, 4): bid level, lots, ask level, lots; -1 and 0 where a side has no more.
    head, level_lots = book[0][0], book[0][2]
    count = book[3]
    for side in range(2):
        step = -1 if side == 0 else 1
        level, found = count[side], 0
        while found < len(rows) and 0 <= level < len(head):
            if level_lots[level] > 0:
                rows[found, 2 * side], rows[found, 2 * side + 1] = level, level_lots[level]
                found += 1
            level += step
        for i in range(found, len(rows)):
            rows[i, 2 * side], rows[i, 2 * side + 1] = -1, 0


@njit(cache=True, nogil=True)
def _run_book_nb(events: Any, book: Any, rules: Any, snapshot_at: Int64, out: Any) -> int:
    level_lots = book[0][2]
    count = book[3]
    kind, side, lots, peak, distance, target, reference, mark = events
    fills, quotes, depth = out
    n_quotes, n_snapshots = 0, 0
    for i in range(len(kind)):
        if kind[i] == 0:
            _take_nb(book, i, side[i], (lots[i], distance[i]), fills)
        elif kind[i] == 1:
            view = (reference[i], rules[0], rules[1], rules[2])
            _refresh_nb(book, i, side[i], (lots[i], distance[i]), mark[i], view)
        elif kind[i] == 2:
            _join_nb(book, i, side[i], (lots[i], peak[i]), distance[i])
        elif kind[i] == 4:
            _anchor_nb(book, i, side[i], (lots[i], peak[i]), (reference[i], distance[i]))
        else:
            _remove_nb(book, target[i])
            _settle_nb(book)
        bid, ask = count[0], count[1]
        row = quotes[n_quotes - 1]
        is_new = n_quotes == 0 or row[1] != bid or row[3] != ask
        if is_new or row[2] != level_lots[bid] or row[4] != level_lots[ask]:
            row = quotes[n_quotes]
            row[0], row[1], row[2] = i, bid, level_lots[bid]
            row[3], row[4] = ask, level_lots[ask]
            n_quotes += 1
        while n_snapshots < len(snapshot_at) and snapshot_at[n_snapshots] == i:
            _snapshot_nb(book, depth[n_snapshots])
            n_snapshots += 1
    return n_quotes
