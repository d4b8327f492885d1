"""The settings of every rung, chosen before any data was seen: each is one trial."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitConfig:
    """Logit; ``penalty_per_row`` x rows x |coefficients|^2 / 2 is added to the log loss."""

    penalty_per_row: float = 1e-3
    max_iterations: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RidgeConfig:
    """Ridge regression; ``penalty_per_row`` x rows is added to the diagonal of the normal equations."""

    penalty_per_row: float = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileConfig:
    """Linear quantile regression; ``penalty`` is on standardised columns and a standardised label."""

    penalty: float = 1e-3
    max_iterations: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesConfig:
    """Boosted trees.

    ``n_trees`` is the most; how many are kept is decided by ``patience`` on the held-out part of the
    training fold. ``min_rows_leaf`` is lowered to 2 % of the rows on small data. One thread: two on
    two busy cores wait for each other, ten times slower (20 ms against 200 ms a round of 96,000
    rows), and the result does not hang on the machine's cores.
    """

    n_trees: int = 100
    num_leaves: int = 15
    learning_rate: float = 0.08
    min_rows_leaf: int = 200
    feature_share: float = 0.8
    l2: float = 10.0
    patience: int = 20
    max_bin: int = 127
    n_threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """How a network on footprint tensors is trained.

    Attributes
    ----------
    max_epochs, patience : int
        Training stops after ``patience`` epochs without a lower held-out loss.
    batch, room : int
        Decisions of a step, and how many are held to draw steps from.
    learning_rate, weight_decay : float
        Of AdamW; the rate falls to a twentieth along a cosine over ``max_epochs``.
    averaging : float
        Of each step, in [0, 1): what is held out and kept is the running mean of the parameters, which keeps
        this share of itself, less over the first steps; 0 keeps the last step's. Single steps
        lean towards their own batch, and the least of many noisy held-out losses flatters.
        Source: Polyak and Juditsky (1992).
    precision : {"float32", "bfloat16"}
        ``bfloat16`` runs convolutions in it (autocast); parameters and sums stay float32.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where there is one.
    n_threads : int
        Of the CPU. One by default: the sums are then the same whatever the machine's cores, and two
        threads on busy cores wait for each other.
    """

    max_epochs: int = 20
    patience: int = 4
    batch: int = 64
    room: int = 4_096
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    averaging: float = 0.995
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    n_threads: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderConfig:
    """The configuration of each rung.

    ``n_trials``: configurations tried for each rung that has a search space, inside each training
    fold; 0: the one given here. See `models.tuning`.
    """

    logit: LogitConfig = field(default_factory=LogitConfig)
    ridge: RidgeConfig = field(default_factory=RidgeConfig)
    quantiles: QuantileConfig = field(default_factory=QuantileConfig)
    trees: TreesConfig = field(default_factory=TreesConfig)
    n_trials: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)
