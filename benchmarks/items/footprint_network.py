"""Networks on footprint tensors: training steps and inference, the eager reference as the peer.

A row is a sample [100 bars x 20 rows x 2]; batches hold 64. The rewrite has to give the reference's scores
to 1e-5, before and after steps. Our own network computes something else: there only the work is alike.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.contest import OURS, Columns, Contestant, Item
from benchmarks.data import Market
from models.footprint_cnn import CNNConfig, FootprintCNN, fast_copy
from models.footprint_net import FootprintNet, NetConfig

SAMPLES, BATCH = 128, 64
TOLERANCE = 1e-5
SEED, RATE = 0, 1e-3
PEER = "pytorch eager Conv3d"


def windows(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows (n, 100, 20, 2), what lies beside them (n, 100, 5), and outcomes (n,)."""
    rng = np.random.default_rng(SEED)
    rows = np.log1p(rng.poisson(0.7, (n, 100, 20, 2))).astype(np.float32)
    beside = np.log1p(rng.poisson(0.5, (n, 100, 5))).astype(np.float32)
    return torch.from_numpy(rows), torch.from_numpy(beside), torch.from_numpy(rng.integers(0, 3, n))


def reference() -> FootprintCNN:
    """Return the reference with the parameters that every contestant of the rewrite begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return FootprintCNN(CNNConfig())


def _samples(market: Market) -> int:
    return min(len(market), SAMPLES)


def _steps(
    net: nn.Module, score: Callable[[slice], Tensor], outcome: Tensor
) -> Callable[[], Tensor]:
    # Forward, backward and a step of gradient descent, batch by batch; the scores of all.
    optimiser = torch.optim.SGD(net.parameters(), lr=RATE)

    def run() -> Tensor:
        found = []
        for start in range(0, len(outcome), BATCH):
            batch = slice(start, start + BATCH)
            optimiser.zero_grad()
            scores = score(batch)
            functional.cross_entropy(scores.float(), outcome[batch]).backward()
            optimiser.step()
            found.append(scores.detach())
        return torch.cat(found)

    return run


def _scores(score: Callable[[slice], Tensor], n: int) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            return torch.cat([score(slice(a, a + BATCH)) for a in range(0, n, BATCH)])

    return run


def _columns(scores: Tensor) -> Columns:
    return {"scores": scores.flatten().double().numpy()}


def _number(scores: Tensor) -> Columns:
    return {"samples": np.array([len(scores)])}


def training(market: Market, *, coarse_gradients: bool = False) -> list[Contestant]:
    rows, _, outcome = windows(_samples(market))
    slow = reference()
    fast = fast_copy(slow, coarse_gradients=coarse_gradients)
    return [
        Contestant(name=OURS, run=_steps(fast, lambda b: fast(rows[b, None]), outcome), columns=_columns),
        Contestant(name=PEER, run=_steps(slow, lambda b: slow(rows[b, None]), outcome),
                   columns=_columns, tolerance=TOLERANCE),
    ]  # fmt: skip


def inference(market: Market) -> list[Contestant]:
    rows, _, outcome = windows(_samples(market))
    slow, n = reference(), len(outcome)
    fast = fast_copy(slow)
    return [
        Contestant(name=OURS, run=_scores(lambda b: fast(rows[b, None]), n), columns=_columns),
        Contestant(name=PEER, run=_scores(lambda b: slow(rows[b, None]), n), columns=_columns,
                   tolerance=TOLERANCE),
    ]  # fmt: skip


def own_training(market: Market) -> list[Contestant]:
    rows, beside, outcome = windows(_samples(market))
    slow, own = reference(), FootprintNet(NetConfig())
    score = lambda b: own(rows[b], beside[b]).direction  # noqa: E731
    return [
        Contestant(name=OURS, run=_steps(own, score, outcome), columns=_number),
        Contestant(name=PEER, run=_steps(slow, lambda b: slow(rows[b, None]), outcome), columns=_number),
    ]  # fmt: skip


def own_inference(market: Market) -> list[Contestant]:
    rows, beside, outcome = windows(_samples(market))
    slow, own, n = reference(), FootprintNet(NetConfig()), len(outcome)
    return [
        Contestant(name=OURS, run=_scores(lambda b: own(rows[b], beside[b]).direction, n), columns=_number),
        Contestant(name=PEER, run=_scores(lambda b: slow(rows[b, None]), n), columns=_number),
    ]  # fmt: skip


def _item(name: str, work: str, goal: float, made: Callable[[Market], list[Contestant]]) -> Item:
    return Item(
        name=name,
        work=work,
        goal=goal,
        inputs=lambda market: [part.numpy() for part in windows(_samples(market))[:1]],
        contestants=made,
        max_rows=SAMPLES,
    )


ITEMS_OF_NETWORKS = (
    _item("footprint_network", "training steps of the reference network, float32", 2.5, training),
    _item(
        "footprint_network_coarse",
        "training steps of the reference network, the second convolution walked back in bfloat16",
        2.5,
        partial(training, coarse_gradients=True),
    ),
    _item("footprint_network_infer", "inference of the reference network, float32", 2.5, inference),
    _item("footprint_network_own", "training steps of our network, against the reference", 4, own_training),
    _item("footprint_network_own_infer", "inference of our network, against the reference", 2.5, own_inference),
)  # fmt: skip
