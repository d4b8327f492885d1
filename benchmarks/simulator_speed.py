"""Print how fast markets are simulated: python -m benchmarks.simulator_speed

A usual day, and a day of more than a million trades (22 times the rate of orders). Compilation is not counted; seconds
are those of the processor, one thread, so that what else runs matters less.
"""

from dataclasses import replace
from statistics import median
from time import process_time

from orderflow_core.simulator import SimulatorSettings, simulate

BUSIER = 22.0


def main() -> None:
    usual = SimulatorSettings()
    busy = replace(
        usual.without_episodes(),
        market_rate=usual.market_rate * BUSIER,
        refresh_rate=usual.refresh_rate,
        refreshes=2.0,
    )
    simulate(replace(usual, duration_s=600.0), seed=1)
    print(
        "| day | orders that traded | trades | quotes | CPU seconds | trades + quotes a CPU second |"
    )
    print("|---|---|---|---|---|---|")
    for name, settings, runs in (("usual", usual, 5), ("busy", busy, 3)):
        seconds = []
        for seed in range(runs):
            started = process_time()
            market = simulate(settings, seed=seed)
            seconds.append(process_time() - started)
        n = len(market.trades) + len(market.quotes)
        orders = len(set(market.order_id.tolist()))
        rate = n / median(seconds)
        print(
            f"| {name} | {orders:,} | {len(market.trades):,} | {len(market.quotes):,} | "
            f"{median(seconds):.2f} | {rate:,.0f} |"
        )


if __name__ == "__main__":
    main()
