"""Print how well detectors find what is planted in the simulated market, as tables in Markdown.

    python -m benchmarks.detector_scores [days]

Settings are chosen by F1 on days of their own (seeds 1000 and up); the days that are scored (seeds 0
and up) are looked at once, with what was chosen. Intervals: 95 %, bootstrap over whole days; where all
cases hold or none does, the exact binomial bound. "By
chance": precision of the same alarms at other times of the day. The null market is the same flow with
nothing planted: each of its alarms is false, though not without a cause, as sizes have heavy tails
there too. benchmarks/detectors.py has the rules of matching.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.detectors import (
    BY_REFILL,
    MS,
    Detector,
    big_trades,
    detectors,
    on_clock,
    orders,
    seen,
    shifted,
    tally,
)
from orchestration.instruments import load_instruments
from orchestration.sources.files import SourceFile
from orchestration.sources.simulated import parse_simulated
from orchestration.sources.simulated_feed import FeedSettings, publish
from orderflow_core.lag_sweep import lag_sweep
from orderflow_core.simulator import SECOND_NS, SimulatedMarket, SimulatorSettings, simulate

N_DAYS, N_CHOOSING, FIRST_CHOOSING = 12, 6, 1000
N_DRAWS = 4000
PLANTED_LAGS_MS = (20, 50, 100, 250)
LAGS_MS = (0, 10, 20, 50, 100, 250, 500)
SHORT_S = 3600.0
COARSE_MS = (100, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Counts by day: right alarms, alarms, found episodes, episodes; columns of the sums' order.

    ``chance`` has right alarms and alarms at other times; ``false`` the null market's alarms.
    """

    name: str
    counts: np.ndarray
    chance: np.ndarray | None
    false: np.ndarray | None
    hours: float


def main() -> None:
    n_days = int(sys.argv[1]) if len(sys.argv) > 1 else N_DAYS
    settings = SimulatorSettings()
    chosen = choose(list(detectors()), settings, range(FIRST_CHOOSING, FIRST_CHOOSING + N_CHOOSING))
    scores = score(chosen, settings, range(n_days))
    print(f"{n_days} days a market; settings chosen on {N_CHOOSING} other days.\n")
    print_scores(scores)
    print()
    print_feed(range(n_days))


def choose(
    known: list[Detector], settings: SimulatorSettings, seeds: Iterable[int]
) -> list[tuple[Detector, str]]:
    """Return each detector with the name of the setting that has the highest F1 on these days."""
    sums = {d.name: {s: np.zeros(4) for s in d.settings} for d in known}
    for seed in seeds:
        market = simulate(settings, seed=seed)
        found = seen(market)
        for d in known:
            for name, run in d.settings.items():
                sums[d.name][name] += tally(run(found), market, d.kinds)
    return [(d, max(d.settings, key=lambda s, d=d: f1(sums[d.name][s]))) for d in known]


def score(
    chosen: list[tuple[Detector, str]], settings: SimulatorSettings, seeds: Iterable[int]
) -> list[Score]:
    """Score each detector on whole days, and let it look at the null market of the same seeds."""
    rows: dict[str, list[np.ndarray]] = {}
    for seed in seeds:
        market = simulate(settings, seed=seed)
        null = simulate(settings.without_episodes(), seed=seed)
        found, nothing = seen(market), seen(null)
        shift = int(np.random.default_rng(seed).integers(1, int(settings.duration_s)) * SECOND_NS)
        for d, name in [*chosen, *coarser(chosen)]:
            alarms = d.settings[name](found)
            by_chance = tally(shifted(alarms, market, shift), market, d.kinds)[:2]
            false = [len(d.settings[name](nothing))]
            counts = [*tally(alarms, market, d.kinds), *by_chance, *false]
            rows.setdefault(f"{d.name}: {name}", []).append(np.array(counts))
        for percentile in (None, 95, 99):
            what = "sweeps" if percentile is None else f"big sweeps ({percentile}th percentile)"
            counts = [*orders(market, found, percentile), 0, 0, 0]
            rows.setdefault(f"{what} put together", []).append(np.array(counts))
        for percentile in (95, 99):
            counts = [*big_trades(market, found, percentile), 0, 0]
            counts.append(int(big_trades(null, nothing, percentile)[1]))
            name = f"big trades ({percentile}th percentile) as signs of planted orders"
            rows.setdefault(name, []).append(np.array(counts))
    hours = settings.duration_s / 3600.0
    return [
        Score(
            name=name,
            counts=np.array(days)[:, :4],
            chance=np.array(days)[:, 4:6] if np.array(days)[:, 5].any() else None,
            false=None if name.endswith("put together") else np.array(days)[:, 6],
            hours=hours,
        )
        for name, days in rows.items()
    ]


def coarser(chosen: list[tuple[Detector, str]]) -> list[tuple[Detector, str]]:
    """The detector by refill as chosen, where the venue's clock tells less than a millisecond."""
    made = []
    for d, name in chosen:
        if d.name == BY_REFILL:
            for ms in COARSE_MS:
                run = partial(on_clock, run=d.settings[name], ms=ms)
                made.append((replace(d, settings={f"{name}, times in {ms} ms": run}), ""))
    return [(d, next(iter(d.settings))) for d, _ in made]


