"""The detectors that are scored on planted truth: what each says, and when an alarm counts as right.

Detectors see what a venue prints: times in whole milliseconds, the aggressor's side, best quotes.
The rules of matching stood before the first score was looked at:

- An alarm is an interval of time, a side and a range of prices: a trade's time and price, or a bar's.
- It is right if a planted episode of the kinds that the detector is for, and of its side, was active
  in that interval; where the episode rested at a price, that price must lie in the alarm's range.
- An episode is found if an alarm is right about it. Hidden orders count as episodes once a quarter
  of them was executed (before that there is nothing to absorb); any hidden order that was hit makes
  an alarm right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from orderflow_core.absorption import BarAbsorptionRule, bar_absorption
from orderflow_core.bars import aggregate_bars, time_bar_index
from orderflow_core.footprint import footprint
from orderflow_core.imbalance_presets import ATAS_STACKED_IMBALANCE
from orderflow_core.large_trades import large_trade_clusters, large_trades
from orderflow_core.planted import HIDDEN, EpisodeKind
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.refills import RefillRule, refill_absorption
from orderflow_core.simulator import SECOND_NS, SimulatedMarket
from orderflow_core.stacks import stacked_imbalances
from orderflow_core.sweeps import assign_sweeps, sweep_bounds, sweep_table
from orderflow_core.types import Bool, Int64, QuoteArrays, TradeArrays

MS = 1_000_000
AGGRESSIVE = (EpisodeKind.METAORDER, EpisodeKind.BURST)
OPENING = np.array([0])
BY_REFILL = "absorption by refill"
# What benchmarks/detector_scores.py chooses; for pictures and recorded markets.
CHOSEN_REFILLS = RefillRule(window_ns=60 * SECOND_NS, least_refills=3, share_num=1, share_den=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A market as a venue prints it."""

    trades: TradeArrays
    quotes: QuoteArrays
    sweep: Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """What a detector says; arrays of shape (n_alarms,), times and prices inclusive."""

    from_ns: Int64
    to_ns: Int64
    side: Int64
    low_ticks: Int64
    high_ticks: Int64

    def __len__(self) -> int:
        return len(self.side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A detector, the episodes that it is for, and the settings to choose from."""

    name: str
    kinds: tuple[EpisodeKind, ...]
    settings: dict[str, Callable[[Seen], Alarms]]


def seen(market: SimulatedMarket) -> Seen:
    trades = replace(market.trades, ts_event_ns=market.trades.ts_event_ns // MS * MS)
    quotes = replace(market.quotes, ts_event_ns=market.quotes.ts_event_ns // MS * MS)
    sweep = assign_sweeps(
        trades.ts_event_ns, trades.trade_id, trades.price_ticks, trades.sign, max_id_step=1
    )
    return Seen(trades=trades, quotes=quotes, sweep=sweep)


def detectors() -> Iterator[Detector]:
    yield Detector(
        name="absorption by bar (preset B)",
        kinds=HIDDEN,
        settings={
            f"{s} s bars, z >= {z:g}": partial(by_bar, seconds=s, least_z=z)
            for s in (10, 60) for z in (2.0, 3.0, 5.0)
        },
    )  # fmt: skip
    yield Detector(
        name="absorption at a price (preset A)",
        kinds=HIDDEN,
        settings={f"mean + {m:g} SD": partial(at_price, multiplier=m) for m in (3.0, 6.0, 10.0)},
    )
    yield Detector(
        name=BY_REFILL,
        kinds=HIDDEN,
        settings={
            f"{n} refills, {num}/{den} of what was taken": partial(
                by_refill, rule=RefillRule(
                    window_ns=60 * SECOND_NS, least_refills=n, share_num=num, share_den=den
                ),
            )
            for n in (3, 5, 10) for num, den in ((1, 4), (1, 2), (3, 4))
        },
    )  # fmt: skip
    yield Detector(
        name="stacked imbalance",
        kinds=AGGRESSIVE,
        settings={
            f"{s} s bars, {n} rows": partial(stacks, seconds=s, min_levels=n)
            for s in (10, 60) for n in (3, 5)
        },
    )  # fmt: skip
    yield Detector(
        name="cluster of big trades",
        kinds=AGGRESSIVE,
        settings={
            f"{n} at or above the {p}th percentile, 10 s apart at most": partial(
                clusters, percentile=p, n_least=n
            )
            for p in (90, 95) for n in (3, 5)
        },
    )  # fmt: skip


def by_bar(market: Seen, *, seconds: int, least_z: float) -> Alarms:
    trades = market.trades
    index = time_bar_index(trades.ts_event_ns, seconds * SECOND_NS)
    bars = aggregate_bars(trades.price_ticks, trades.qty_lots, trades.sign, index)
    found = bar_absorption(
        bars.open_ticks, bars.close_ticks, bars.volume_lots, bars.delta_lots, OPENING,
        rule=BarAbsorptionRule(n_windows=120, least_z=least_z),
    )  # fmt: skip
    at = np.flatnonzero(found.sign)
    return Alarms(
        from_ns=index.t0_ns[at], to_ns=index.t1_ns[at] - 1, side=found.sign[at].astype(np.int64),
        low_ticks=bars.low_ticks[at], high_ticks=bars.high_ticks[at],
    )  # fmt: skip


def at_price(market: Seen, *, multiplier: float) -> Alarms:
    # Bookmap's form: the last fifteen seconds at a price against the last half hour.
    trades = market.trades
    rule = PriceAbsorptionRule(
        window_ns=15 * SECOND_NS, lookback_ns=1800 * SECOND_NS, multiplier=multiplier
    )
    found = price_absorption(
        trades.ts_event_ns, trades.price_ticks, trades.qty_lots, trades.sign, OPENING, rule=rule
    )
    at = np.flatnonzero(found.is_onset)
    return moments(trades.ts_event_ns[at], found.sign[at], trades.price_ticks[at])


def by_refill(market: Seen, *, rule: RefillRule) -> Alarms:
    found = refill_absorption(market.trades, market.quotes, OPENING, rule=rule)
    at = np.flatnonzero(found.is_onset)
    return moments(found.ts_ns[at], found.sign[at], found.price_ticks[at])


def on_clock(market: Seen, *, run: Callable[[Seen], Alarms], ms: int) -> Alarms:
    """Run a detector where times are told in steps of ``ms``."""
    step = ms * MS
    return run(
        replace(
            market,
            trades=replace(market.trades, ts_event_ns=market.trades.ts_event_ns // step * step),
            quotes=replace(market.quotes, ts_event_ns=market.quotes.ts_event_ns // step * step),
        )
    )


def moments(ts_ns: Int64, side: np.ndarray, price: Int64) -> Alarms:
    return Alarms(
        from_ns=ts_ns, to_ns=ts_ns, side=side.astype(np.int64), low_ticks=price, high_ticks=price
    )


def stacks(market: Seen, *, seconds: int, min_levels: int) -> Alarms:
    trades = market.trades
    index = time_bar_index(trades.ts_event_ns, seconds * SECOND_NS)
    cells = footprint(
        trades.price_ticks, trades.qty_lots, trades.sign, index, ticks_per_row=1, anchor_tick=0
    )
    # The stored rule: neighbours are neighbours by price.
    rule = replace(ATAS_STACKED_IMBALANCE.rule(), gap_policy="zero")
    found = stacked_imbalances(cells, rule, ticks_per_row=1, min_levels=min_levels)
    at = np.searchsorted(index.bar_id, found.bar_id)
    return Alarms(
        from_ns=index.t0_ns[at], to_ns=index.t1_ns[at] - 1, side=found.sign.astype(np.int64),
        low_ticks=found.low_tick, high_ticks=found.high_tick,
    )  # fmt: skip


def clusters(market: Seen, *, percentile: int, n_least: int) -> Alarms:
    table = sweep_table(market.sweep, market.trades)
    large = large_trades(table.qty_lots, share_num=percentile).is_large
    found = large_trade_clusters(
        table.ts_ns, table.sign, table.qty_lots, large, max_gap_ns=10 * SECOND_NS, n_least=n_least
    )
    at = np.flatnonzero(large & (found.n_large == n_least))
    return moments(table.ts_ns[at], table.sign[at], table.last_ticks[at])


def right(alarms: Alarms, market: SimulatedMarket, kinds: tuple[EpisodeKind, ...]) -> Bool:
    """(alarm, episode): whether the alarm is right about the episode."""
    own = market.episodes
    is_meant = np.isin(own.kind, kinds) & (own.executed_lots > 0)
    found = (alarms.to_ns[:, None] >= own.start_ns // MS * MS) & (
        alarms.from_ns[:, None] <= own.end_ns
    )
    found &= alarms.side[:, None] == own.side
    inside = (alarms.low_ticks[:, None] <= own.price_ticks) & (
        own.price_ticks <= alarms.high_ticks[:, None]
    )
    result: Bool = found & is_meant & (inside | ~np.isin(own.kind, HIDDEN))
    return result


def tally(alarms: Alarms, market: SimulatedMarket, kinds: tuple[EpisodeKind, ...]) -> Int64:
    """Right alarms, alarms, found episodes, episodes."""
    own = market.episodes
    counts = np.isin(own.kind, kinds) & (own.executed_lots > 0)
    counts &= ~np.isin(own.kind, HIDDEN) | (4 * own.executed_lots >= own.planned_lots)
    pairs = right(alarms, market, kinds)
    return np.array(
        [pairs.any(axis=1).sum(), len(alarms), pairs[:, counts].any(axis=0).sum(), counts.sum()]
    )


def shifted(alarms: Alarms, market: SimulatedMarket, shift_ns: int) -> Alarms:
    """The same alarms at other times of the day: what is right about them is so by chance."""
    start = int(market.trades.ts_event_ns[0])
    length = int(market.trades.ts_event_ns[-1]) - start + 1
    moved = (alarms.from_ns - start + shift_ns) % length + start
    return replace(alarms, from_ns=moved, to_ns=moved + alarms.to_ns - alarms.from_ns)


def orders(market: SimulatedMarket, found: Seen, percentile: int | None) -> Int64:
    """Sweeps put together (of them the big ones, with a percentile): exactly the fills of an order."""
    true = np.cumsum(np.diff(market.order_id, prepend=-1) != 0) - 1
    made, real = (_ranges(s, market.trades.qty_lots, percentile) for s in (found.sweep, true))
    both = len(made & real)
    return np.array([both, len(made), both, len(real)])


def _ranges(sweep: Int64, lots: Int64, percentile: int | None) -> set[tuple[int, int]]:
    first, end = sweep_bounds(sweep)
    every = list(zip(first.tolist(), end.tolist(), strict=True))
    if percentile is None:
        return set(every)
    is_large = large_trades(np.add.reduceat(lots, first), share_num=percentile).is_large
    return {every[i] for i in np.flatnonzero(is_large).tolist()}


def big_trades(market: SimulatedMarket, found: Seen, percentile: int) -> Int64:
    """Big sweeps that are children of planted metaorders or bursts, and these with one of them."""
    first, _ = sweep_bounds(found.sweep)
    is_large = large_trades(
        np.add.reduceat(market.trades.qty_lots, first), share_num=percentile
    ).is_large
    kind = np.append(0, market.episodes.kind)[market.taker_episode]
    is_child = np.isin(kind, AGGRESSIVE)[first]
    met = np.unique(market.taker_episode[first][is_large & is_child])
    n_episodes = len(np.unique(market.taker_episode[np.isin(kind, AGGRESSIVE)]))
    return np.array([(is_large & is_child).sum(), is_large.sum(), len(met), n_episodes])
