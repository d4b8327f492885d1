"""Compiled loops of the backtest; every contract is checked by orderflow_core.backtest."""

import numpy as np
from numba import njit, uintp

from orderflow_core.types import Float64, Int64


@njit(cache=True, nogil=True)
def _first_after_nb(ts_ns: Int64, event: int, end: int, due_ns: int) -> int:
    # The first event from ``event`` on that is later than a time, ``end`` if there is none before it.
    # Four are looked at together: how many are not later is a sum and no jump that a processor has
    # to guess.
    while event + 4 <= end:
        step = int(ts_ns[uintp(event)] <= due_ns) + int(ts_ns[uintp(event + 1)] <= due_ns)
        step += int(ts_ns[uintp(event + 2)] <= due_ns) + int(ts_ns[uintp(event + 3)] <= due_ns)
        event += step
        if step < 4:
            return event
    while event < end and ts_ns[uintp(event)] <= due_ns:
        event += 1
    return event


@njit(cache=True, nogil=True)
def _match_orders_nb(
    ts_ns: Int64,
    signal_ts_ns: Int64,
    latency_ns: int,
    first_idx: Int64,
    exit_idx: Int64,
    first_signal: Int64,
    end_signal: Int64,
) -> tuple[Int64, Int64, int]:
    # One walk over events and signals: both are in time order, so the event never steps back.
    event_idx = np.empty(len(signal_ts_ns) + len(exit_idx), np.int64)
    signal_idx = np.empty(len(signal_ts_ns) + len(exit_idx), np.int64)
    n = 0
    n_superseded = 0
    last = -1  # event of the order before; the exit of an earlier session is never met again
    for k in range(len(exit_idx)):
        event = first_idx[k]
        for s in range(first_signal[k], end_signal[k]):
            event = _first_after_nb(ts_ns, event, exit_idx[k], signal_ts_ns[s] + latency_ns)
            if event == exit_idx[k]:  # the session's last event takes the exit only
                break
            n_superseded += event == last
            n += event != last
            last = event
            event_idx[n - 1] = event
            signal_idx[n - 1] = s
        event_idx[n] = exit_idx[k]
        signal_idx[n] = -1
        n += 1
    return event_idx[:n].copy(), signal_idx[:n].copy(), n_superseded


@njit(cache=True, nogil=True)
def _fill_orders_nb(
    event_idx: Int64,
    signal_idx: Int64,
    target_lots: Int64,
    bid_ticks: Int64,
    ask_ticks: Int64,
    slippage_ticks: int,
) -> tuple[Int64, Int64, Int64]:
    # Which orders trade, the signed lots of each and its price; an order at its target is no trade.
    order_idx = np.empty(len(event_idx), np.int64)
    change_lots = np.empty(len(event_idx), np.int64)
    price_ticks = np.empty(len(event_idx), np.int64)
    n = 0
    position = 0
    for i in range(len(event_idx)):
        target = 0
        if signal_idx[i] >= 0:
            target = target_lots[signal_idx[i]]
        change = target - position
        if change == 0:
            continue
        if change > 0:
            price = ask_ticks[event_idx[i]] + slippage_ticks
        else:
            price = bid_ticks[event_idx[i]] - slippage_ticks
        order_idx[n] = i
        change_lots[n] = change
        price_ticks[n] = price
        position = target
        n += 1
    return order_idx[:n].copy(), change_lots[:n].copy(), price_ticks[:n].copy()


@njit(cache=True, nogil=True)
def _mark_nb(
    mark_idx: Int64,
    fill_event_idx: Int64,
    change_lots: Int64,
    price_ticks: Int64,
    bid_ticks: Int64,
    ask_ticks: Int64,
    base_ticks: int,
) -> tuple[Int64, Int64, Int64]:
    # Gross equity in half tick-lots, position and number of fills at each mark. Prices count from
    # a base: a flat book's cash does not depend on it, and the sums stay small.
    gross2 = np.empty(len(mark_idx), np.int64)
    position_lots = np.empty(len(mark_idx), np.int64)
    n_fills = np.empty(len(mark_idx), np.int64)
    cash = 0
    position = 0
    f = 0
    for m in range(len(mark_idx)):
        event = mark_idx[m]
        while f < len(fill_event_idx) and fill_event_idx[f] <= event:
            cash -= change_lots[f] * (price_ticks[f] - base_ticks)
            position += change_lots[f]
            f += 1
        mid2 = bid_ticks[event] + ask_ticks[event]
        gross2[m] = 2 * cash + position * (mid2 - 2 * base_ticks)
        position_lots[m] = position
        n_fills[m] = f
    return gross2, position_lots, n_fills


@njit(cache=True, nogil=True)
def _round_trips_nb(
    change_lots: Int64, price_ticks: Int64, fee: Float64
) -> tuple[Int64, Int64, Int64, Int64, Float64]:
    # Open and close fill, lots entered, gross tick-lots and fee of each trip from flat to flat.
    # A fill through zero closes one trip and opens the next; its fee divides by lots.
    n_fills = len(change_lots)
    open_fill = np.empty(n_fills, np.int64)
    close_fill = np.empty(n_fills, np.int64)
    entered_lots = np.zeros(n_fills, np.int64)
    gross = np.zeros(n_fills, np.int64)
    trip_fee = np.zeros(n_fills, np.float64)
    position = 0
    t = 0
    for f in range(n_fills):
        change = change_lots[f]
        price = price_ticks[f] - price_ticks[0]
        closing = 0
        if position > 0 and change < 0:
            closing = min(position, -change)
        elif position < 0 and change > 0:
            closing = min(-position, change)
        closing_fee = fee[f] * closing / abs(change)
        if closing > 0:
            gross[t] += closing * price if position > 0 else -closing * price
            trip_fee[t] += closing_fee
            position += closing if change > 0 else -closing
            if position == 0:
                close_fill[t] = f
                t += 1
        opening = abs(change) - closing
        if opening > 0:
            if position == 0:
                open_fill[t] = f
            gross[t] -= opening * price if change > 0 else -opening * price
            trip_fee[t] += fee[f] - closing_fee
            entered_lots[t] += opening
            position += opening if change > 0 else -opening
    return open_fill[:t], close_fill[:t], entered_lots[:t], gross[:t], trip_fee[:t]


@njit(cache=True, nogil=True)
def _block_sharpe_nb(returns: Float64, starts: Int64, block_len: int, ddof: int) -> Float64:
    # Sharpe ratio of each resample: row r strings together the blocks that begin at starts[r, :],
    # the last one cut so that the resample is as long as the sample.
    n = len(returns)
    sharpe = np.empty(starts.shape[0], np.float64)
    sample = np.empty(n, np.float64)
    for r in range(starts.shape[0]):
        total = 0.0
        for i in range(n):
            sample[i] = returns[starts[r, i // block_len] + i % block_len]
            total += sample[i]
        mean = total / n
        squares = 0.0
        for i in range(n):
            squares += (sample[i] - mean) ** 2
        # No return and no risk (a resample of idle intervals only) counts as a ratio of zero.
        sharpe[r] = mean / np.sqrt(squares / (n - ddof)) if squares > 0 else 0.0
    return sharpe
