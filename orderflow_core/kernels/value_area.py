"""Point of control and value area of price rows, of one profile and of one that grows bar by bar.

``row`` counts rows of a ladder, strictly rising; rows left out of it, and rows of 0 lots, did not
trade. A rule is ``(rows a step, what a tie of the two sides takes, more than the share or enough)``:
steps of 0 rows give each side its half; ties take above (1), below (-1) or both (0).
"""

import numpy as np
from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _poc_nb(row: Int64, volume: Int64, low: int, high: int) -> int:
    # Position of the row of most volume. ``low`` and ``high`` are the first and last that traded.
    most = np.max(volume)
    middle2 = row[low] + row[high]
    first = last = -1
    for i in range(low, high + 1):
        if volume[i] == most:
            nearer = abs(2 * row[i] - middle2) - abs(2 * row[first] - middle2) if first >= 0 else -1
            if nearer < 0:
                first = i
            if nearer <= 0:
                last = i
    if first == last:
        return first
    below = above = 0
    for i in range(low, high + 1):
        if 2 * row[i] < middle2:
            below += volume[i]
        elif 2 * row[i] > middle2:
            above += volume[i]
    return last if above > below else first


@njit(cache=True, nogil=True)
def _wanted_nb(total: int, share: tuple[int, int], is_more: bool) -> int:
    # Least whole lots that are the share, or more than the share. Split so that nothing overflows.
    num, den = share
    whole, rest = num * (total // den), num * (total % den)
    if is_more:
        return min(whole + rest // den + 1, total)
    return whole + (rest + den - 1) // den


@njit(cache=True, nogil=True)
def _next_step_nb(
    row: Int64, volume: Int64, poc: int, start: int, direction: int, rows_a_step: int
) -> tuple[int, int, int]:
    # The first step from position ``start`` on that holds volume: its number, its lots, and where
    # the one after it begins. Number -1: no volume is left on this side.
    at, n = start, len(row)
    while 0 <= at < n and volume[at] == 0:
        at += direction
    if at < 0 or at >= n:
        return -1, 0, at
    step = (abs(row[at] - row[poc]) - 1) // rows_a_step
    lots = 0
    while 0 <= at < n and (abs(row[at] - row[poc]) - 1) // rows_a_step == step:
        lots += volume[at]
        at += direction
    return step, lots, at


@njit(cache=True, nogil=True)
def _grow_by_steps_nb(
    row: Int64, volume: Int64, poc: int, wanted: int, rows_a_step: int, tie: int
) -> tuple[int, int, int]:
    # Rows added below and above, and the lots inside. Only steps that hold volume are visited: of
    # empty ones on both sides the tie rule takes one side until it finds volume.
    inside, n_up, n_down = volume[poc], 0, 0
    up, up_lots, up_at = _next_step_nb(row, volume, poc, poc + 1, 1, rows_a_step)
    down, down_lots, down_at = _next_step_nb(row, volume, poc, poc - 1, -1, rows_a_step)
    while inside < wanted and (up >= 0 or down >= 0):
        up_now = up_lots if up == n_up else 0
        down_now = down_lots if down == n_down else 0
        is_tie = up_now == down_now
        takes_up = up >= 0 and (down < 0 or up_now > down_now or (is_tie and tie >= 0))
        takes_down = down >= 0 and (up < 0 or down_now > up_now or (is_tie and tie <= 0))
        if takes_up and takes_down and up_now == 0:
            empty = min(up - n_up, down - n_down)
            n_up += empty
            n_down += empty
            continue
        if takes_up:
            inside += up_lots
            n_up = up + 1
            up, up_lots, up_at = _next_step_nb(row, volume, poc, up_at, 1, rows_a_step)
        if takes_down:
            inside += down_lots
            n_down = down + 1
            down, down_lots, down_at = _next_step_nb(row, volume, poc, down_at, -1, rows_a_step)
    return n_down * rows_a_step, n_up * rows_a_step, inside


@njit(cache=True, nogil=True)
def _grow_one_side_nb(volume: Int64, start: int, direction: int, wanted: int) -> tuple[int, int]:
    # Lots from ``start`` on until they are the wanted ones, and the position after the last.
    at, lots = start, 0
    while lots < wanted and 0 <= at < len(volume):
        lots += volume[at]
        at += direction
    return lots, at


@njit(cache=True, nogil=True)
def _grow_by_halves_nb(
    row: Int64, volume: Int64, poc: int, wanted: int, low: int, high: int
) -> tuple[int, int, int]:
    # Each side gives half of what the point of control lacks; what a side cannot, the other does.
    half = (max(wanted - volume[poc], 0) + 1) // 2
    above, up_at = _grow_one_side_nb(volume, poc + 1, 1, half)
    below, down_at = _grow_one_side_nb(volume, poc - 1, -1, half)
    if above < half:
        more, down_at = _grow_one_side_nb(volume, down_at, -1, wanted - volume[poc] - above - below)
        below += more
    elif below < half:
        more, up_at = _grow_one_side_nb(volume, up_at, 1, wanted - volume[poc] - above - below)
        above += more
    highest, lowest = min(up_at - 1, high), max(down_at + 1, low)
    return row[poc] - row[lowest], row[highest] - row[poc], volume[poc] + above + below


@njit(cache=True, nogil=True)
def _levels_nb(
    row: Int64, volume: Int64, share: tuple[int, int], rule: tuple[int, int, bool]
) -> tuple[int, int, int, int, int]:
    # Row of the point of control, rows of the area below and above it, lots inside, all lots.
    low, high = 0, len(row) - 1
    while volume[low] == 0:
        low += 1
    while volume[high] == 0:
        high -= 1
    total = int(np.sum(volume))
    rows_a_step, tie, is_more = rule
    poc = _poc_nb(row, volume, low, high)
    wanted = _wanted_nb(total, share, is_more)
    if rows_a_step:
        n_below, n_above, inside = _grow_by_steps_nb(row, volume, poc, wanted, rows_a_step, tie)
    else:
        n_below, n_above, inside = _grow_by_halves_nb(row, volume, poc, wanted, low, high)
    # A step past the edge of the traded range is what exists of it.
    n_below, n_above = min(n_below, row[poc] - row[low]), min(n_above, row[high] - row[poc])
    return row[poc], n_below, n_above, inside, total


@njit(cache=True, nogil=True)
def _developing_levels_nb(
    row: Int64,
    volume: Int64,
    cells: tuple[Int64, Int64],
    end_cell: Int64,
    share: tuple[int, int],
    rule: tuple[int, int, bool],
    levels: Int64,
) -> None:
    # Adds the bars' cells (position in ``row``, lots) bar by bar to ``volume``, the caller's own
    # copy, and writes the levels after each bar.
    position, lots = cells
    first = 0
    for bar in range(len(end_cell)):
        for cell in range(first, end_cell[bar]):
            volume[position[cell]] += lots[cell]
        first = end_cell[bar]
        poc, n_below, n_above, inside, total = _levels_nb(row, volume, share, rule)
        levels[0, bar], levels[1, bar], levels[2, bar] = poc, poc - n_below, poc + n_above
        levels[3, bar], levels[4, bar] = inside, total