def f1(sums: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall; 0 where nothing is right."""
    explained, n_alarms, n_found, n = np.moveaxis(np.asarray(sums, float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = explained / n_alarms, n_found / n
        return np.nan_to_num(2 * precision * recall / (precision + recall))


def bootstrap(days: np.ndarray, statistic: object) -> tuple[float, float, float]:
    """Value over all days, and the 95 % range over draws of days with replacement."""
    rng = np.random.default_rng(1)
    at = rng.integers(0, len(days), (N_DRAWS, len(days)))
    drawn = statistic(days[at].sum(axis=1))  # type: ignore[operator]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(statistic(days.sum(axis=0))), float(low), float(high)  # type: ignore[operator]


def share(days: np.ndarray, above: int, below: int) -> str:
    """A share with its interval; where no case or each one holds no draw of days differs."""
    value, low, high = bootstrap(days, ratio(above, below))
    n = int(days[:, below].sum())
    if value in (0.0, 1.0):  # the exact bound, cases taken as independent
        bound = 0.025 ** (1 / n)
        low, high = (bound, 1.0) if value else (0.0, 1.0 - bound)
    return text((value, low, high))


def ratio(above: int, below: int) -> object:
    def of(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return sums[..., above] / sums[..., below]

    return of


def print_scores(scores: list[Score]) -> None:
    print(
        "| detector: setting | alarms | precision | by chance | episodes | recall | F1 | "
        "null market, false alarms an hour |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for s in scores:
        sums = s.counts.sum(axis=0)
        cells = [
            s.name, f"{sums[1]:,}", share(s.counts, 0, 1),
            "-" if s.chance is None else f"{s.chance[:, 0].sum() / max(s.chance[:, 1].sum(), 1):.3f}",
            f"{sums[3]:,}", share(s.counts, 2, 3), text(bootstrap(s.counts, f1)),
            "-" if s.false is None else false_alarms(s.false, s.hours),
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |")


def false_alarms(by_day: np.ndarray, hours: float) -> str:
    if not by_day.any():  # no draw of days says anything: the exact bound of a Poisson count of 0
        return f"0 (below {-np.log(0.025) / (hours * len(by_day)):.4f})"
    each = (by_day / hours)[:, None]
    at = np.random.default_rng(1).integers(0, len(each), (N_DRAWS, len(each)))
    low, high = np.percentile(each[at].mean(axis=1), [2.5, 97.5])
    return f"{each.mean():.3g} ({low:.3g}-{high:.3g})"


def text(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.3f} ({value[1]:.3f}-{value[2]:.3f})"


def print_feed(seeds: Iterable[int]) -> None:
    """The lag of a slow recorder, and the planted faulty records."""
    lags, faults = [], []
    for seed in seeds:
        market = simulate(replace(SimulatorSettings(), duration_s=SHORT_S), seed=seed)
        lags.append([found_lag(market, lag) == lag for lag in PLANTED_LAGS_MS])
        faults.append(found_faults(market, seed))
    hits = np.array(lags)
    print("| planted | found | of | precision | recall |")
    print("|---|---|---|---|---|")
    for lag, column in zip(PLANTED_LAGS_MS, hits.T, strict=True):
        days = np.column_stack([column, np.ones(len(column))])
        recall = share(days, 0, 1)
        print(f"| quotes {lag} ms early | {column.sum()} | {len(column)} | - | {recall} |")
    by_seed = np.array(faults)
    right, _, planted = by_seed.sum(axis=0)
    precision, recall = (share(by_seed, 0, i) for i in (1, 2))
    print(f"| faulty records | {right} | {planted} | {precision} | {recall} |")


def found_lag(market: SimulatedMarket, lag_ms: int) -> int:
    """The lag that `lag_sweep` finds where the quotes are stamped ``lag_ms`` early."""
    early = replace(market.quotes, ts_event_ns=market.quotes.ts_event_ns - lag_ms * MS)
    trades = market.trades
    swept = lag_sweep(
        trades.ts_event_ns // MS * MS, trades.price_ticks, early, trades.sign,
        [ms * MS for ms in LAGS_MS],
    )  # fmt: skip
    return -1 if swept.best_lag_ns is None else swept.best_lag_ns // MS


def found_faults(market: SimulatedMarket, seed: int) -> tuple[int, int, int]:
    """Lines refused for the planted reason, lines refused, lines that were to be refused."""
    instrument = load_instruments()["SIM"]
    rng = np.random.default_rng(seed)
    feed = publish(market, instrument, FeedSettings(n_faults=20), first_id=1, rng=rng)
    data = b"\n".join([*feed.lines, b""])
    file = SourceFile(path=Path("simulated.log"), data=data, unit="simulated")
    batch = parse_simulated(file, instrument)
    rejects = batch.quarantine
    refused = dict(zip(rejects["line"].to_pylist(), rejects["reason"].to_pylist(), strict=True))
    planted = {fault.line: fault.reason for fault in feed.faults if fault.reason}
    right = sum(refused.get(line) == reason for line, reason in planted.items())
    return right, len(refused), len(planted)


if __name__ == "__main__":
    started = datetime.now(UTC)
    main()
    print(f"\n{(datetime.now(UTC) - started).total_seconds():.0f} s", file=sys.stderr)
