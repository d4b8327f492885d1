"""Bids and asks that come one at a time, put together into quotes of two sides."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from orchestration.sources.gate import Gate, QuoteRecords, fewest_inversions

ONE_SIDED = "one_sided"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideRows:
    """Changes of the best bid and the best ask, in the order of the file.

    Attributes
    ----------
    line, ts_ns : ndarray of int64, shape (n,)
    is_ask : ndarray of bool, shape (n,)
    price, size : list of str
    """

    line: np.ndarray
    ts_ns: np.ndarray
    is_ask: np.ndarray
    price: list[str]
    size: list[str]

    def take(self, at: np.ndarray) -> "SideRows":
        """Return the rows at some positions."""
        places = at.tolist()
        return SideRows(
            line=self.line[at], ts_ns=self.ts_ns[at], is_ask=self.is_ask[at],
            price=[self.price[i] for i in places], size=[self.size[i] for i in places],
        )  # fmt: skip


def readable_sides(gate: Gate, rows: SideRows) -> SideRows:
    """Refuse rows that must not enter the state: bad numbers, times that run back.

    A row that is quarantined only later would live on in every quote after it.
    """
    found: dict[int, tuple[str, str]] = {}
    is_time = gate.knows_time(rows.ts_ns)
    for i in np.flatnonzero(~is_time).tolist():
        found[i] = ("out_of_range", f"time {rows.ts_ns[i]} is in no trading day")
    for which, texts in (("price", rows.price), ("qty", rows.size)):
        steps, bad = gate.convert(which, texts)
        for i, finding in bad.items():
            found.setdefault(i, finding)
        for i in np.flatnonzero(steps < 0).tolist():
            found.setdefault(i, ("out_of_range", f"{which} must not be negative, got {texts[i]}"))
    good = np.ones(len(rows.line), np.bool_)
    good[list(found)] = False
    at = np.flatnonzero(good)
    keep = fewest_inversions(rows.ts_ns[at])
    for i in at[~keep].tolist():
        found[i] = (
            "time_inversion",
            f"time {rows.ts_ns[i]} is out of order among its neighbours",
        )
    for i, (reason, detail) in found.items():
        ts = int(rows.ts_ns[i]) if is_time[i] else 0
        gate.refuse("quote", int(rows.line[i]), reason, detail, ts_ns=ts, ts_recv_ns=ts)
    return rows.take(at[keep])


def quotes_of_sides(gate: Gate, rows: SideRows, other: Counter[str]) -> QuoteRecords:
    """Return one quote a row: the row's own side, and the last known state of the other side.

    Rows before the other side is known, and rows while a side is empty (price or size 0), make no
    quote: they are counted under ``other``.

    Notes
    -----
    ``quote_id`` is the position among the rows that came in, from 1.
    """
    price, _ = gate.convert("price", rows.price)
    size, _ = gate.convert("qty", rows.size)
    is_empty = (price == 0) | (size == 0)
    position = np.arange(len(rows.line))
    last = [
        np.maximum.accumulate(np.where(rows.is_ask == ask, position, -1)) for ask in (False, True)
    ]
    known = np.ones(len(position), np.bool_)
    for at in last:
        known &= (at >= 0) & ~is_empty[at]
    other[ONE_SIDED] += int((~known).sum())
    kept = np.flatnonzero(known)
    bid, ask = (at[kept].tolist() for at in last)
    n = len(kept)
    return QuoteRecords(
        line=rows.line[kept], quote_id=kept + 1, ts_event_ns=rows.ts_ns[kept],
        ts_recv_ns=rows.ts_ns[kept], ts_source=np.zeros(n, np.int64),
        bid=[rows.price[i] for i in bid], bid_qty=[rows.size[i] for i in bid],
        ask=[rows.price[i] for i in ask], ask_qty=[rows.size[i] for i in ask],
    )  # fmt: skip


def merged_order(gate: Gate, rows: SideRows) -> np.ndarray:
    """Return the order in which the rows of a Bid and an Ask file happened.

    By time, in the order of its file among equal times of one side. Between the sides of one time
    the files say nothing: the ask goes first where it rises, the bid everywhere else, so that the
    quotes in between do not cross where the market only moved.
    """
    price, _ = gate.convert("price", rows.price)
    by_time = np.argsort(rows.ts_ns, kind="stable")
    _, group = np.unique(rows.ts_ns[by_time], return_inverse=True)
    asks = np.flatnonzero(rows.is_ask[by_time])
    ask_first = np.zeros(group[-1] + 1 if len(group) else 0, np.bool_)
    if len(asks):
        groups, start = np.unique(group[asks], return_index=True)
        final = price[by_time][asks][np.append(start[1:], len(asks)) - 1]
        ask_first[groups[1:]] = final[1:] > final[:-1]
    is_ask = rows.is_ask[by_time]
    later = np.where(ask_first[group], ~is_ask, is_ask)
    order: np.ndarray = by_time[np.lexsort((later, group))]
    return order
