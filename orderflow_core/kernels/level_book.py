"""A book of price levels kept from snapshots and changes; results go into the caller's arrays."""

from numba import njit

from orderflow_core.types import Bool, Int8, Int64


@njit(cache=True, nogil=True)
def _sync_nb(
    first: Int64,
    last: Int64,
    previous: Int64,
    is_snapshot: Bool,
    starts_empty: bool,
    carried: Int64,
    status: Int8,
) -> None:
    # carried, written back for the next chunk: is the book known; last id of the chain of changes
    # (-1: none); id of a snapshot that no change has followed yet (-1: none).
    is_known, at, snapshot = carried[0], carried[1], carried[2]
    for i in range(len(last)):
        if is_snapshot[i]:
            status[i] = 3 if is_known == 1 else 1
            if is_known == 0:
                at = -1
            is_known, snapshot = 1, last[i]
            continue
        is_stamped = previous[i] >= 0
        is_next = at >= 0 and (previous[i] == at if is_stamped else first[i] == at + 1)
        is_spanning = snapshot >= 0 and (
            previous[i] <= snapshot if is_stamped else first[i] <= snapshot + 1
        )
        if is_known == 1 and is_next:
            status[i] = 2
        elif is_spanning:
            # After a book that was known: changes between the two are missing.
            status[i] = 2 if at < 0 else 1
        else:
            status[i] = 4 if starts_empty else 0
        is_known = 1 if status[i] > 0 else 0
        at = last[i] if is_known == 1 else -1
        snapshot = -1
    carried[0], carried[1], carried[2] = is_known, at, snapshot


@njit(cache=True, nogil=True)
def _set_level_nb(ticks: Int64, lots: Int64, size: Int64, side: int, price: int, qty: int) -> None:
    # The levels of a side ascend to the best one, which is the last: few move when one near it comes or goes.
    low, high = 0, size[side]
    while low < high:
        middle = (low + high) // 2
        if ticks[side, middle] < price:
            low = middle + 1
        else:
            high = middle
    n = size[side]
    is_there = low < n and ticks[side, low] == price
    if qty > 0 and not is_there:
        for j in range(n, low, -1):
            ticks[side, j], lots[side, j] = ticks[side, j - 1], lots[side, j - 1]
        size[side] = n + 1
    if qty > 0:
        ticks[side, low], lots[side, low] = price, qty
    elif is_there:
        for j in range(low, n - 1):
            ticks[side, j], lots[side, j] = ticks[side, j + 1], lots[side, j + 1]
        size[side] = n - 1


@njit(cache=True, nogil=True)
def _write_best_nb(ticks: Int64, lots: Int64, size: Int64, rows: Int64, row: int) -> None:
    for side in range(2):
        sign = 1 - 2 * side
        price = 1 if side == 0 else (1 << 60) - 1  # one before the level of an empty side
        for level in range(rows.shape[2]):
            at = size[side] - 1 - level
            if at >= 0:
                price = sign * ticks[side, at]
                rows[2 * side + 1, row, level] = lots[side, at]
            else:
                price -= sign
                rows[2 * side + 1, row, level] = 0
            rows[2 * side, row, level] = price


@njit(cache=True, nogil=True)
def _book_rows_nb(
    starts: Int64,
    status: Int8,
    is_snapshot: Bool,
    changes: Int64,
    ticks: Int64,
    lots: Int64,
    size: Int64,
    rows: Int64,
) -> None:
    # changes: side, price, size of each; rows: bid, bid size, ask, ask size by row and level.
    row = 0
    for i in range(len(status)):
        if status[i] == 0:
            continue
        if is_snapshot[i] or status[i] == 4:
            size[0], size[1] = 0, 0
        for j in range(starts[i], starts[i + 1]):
            sign = changes[0, j]
            if sign != 0:
                side = 0 if sign > 0 else 1
                _set_level_nb(ticks, lots, size, side, sign * changes[1, j], changes[2, j])
        if status[i] != 3:
            _write_best_nb(ticks, lots, size, rows, row)
            row += 1
