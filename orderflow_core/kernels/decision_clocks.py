"""When decisions are due, from the order of trades; rows go into the caller's arrays.

``last`` is what a chunk leaves for the next: time, id and sweep of its last trade, and whether
there was one since the last start of a stream.
"""

from numba import njit

from orderflow_core.types import Int64


@njit(cache=True, nogil=True)
def _sweep_rows_nb(
    trades: tuple[Int64, Int64, Int64],
    start_idx: Int64,
    is_ended: bool,
    last: Int64,
    rows: tuple[Int64, Int64, Int64],
) -> int:
    # A row where the next sweep or a start closes the one before it, or the session ends.
    ts, trade_id, sweep = trades
    end_idx, t0_ns, decision_id = rows
    last_ts, last_id, last_sweep, is_open = last[0], last[1], last[2], last[3]
    n_rows, start = 0, 0
    for i in range(len(ts)):
        is_new = sweep[i] != last_sweep
        if start < len(start_idx) and start_idx[start] == i:
            is_new = True
            start += 1
        if is_new and is_open:
            end_idx[n_rows], t0_ns[n_rows], decision_id[n_rows] = i, last_ts, last_id
            n_rows += 1
        last_ts, last_id, last_sweep, is_open = ts[i], trade_id[i], sweep[i], 1
    if is_ended and is_open:
        end_idx[n_rows], t0_ns[n_rows], decision_id[n_rows] = len(ts), last_ts, last_id
        n_rows, is_open = n_rows + 1, 0
    last[0], last[1], last[2], last[3] = last_ts, last_id, last_sweep, is_open
    return n_rows


@njit(cache=True, nogil=True)
def _time_rows_nb(
    trades: tuple[Int64, Int64, Int64],
    starts: tuple[Int64, Int64],
    rule: tuple[int, bool],
    last: Int64,
    rows: tuple[Int64, Int64, Int64],
) -> int:
    # A row for each boundary in (time of the trade before, time of this trade]. Between sessions
    # only the first boundary knows the whole session; within a gap none does.
    ts, trade_id, _ = trades
    session_idx, gap_idx = starts
    interval, is_ended = rule
    end_idx, t0_ns, decision_id = rows
    last_ts, last_id, is_open = last[0], last[1], last[3]
    n_rows, session, gap = 0, 0, 0
    for i in range(len(ts)):
        is_session = session < len(session_idx) and session_idx[session] == i
        is_gap = gap < len(gap_idx) and gap_idx[gap] == i
        session, gap = session + is_session, gap + is_gap
        boundary = (last_ts // interval + 1) * interval
        while is_open and not is_gap and boundary <= ts[i]:
            end_idx[n_rows], t0_ns[n_rows], decision_id[n_rows] = i, boundary, last_id
            n_rows, boundary = n_rows + 1, boundary + interval
            if is_session:
                break
        last_ts, last_id, is_open = ts[i], trade_id[i], 1
    if is_ended and is_open:
        boundary = (last_ts // interval + 1) * interval
        end_idx[n_rows], t0_ns[n_rows], decision_id[n_rows] = len(ts), boundary, last_id
        n_rows, is_open = n_rows + 1, 0
    last[0], last[1], last[3] = last_ts, last_id, is_open
    return n_rows
