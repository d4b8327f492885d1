"""A limit order book with price-time priority that works off a stream of orders."""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TypeAlias

import numpy as np

from orderflow_core.kernels.order_book import _run_book_nb
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import (
    require_amount,
    require_count,
    require_float64,
    require_int64,
    require_not_negative,
    require_positive,
    require_positive_scalar,
    require_same_length,
    require_sorted,
    require_sum_fits,
)

BACKSTOP_LOTS = 1 << 60
_MAX_LEVELS = 1 << 26


class OrderKind(IntEnum):
    """What an event does to the book."""

    MARKET = 0  # takes up to ``distance`` levels behind the best price; the rest is dropped
    REFRESH = 1  # market makers: leave a stale level, cancel one order or add one
    JOIN = 2  # a planted order rests ``distance`` levels behind the best price of its side
    PULL = 3  # takes a planted order out
    ANCHOR = 4  # a planted order rests ``distance`` ticks from the tick closest to the reference


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrderFlow:
    """Orders in the order in which they reach the book, one element an event.

    Attributes
    ----------
    kind, side : ndarray of int64, shape (n,)
        :class:`OrderKind`; +1 buys or rests as a bid, -1 sells or rests as an ask.
    lots, peak : ndarray of int64, shape (n,), unit lots, > 0
        Whole size, and what of a JOIN or an ANCHOR is shown at a time: less is an iceberg.
    distance : ndarray of int64, shape (n,), unit ticks, >= 0
    target : ndarray of int64, shape (n,)
        Event whose order a PULL takes out; unused otherwise.
    reference_ticks : ndarray of float64, shape (n,), unit ticks
        Value around which market makers quote.
    mark : ndarray of float64, shape (n,), in [0, 1)
        The draw that decides what a REFRESH does.
    """

    kind: Int64
    side: Int64
    lots: Int64
    peak: Int64
    distance: Int64
    target: Int64
    reference_ticks: Float64
    mark: Float64

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRules:
    """How market makers quote.

    Attributes
    ----------
    half_spread_ticks : float, >= 0
        Closest bid is the tick at or below reference minus this; asks mirrored.
    slack_ticks : float, >= 0
        A level is left once the reference has passed it by more than this.
    n_orders : int, > 0
        Orders that rest in the book on average: a REFRESH cancels with half their share of it.
    margin_ticks : int, > 0
        Room of the price ladder beyond the reference's range; a backstop stands at either end.
    """

    half_spread_ticks: float = 0.0
    slack_ticks: float = 0.6
    n_orders: int = 600
    margin_ticks: int = 400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BookRun:
    """What the book did.

    Attributes
    ----------
    fill_event, fill_maker : ndarray of int64, shape (n_fills,)
        Event that took, and event whose order was hit; ``n`` and ``n + 1`` are the backstops.
    fill_ticks, fill_lots : ndarray of int64, shape (n_fills,)
    quote_event, bid_ticks, bid_lots, ask_ticks, ask_lots : ndarray of int64, shape (n_quotes,)
        The best prices and shown sizes after each event that changed one of them.
    depth : ndarray of int64, shape (n_snapshots, n_levels, 4)
        Bid ticks, bid lots, ask ticks, ask lots by level; all 0 where a side has no more levels.
    """

    fill_event: Int64
    fill_maker: Int64
    fill_ticks: Int64
    fill_lots: Int64
    quote_event: Int64
    bid_ticks: Int64
    bid_lots: Int64
    ask_ticks: Int64
    ask_lots: Int64
    depth: Int64


# Kinds that bring a planted order.
RESTING = (OrderKind.JOIN, OrderKind.ANCHOR)
# Levels, orders, live orders, counts: as the kernels describe them.
_Book: TypeAlias = tuple[tuple[Int64, ...], tuple[Int64, ...], Int64, Int64]


