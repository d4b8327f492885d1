"""BTC/USD of Bitstamp from the ``ob-analytics`` sample: order events and trades with true side.

``orders.csv`` has one event of one order a line; the best bid and offer are rebuilt from them.
Times are milliseconds: ``exchange_timestamp`` is the event time, ``timestamp`` the receive time.

What equal times mean. One marketable order makes many events in the same millisecond: it appears
in the book at its limit, across the other side, and then every fill changes two orders. Between
those events the book is in no state that anybody could trade on, and nothing orders them against
the trades of the same millisecond. So a quote is the state *after the last event of its exchange
millisecond*, it is given only when the best price or its size changed, and a trade meets the
last quote of an *earlier* millisecond. The opening snapshot and the synthetic deletes at the end
each share one millisecond and need no rule of their own.

What crossed books mean. A matching engine never leaves one standing, so an order that is still
crossed at the end of a millisecond has been gone for a while and its deletion was lost (in the
sample: two orders of the opening snapshot, one of which would cross 93 % of all quotes). The older
of the two best orders is dropped until the book is no longer crossed or locked; both are counted.
Fills report their own price in ``changed`` events; an order rests at the price it was created at.
"""

from collections import Counter
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np

from orchestration.sources.files import SourceFile, read_file, split_lines
from orchestration.sources.gate import (
    Gate,
    TradeRecords,
    epoch_text_ns,
    fewest_inversions,
)
from orchestration.sources.records import QUOTES, SourceBatch, SourceError, make_batch, table
from orderflow_core.instrument import Instrument

SOURCE = "samples"
ORDERS_HEADER = b"id,timestamp,exchange_timestamp,price,volume,action,direction"
TRADES_HEADER = (
    b"trade_id,timestamp,exchange_timestamp,price,amount,buy_order_id,sell_order_id,side"
)

_ACTIONS = {b"created": 0, b"changed": 1, b"deleted": 2}
_CREATED, _CHANGED, _DELETED = 0, 1, 2
_DIRECTIONS = {b"bid": True, b"ask": False}
_SIDES = {b"buy": 1, b"sell": -1}


def read_bitstamp(
    orders_path: Path, trades_path: Path, instrument: Instrument
) -> list[SourceBatch]:
    """Read the two files of a capture: one batch with the quotes, one with the trades.

    They are two units, because each is published under the hash of its own file.

    Raises
    ------
    SourceError
        A file cannot be read or unpacked, or its first line is not the header.
    """
    return [
        parse_orders(read_file(orders_path), instrument),
        parse_trades(read_file(trades_path), instrument),
    ]


def parse_trades(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Read ``trades.csv``; ``side`` is the aggressor's and becomes ``native_sign``."""
    gate, lines, rows, other = _rows(file, instrument, TRADES_HEADER, "trade")
    records = TradeRecords()
    for i, row in rows:
        trade_id, ts, recv = _whole(row[0]), _time(row[2]), _time(row[1])
        sign = _SIDES.get(row[7])
        if trade_id is None or ts is None or recv is None or sign is None:
            detail = "needs an id, two times and side buy or sell"
            gate.refuse_damaged("trade", i + 1, detail, ts_ns=ts or 0)
            continue
        records.line.append(i + 1)
        records.trade_id.append(trade_id)
        records.ts_event_ns.append(ts)
        records.ts_recv_ns.append(recv)
        records.price.append(row[3].decode("latin-1"))
        records.qty.append(row[4].decode("latin-1"))
        records.native_sign.append(sign)
    n = len(records.line)
    records.is_market, records.first_id, records.last_id = [1] * n, [-1] * n, [-1] * n
    trades, gaps = gate.pass_trades(
        records, source=SOURCE, unit=file.unit, id_step=instrument.max_id_step
    )
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        trades=trades, gaps=gaps, rejects=gate.rejects, other=other,
    )  # fmt: skip


