"""Print whether what is planted in the simulated market is there in its prices, as a table in Markdown.

    python -m benchmarks.planted_facts [days]

Everything is read off the mid, never off the reference. Moves are signed by the episode's side.
Intervals: 95 %, bootstrap over whole days (seeds 2000 and up). The null market has nothing planted:
there, moves are taken at random times and sides, levels at random prices.
"""

import sys
from dataclasses import dataclass, replace

import numpy as np

from orderflow_core.level_outcomes import level_outcomes
from orderflow_core.planted import EpisodeKind, Episodes
from orderflow_core.simulator import SECOND_NS, SimulatedMarket, SimulatorSettings, simulate

N_DAYS, FIRST, N_DRAWS = 12, 2000, 2000
SETTLED_NS = 2 * SECOND_NS  # market makers need some time to follow the reference
N_SIZES = 8
HALF_HOUR_NS = 1800 * SECOND_NS
BURSTS_A_DAY = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A figure, one sample a day: rows of whatever ``statistic`` takes."""

    name: str
    days: list[np.ndarray]
    statistic: object

    def row(self) -> str:
        rng = np.random.default_rng(3)
        drawn = []
        for _ in range(N_DRAWS):
            at = rng.integers(0, len(self.days), len(self.days))
            drawn.append(self.statistic(np.concatenate([self.days[i] for i in at])))  # type: ignore[operator]
        value = self.statistic(np.concatenate(self.days))  # type: ignore[operator]
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        n = sum(len(day) for day in self.days)
        return f"| {self.name} | {n:,} | {value:.3f} ({low:.3f} to {high:.3f}) |"


def main() -> None:
    n_days = int(sys.argv[1]) if len(sys.argv) > 1 else N_DAYS
    print("| figure | cases | value (95 % interval) |")
    print("|---|---|---|")
    for fact in facts(range(FIRST, FIRST + n_days)):
        print(fact.row(), flush=True)


def facts(seeds: range) -> list[Fact]:
    usual = SimulatorSettings()
    calm = replace(usual, news_ticks=0.05, surprise_ticks=0.05)
    informed = replace(usual, plant=replace(usual.without_episodes().plant, bursts=BURSTS_A_DAY))
    dumb = replace(usual.without_episodes(), surprise_ticks=0.0)
    made: dict[str, list[np.ndarray]] = {}
    for seed in seeds:
        market = simulate(usual, seed=seed)
        null = simulate(usual.without_episodes(), seed=seed)
        own = market.episodes
        parts = {
            "exponent": impact(market),
            "exponent, calm": impact(simulate(calm, seed=seed)),
            "burst": moves(market, EpisodeKind.BURST, own.end_ns, own.moved_until_ns),
            "iceberg": moves(market, EpisodeKind.ICEBERG, own.end_ns, own.moved_until_ns),
            "spoof": moves(market, EpisodeKind.SPOOF, own.start_ns, own.end_ns),
            "null": random_moves(null, seed),
            "level": levels(market, own, market),
            "level, null": levels(null, own, market),
            "informed": np.array([auc(flow_and_move(simulate(informed, seed=seed)))]),
            "informed, none": np.array([auc(flow_and_move(simulate(dumb, seed=seed)))]),
            "informed, null": np.array([auc(flow_and_move(null))]),
        }
        for name, part in parts.items():
            made.setdefault(name, []).append(part)
    texts = {
        "exponent": ("exponent of impact on size, metaorders", exponent),
        "exponent, calm": ("... in a calm market (news and surprise 0.05 ticks)", exponent),
        "burst": ("move in the 30 s after an informed burst, ticks", np.mean),
        "iceberg": ("move in the minute after an iceberg, ticks", np.mean),
        "spoof": ("move while a spoof stands, ticks", np.mean),
        "null": ("null market: move in 30 s, ticks", np.mean),
        "level": ("price turns at planted levels less at their mirror images, share", lift),
        "level, null": ("null market: the same prices less their mirror images", lift),
        "informed": (
            f"AUC of 3 s of flow for the next 30 s, {BURSTS_A_DAY:.0f} bursts a day",
            np.mean,
        ),
        "informed, none": (
            "null market whose orders tell nothing (surprise 0): the same AUC",
            np.mean,
        ),
        "informed, null": ("null market: the same AUC", np.mean),
    }
    return [Fact(name=texts[n][0], days=days, statistic=texts[n][1]) for n, days in made.items()]


def mid_at(market: SimulatedMarket, ts_ns: np.ndarray) -> np.ndarray:
    quotes = market.quotes
    at = np.searchsorted(quotes.ts_event_ns, ts_ns) - 1
    mid: np.ndarray = (quotes.bid_ticks + quotes.ask_ticks)[np.maximum(at, 0)] / 2
    return mid


def moves(
    market: SimulatedMarket, kind: EpisodeKind, start_ns: np.ndarray, end_ns: np.ndarray
) -> np.ndarray:
    own = market.episodes.kind == kind
    moved = mid_at(market, end_ns[own]) - mid_at(market, start_ns[own])
    return np.asarray(moved * market.episodes.side[own])


def random_moves(market: SimulatedMarket, seed: int) -> np.ndarray:
    rng, ts = np.random.default_rng(seed), market.quotes.ts_event_ns
    start = rng.integers(ts[0], ts[-1] - 30 * SECOND_NS, 200)
    moved = mid_at(market, start + 30 * SECOND_NS) - mid_at(market, start)
    return np.asarray(moved * rng.choice([-1, 1], 200))


def impact(market: SimulatedMarket) -> np.ndarray:
    """(executed lots, signed move of the mid) of each metaorder."""
    own = market.episodes
    move = moves(market, EpisodeKind.METAORDER, own.start_ns, own.end_ns + SETTLED_NS)
    return np.column_stack([own.executed_lots[own.kind == EpisodeKind.METAORDER], move])


def exponent(rows: np.ndarray) -> float:
    """Slope of the logarithm of mean move on that of mean size, over groups of equal number."""
    groups = np.array_split(np.argsort(rows[:, 0]), N_SIZES)
    lots, move = (np.array([rows[g, i].mean() for g in groups]) for i in (0, 1))
    if (move <= 0).any():
        return float("nan")
    return float(np.polyfit(np.log(lots), np.log(move), 1)[0])


def levels(market: SimulatedMarket, truth: Episodes, planted_in: SimulatedMarket) -> np.ndarray:
    """(outcome at the level, touched; the same at its mirror image about the mid) of each level.

    In another market than the one they were planted in: at the same distance from its mid.
    """
    is_level = truth.kind == EpisodeKind.LEVEL
    start = truth.start_ns[is_level]
    away = mid_at(market, start) - mid_at(planted_in, start)
    price = truth.price_ticks[is_level] + np.rint(away).astype(np.int64)
    ts = market.trades.ts_event_ns
    first, end = np.searchsorted(ts, start), np.searchsorted(ts, truth.end_ns[is_level])
    mirrored = np.rint(2 * mid_at(market, start) - price).astype(np.int64)
    columns = []
    for ticks in (price, mirrored):
        found = level_outcomes(
            market.trades.price_ticks, ts, ticks, first, end,
            ticks_per_row=1, turn_ticks=3, pass_ticks=3, horizon_ns=HALF_HOUR_NS,
        )  # fmt: skip
        columns += [found.outcome, found.touch_idx >= 0]
    return np.column_stack(columns)


def lift(rows: np.ndarray) -> float:
    """Share of touched levels at which price turned, less that of their mirror images."""
    turned, touched = (rows[:, ::2] > 0).sum(axis=0), rows[:, 1::2].sum(axis=0)
    return float(turned[0] / touched[0] - turned[1] / touched[1])


def flow_and_move(market: SimulatedMarket) -> np.ndarray:
    """(signed lots of the last 3 s, direction of the mid in the next 30 s), every 10 s."""
    trades = market.trades
    ts = np.arange(
        trades.ts_event_ns[0] + 10 * SECOND_NS, trades.ts_event_ns[-1] - 30 * SECOND_NS,
        10 * SECOND_NS,
    )  # fmt: skip
    signed = np.concatenate([[0], np.cumsum(trades.sign * trades.qty_lots)])
    at, before = (np.searchsorted(trades.ts_event_ns, t) for t in (ts, ts - 3 * SECOND_NS))
    direction = np.sign(mid_at(market, ts + 30 * SECOND_NS) - mid_at(market, ts))
    flow = signed[at] - signed[before]
    keep = (direction != 0) & (flow != 0)
    return np.column_stack([flow, direction])[keep]


def auc(rows: np.ndarray) -> float:
    """Chance that flow before a rise exceeds flow before a fall; ties count half."""
    flow, is_up = rows[:, 0], rows[:, 1] > 0
    _, which, count = np.unique(flow, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[which]
    n_up = is_up.sum()
    return float((rank[is_up].sum() - n_up * (n_up + 1) / 2) / (n_up * (len(flow) - n_up)))


if __name__ == "__main__":
    main()