def run_order_book(
    flow: OrderFlow, rules: BookRules, snapshot_at: Int64 | None = None, *, n_levels: int = 5
) -> BookRun:
    """Work off a stream of orders by price, then time, and return fills, quotes and depth.

    Parameters
    ----------
    flow : OrderFlow
    rules : BookRules
    snapshot_at : ndarray of int64, shape (n_snapshots,), non-decreasing, or None
        Events after which the depth is recorded.
    n_levels : int, > 0
        Levels of a snapshot; levels without a shown order are left out.

    Returns
    -------
    BookRun

    Raises
    ------
    TypeError, ValueError
        A column or a rule is outside its domain; the message names it.

    Notes
    -----
    What an iceberg shows next joins the end of its level's queue. A REFRESH (1) leaves the best
    level of its side if the reference has passed it by ``slack_ticks``; if that level holds none
    but planted orders, or is not stale, it (2) cancels one of the n resting orders of the market
    makers, all equally likely, where ``mark < n / (2 n_orders)``; else it (3) adds one, never
    crossing. An ANCHOR rests ``distance`` below the tick at or under the reference (a bid) or above
    the one at or over it (an ask), never crossing. Causal: what follows event i never changes what it did.

    Examples
    --------
    >>> two = np.array([1, 1])
    >>> flow = OrderFlow(kind=np.array([1, 0]), side=np.array([-1, 1]), lots=np.array([5, 3]),
    ...                  peak=two, distance=two, target=two, reference_ticks=np.array([10., 10.]),
    ...                  mark=np.array([.9, .9]))
    >>> run = run_order_book(flow, BookRules())
    >>> run.fill_ticks, run.fill_lots, run.ask_lots
    (array([11]), array([3]), array([5, 2]))
    """
    columns = _checked(flow, rules)
    n = len(flow)
    at = _snapshot_events(snapshot_at, n)
    n_levels = require_positive_scalar("n_levels", n_levels)
    reference = columns[6]
    low = int(np.floor(reference.min())) - rules.margin_ticks if n else 0
    high = int(np.ceil(reference.max())) + rules.margin_ticks if n else 1
    if high - low > _MAX_LEVELS:
        raise ValueError(f"reference_ticks must span at most {_MAX_LEVELS} ticks, got {high - low}")
    book = _empty_book(n, high - low + 1)
    # A fill ends its order or what it shows, or it ends the market order.
    is_planted = np.isin(columns[0], RESTING)
    refills = -(-columns[2][is_planted] // columns[3][is_planted])
    fills = np.empty((n + int(refills.sum()) + 1, 4), np.int64)
    quotes = np.empty((n + 1, 5), np.int64)
    depth = np.empty((len(at), n_levels, 4), np.int64)
    events = (*columns[:6], reference - low, columns[7])
    view = (rules.half_spread_ticks, rules.slack_ticks, float(rules.n_orders))
    n_quotes = _run_book_nb(events, book, view, at, (fills, quotes, depth))
    depth[..., ::2] = np.where(depth[..., 1::2] > 0, depth[..., ::2] + low, 0)
    return _as_run(fills[: book[3][3]], quotes[:n_quotes], depth, low)


def _snapshot_events(snapshot_at: Int64 | None, n: int) -> Int64:
    at = require_int64("snapshot_at", np.empty(0, np.int64) if snapshot_at is None else snapshot_at)
    require_sorted("snapshot_at", at)
    if len(at) and (at[0] < 0 or at[-1] >= n):
        raise ValueError(f"snapshot_at must lie in 0..{n - 1}, got {at[0]} to {at[-1]}")
    return at


def _as_run(fills: Int64, quotes: Int64, depth: Int64, low: int) -> BookRun:
    return BookRun(
        fill_event=fills[:, 0].copy(),
        fill_maker=fills[:, 1].copy(),
        fill_ticks=fills[:, 2] + low,
        fill_lots=fills[:, 3].copy(),
        quote_event=quotes[:, 0].copy(),
        bid_ticks=quotes[:, 1] + low,
        bid_lots=quotes[:, 2].copy(),
        ask_ticks=quotes[:, 3] + low,
        ask_lots=quotes[:, 4].copy(),
        depth=depth,
    )


def _checked(flow: OrderFlow, rules: BookRules) -> list[np.ndarray]:
    require_amount("half_spread_ticks", rules.half_spread_ticks, is_zero_allowed=True)
    require_amount("slack_ticks", rules.slack_ticks, is_zero_allowed=True)
    require_positive_scalar("n_orders", rules.n_orders)
    require_count("margin_ticks", rules.margin_ticks, least=2)
    named = {item.name: getattr(flow, item.name) for item in fields(flow)}
    require_same_length(**named)
    columns = [require_int64(name, named[name]) for name in list(named)[:6]]
    reference = require_float64("reference_ticks", flow.reference_ticks)
    mark = require_float64("mark", flow.mark)
    kind, side, lots, peak, distance, target = columns
    for name, values in (("lots", lots), ("peak", peak)):
        require_positive(name, values)
    require_not_negative("distance", distance)
    require_sum_fits("lots", int(lots.max(initial=0)) * 4, max(len(kind), 1))
    if not np.isin(kind, list(OrderKind)).all():
        raise ValueError("kind must be a member of OrderKind")
    if not (np.abs(side) == 1).all():
        raise ValueError("side must be -1 or +1")
    if not (np.abs(reference) < 2.0**40).all():
        raise ValueError("reference_ticks must be finite and within 2**40")
    if not ((mark >= 0) & (mark < 1)).all():
        raise ValueError("mark must lie in [0, 1)")
    if (distance > _MAX_LEVELS).any():
        raise ValueError(f"distance must be at most {_MAX_LEVELS}, got {distance.max()}")
    _require_targets(kind, target)
    return [*columns, reference, mark]


def _require_targets(kind: Int64, target: Int64) -> None:
    at = np.flatnonzero(kind == OrderKind.PULL)
    wanted = target[at]
    is_earlier = (wanted >= 0) & (wanted < at)
    if not is_earlier.all() or not np.isin(kind[wanted], RESTING).all():
        raise ValueError("target must name an earlier JOIN or ANCHOR wherever kind is PULL")


def _empty_book(n: int, n_levels: int) -> _Book:
    head, tail = np.full(n_levels, -1, np.int64), np.full(n_levels, -1, np.int64)
    level_lots = np.zeros(n_levels, np.int64)
    before, after, place = (np.full(n + 2, -1, np.int64) for _ in range(3))
    level, lots, hidden, peak = (np.zeros(n + 2, np.int64) for _ in range(4))
    for order, at in ((n, 0), (n + 1, n_levels - 1)):
        head[at] = tail[at] = order
        level[order], lots[order], level_lots[at] = at, BACKSTOP_LOTS, BACKSTOP_LOTS
    orders = (before, after, level, lots, hidden, peak, place)
    count = np.array([0, n_levels - 1, 0, 0], np.int64)
    return (head, tail, level_lots), orders, np.zeros(n + 2, np.int64), count