def parse_orders(file: SourceFile, instrument: Instrument) -> SourceBatch:
    """Rebuild the best bid and offer from ``orders.csv``; see the module's text for the rules.

    Notes
    -----
    ``offered`` counts quotes and refused events; every other event is counted in ``other`` as
    ``order_event``. ``counts`` has the crossed and locked states, the orders dropped for them and
    the events about orders that the file never created.
    """
    gate, lines, rows, other = _rows(file, instrument, ORDERS_HEADER, "quote")
    events = _checked_events(gate, _order_events(gate, rows))
    book = _Book()
    quotes = _rebuild(book, events)
    other["order_event"] = len(events.line) - len(quotes["line"])
    kept = table(QUOTES, {**quotes, "source": SOURCE, "unit": file.unit}, len(quotes["line"]))
    return make_batch(
        path=file.path, instrument=instrument, source=SOURCE, unit=file.unit, n_lines=len(lines),
        quotes=kept, rejects=gate.rejects, other={k: n for k, n in other.items() if n},
        counts={name: n for name, n in sorted(book.counts.items()) if n},
    )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class _Events:
    # Columns of the order events, in the order of the file; numbers once they are checked.
    line: list[int] = field(default_factory=list)
    order_id: list[int] = field(default_factory=list)
    ts_recv_ns: list[int] = field(default_factory=list)
    ts_event_ns: list[int] = field(default_factory=list)
    price: list[Any] = field(default_factory=list)
    qty: list[Any] = field(default_factory=list)
    action: list[int] = field(default_factory=list)
    is_bid: list[bool] = field(default_factory=list)


def _rows(
    file: SourceFile, instrument: Instrument, header: bytes, kind: str
) -> tuple[Gate, list[bytes], list[tuple[int, list[bytes]]], Counter[str]]:
    # The rows with the right number of fields, each with its position; the others are refused.
    lines, is_cut = split_lines(file.data)
    if not lines or lines[0] != header:
        found = lines[0][:80] if lines else b""
        raise SourceError(file.path, f"line 1 must be {header.decode()!r}, got {found!r}")
    gate = Gate(instrument=instrument, lines=lines, cut_line=len(lines) if is_cut else 0)
    other: Counter[str] = Counter(header=1)
    n_fields = header.count(b",") + 1
    rows = []
    for i, line in enumerate(lines[1:], 1):
        row = line.split(b",")
        if len(row) == n_fields:
            rows.append((i, row))
        elif line:
            gate.refuse_damaged(kind, i + 1, f"must have {n_fields} fields, has {len(row)}")
        else:
            other["blank"] += 1
    return gate, lines, rows, other


def _order_events(gate: Gate, rows: list[tuple[int, list[bytes]]]) -> _Events:
    events = _Events()
    seen: set[bytes] = set()
    times: dict[bytes, int | None] = {}
    for i, row in rows:
        order_id, action, is_bid = _whole(row[0]), _ACTIONS.get(row[5]), _DIRECTIONS.get(row[6])
        for text in (row[1], row[2]):
            if text not in times:
                times[text] = _time(text)
        recv, ts = times[row[1]], times[row[2]]
        if order_id is None or action is None or is_bid is None or ts is None or recv is None:
            detail = "needs an id, two times, a known action and direction"
            gate.refuse_damaged("quote", i + 1, detail, ts_ns=ts or 0)
        elif gate.lines[i] in seen:
            gate.refuse("quote", i + 1, "duplicate", "repeats an event exactly", ts_ns=ts)
        else:
            seen.add(gate.lines[i])
            events.line.append(i + 1)
            events.order_id.append(order_id)
            events.ts_recv_ns.append(recv)
            events.ts_event_ns.append(ts)
            events.price.append(row[3].decode("latin-1"))
            events.qty.append(row[4].decode("latin-1"))
            events.action.append(action)
            events.is_bid.append(is_bid)
    return events


def _checked_events(gate: Gate, events: _Events) -> _Events:
    # Texts become ticks and lots; what is off the grid, out of range or out of time is refused.
    ticks, bad_price = gate.convert("price", events.price)
    lots, bad_qty = gate.convert("qty", events.qty)
    found = {**bad_qty, **bad_price}
    for i in np.flatnonzero(ticks <= 0).tolist():
        found.setdefault(i, ("out_of_range", f"price must be positive, got {events.price[i]}"))
    for i in np.flatnonzero(lots < 0).tolist():
        found.setdefault(i, ("out_of_range", f"volume must not be negative, got {events.qty[i]}"))
    good = np.array([i for i in range(len(ticks)) if i not in found], np.int64)
    in_time = fewest_inversions(np.array(events.ts_event_ns, np.int64)[good])
    for i in good[~in_time].tolist():
        found[i] = ("time_inversion", "time is out of order among its neighbours")
    for i, (reason, detail) in found.items():
        gate.refuse("quote", events.line[i], reason, detail, ts_ns=events.ts_event_ns[i])
    kept = good[in_time].tolist()
    columns = {
        "price": ticks.tolist(), "qty": lots.tolist(),
        **{n: getattr(events, n) for n in _Events.__slots__ if n not in ("price", "qty")},
    }  # fmt: skip
    return _Events(**{name: [values[i] for i in kept] for name, values in columns.items()})


