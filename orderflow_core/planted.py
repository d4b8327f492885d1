"""Planted episodes of a simulated market: orders with a purpose, and what they do to the value.

An episode brings orders of its own and moves the reference around which market makers quote. What
it is, when, and by how much is written down, so that a detector can be scored against it.
"""

from dataclasses import dataclass, field, fields
from enum import IntEnum

import numpy as np

from orderflow_core.order_book import OrderKind
from orderflow_core.types import Float64, Int64
from orderflow_core.validate import require_amount, require_count, require_positive_scalar

DAY_S = 86_400.0
IMPACT_ORDERS = 1000.0


class EpisodeKind(IntEnum):
    """What an episode is."""

    METAORDER = 1  # one decision worked in many market orders; impact grows with their square root
    ICEBERG = 2  # a resting order that shows a part and absorbs an attack; then the price turns
    BURST = 3  # informed: market orders of one side, after which the value moves their way
    SPOOF = 4  # size shown near the touch, taken back before it trades
    LEVEL = (
        5  # a price that holds for a while: a resting order is refilled there and the price turns
    )


# Kinds that rest an order, and of these the ones that hide most of it.
RESTING = (EpisodeKind.ICEBERG, EpisodeKind.SPOOF, EpisodeKind.LEVEL)
HIDDEN = (EpisodeKind.ICEBERG, EpisodeKind.LEVEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantSettings:
    """How often episodes come, per day of 24 hours, and how large they are.

    Sizes are in median market orders (children of metaorders and bursts) or median limit orders
    (icebergs, spoofs, levels). ``*_ticks`` say how far an episode moves the reference: a metaorder by
    ``impact_ticks * sqrt(lots / (IMPACT_ORDERS * median market order))``, as it is worked and signed
    by its side, of which ``impact_kept`` stays. A level stands ``level_distance`` ticks from the
    reference, both ends included; one that would begin before the last has ended is left out.
    """

    metaorders: float = 48.0
    metaorder_children: tuple[int, int] = (10, 600)
    metaorder_child: float = 12.0
    metaorder_gap_s: float = 3.0
    impact_ticks: float = 12.0
    impact_kept: float = 2.0 / 3.0
    icebergs: float = 48.0
    iceberg_size: float = 400.0
    iceberg_shown: float = 0.05
    iceberg_s: float = 60.0
    reversal_ticks: float = 4.0
    bursts: float = 48.0
    burst_orders: int = 25
    burst_child: float = 4.0
    burst_s: float = 3.0
    burst_ticks: float = 6.0
    burst_horizon_s: float = 30.0
    spoofs: float = 96.0
    spoof_size: float = 800.0
    spoof_s: float = 5.0
    spoof_ticks: float = 1.0
    levels: float = 24.0
    level_size: float = 800.0
    level_shown: float = 0.05
    level_s: float = 1800.0
    level_distance: tuple[int, int] = (2, 8)

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name not in ("metaorder_children", "burst_orders", "level_distance"):
                require_amount(item.name, getattr(self, item.name), is_zero_allowed=True)
        require_count("burst_orders", self.burst_orders)
        for name in ("metaorder_children", "level_distance"):
            least, most = (require_positive_scalar(name, n) for n in getattr(self, name))
            if least > most:
                raise ValueError(f"{name} must rise, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Episodes:
    """The planted truth, one element an episode; episode i + 1 is named so in every other column.

    Attributes
    ----------
    kind, side : ndarray of int64, shape (n,)
        :class:`EpisodeKind`; +1 buys (metaorder, burst) or rests as a bid (iceberg, spoof, level).
    start_ns, end_ns : ndarray of int64, shape (n,), unit ns
        First order and last order of it; a resting order is taken out at the end.
    moved_until_ns : ndarray of int64, shape (n,), unit ns
        When the reference has finished moving on its behalf.
    planned_lots, executed_lots : ndarray of int64, shape (n,), unit lots
        Of the metaorder, the burst or the resting order; an iceberg's attack is not in it.
    price_ticks : ndarray of int64, shape (n,), unit ticks
        Where an iceberg, a spoof or a level rested; 0 for the others.
    shown_lots : ndarray of int64, shape (n,), unit lots
        What of the resting order is shown at a time; 0 for the others.
    peak_ticks, kept_ticks : ndarray of float64, shape (n,), unit ticks
        Largest and lasting signed move of the reference; of a level how far it held the price back.
    """

    kind: Int64
    side: Int64
    start_ns: Int64
    end_ns: Int64
    moved_until_ns: Int64
    planned_lots: Int64
    executed_lots: Int64
    price_ticks: Int64
    shown_lots: Int64
    peak_ticks: Float64
    kept_ticks: Float64

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(slots=True, kw_only=True)
class Plan:
    """Episodes as they are drawn: their orders and the path of the reference, times in seconds.

    ``orders`` rows are (time, kind, side, lots, peak, distance, episode, order that a PULL takes
    out, counted from 0 within ``orders``); ``moves`` hold (times, values) of the reference's move.
    """

    orders: list[tuple[float, int, int, int, int, int, int, int]] = field(default_factory=list)
    moves: list[tuple[Float64, Float64]] = field(default_factory=list)
    episodes: list[tuple[int, int, float, float, int]] = field(default_factory=list)

    def add(self, kind: EpisodeKind, side: int, times: Float64, lots: Int64, reach: int) -> None:
        """Add an episode of market orders."""
        self.episodes.append((kind, side, times[0], times[-1], int(lots.sum())))
        self.take(side, times, lots, reach)

    def take(self, side: int, times: Float64, lots: Int64, reach: int) -> None:
        """Add market orders to the newest episode."""
        self.orders += [
            (t, OrderKind.MARKET, side, q, q, reach, len(self.episodes), 0)
            for t, q in zip(times.tolist(), lots.tolist(), strict=True)
        ]

    def rest(
        self, kind: EpisodeKind, side: int, span: tuple[float, float], size: tuple[int, int],
        distance: int, order: OrderKind = OrderKind.JOIN,
    ) -> None:  # fmt: skip
        """Add an episode of one resting order: (whole, shown) lots, taken out at the span's end."""
        lots, shown = size
        self.episodes.append((kind, side, span[0], span[1], lots))
        number, row = len(self.episodes), len(self.orders)
        self.orders.append((span[0], order, side, lots, shown, distance, number, 0))
        self.orders.append((span[1], OrderKind.PULL, side, 1, 1, 0, number, row))

    def move(self, times: list[float] | Float64, ticks: list[float] | Float64) -> None:
        """Move the reference for the newest episode: straight lines between the points."""
        self.moves.append((np.asarray(times, np.float64), np.asarray(ticks, np.float64)))


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketScale:
    """What episodes are measured against: the median market order and limit order."""

    market_lots: float
    limit_lots: float


def plan_episodes(
    settings: PlantSettings, scale: MarketScale, duration_s: float, rng: np.random.Generator
) -> Plan:
    """Draw all episodes of a market that lasts ``duration_s`` seconds.

    An episode that would not end in time is left out, so a short market holds fewer than the rates
    say. Kinds are drawn one after the other from ``rng``.
    """
    plan = Plan()
    for kind, per_day, make in (
        (EpisodeKind.METAORDER, settings.metaorders, _add_metaorder),
        (EpisodeKind.ICEBERG, settings.icebergs, _add_iceberg),
        (EpisodeKind.BURST, settings.bursts, _add_burst),
        (EpisodeKind.SPOOF, settings.spoofs, _add_spoof),
        (EpisodeKind.LEVEL, settings.levels, _add_level),
    ):
        # Each kind and episode has a stream of its own: more of one kind leaves the others alone.
        own = np.random.default_rng([int(kind), int(rng.integers(1 << 62))])
        n = own.poisson(per_day * duration_s / DAY_S)
        for start in np.sort(own.uniform(0.0, duration_s, n)).tolist():
            side = 1 if own.random() < 0.5 else -1
            make(plan, settings, scale, (start, duration_s, side), own)
    return plan


def _add_metaorder(
    plan: Plan, settings: PlantSettings, scale: MarketScale, when: tuple[float, float, int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    start, stop, side = when
    least, most = settings.metaorder_children
    # Pareto with exponent 1 between the bounds: many small decisions, few large ones.
    n = int(1.0 / (1.0 / least - rng.random() * (1.0 / least - 1.0 / most)))
    times = start + np.cumsum(rng.exponential(settings.metaorder_gap_s, n))
    lots = np.maximum(rng.poisson(settings.metaorder_child * scale.market_lots, n), 1).astype(
        np.int64
    )
    span = times[-1] - times[0]
    if times[-1] + span >= stop:
        return
    plan.add(EpisodeKind.METAORDER, side, times, lots, 3)
    worked = np.cumsum(lots) / (IMPACT_ORDERS * scale.market_lots)
    peak = np.sqrt(worked) * settings.impact_ticks * side
    fade = np.linspace(0.0, 1.0, 9)[1:]
    # After the last child the impact relaxes to what is kept, fast at first.
    fading = peak[-1] * (1.0 - (1.0 - settings.impact_kept) * np.sqrt(fade))
    plan.move(np.append(times, times[-1] + fade * span), np.append(peak, fading))


def _add_iceberg(
    plan: Plan, settings: PlantSettings, scale: MarketScale, when: tuple[float, float, int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    start, stop, side = when
    end = start + settings.iceberg_s * rng.uniform(0.5, 1.5)
    if end + settings.iceberg_s >= stop:
        return
    lots = max(int(settings.iceberg_size * scale.limit_lots * rng.uniform(0.5, 1.5)), 2)
    shown = max(int(lots * settings.iceberg_shown), 1)
    plan.rest(EpisodeKind.ICEBERG, side, (start, end), (lots, shown), 0)
    attack = rng.uniform(0.8, 1.6) * lots
    size = max(scale.market_lots * 2.0, attack / 2000.0)
    n = max(int(attack / size), 1)
    times = np.sort(rng.uniform(start, end, n))
    plan.take(-side, times, np.maximum(rng.poisson(size, n), 1).astype(np.int64), 0)
    plan.move([end, end + settings.iceberg_s], [0.0, settings.reversal_ticks * side])


def _add_burst(
    plan: Plan, settings: PlantSettings, scale: MarketScale, when: tuple[float, float, int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    start, stop, side = when
    if start + settings.burst_s + settings.burst_horizon_s >= stop:
        return
    n = max(int(rng.poisson(settings.burst_orders)), 2)
    times = np.sort(rng.uniform(start, start + settings.burst_s, n))
    lots = np.maximum(rng.poisson(settings.burst_child * scale.market_lots, n), 1).astype(np.int64)
    plan.add(EpisodeKind.BURST, side, times, lots, 2)
    end = times[-1]
    plan.move([end, end + settings.burst_horizon_s], [0.0, settings.burst_ticks * side])


def _add_spoof(
    plan: Plan, settings: PlantSettings, scale: MarketScale, when: tuple[float, float, int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    start, stop, side = when
    end = start + settings.spoof_s * rng.uniform(0.4, 1.6)
    if end + settings.spoof_s >= stop:
        return
    lots = max(int(settings.spoof_size * scale.limit_lots * rng.uniform(0.6, 1.4)), 1)
    plan.rest(EpisodeKind.SPOOF, side, (start, end), (lots, lots), int(rng.integers(1, 4)))
    # The spoofer trades the other way on the price that the size has lured, just before it goes.
    own = np.array([max(int(scale.market_lots * 2), 1)], np.int64)
    plan.take(-side, np.array([end - 1e-3]), own, 0)
    lured = settings.spoof_ticks * side
    plan.move([start, end, end + settings.spoof_s], [0.0, lured, 0.0])


def _add_level(
    plan: Plan, settings: PlantSettings, scale: MarketScale, when: tuple[float, float, int],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    start, stop, side = when
    end = start + settings.level_s * rng.uniform(0.5, 1.5)
    last = plan.episodes[-1] if plan.episodes else None
    is_free = last is None or last[0] != EpisodeKind.LEVEL or last[3] < start
    if end >= stop or not is_free:
        return
    lots = max(int(settings.level_size * scale.limit_lots * rng.uniform(0.5, 1.5)), 2)
    shown = max(int(lots * settings.level_shown), 1)
    least, most = settings.level_distance
    distance = int(rng.integers(least, most + 1))
    plan.rest(EpisodeKind.LEVEL, side, (start, end), (lots, shown), distance, OrderKind.ANCHOR)
    plan.move([start, end], [0.0, 0.0])  # what it does depends on where the reference goes
