"""What is true of the planted episodes once the book has run: where they rested, what was executed."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.order_book import RESTING as ORDERS_THAT_REST
from orderflow_core.order_book import BookRun, OrderFlow, OrderKind
from orderflow_core.planted import RESTING, EpisodeKind, Episodes, Plan
from orderflow_core.types import Float64, Int64

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrderStream:
    """All orders in time order, and where those of the plan stand.

    Attributes
    ----------
    time_s : ndarray of float64, shape (n,), unit s from the start
    flow : OrderFlow
    episode : ndarray of int64, shape (n,)
        Planted episode of each order, counted from 1; 0 for the market's own.
    rows_of_plan : ndarray of int64, shape (n_planned,)
        Position of each order of the plan.
    pushed_ticks : ndarray of float64, shape (n_levels,)
        How far each planted level held the reference back.
    """

    time_s: Float64
    flow: OrderFlow
    episode: Int64
    rows_of_plan: Int64
    pushed_ticks: Float64


def episode_truth(stream: OrderStream, run: BookRun, plan: Plan, start_ns: int) -> Episodes:
    """Return the planted episodes with what became of them; the market opened at ``start_ns``."""
    n = len(plan.episodes)
    kind, side, start_s, end_s, planned = (
        np.array([row[i] for row in plan.episodes]) for i in range(5)
    )
    rests = np.isin(kind, RESTING)
    by_taker, by_maker = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    owner = np.append(stream.episode, [0, 0])
    np.add.at(by_taker, stream.episode[run.fill_event], run.fill_lots)
    np.add.at(by_maker, owner[run.fill_maker], run.fill_lots)
    price, shown = _resting(stream, run, n)
    peak = np.array([v[np.argmax(np.abs(v))] for _, v in plan.moves], np.float64)
    kept = np.array([v[-1] for _, v in plan.moves], np.float64)
    peak[kind == EpisodeKind.LEVEL] = kept[kind == EpisodeKind.LEVEL] = stream.pushed_ticks
    return Episodes(
        kind=kind.astype(np.int64),
        side=side.astype(np.int64),
        start_ns=start_ns + np.floor(start_s * NS_PER_S).astype(np.int64),
        end_ns=start_ns + np.floor(end_s * NS_PER_S).astype(np.int64),
        moved_until_ns=start_ns
        + np.array([int(times[-1] * NS_PER_S) for times, _ in plan.moves], np.int64),
        planned_lots=planned.astype(np.int64),
        executed_lots=np.where(rests, by_maker[1:], by_taker[1:]),
        price_ticks=price,
        shown_lots=shown,
        peak_ticks=peak,
        kept_ticks=kept,
    )


def _resting(stream: OrderStream, run: BookRun, n: int) -> tuple[Int64, Int64]:
    # A JOIN rests behind the best price of its side as the quote before it shows, an ANCHOR by the
    # reference, never crossing that quote.
    price, shown = np.zeros(n, np.int64), np.zeros(n, np.int64)
    flow = stream.flow
    at = stream.rows_of_plan[np.isin(flow.kind[stream.rows_of_plan], ORDERS_THAT_REST)]
    before = np.searchsorted(run.quote_event, at) - 1
    bid, ask, side, distance = (
        run.bid_ticks[before],
        run.ask_ticks[before],
        flow.side[at],
        flow.distance[at],
    )
    joined = np.where(side > 0, bid, ask) - side * distance
    near = np.where(side > 0, np.floor(flow.reference_ticks[at]), np.ceil(flow.reference_ticks[at]))
    anchored = near.astype(np.int64) - side * distance
    anchored = np.where(side > 0, np.minimum(anchored, ask - 1), np.maximum(anchored, bid + 1))
    number = stream.episode[at] - 1
    price[number] = np.where(flow.kind[at] == OrderKind.JOIN, joined, anchored)
    shown[number] = np.minimum(flow.peak[at], flow.lots[at])
    return price, shown
