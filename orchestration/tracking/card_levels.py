"""What a card and a run of levels say of random levels."""

import math

import numpy as np

from models.levels import TouchLift
from models.verdict import verdict


def lift_section(found: TouchLift) -> str:
    """Return the card's section."""
    held = [
        f"| {name} | {n:,} | {rate:.4g} |"
        for name, n, rate in (
            ("levels", found.n, found.rate), ("random", found.n_random, found.random_rate),
        )
    ]  # fmt: skip
    lift = found.lift
    interval = (
        f"[{lift.low:+.4g}, {lift.high:+.4g}]"
        if np.isfinite([lift.low, lift.high]).all()
        else "no interval"
    )
    # A verdict's "yes" is an interval below zero, of a loss; here more is better.
    word = verdict(-lift.high, -lift.low, found.n_blocks)
    return (
        "## Lift over random levels\n\n"
        "Random levels lie as far from price, are as high and live as long as the real ones, and have "
        "no meaning. All touches of the days count, those of the training too: no model is in this.\n\n"
        "| what | touches | held |\n| --- | --- | --- |\n"
        + "\n".join(held)
        + f"\n\nLift {lift.value:+.4g} {interval}, {found.n_blocks} blocks of time: levels hold more "
        f"often than random ones: **{word}**."
    )


def lift_metrics(found: TouchLift) -> dict[str, float]:
    """Return ``lift_over_random`` with ``_low``, ``_high``, counts and rates as a run's metrics, NaN left out."""
    named = {
        "lift_over_random": found.lift.value,
        "lift_over_random_low": found.lift.low,
        "lift_over_random_high": found.lift.high,
        "hold_rate": found.rate,
        "hold_rate_random": found.random_rate,
        "n_touches": float(found.n),
        "n_touches_random": float(found.n_random),
    }
    return {name: float(value) for name, value in named.items() if math.isfinite(value)}
