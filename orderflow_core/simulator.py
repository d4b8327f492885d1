"""A simulated market whose truth is known: who traded, why, and what it did to the price.

Market orders and quote updates arrive by a self-exciting process and meet in a limit order book
with price-time priority. Market makers quote around a reference that moves by what a market order's
side tells beyond what its past let expect, by news, and by the planted episodes.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from orderflow_core.hawkes import Arrivals, hawkes_arrivals
from orderflow_core.order_book import BookRules, BookRun, OrderFlow, OrderKind, run_order_book
from orderflow_core.planted import (
    DAY_S,
    Episodes,
    MarketScale,
    Plan,
    PlantSettings,
    plan_episodes,
)
from orderflow_core.planted_truth import OrderStream, episode_truth
from orderflow_core.reference_path import Barriers, hold_at
from orderflow_core.size_law import SizeLaw
from orderflow_core.types import Float64, Int64, QuoteArrays, TradeArrays
from orderflow_core.validate import require_amount, require_count, require_positive_scalar

SECOND_NS = 1_000_000_000
_MARKET_SIZE = SizeLaw(median=10.0, spread=1.5, tail_share=0.5, tail_exponent=0.9)
_LIMIT_SIZE = SizeLaw(median=5.0, spread=1.3, tail_share=0.4, tail_exponent=0.9)
_COLUMNS = ("kind", "side", "lots", "peak", "distance", "episode", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """A market. The defaults are calibrated: docs/simulator.md shows them beside real markets.

    Attributes
    ----------
    start_ns, duration_s : int and float
        The market is open for ``[start_ns, start_ns + duration_s)``.
    first_ticks : int
        Reference at the start.
    market_rate, refresh_rate : float, unit 1/s
        Rates without excitement: market orders of each side, updates by market makers.
    same_side, other_side, refreshes, refresh_again : float
        Branching: market orders that one brings about on its own and on the other side, updates
        that a market order and an update bring about.
    decay, weight : tuple of float
        Decays (1/s) of the excitement and their shares; see :func:`hawkes_arrivals`.
    market_size, limit_size : SizeLaw
    reach_share : float
        Share of market orders that take levels behind the best one, up to ``reach_ticks``.
    distance_exponent : float
        Tail of the distance at which market makers quote behind the closest price.
    surprise_ticks : float
        Move of the reference per unit of a market order's side beyond its expectation.
    news_ticks : float, unit ticks per square root of a second
        Volatility of the reference that no trade tells of.
    rules : BookRules
    plant : PlantSettings
    depth_every_s : float
    """

    start_ns: int = 1_767_225_600 * SECOND_NS  # 2026-01-01
    duration_s: float = DAY_S
    first_ticks: int = 20_000
    market_rate: float = 0.04
    refresh_rate: float = 4.0
    same_side: float = 0.7
    other_side: float = 0.08
    refreshes: float = 6.0
    refresh_again: float = 0.3
    decay: tuple[float, ...] = (10.0, 0.5, 0.03)
    weight: tuple[float, ...] = (0.4, 0.3, 0.3)
    market_size: SizeLaw = _MARKET_SIZE
    limit_size: SizeLaw = _LIMIT_SIZE
    reach_share: float = 0.3
    reach_ticks: int = 3
    distance_exponent: float = 1.0
    surprise_ticks: float = 0.35
    news_ticks: float = 0.3
    rules: BookRules = field(default_factory=BookRules)
    plant: PlantSettings = field(default_factory=PlantSettings)
    depth_every_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("surprise_ticks", "news_ticks"):
            require_amount(name, getattr(self, name), is_zero_allowed=True)
        require_amount("distance_exponent", self.distance_exponent, is_zero_allowed=False)
        require_count("reach_ticks", self.reach_ticks)
        if not 0.0 <= self.reach_share <= 1.0:
            raise ValueError(f"reach_share must lie in [0, 1], got {self.reach_share}")

    def without_episodes(self) -> "SimulatorSettings":
        """Return the same market with nothing planted: where every alarm is a false one."""
        nothing = replace(
            self.plant, metaorders=0.0, icebergs=0.0, bursts=0.0, spoofs=0.0, levels=0.0
        )
        return replace(self, plant=nothing)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatedMarket:
    """Ticks and their truth.

    Attributes
    ----------
    trades : TradeArrays
        One element a fill, ids 1, 2, ...; ``sign`` is the true aggressor, never 0.
    quotes : QuoteArrays
        After each change, at the true time: the quote after a trade carries the trade's time.
    order_id : ndarray of int64, shape (n_trades,)
        Market order that a fill belongs to; fills of one are a sweep.
    taker_episode, maker_episode : ndarray of int64, shape (n_trades,)
        Planted episode of either order, counted from 1; 0 for the market's own flow. An iceberg's
        attack carries the iceberg's number as taker.
    reference_ticks : ndarray of float64, shape (n_trades,)
        Reference just before the order arrived.
    quote_order_id : ndarray of int64, shape (n_quotes,)
        Order that made the quote; equal to a trade's ``order_id``: the quote came after that trade.
    depth_ns : ndarray of int64, shape (n_snapshots,)
    depth : ndarray of int64, shape (n_snapshots, 5, 4)
        Bid ticks, bid lots, ask ticks, ask lots by level.
    episodes : Episodes
    """

    trades: TradeArrays
    quotes: QuoteArrays
    order_id: Int64
    taker_episode: Int64
    maker_episode: Int64
    reference_ticks: Float64
    quote_order_id: Int64
    depth_ns: Int64
    depth: Int64
    episodes: Episodes


def simulate(settings: SimulatorSettings, *, seed: int) -> SimulatedMarket:
    """Run a market.

    Parameters
    ----------
    settings : SimulatorSettings
    seed : int, >= 0
        Equal settings and seed give equal ticks and truth, element by element.

    Returns
    -------
    SimulatedMarket

    Raises
    ------
    ValueError
        A setting is outside its domain.

    Notes
    -----
    Arrivals: Hawkes (1971). Surprise in the side moves the value: Madhavan, Richardson, Roomans
    (1997). Square-root impact is planted, not emergent: Toth et al. (2011), eq. 1; docs/simulator.md.

    Examples
    --------
    >>> market = simulate(SimulatorSettings(duration_s=60.0), seed=1)
    >>> bool((market.quotes.bid_ticks < market.quotes.ask_ticks).all())
    True
    """
    require_count("seed", seed)
    require_count("start_ns", settings.start_ns)
    require_positive_scalar("first_ticks", settings.first_ticks)
    require_amount("depth_every_s", settings.depth_every_s, is_zero_allowed=False)
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4)]
    arrivals = _arrivals(settings, streams[0])
    own = _own_flow(settings, arrivals, streams[1])
    surprise = _surprise(arrivals) * settings.surprise_ticks
    scale = MarketScale(
        market_lots=settings.market_size.median, limit_lots=settings.limit_size.median
    )
    plan = plan_episodes(settings.plant, scale, settings.duration_s, streams[2])
    stream = _merged(settings, arrivals, own, surprise, plan, streams[3])
    grid = np.arange(0.0, settings.duration_s, settings.depth_every_s)
    at = np.searchsorted(stream.time_s, grid, side="right") - 1
    run = run_order_book(stream.flow, settings.rules, at)
    return _market(settings, stream, run, plan, grid)


def _arrivals(settings: SimulatorSettings, rng: np.random.Generator) -> Arrivals:
    base = np.array([settings.market_rate, settings.market_rate, settings.refresh_rate])
    branching = np.array(
        [
            [settings.same_side, settings.other_side, settings.refreshes],
            [settings.other_side, settings.same_side, settings.refreshes],
            [0.0, 0.0, settings.refresh_again],
        ]
    )
    decay, weight = np.array(settings.decay), np.array(settings.weight)
    return hawkes_arrivals(base, branching, decay, weight, settings.duration_s, rng)


def _own_flow(
    settings: SimulatorSettings, arrivals: Arrivals, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    # The market's own orders, without the reference.
    is_market = arrivals.component < 2
    n = len(arrivals)
    coin = np.where(rng.random(n) < 0.5, 1, -1)
    sizes = settings.market_size.draw(n, rng), settings.limit_size.draw(n, rng)
    lots = np.where(is_market, *sizes)
    far = (1.0 - rng.random(n)) ** (-1.0 / settings.distance_exponent) - 1.0
    reach = np.where(rng.random(n) < settings.reach_share, settings.reach_ticks, 0)
    behind = np.minimum(far, settings.rules.margin_ticks // 2).astype(np.int64)
    return {
        "kind": np.where(is_market, int(OrderKind.MARKET), int(OrderKind.REFRESH)),
        "side": np.where(is_market, 1 - 2 * arrivals.component, coin),
        "lots": lots,
        "peak": lots,
        "distance": np.where(is_market, reach, behind),
        "episode": np.zeros(n, np.int64),
        "target": np.zeros(n, np.int64),
    }


def _surprise(arrivals: Arrivals) -> Float64:
    # Side minus its expectation given the past, 0 for updates: the innovations have no drift.
    buy, sell = arrivals.intensity[:, 0], arrivals.intensity[:, 1]
    expected = (buy - sell) / (buy + sell)
    surprise: Float64 = np.where(
        arrivals.component < 2, 1.0 - 2.0 * arrivals.component - expected, 0.0
    )
    return surprise


def _merged(
    settings: SimulatorSettings,
    arrivals: Arrivals,
    own: dict[str, np.ndarray],
    surprise: Float64,
    plan: Plan,
    rng: np.random.Generator,
) -> OrderStream:
    # The book is filled before the first order: updates at the opening, several times its size.
    opening = np.zeros(4 * settings.rules.n_orders)
    answers = _answers(settings, plan, rng)
    updates = _updates(np.concatenate([opening, answers]))
    extra = _own_flow(settings, updates, rng)
    planned = np.array([row[1:] for row in plan.orders], np.int64).reshape(-1, 7)
    columns = {
        name: np.concatenate([extra[name], own[name], planned[:, i]])
        for i, name in enumerate(_COLUMNS)
    }
    plan_s = np.array([row[0] for row in plan.orders], np.float64)
    time_s = np.concatenate([updates.time_s, arrivals.time_s, plan_s])
    told = np.concatenate([np.zeros(len(updates)), surprise, np.zeros(len(plan_s))])
    order = np.argsort(time_s, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    rows_of_plan = place[len(updates) + len(arrivals) :]
    columns = {name: values[order] for name, values in columns.items()}
    is_pull = columns["kind"] == int(OrderKind.PULL)
    columns["target"][is_pull] = rows_of_plan[columns["target"][is_pull]]
    time_s = time_s[order]
    free = _reference(settings, time_s, told[order], plan, rng)
    is_level = planned[:, 0] == int(OrderKind.ANCHOR)
    is_end = (planned[:, 0] == int(OrderKind.PULL)) & is_level[planned[:, 6]]
    levels = Barriers(
        first=rows_of_plan[is_level],
        end=rows_of_plan[is_end],
        side=planned[is_level, 1],
        distance=planned[is_level, 4],
    )
    reference, pushed = hold_at(free, levels)
    episode = columns.pop("episode")
    flow = OrderFlow(**columns, reference_ticks=reference, mark=rng.random(len(order)))
    return OrderStream(
        time_s=time_s, flow=flow, episode=episode, rows_of_plan=rows_of_plan, pushed_ticks=pushed
    )


def _answers(settings: SimulatorSettings, plan: Plan, rng: np.random.Generator) -> Float64:
    # Market makers answer planted market orders as they answer all others.
    asked = np.array([row[0] for row in plan.orders if row[1] == OrderKind.MARKET], np.float64)
    each = rng.poisson(settings.refreshes / (1.0 - settings.refresh_again), len(asked))
    delay = rng.standard_exponential(int(each.sum()))
    delay /= rng.choice(np.array(settings.decay), len(delay), p=np.array(settings.weight))
    times = np.sort(np.repeat(asked, each) + delay)
    return times[times < settings.duration_s]


def _updates(time_s: Float64) -> Arrivals:
    n = len(time_s)
    return Arrivals(time_s=time_s, component=np.full(n, 2, np.int64), intensity=np.ones((n, 3)))


def _reference(
    settings: SimulatorSettings,
    time_s: Float64,
    told: Float64,
    plan: Plan,
    rng: np.random.Generator,
) -> Float64:
    steps = np.sqrt(np.diff(time_s, prepend=0.0)) * settings.news_ticks
    steps *= rng.standard_normal(len(time_s))
    steps[1:] += told[:-1]  # an order moves what comes after it
    for times, ticks in plan.moves:
        start, stop = np.searchsorted(time_s, [times[0], times[-1]])
        stop = min(stop + 1, len(time_s))
        path = np.interp(time_s[start:stop], times, ticks)
        steps[start:stop] += np.diff(path, prepend=0.0)
        if stop < len(time_s):  # what the last order before the end had not seen yet
            steps[stop] += ticks[-1] - (path[-1] if len(path) else 0.0)
    reference: Float64 = settings.first_ticks + 0.5 + np.cumsum(steps)
    return reference


def _market(
    settings: SimulatorSettings, stream: OrderStream, run: BookRun, plan: Plan, grid: Float64
) -> SimulatedMarket:
    ts = settings.start_ns + np.floor(stream.time_s * SECOND_NS).astype(np.int64)
    # The first quote is the book as the opening updates left it.
    opened = np.searchsorted(stream.time_s, 0.0, side="right") - 1
    first = np.searchsorted(run.quote_event, opened, side="right") - 1
    shown = slice(first, None)
    owner = np.append(stream.episode, [0, 0])
    trades = TradeArrays(
        ts_event_ns=ts[run.fill_event],
        trade_id=np.arange(1, len(run.fill_event) + 1),
        price_ticks=run.fill_ticks,
        qty_lots=run.fill_lots,
        sign=stream.flow.side[run.fill_event].astype(np.int8),
    )
    quotes = QuoteArrays(
        ts_event_ns=ts[run.quote_event[shown]],
        bid_ticks=run.bid_ticks[shown],
        bid_lots=run.bid_lots[shown],
        ask_ticks=run.ask_ticks[shown],
        ask_lots=run.ask_lots[shown],
    )
    return SimulatedMarket(
        trades=trades,
        quotes=quotes,
        order_id=run.fill_event,
        taker_episode=stream.episode[run.fill_event],
        maker_episode=owner[run.fill_maker],
        reference_ticks=stream.flow.reference_ticks[run.fill_event],
        quote_order_id=run.quote_event[shown],
        depth_ns=settings.start_ns + np.floor(grid * SECOND_NS).astype(np.int64),
        depth=run.depth,
        episodes=episode_truth(stream, run, plan, settings.start_ns),
    )
