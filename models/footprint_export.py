"""A trained network for other runtimes: an exported program of PyTorch, or an ONNX file.

Both take batches of any size. They are for serving elsewhere; a registry keeps `models.footprint_file`.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.footprint_batch import Float32
from models.footprint_net import FootprintNet, Heads

INPUTS = ("rows", "beside")
_EXAMPLE_BATCH = 3  # not 1, which would be taken for a constant


def export_program(net: FootprintNet, path: Path) -> None:
    """Write the network as an exported program (``.pt2``), read by ``torch.export.load``."""
    torch.export.save(_exported(net), path)


def export_onnx(net: FootprintNet, path: Path) -> None:
    """Write the network as an ONNX file with the inputs ``rows`` and ``beside``.

    Raises
    ------
    ImportError
        The extra ``onnx`` is not installed.
    """
    program = torch.onnx.export(
        _exported(net), input_names=INPUTS, output_names=Heads._fields, verbose=False
    )
    if program is None:
        raise RuntimeError("the exporter returned no program")
    program.save(path)


def run_program(path: Path, rows: Float32, beside: Float32) -> Heads:
    """Return the scores of an exported program."""
    with torch.inference_mode():
        found = torch.export.load(path).module()(torch.from_numpy(rows), torch.from_numpy(beside))
    return Heads(*found)


def run_onnx(path: Path, rows: Float32, beside: Float32) -> Heads:
    """Return the scores of an ONNX file by ONNX Runtime.

    Raises
    ------
    ImportError
        The extra ``onnx`` is not installed.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(Heads._fields), {"rows": rows, "beside": beside})
    return Heads(*(torch.from_numpy(np.asarray(score)) for score in found))


def largest_difference(one: Heads, other: Heads) -> float:
    """Return how far two sets of scores lie apart at most."""
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))


class _Plain(nn.Module):
    # The scores as a plain tuple: the format knows no named one.
    def __init__(self, net: FootprintNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, rows: Tensor, beside: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.net(rows, beside))


def _exported(net: FootprintNet) -> torch.export.ExportedProgram:
    n_bars, n_rows = 100, net.config.n_rows
    example: tuple[Tensor, Tensor] = (
        torch.rand(_EXAMPLE_BATCH, n_bars, n_rows, 2),
        torch.rand(_EXAMPLE_BATCH, n_bars, 5),
    )
    batch = torch.export.Dim("batch", min=1)
    plain = FootprintNet(net.config)  # its parameters lie in the usual order in memory
    plain.load_state_dict(net.state_dict())
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.no_grad():
        return torch.export.export(
            _Plain(plain).eval(), example, dynamic_shapes={"rows": {0: batch}, "beside": {0: batch}}
        )
