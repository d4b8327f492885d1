"""Which cells of a footprint a prediction rests on: integrated gradients from a window without a trade."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.footprint_batch import Float32
from models.footprint_net import FootprintNet


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What each input adds to a score.

    Attributes
    ----------
    rows : ndarray of float32, shape (n_bars, n_rows, 2)
    beside : ndarray of float32, shape (n_bars, 5)
    score, empty_score : float
        Of the window, and of one in which nothing traded. All parts add up to their difference, as
        nearly as the number of steps allows.
    """

    rows: Float32
    beside: Float32
    score: float
    empty_score: float


def integrated_gradients(
    net: FootprintNet, rows: Float32, beside: Float32, head: str, *, n_steps: int = 64
) -> Attribution:
    """Return what each cell of one window adds to a head's score.

    Parameters
    ----------
    net : FootprintNet
    rows, beside : ndarray of float32, shapes (n_bars, n_rows, 2) and (n_bars, 5)
        As `orderflow_core.footprint_tensor.normalised_tensors` makes them.
    head : {"direction", "move", "level", "value"}
        The score of a direction is that of up less that of down.
    n_steps : int, > 0
        Points on the way from the empty window, at the middles of equal parts.

    Returns
    -------
    Attribution

    Raises
    ------
    ValueError
        ``n_steps`` is not positive.

    Notes
    -----
    Source: Sundararajan, Taly and Yan (2017), Axiomatic attribution for deep networks, eq. 1-3.
    """
    if n_steps < 1:
        raise ValueError(f"n_steps must be positive, got {n_steps}")
    share = (torch.arange(n_steps, dtype=torch.float32) + 0.5) / n_steps
    whole = torch.from_numpy(rows), torch.from_numpy(beside)
    way = [
        (share.view(-1, *[1] * part.ndim) * part).requires_grad_(True) for part in whole
    ]  # each (n_steps, ...)
    gradients = torch.autograd.grad(_score(net, way[0], way[1], head).sum(), way)
    parts = [gradient.mean(dim=0) * part for gradient, part in zip(gradients, whole, strict=True)]
    with torch.inference_mode():
        ends = [torch.stack([part, torch.zeros_like(part)]) for part in whole]
        score, empty = _score(net, ends[0], ends[1], head).tolist()
    return Attribution(
        rows=parts[0].numpy(), beside=parts[1].numpy(), score=score, empty_score=empty
    )


def strongest_cells(found: Attribution, n: int) -> list[tuple[int, int, int, float]]:
    """Return (bar, row, side, part) of the ``n`` cells that add or take most, the strongest first."""
    order = np.argsort(-np.abs(found.rows), axis=None, kind="stable")[:n]
    places = np.unravel_index(order, found.rows.shape)
    cells = zip(*(place.tolist() for place in places), strict=True)
    return [(bar, row, side, float(found.rows[bar, row, side])) for bar, row, side in cells]


def _score(net: FootprintNet, rows: Tensor, beside: Tensor, head: str) -> Tensor:
    found: Tensor = getattr(net(rows, beside), head)
    return found[:, 2] - found[:, 0] if head == "direction" else found
