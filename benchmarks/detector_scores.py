"""Print how well detectors find what is planted in the simulated market, as a table in Markdown.

    python -m benchmarks.detector_scores [days]

Precision: share of alarms that a planted episode explains. Recall: share of episodes with an alarm
inside. Both with their 95 % interval. The null market has the same flow and nothing planted: each of
its alarms is false by definition, though not without a cause, because sizes have heavy tails there too.
"""

import sys
from collections.abc import Iterator

import numpy as np

from orderflow_core.intervals import Proportion, wilson_interval
from orderflow_core.large_trades import large_trades
from orderflow_core.planted import EpisodeKind
from orderflow_core.price_absorption import PriceAbsorptionRule, price_absorption
from orderflow_core.simulator import SECOND_NS, SimulatedMarket, SimulatorSettings, simulate
from orderflow_core.sweeps import assign_sweeps, sweep_bounds

MS = 1_000_000
DAY_HOURS = 24.0
# Bookmap's form: the last fifteen seconds at a price against the last half hour.
MULTIPLIERS = (3.0, 6.0, 10.0)


def main() -> None:
    n_days = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    planted = SimulatorSettings()
    markets = [simulate(planted, seed=seed) for seed in range(n_days)]
    nulls = [simulate(planted.without_episodes(), seed=seed) for seed in range(n_days)]
    print("| detector | alarms | precision | episodes | recall | null market, alarms an hour |")
    print("|---|---|---|---|---|---|")
    for row in [*order_rows(markets, nulls), *absorption_rows(markets, nulls)]:
        print("| " + " | ".join(row) + " |")


def order_rows(
    markets: list[SimulatedMarket], nulls: list[SimulatedMarket]
) -> Iterator[tuple[str, ...]]:
    """Orders seen through whole milliseconds: found where exactly their fills were put together."""
    found, made, true = np.zeros(2, int), np.zeros(2, int), np.zeros(2, int)
    for market in markets:
        for i, (seen, real) in enumerate(
            zip(seen_orders(market), true_orders(market), strict=True)
        ):
            found[i] += len(seen & real)
            made[i] += len(seen)
            true[i] += len(real)
    n_null = sum(len(seen_orders(market)[1]) for market in nulls)
    alarms = ("-", f"{n_null / DAY_HOURS / len(nulls):.1f}")
    for i, name in enumerate(("sweeps put together", "big orders (causal 95th percentile)")):
        precision, recall = (wilson_interval(int(found[i]), int(n[i])) for n in (made, true))
        yield name, f"{made[i]:,}", text(precision), f"{true[i]:,}", text(recall), alarms[i]


def seen_orders(market: SimulatedMarket) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    trades = market.trades
    sweep = assign_sweeps(
        trades.ts_event_ns // MS, trades.trade_id, trades.price_ticks, trades.sign, max_id_step=1
    )
    return with_large(sweep, trades.qty_lots)


def true_orders(market: SimulatedMarket) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    order = np.cumsum(np.diff(market.order_id, prepend=-1) != 0) - 1
    return with_large(order, market.trades.qty_lots)


def with_large(
    sweep: np.ndarray, lots: np.ndarray
) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """All orders as ranges of fills, and the large ones among them."""
    first, end = sweep_bounds(sweep)
    is_large = large_trades(np.add.reduceat(lots, first)).is_large
    every = list(zip(first.tolist(), end.tolist(), strict=True))
    return set(every), {every[i] for i in np.flatnonzero(is_large).tolist()}


def absorption_rows(
    markets: list[SimulatedMarket], nulls: list[SimulatedMarket]
) -> Iterator[tuple[str, ...]]:
    for multiplier in MULTIPLIERS:
        rule = PriceAbsorptionRule(
            window_ns=15 * SECOND_NS, lookback_ns=1800 * SECOND_NS, multiplier=multiplier
        )
        explained = n_alarms = n_found = n_icebergs = 0
        for market in markets:
            inside = alarms_inside(market, rule)
            explained += int(inside.any(axis=1).sum())
            n_alarms += len(inside)
            n_found += int(inside.any(axis=0).sum())
            n_icebergs += inside.shape[1]
        n_false = sum(len(onsets(market, rule)[0]) for market in nulls)
        yield (
            f"absorption at a price, mean + {multiplier:g} SD", f"{n_alarms:,}",
            text(wilson_interval(explained, n_alarms)), f"{n_icebergs:,}",
            text(wilson_interval(n_found, n_icebergs)),
            f"{n_false / DAY_HOURS / len(nulls):.2f}",
        )  # fmt: skip


def onsets(market: SimulatedMarket, rule: PriceAbsorptionRule) -> tuple[np.ndarray, np.ndarray]:
    trades = market.trades
    found = price_absorption(
        trades.ts_event_ns,
        trades.price_ticks,
        trades.qty_lots,
        trades.sign,
        np.array([0]),
        rule=rule,
    )
    at = np.flatnonzero(found.is_onset)
    return at, found.sign[at]


def alarms_inside(market: SimulatedMarket, rule: PriceAbsorptionRule) -> np.ndarray:
    """(alarm, iceberg): same price, same side, in its time. Icebergs that absorbed half their size."""
    episodes = market.episodes
    real = np.flatnonzero(
        (episodes.kind == EpisodeKind.ICEBERG)
        & (2 * episodes.executed_lots >= episodes.planned_lots)
    )
    at, sign = onsets(market, rule)
    ts = market.trades.ts_event_ns[at][:, None]
    inside = (ts >= episodes.start_ns[real]) & (ts <= episodes.end_ns[real])
    inside &= market.trades.price_ticks[at][:, None] == episodes.price_ticks[real]
    return inside & (sign[:, None] == episodes.side[real])


def text(share: Proportion) -> str:
    return f"{share.value:.3f} ({share.low:.3f}-{share.high:.3f})"


if __name__ == "__main__":
    main()
