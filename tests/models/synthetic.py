"""Datasets whose answer is known: pure noise, a planted signal, a feature that peeks."""

import numpy as np

from models.datasets import Dataset
from models.tasks import Task

HORIZON = 10
SECOND = 1_000_000_000
NAMES = ("last_tick_sign", "signal", "noise_1", "noise_2", "late_1", "late_2")


TASKS = {
    "direction": Task("direction_10"),
    "return": Task("return_10s"),
    "move": Task("move_10s"),
    "slippage": Task("slippage"),
}


def synthetic(
    kind: str, *, n: int = 4000, strength: float = 0.0, seed: int = 0, peek: bool = False
) -> Dataset:
    """One decision a second; the label is made of the move over the next `HORIZON` decisions.

    ``direction``: its sign; ``move``: whether it goes up by more than 3; any other: the move itself.

    Each step of the price is ``strength`` times a slow feature known before it, plus noise. With
    ``peek`` the first noise feature is the label itself.
    """
    rng = np.random.default_rng(seed)
    signal = np.zeros(n + HORIZON)
    shocks = rng.normal(size=n + HORIZON)
    for i in range(1, n + HORIZON):
        signal[i] = 0.95 * signal[i - 1] + np.sqrt(1 - 0.95**2) * shocks[i]
    step = rng.normal(size=n + HORIZON)
    step[1:] += strength * signal[:-1]
    price = np.cumsum(step)
    move = price[HORIZON:] - price[:n]
    label = move
    if kind == "direction":
        label = np.sign(np.round(move / 2))
    elif kind == "move":
        label = (move > 3).astype(np.float64)
    features = rng.normal(size=(n, len(NAMES)))
    features[:, 0], features[:, 1] = np.sign(step[:n]), signal[:n]
    features[:60, 4:] = np.nan  # not warm yet
    if peek:
        features[:, 2] = label
    t0_ns = np.arange(n, dtype=np.int64) * SECOND
    return Dataset(
        features=features,
        names=NAMES,
        label=label,
        t0_ns=t0_ns,
        t1_ns=t0_ns + HORIZON * SECOND,
        decision_id=np.arange(n, dtype=np.int64),
        trading_day=np.zeros(n, np.int64),
    )
