"""Exported networks give the scores of the network, for batches of any size; what explains them adds up."""

import numpy as np
import pytest
import torch

from models.footprint_explain import integrated_gradients, strongest_cells
from models.footprint_export import (
    export_onnx,
    export_program,
    largest_difference,
    run_onnx,
    run_program,
)
from models.footprint_net import FootprintNet, NetConfig
from tests.models.footprint_cases import windows

SMALL = NetConfig(row_channels=(4, 8), widths=(8, 8, 8))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(3)
    made = FootprintNet(SMALL)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if "mix.weight" in name:
                value.normal_(std=0.2)
    return made.eval()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("export", "run", "suffix"),
    [
        (export_program, run_program, "pt2"),
        pytest.param(export_onnx, run_onnx, "onnx", marks=pytest.mark.soak),
    ],
)
def test_exported_networks_give_the_same_scores(net, tmp_path, export, run, suffix):
    path = tmp_path / f"network.{suffix}"
    export(net, path)
    for n in (1, 2, 7):
        rows, beside = windows(n, seed=n)
        with torch.no_grad():
            wanted, other = net(rows, beside), net(rows, beside + 1)
        found = run(path, rows.numpy(), beside.numpy())
        assert largest_difference(found, wanted) < 1e-5
        assert largest_difference(found, other) > 1e-3


@pytest.mark.parametrize("head", ["direction", "move"])
def test_what_explains_a_score_adds_up_to_it(net, head):
    rows, beside = (part[0].numpy() for part in windows(1))
    found = integrated_gradients(net, rows, beside, head, n_steps=200)
    total = found.rows.sum() + found.beside.sum()
    assert total == pytest.approx(found.score - found.empty_score, rel=0.02, abs=1e-3)
    assert found.rows.shape == rows.shape
    (bar, row, side, part), *_ = strongest_cells(found, 5)
    assert part == found.rows[bar, row, side]
    assert abs(part) == np.abs(found.rows).max()


def test_cells_without_volume_explain_nothing(net):
    rows, beside = (part[0].numpy().copy() for part in windows(1))
    rows[:, :5] = 0
    found = integrated_gradients(net, rows, beside, "value", n_steps=8)
    assert (found.rows[:, :5] == 0).all()
    assert (found.rows[:, 5:] != 0).any()
    with pytest.raises(ValueError, match="n_steps"):
        integrated_gradients(net, rows, beside, "value", n_steps=0)
