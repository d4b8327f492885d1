"""Made-up footprint tensors whose outcome is known: planted in the last bars, or pure noise."""

import numpy as np
import torch

from models.config import NetworkConfig
from models.footprint_batch import FootprintBatch, target_of
from models.footprint_dataset import FootprintDays

BARS, ROWS = 12, 20
QUICK = NetworkConfig(max_epochs=6, patience=6, batch=32, room=256, learning_rate=5e-3)
SECOND_NS = 1_000_000_000


def made_batch(n=256, *, seed=0, is_planted=True, bars=BARS, head="direction", start=0):
    """Who bought more near the last close, bar by bar, says what follows; else nothing does."""
    rng = np.random.default_rng(seed)
    lots = rng.poisson(1.0, (n, bars, ROWS, 2)).astype(np.float32)
    outcome = rng.integers(-1, 2, n)
    if is_planted:
        lots[outcome > 0, -3:, 8:12, 0] += 2
        lots[outcome < 0, -3:, 8:12, 1] += 2
    label = outcome if head in ("direction", "value") else outcome > 0
    t0_ns = (start + np.arange(n)) * SECOND_NS
    target = target_of(head, label)
    return FootprintBatch(
        rows=np.log1p(lots), beside=np.log1p(rng.poisson(0.5, (n, bars, 5))).astype(np.float32),
        target=target, weight=np.ones_like(target), t0_ns=t0_ns, t1_ns=t0_ns + 5 * SECOND_NS,
    )  # fmt: skip


def made_days(n_days=3, n=96, **terms):
    parts = [made_batch(n, seed=day, start=day * n, **terms) for day in range(n_days)]
    return FootprintDays(days=[lambda part=part: iter([part]) for part in parts])


def windows(n, seed=0, bars=100):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand((n, bars, ROWS, 2), generator=generator)
    return rows, torch.rand((n, bars, 5), generator=generator)
