"""Order-flow imbalance of a book, level by level; results go into the caller's arrays."""

from numba import njit

from orderflow_core.types import Bool, Int64


@njit(cache=True, nogil=True)
def _ofi_nb(
    bid: Int64, bid_lots: Int64, ask: Int64, ask_lots: Int64, is_start: Bool, ofi: Int64
) -> None:
    # Arrays of shape (n_rows, n_levels). A row that starts a session has nothing to compare with.
    for i in range(len(bid)):
        for level in range(bid.shape[1]):
            event = 0
            if not is_start[i]:
                if bid[i, level] >= bid[i - 1, level]:
                    event += bid_lots[i, level]
                if bid[i, level] <= bid[i - 1, level]:
                    event -= bid_lots[i - 1, level]
                if ask[i, level] <= ask[i - 1, level]:
                    event -= ask_lots[i, level]
                if ask[i, level] >= ask[i - 1, level]:
                    event += ask_lots[i - 1, level]
            ofi[i, level] = event


@njit(cache=True, nogil=True)
def _running_nb(event: Int64, is_start: Bool, carried: int, running: Int64) -> None:
    total = carried
    for i in range(len(event)):
        total = event[i] if is_start[i] else total + event[i]
        running[i] = total


@njit(cache=True, nogil=True)
def _trailing_nb(event: Int64, n_since_start: Int64, n_events: int, trailing: Int64) -> None:
    # Sum of the last ``n_events`` events since the start; ``n_since_start`` of them precede each.
    total = 0
    for i in range(len(event)):
        if n_since_start[i] == 0:
            total = 0
        total += event[i]
        if n_since_start[i] >= n_events:
            total -= event[i - n_events]
        trailing[i] = total