class _Book:
    # All resting orders of both sides, with the best price of each at hand.

    def __init__(self) -> None:
        self.orders: dict[int, tuple[int, int, int]] = {}  # id -> side, price, when created
        self.levels: tuple[dict[int, dict[int, int]], ...] = ({}, {})  # price -> id -> lots
        self.heaps: tuple[list[int], ...] = ([], [])  # prices, best first; may hold empty ones
        self.counts: Counter[str] = Counter()

    def apply(self, action: int, order_id: int, side: int, price: int, lots: int, at: int) -> None:
        known = self.orders.get(order_id)
        if known is None:
            if action != _CREATED:
                self.counts["events_of_unknown_orders"] += 1
            if action != _DELETED and lots:
                self._put(order_id, side, price, lots, at)
        elif action == _CHANGED and lots:
            self.levels[known[0]][known[1]][order_id] = lots
        else:
            self._drop(order_id)
            if action == _CREATED and lots:
                self._put(order_id, side, price, lots, at)

    def settle(self) -> tuple[int, int, int, int] | None:
        # Best bid and ask with their sizes; None while a side is empty.
        bid, ask = self._best(0), self._best(1)
        if bid is None or ask is None:
            return None
        if bid >= ask:
            self.counts["crossed_states" if bid > ask else "locked_states"] += 1
        while bid >= ask:
            oldest = min(*self.levels[0][bid], *self.levels[1][ask], key=self._created_at)
            self._drop(oldest)
            self.counts["stale_orders"] += 1
            bid, ask = self._best(0), self._best(1)
            if bid is None or ask is None:
                return None
        return bid, sum(self.levels[0][bid].values()), ask, sum(self.levels[1][ask].values())

    def _created_at(self, order_id: int) -> int:
        return self.orders[order_id][2]

    def _put(self, order_id: int, side: int, price: int, lots: int, at: int) -> None:
        self.orders[order_id] = (side, price, at)
        level = self.levels[side].get(price)
        if level is None:
            level = self.levels[side][price] = {}
            heappush(self.heaps[side], price if side else -price)
        level[order_id] = lots

    def _drop(self, order_id: int) -> None:
        side, price, _ = self.orders.pop(order_id)
        level = self.levels[side][price]
        del level[order_id]
        if not level:
            del self.levels[side][price]

    def _best(self, side: int) -> int | None:
        heap, levels = self.heaps[side], self.levels[side]
        while heap:
            price = heap[0] if side else -heap[0]
            if price in levels:
                return price
            heappop(heap)
        return None


def _rebuild(book: _Book, events: _Events) -> dict[str, list[int]]:
    names = ("ts_event_ns", "ts_recv_ns", "line", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
    quotes: dict[str, list[int]] = {name: [] for name in names}
    last: tuple[int, int, int, int] | None = None
    n = len(events.line)
    for i in range(n):
        book.apply(
            events.action[i], events.order_id[i], 0 if events.is_bid[i] else 1,
            events.price[i], events.qty[i], events.line[i],
        )  # fmt: skip
        if i + 1 < n and events.ts_event_ns[i + 1] == events.ts_event_ns[i]:
            continue  # the millisecond goes on
        best = book.settle()
        if best is None or best == last:
            continue
        last = best
        row = (events.ts_event_ns[i], events.ts_recv_ns[i], events.line[i], *best)
        for name, value in zip(names, row, strict=True):
            quotes[name].append(value)
    quotes["quote_id"] = [line - 1 for line in quotes["line"]]
    quotes["ts_source"] = [0] * len(quotes["line"])
    return quotes


def _whole(text: bytes) -> int | None:
    # isdigit of bytes knows ASCII only; 18 digits always fit in int64.
    return int(text) if len(text) <= 18 and text.isdigit() else None


def _time(text: bytes) -> int | None:
    return epoch_text_ns(text.decode("latin-1")) if text.isdigit() else None
