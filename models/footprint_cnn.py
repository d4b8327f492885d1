"""The reference network on footprint tensors, and the same network arranged for speed.

Both have the same parameters in number and meaning, and the same outputs to 1e-5; `fast_copy` turns
one into the other. The convolution over the last axis has depth 2 and consumes it, so that exchanging
buys and sells is no symmetry of the network.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

IN_ROWS, IN_SIDES = 20, 2
_INFERENCE_PIECE = 16  # samples; 8 to 16 were the fastest of 4 to 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CNNConfig:
    """Channels of the two convolutions, kernels of 3 x 3 without padding, and number of outputs."""

    first_channels: int = 32
    second_channels: int = 64
    n_outputs: int = 3


class FootprintCNN(nn.Module):
    """Conv3d 1->32 (3,3,2), Conv3d 32->64 (3,3,1), mean over bars and rows, linear.

    Notes
    -----
    Takes (B, 1, n_bars, n_rows, 2) float32, gives (B, n_outputs) scores. Of 100 bars and 20 rows:
    (B, 1, 100, 20, 2) -> (B, 32, 98, 18, 1) -> (B, 64, 96, 16, 1) -> (B, 64) -> (B, n_outputs). Without
    the mean the linear layer would have 98,304 inputs. Source: docs/networks.md.
    """

    def __init__(self, config: CNNConfig) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Conv3d(1, config.first_channels, (3, 3, 2))
        self.second = nn.Conv3d(config.first_channels, config.second_channels, (3, 3, 1))
        self.head = nn.Linear(config.second_channels, config.n_outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """Return scores, shape (B, n_outputs)."""
        hidden = torch.relu(self.first(rows))  # (B, 32, T - 2, R - 2, 1)
        hidden = torch.relu(self.second(hidden))  # (B, 64, T - 4, R - 4, 1)
        return _scores(self.head, hidden.mean(dim=(2, 3, 4)))


class FastFootprintCNN(nn.Module):
    """`FootprintCNN` with buys and sells as channels of two-dimensional convolutions.

    Notes
    -----
    Takes and gives what `FootprintCNN` does. A tensor (B, 1, T, R, 2) already lies in memory as
    channels-last convolutions want it, so nothing is copied on the way in. In training the gradient
    of the mean and the rectifier is one pass over the kept activations (`_PooledConv`), and the
    tensor that it is the gradient of is written over. With ``coarse_gradients`` the second
    convolution is walked back in bfloat16: the scores are the same, gradients are so to some
    thousandths. Without gradients the batch goes through in pieces whose activations fit into memory
    that was used before: new pages would take as long as a third of the convolutions.
    """

    def __init__(self, config: CNNConfig, *, coarse_gradients: bool = False) -> None:
        super().__init__()
        self.config = config
        self.coarse_gradients = coarse_gradients
        self.first = nn.Conv2d(IN_SIDES, config.first_channels, 3)
        self.second = nn.Conv2d(config.first_channels, config.second_channels, 3)
        self.head = nn.Linear(config.second_channels, config.n_outputs)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, rows: Tensor) -> Tensor:
        """Return scores, shape (B, n_outputs)."""
        sides = rows[:, 0].permute(0, 3, 1, 2)  # (B, 1, T, R, 2) -> (B, 2, T, R), no copy
        if torch.is_grad_enabled():
            return _scores(self.head, self._pooled(sides))
        pieces = [self._pooled(piece) for piece in torch.split(sides, _INFERENCE_PIECE)]
        return _scores(self.head, torch.cat(pieces))

    def _pooled(self, sides: Tensor) -> Tensor:
        hidden = self.first(sides).relu_()  # (B, 32, T - 2, R - 2)
        if torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"):
            return _pooled_conv(hidden, self.second.weight, self.second.bias, self.coarse_gradients)
        pooled: Tensor = self.second(hidden).relu_().mean(dim=(2, 3))
        return pooled


def fast_copy(reference: FootprintCNN, *, coarse_gradients: bool = False) -> FastFootprintCNN:
    """Return the fast network with the reference's parameters."""
    fast = FastFootprintCNN(reference.config, coarse_gradients=coarse_gradients)
    state = reference.state_dict()
    # (out, 1, 3, 3, 2) -> (out, 2, 3, 3), and (out, in, 3, 3, 1) -> (out, in, 3, 3)
    state["first.weight"] = state["first.weight"][:, 0].permute(0, 3, 1, 2)
    state["second.weight"] = state["second.weight"][..., 0]
    fast.load_state_dict(state)
    return fast


class _PooledConv(torch.autograd.Function):
    # Convolution, rectifier and mean over the picture. Its gradient is constant over each picture
    # where the rectifier let something through: made of the kept activations in place, so that a graph
    # can be walked back once (a second time PyTorch finds them changed, and says so).
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, is_coarse: bool) -> Tensor:
        out = torch.conv2d(hidden, weight, bias).relu_()
        ctx.save_for_backward(hidden, weight, out)
        ctx.is_coarse = is_coarse
        return out.mean(dim=(2, 3))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, out = ctx.saved_tensors
        share = gradients[0] / (out.shape[2] * out.shape[3])
        inner = out.sign_().mul_(share[:, :, None, None])
        if ctx.is_coarse:
            inner, hidden, weight = inner.bfloat16(), hidden.bfloat16(), weight.bfloat16()
        found = torch.ops.aten.convolution_backward(
            inner, hidden, weight, [weight.shape[0]], [1, 1], [0, 0], [1, 1], False, [0, 0], 1,
            list(ctx.needs_input_grad[:3]),
        )  # fmt: skip
        return *(None if part is None else part.float() for part in found), None


def _pooled_conv(hidden: Tensor, weight: Tensor, bias: Tensor | None, is_coarse: bool) -> Tensor:
    pooled: Tensor = _PooledConv.apply(hidden, weight, bias, is_coarse)  # type: ignore[no-untyped-call]
    return pooled


def _scores(head: nn.Linear, pooled: Tensor) -> Tensor:
    return functional.linear(pooled, head.weight, head.bias)
