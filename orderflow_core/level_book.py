"""The book as a venue's updates tell it: price levels from a snapshot and the changes after it."""

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from orderflow_core.depth import DepthArrays
from orderflow_core.kernels.level_book import _book_rows_nb, _sync_nb
from orderflow_core.types import Bool, Int8, Int64
from orderflow_core.validate import (
    require_bool,
    require_count,
    require_int64,
    require_not_negative,
    require_same_length,
    require_sign,
    require_sorted,
    require_sum_fits,
)

_N_SIZES = 4  # that meet in one event of order flow
_UPDATE = ("ts_event_ns", "first_id", "last_id", "previous_id")


class BookStatus(IntEnum):
    """What is known of the book after an update."""

    UNKNOWN = 0  # no snapshot yet, or changes are missing since
    STARTS = 1  # known from here on: what was before cannot be compared with it
    CONTINUES = 2
    CONFIRMED = 3  # a snapshot of a book that was known already: makes no row of its own
    STARTS_EMPTY = 4  # only where asked for: built from the changes alone


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthUpdates:
    """Updates of a book in the order of their ids, one element a level.

    Attributes
    ----------
    ts_event_ns : ndarray of int64, shape (n,), unit ns, non-decreasing
    first_id, last_id : ndarray of int64, shape (n,), >= 0
        Ids that an update covers, the same in all its elements; a snapshot has its id in both.
    previous_id : ndarray of int64, shape (n,), >= -1
        Last id of the update before, as futures state it; -1: not stated.
    is_snapshot : ndarray of bool, shape (n,)
        The whole book in place of changes.
    side : ndarray of int8, shape (n,)
        +1 bid, -1 ask; 0: the update changes nothing, or a snapshot holds nothing.
    price_ticks, qty_lots : ndarray of int64, shape (n,)
        The size that the level has from now on; 0 takes it out.
    """

    ts_event_ns: Int64
    first_id: Int64
    last_id: Int64
    previous_id: Int64
    is_snapshot: Bool
    side: Int8
    price_ticks: Int64
    qty_lots: Int64

    def __len__(self) -> int:
        return len(self.ts_event_ns)

    def slice(self, start: int, stop: int) -> "DepthUpdates":
        """Return the elements ``start <= i < stop`` as views."""
        return DepthUpdates(**{f.name: getattr(self, f.name)[start:stop] for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class BookState:
    """The book after a chunk, and how far it is known.

    Attributes
    ----------
    sync : ndarray of int64, shape (3,)
        Is it known; last id of the changes; id of a snapshot that no change has followed: -1 none.
    last_update : tuple of int
        Id, and whether it is a snapshot, of the last update.
    last_ts_ns : int
    ticks, lots : tuple of ndarray of int64
        Levels of the bids and of the asks (their prices negative), the best one last.
    """

    sync: Int64
    last_update: tuple[int, int]
    last_ts_ns: int
    ticks: tuple[Int64, Int64]
    lots: tuple[Int64, Int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRows:
    """The best levels after each update that leaves the book known.

    Attributes
    ----------
    depth : DepthArrays
    update_idx : ndarray of int64, shape (n_rows,)
        Number of the update within the chunk.
    start_idx : ndarray of int64, shape (n_starts,)
        Rows that cannot be compared with the one before: what `multi_level_ofi` calls session starts.
    status : ndarray of int8, shape (n_updates,), values of BookStatus
        Of every update, also of those without a row.
    """

    depth: DepthArrays
    update_idx: Int64
    start_idx: Int64
    status: Int8


def book_status(updates: DepthUpdates, *, starts_empty: bool = False) -> Int8:
    """Return what is known of the book after each update.

    Parameters
    ----------
    updates : DepthUpdates
        Snapshots stand behind changes of the same last id.
    starts_empty : bool
        Where the book would be unknown, begin with an empty one: its levels are those that
        changed since, so the best one shown may not be the best.

    Returns
    -------
    ndarray of int8, shape (n_updates,)

    Raises
    ------
    TypeError, ValueError
        Not integers, lengths differ, updates out of order, times that run back, or values outside their domain.

    Notes
    -----
    An update continues the book when its ``previous_id`` is the last id before it or, where it states
    none, its ``first_id`` is the next. The first change after a snapshot must span it: begin no later
    than one past it, or follow an update that ended no later. Anything else makes the book
    unknown until the next snapshot. A snapshot of a known book replaces its levels; if the change
    after it shows that changes before it were missed, the book starts anew there. Causal.
    No updates: empty. Source: Binance, "How to manage a local order book correctly".

    Examples
    --------
    Changes 5-6, snapshot 8, changes 7-9, 10-12 and 14-15: unknown, starts, continues, continues,
    unknown (13 is missing).
    """
    checked = _Checked.of(updates)
    return checked.status(np.array([0, -1, -1]), starts_empty=starts_empty)


def follow_book(updates: DepthUpdates, *, n_levels: int, starts_empty: bool = False) -> BookRows:
    """Return the best levels of the book after each update that leaves it known.

    Parameters
    ----------
    updates : DepthUpdates
    n_levels : int, >= 1
        Levels of each side.
    starts_empty : bool
        See `book_status`.

    Returns
    -------
    BookRows
        A level that does not exist has size 0 and a price one beyond the last that does (an empty
        side: bid 0, ask 2**60, and beyond).

    Raises
    ------
    TypeError, ValueError
        As `book_status`, or a price or size that order-flow imbalance could not add up.

    Notes
    -----
    Of two changes of one price in an update the later counts. Causal.
    """
    return continue_book(None, updates, n_levels=n_levels, starts_empty=starts_empty)[0]


def continue_book(
    state: BookState | None,
    updates: DepthUpdates,
    *,
    n_levels: int,
    starts_empty: bool = False,
) -> tuple[BookRows, BookState | None]:
    """Do as `follow_book` for the next chunk of updates.

    Parameters
    ----------
    state : BookState or None
        What the chunk before returned; None at the beginning.
    updates, n_levels, starts_empty
        As in `follow_book`; a chunk holds whole updates.

    Returns
    -------
    rows : BookRows
        Chunks together give the rows of the whole, bit for bit.
    state : BookState or None
        For the next chunk; as it came where there are no updates.

    Raises
    ------
    TypeError, ValueError
        As `follow_book`, also between the state and the first update.
    """
    levels = require_count("n_levels", n_levels, least=1)
    checked = _Checked.of(updates)
    if state is not None:
        checked.require_after(state)
    sync = np.array([0, -1, -1]) if state is None else state.sync.copy()
    status = checked.status(sync, starts_empty=starts_empty)
    ticks, lots, size = _levels_of(state, len(checked.price))
    has_row = (status != BookStatus.UNKNOWN) & (status != BookStatus.CONFIRMED)
    rows = np.empty((4, int(has_row.sum()), levels), np.int64)
    changes = np.stack([checked.side.astype(np.int64), checked.price, checked.qty])
    _book_rows_nb(checked.starts, status, checked.is_snapshot, changes, ticks, lots, size, rows)
    at = np.flatnonzero(has_row)
    is_start = (status[at] == BookStatus.STARTS) | (status[at] == BookStatus.STARTS_EMPTY)
    made = BookRows(
        depth=DepthArrays(
            ts_event_ns=checked.ts[at],
            bid_ticks=rows[0],
            bid_lots=rows[1],
            ask_ticks=rows[2],
            ask_lots=rows[3],
        ),
        update_idx=at,
        start_idx=np.flatnonzero(is_start),
        status=status,
    )
    if not len(status):
        return made, state
    after = BookState(
        sync=sync,
        last_update=(int(checked.last[-1]), int(checked.is_snapshot[-1])),
        last_ts_ns=int(checked.ts[-1]),
        ticks=(ticks[0, : size[0]].copy(), ticks[1, : size[1]].copy()),
        lots=(lots[0, : size[0]].copy(), lots[1, : size[1]].copy()),
    )
    return made, after


def _levels_of(state: BookState | None, n_changes: int) -> tuple[Int64, Int64, Int64]:
    size = np.array([0, 0] if state is None else [len(side) for side in state.ticks], np.int64)
    ticks = np.zeros((2, int(size.max()) + n_changes), np.int64)
    lots = np.zeros_like(ticks)
    if state is not None:
        for side in (0, 1):
            ticks[side, : size[side]] = state.ticks[side]
            lots[side, : size[side]] = state.lots[side]
    return ticks, lots, size


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    # The elements, and by update: where it starts (one more than there are), its ids and time.
    starts: Int64
    ts: Int64
    first: Int64
    last: Int64
    previous: Int64
    is_snapshot: Bool
    side: Int8
    price: Int64
    qty: Int64

    @classmethod
    def of(cls, updates: DepthUpdates) -> "_Checked":
        whole = {name: require_int64(f"updates.{name}", getattr(updates, name)) for name in _UPDATE}
        is_snapshot = require_bool("updates.is_snapshot", updates.is_snapshot)
        side = require_sign("updates.side", updates.side)
        price = require_int64("updates.price_ticks", updates.price_ticks)
        qty = require_int64("updates.qty_lots", updates.qty_lots)
        n = require_same_length(**whole, is_snapshot=is_snapshot, side=side, price=price, qty=qty)
        require_sorted("updates.ts_event_ns", whole["ts_event_ns"])
        require_not_negative("updates.first_id", whole["first_id"])
        require_not_negative("updates.qty_lots", qty)
        for name, values in (("price_ticks", price), ("qty_lots", qty)):
            largest = max(-int(values.min(initial=0)), int(values.max(initial=0)))
            require_sum_fits(f"updates.{name}", largest, _N_SIZES)
        last = whole["last_id"]
        is_new = np.ones(n, np.bool_)
        is_new[1:] = (last[1:] != last[:-1]) | (is_snapshot[1:] != is_snapshot[:-1])
        starts = np.append(np.flatnonzero(is_new), n)
        at = starts[:-1]
        made = cls(
            starts=starts,
            ts=whole["ts_event_ns"][at],
            first=whole["first_id"][at],
            last=last[at],
            previous=whole["previous_id"][at],
            is_snapshot=is_snapshot[at],
            side=side,
            price=price,
            qty=qty,
        )
        _require_whole_updates(whole, is_new)
        _require_order(made.first, made.last, made.previous, made.is_snapshot)
        return made

    def require_after(self, state: BookState) -> None:
        """Demand that the first update follows the last one of the chunk before."""
        if not len(self.last):
            return
        first = (int(self.last[0]), int(self.is_snapshot[0]))
        if first <= state.last_update or self.ts[0] < state.last_ts_ns:
            raise ValueError(
                f"updates must follow the chunk before, which ended at {state.last_update} and "
                f"{state.last_ts_ns} ns, got {first} and {self.ts[0]} ns"
            )

    def status(self, sync: Int64, *, starts_empty: bool) -> Int8:
        status = np.empty(len(self.last), np.int8)
        _sync_nb(self.first, self.last, self.previous, self.is_snapshot, starts_empty, sync, status)
        return status


def _require_whole_updates(whole: dict[str, Int64], is_new: Bool) -> None:
    for name, values in whole.items():
        differs = ~is_new[1:] & (values[1:] != values[:-1])
        if differs.any():
            i = int(np.argmax(differs)) + 1
            raise ValueError(
                f"updates.{name} must be one in an update, got {values[i]} after {values[i - 1]} "
                f"at position {i}"
            )


def _require_order(first: Int64, last: Int64, previous: Int64, is_snapshot: Bool) -> None:
    if (first > last).any():
        i = int(np.argmax(first > last))
        raise ValueError(f"updates.first_id must not exceed last_id, got {first[i]} and {last[i]}")
    if (previous < -1).any():
        raise ValueError(f"updates.previous_id must be at least -1, got {previous.min()}")
    is_back = (last[1:] < last[:-1]) | (
        (last[1:] == last[:-1]) & (is_snapshot[1:] <= is_snapshot[:-1])
    )
    if is_back.any():
        i = int(np.argmax(is_back)) + 1
        raise ValueError(
            f"updates must be in the order of their last ids, a snapshot behind a change of the "
            f"same, got {last[i]} after {last[i - 1]}"
        )
