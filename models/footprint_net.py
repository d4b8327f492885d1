"""Our network on footprint tensors: ladders read bar by bar, then causal residual blocks over the bars.

Rows are counted from the last close and scaled by the window's median level, so one filter means the
same at any price and on any day. Buys and sells are channels; what lies beyond the rows and what nobody
signed come in beside them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from orderflow_core.footprint_tensor import N_ROWS, SIDE_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class NetConfig:
    """Sizes of the network.

    Attributes
    ----------
    row_channels : int
        Filters on the rows of a bar, at half and at a quarter of the rows.
    widths : tuple of int
        Channels of each stage; each next one sees bars joined two by two.
    blocks_per_stage : int
        Residual blocks of a stage, with dilations 1, 2, 4, ...
    n_rows : int
    """

    row_channels: tuple[int, int] = (24, 32)
    widths: tuple[int, ...] = (32, 48, 64)
    blocks_per_stage: int = 2
    n_rows: int = N_ROWS


class Heads(NamedTuple):
    """What is predicted, as scores: direction (B, 3) for down, flat, up; the others (B,).

    ``move`` and ``level`` are log odds of a significant move and of a level that holds; ``value`` is a
    number in units of its own scale.
    """

    direction: Tensor
    move: Tensor
    level: Tensor
    value: Tensor


class FootprintNet(nn.Module):
    """Rows -> bars -> time, with one head a task.

    Notes
    -----
    Takes ``rows`` (B, T, R, 2) and ``beside`` (B, T, 5), float32; T a multiple of 4. Causal in time: each
    convolution over bars is padded on the left only, and bars are joined with the one before, so
    state j depends on the bars up to its own end. The heads read the last state and the mean of all.
    Source: docs/networks.md.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter = config.row_channels
        self.near_rows = nn.Conv2d(2, half, (1, 5), stride=(1, 2), padding=(0, 2))
        self.far_rows = nn.Conv2d(half, quarter, (1, 3), stride=(1, 2), padding=(0, 1))
        n_row_inputs = quarter * -(-config.n_rows // 4)
        self.bar = nn.Linear(n_row_inputs + len(SIDE_COLUMNS), config.widths[0])
        self.stages = nn.ModuleList(
            nn.ModuleList(_Block(width, 2**k) for k in range(config.blocks_per_stage))
            for width in config.widths
        )
        self.joins = nn.ModuleList(
            nn.Conv2d(narrow, wide, (2, 1), stride=(2, 1))
            for narrow, wide in zip(config.widths, config.widths[1:], strict=False)
        )
        self.direction = nn.Linear(2 * config.widths[-1], 3)
        self.others = nn.Linear(2 * config.widths[-1], 3)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def states(self, rows: Tensor, beside: Tensor) -> Tensor:
        """Return the state after each of the joined bars, shape (B, T / 4, width)."""
        B, T = rows.shape[:2]
        sides = rows.permute(0, 3, 1, 2)  # (B, T, R, 2) -> (B, 2, T, R), no copy
        ladder = torch.relu(self.near_rows(sides))  # (B, 24, T, R / 2)
        ladder = torch.relu(self.far_rows(ladder))  # (B, 32, T, R / 4)
        flat = ladder.permute(0, 2, 3, 1).reshape(B, T, -1)  # the rows of a bar lie together
        bars = self.bar(torch.cat([flat, beside], dim=2))  # (B, T, width)
        hidden = bars.transpose(1, 2)[..., None]  # (B, width, T, 1), channels last
        for k, stage in enumerate(self.stages):
            if k:
                hidden = self.joins[k - 1](hidden)
            for block in stage:  # type: ignore[attr-defined]
                hidden = block(hidden)
        states: Tensor = hidden[..., 0].transpose(1, 2)
        return states

    def forward(self, rows: Tensor, beside: Tensor) -> Heads:
        """Return the scores of each head."""
        states = torch.relu(self.states(rows, beside))
        summary = torch.cat([states[:, -1], states.mean(dim=1)], dim=1)  # (B, 2 * width)
        others = self.others(summary)
        return Heads(self.direction(summary), others[:, 0], others[:, 1], others[:, 2])


class _Block(nn.Module):
    # A causal convolution over bars, then a mix of channels, added to what came in. It starts as
    # the identity.
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.padding = 2 * dilation
        self.over_bars = nn.Conv2d(width, width, (3, 1), dilation=(dilation, 1))
        self.mix = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        before = functional.pad(torch.relu(hidden), (0, 0, self.padding, 0))
        found: Tensor = hidden + self.mix(torch.relu(self.over_bars(before)))
        return found
