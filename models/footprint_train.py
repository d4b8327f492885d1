"""Training of footprint networks: seeded, stopped early by decisions that the fit did not see."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from models.config import NetworkConfig
from models.footprint_batch import HEADS, FootprintBatch
from models.footprint_cnn import FastFootprintCNN, FootprintCNN
from models.footprint_dataset import FootprintDays
from models.footprint_net import FootprintNet, Heads

Network = FootprintNet | FootprintCNN | FastFootprintCNN


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network with the averaged parameters of its best epoch, on the CPU and not in training.

    ``held_loss`` has an entry an epoch, ``fit_loss`` the mean loss of its steps; ``best_epoch`` counts
    from 1.
    """

    net: Network
    best_epoch: int
    fit_loss: tuple[float, ...]
    held_loss: tuple[float, ...]


def train_network(
    make: Callable[[], Network],
    fit: FootprintDays,
    held: FootprintDays | None,
    config: NetworkConfig,
    *,
    seed: int,
    n_epochs: int | None = None,
    on_epoch: Callable[[int, float, float], None] | None = None,
) -> Trained:
    """Train a network, and stop where the held-out loss no longer falls.

    Parameters
    ----------
    make : callable
        Makes the network; its parameters are drawn under the seed.
    fit, held : FootprintDays
        `models.footprint_dataset.held_out` purges them. ``held`` None: no stopping, ``n_epochs``.
    config : NetworkConfig
    seed : int
        Of parameters and order. On a CPU the same seed gives the same bits.
    n_epochs : int, optional
        Train so many epochs in place of the configuration's most.
    on_epoch : callable, optional
        Called with (epoch, loss of its steps, held-out loss) after each.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        Nothing to fit or to hold out, or a loss that is no number.
    """
    epochs = n_epochs or config.max_epochs
    with _settings(config, seed) as device:
        net = make().to(device)
        mean = AveragedModel(net, multi_avg_fn=_running_mean(config.averaging))
        kept = cast(Network, mean.module)
        optimiser = torch.optim.AdamW(
            net.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        best, best_epoch, fit_loss, held_loss = deepcopy(kept), 0, [], []
        for epoch in range(1, epochs + 1):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * _cosine((epoch - 1) / config.max_epochs)
            batches = fit.shuffled(config.batch, room=config.room, seed=seed * 1_000 + epoch)
            fit_loss.append(_epoch(net, mean, batches, optimiser, config))
            held_loss.append(
                math.nan if held is None else mean_loss(kept, held.batches(config.batch), config)
            )
            if held is None or held_loss[-1] <= min(held_loss):
                best, best_epoch = deepcopy(kept), epoch
            if on_epoch is not None:
                on_epoch(epoch, fit_loss[-1], held_loss[-1])
            if epoch - best_epoch >= config.patience:
                break
        best = best.to("cpu").eval()
    return Trained(
        net=best, best_epoch=best_epoch, fit_loss=tuple(fit_loss), held_loss=tuple(held_loss)
    )


def mean_loss(net: Network, batches: Iterator[FootprintBatch], config: NetworkConfig) -> float:
    """Return the loss over decisions that are not learned from, each of which counts once.

    Raises
    ------
    ValueError
        There are none, or the loss is no number.
    """
    total, n = 0.0, 0
    with torch.inference_mode():
        for batch in batches:
            total += float(_loss(net, batch, config, is_weighted=False)) * len(batch)
            n += len(batch)
    return _mean(total, n, "held-out decisions")


def scores(net: Network, batches: Iterator[FootprintBatch], head: str) -> np.ndarray:
    """Return one head's scores of decisions in float64: (n, 3) of ``direction``, else (n,)."""
    parts = [np.empty((0, 3) if head == "direction" else 0)]
    with torch.inference_mode():
        for batch in batches:
            found = getattr(_heads(net, batch), head)
            parts.append(found.to("cpu", torch.float64).numpy())
    return np.concatenate(parts)


def heads_loss(heads: Heads, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean over decisions of the loss of all that is known of each: NaN adds nothing.

    Cross entropy for direction, move and level, half the squared error for the value; each outcome's
    loss times its weight, shape (n, 4) as the target, of which None is all ones. A head with few
    outcomes adds little, so that it does not drown the others.
    """
    total = heads.direction.sum() * 0
    for column, name in enumerate(HEADS):
        known = ~torch.isnan(target[:, column])
        if not known.any():
            continue
        score, outcome = getattr(heads, name)[known].float(), target[known, column]
        if name == "direction":
            loss = functional.cross_entropy(score, outcome.long() + 1, reduction="none")
        elif name == "value":
            loss = (score - outcome) ** 2 / 2
        else:
            loss = functional.binary_cross_entropy_with_logits(score, outcome, reduction="none")
        total = total + (loss if weight is None else weight[known, column] * loss).sum()
    return total / len(target)


def _epoch(
    net: Network,
    mean: AveragedModel,
    batches: Iterator[FootprintBatch],
    optimiser: torch.optim.Optimizer,
    config: NetworkConfig,
) -> float:
    net.train()
    total, n = 0.0, 0
    for batch in batches:
        optimiser.zero_grad()
        loss = _loss(net, batch, config, is_weighted=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        mean.update_parameters(net)
        total += float(loss.detach()) * len(batch)
        n += len(batch)
    return _mean(total, n, "decisions to fit")


def _loss(
    net: Network, batch: FootprintBatch, config: NetworkConfig, *, is_weighted: bool
) -> Tensor:
    device = next(net.parameters()).device
    is_mixed = config.precision == "bfloat16"
    with torch.autocast(device.type, torch.bfloat16, enabled=is_mixed):
        heads = _heads(net, batch)
    weight = torch.from_numpy(batch.weight).to(device) if is_weighted else None
    return heads_loss(heads, torch.from_numpy(batch.target).to(device), weight)


def _heads(net: Network, batch: FootprintBatch) -> Heads:
    device = next(net.parameters()).device
    rows = torch.from_numpy(batch.rows).to(device)
    if isinstance(net, FootprintNet):
        found: Heads = net(rows, torch.from_numpy(batch.beside).to(device))
        return found
    score = net(rows[:, None])  # a reference with 3 outputs knows the direction only
    nothing = torch.zeros(len(rows), device=device)
    if score.shape[1] == 3:
        return Heads(score, nothing, nothing, nothing)
    return Heads(score[:, :3], score[:, 3], score[:, 4], score[:, 5])


def _mean(total: float, n: int, what: str) -> float:
    if n == 0:
        raise ValueError(f"there must be {what}, got none")
    if not math.isfinite(total):
        raise ValueError(f"the loss of {what} must be a number, got {total}")
    return total / n


_Tensors = tuple[Tensor, ...] | list[Tensor]


def _running_mean(share: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    # After n steps the mean keeps (1 + n) / (10 + n) of itself, at most the share: what it began from is
    # soon forgotten.
    def update(mean: _Tensors, new: _Tensors, n_steps: Tensor | int) -> None:
        n = int(n_steps)
        torch._foreach_lerp_(mean, new, 1 - min(share, (1 + n) / (10 + n)))

    return update


def _cosine(share: float) -> float:
    return 0.05 + 0.95 * (1 + math.cos(math.pi * min(share, 1.0))) / 2


@contextmanager
def _settings(config: NetworkConfig, seed: int) -> Iterator[torch.device]:
    # Threads and the global seed are given back as they were.
    has_cuda = torch.cuda.is_available()
    name = ("cuda" if has_cuda else "cpu") if config.device == "auto" else config.device
    threads = torch.get_num_threads()
    torch.set_num_threads(config.n_threads)
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if has_cuda else []):
            torch.manual_seed(seed)
            yield torch.device(name)
    finally:
        torch.set_num_threads(threads)
