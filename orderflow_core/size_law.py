"""How large simulated orders are."""

from dataclasses import dataclass

import numpy as np

from orderflow_core.types import Int64
from orderflow_core.validate import require_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLaw:
    """Sizes in lots: lognormal around ``median``, a share of them stretched by a Pareto tail.

    Attributes
    ----------
    median : float, unit lots, > 0
    spread : float, >= 0
        Standard deviation of the logarithm.
    tail_share : float, in [0, 1]
    tail_exponent : float, > 0
        A stretched size exceeds x times its own with probability ``x ** -tail_exponent``.
    """

    median: float
    spread: float
    tail_share: float
    tail_exponent: float

    def __post_init__(self) -> None:
        require_amount("median", self.median, is_zero_allowed=False)
        require_amount("spread", self.spread, is_zero_allowed=True)
        require_amount("tail_exponent", self.tail_exponent, is_zero_allowed=False)
        if not 0.0 <= self.tail_share <= 1.0:
            raise ValueError(f"tail_share must lie in [0, 1], got {self.tail_share}")

    def draw(self, n: int, rng: np.random.Generator) -> Int64:
        """Return ``n`` sizes of at least one lot."""
        body = self.median * np.exp(self.spread * rng.standard_normal(n))
        tail = (1.0 - rng.random(n)) ** (-1.0 / self.tail_exponent)
        stretched = np.where(rng.random(n) < self.tail_share, body * tail, body)
        return np.minimum(np.maximum(stretched, 1.0), 1e12).astype(np.int64)
