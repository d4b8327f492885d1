"""Both networks: shapes, numbers of parameters, the fast reference, causality, sides, bytes, export."""

import json

import numpy as np
import pytest
import torch

from models.footprint_cnn import CNNConfig, FastFootprintCNN, FootprintCNN, fast_copy
from models.footprint_file import n_parameters, network_bytes, network_of, network_sha256
from models.footprint_net import FootprintNet, NetConfig
from tests.models.footprint_cases import windows

TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def test_the_reference_has_the_shapes_and_parameters_that_its_definition_states():
    net, (rows, _) = FootprintCNN(CNNConfig()), windows(2)
    assert (n_parameters(net.first), n_parameters(net.second)) == (608, 18_496)
    first = net.first(rows[:, None])
    assert first.shape == (2, 32, 98, 18, 1)
    assert net.second(first).shape == (2, 64, 96, 16, 1)
    assert net.head.in_features == 64  # pooled: flattened it would be 98,304
    assert net(rows[:, None]).shape == (2, 3)


@pytest.mark.parametrize(("coarse", "tolerance"), [(False, 1e-4), (True, 2e-2)])
def test_the_fast_reference_gives_the_same_scores_and_gradients(coarse, tolerance):
    reference, (rows, _) = FootprintCNN(CNNConfig()), windows(5)
    fast = fast_copy(reference, coarse_gradients=coarse)
    outcome = torch.tensor([0, 1, 2, 0, 1])
    assert n_parameters(fast) == n_parameters(reference)
    with torch.no_grad():
        torch.testing.assert_close(
            fast(rows[:, None]), reference(rows[:, None]), atol=TOLERANCE, rtol=0
        )
    for net in (reference, fast):  # with gradients, the fast one takes another way
        torch.nn.functional.cross_entropy(net(rows[:, None]), outcome).backward()
    torch.testing.assert_close(
        fast(rows[:, None]), reference(rows[:, None]), atol=TOLERANCE, rtol=0
    )
    found = dict(fast.named_parameters())
    for name, wanted in reference.named_parameters():
        gradient = wanted.grad
        if name == "first.weight":
            gradient = gradient[:, 0].permute(0, 3, 1, 2)
        elif name == "second.weight":
            gradient = gradient[..., 0]
        assert gradient.abs().max() > 1e-4
        distance = (found[name].grad - gradient).norm() / gradient.norm()
        assert distance < tolerance, name


def test_a_graph_of_the_fast_reference_cannot_be_walked_back_twice_unnoticed():
    fast, (rows, _) = FastFootprintCNN(CNNConfig()), windows(1)
    loss = fast(rows[:, None]).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("make", [FootprintCNN, FastFootprintCNN])
def test_exchanging_buys_and_sells_changes_the_scores(make):
    net, (rows, _) = make(CNNConfig()), windows(2)
    with torch.no_grad():
        one, other = net(rows[:, None]), net(rows[:, None].flip(-1))
    assert (one - other).abs().max() > 1e-4


def moved_net():
    # Blocks begin as the identity: with other numbers they do something.
    net = FootprintNet(NetConfig())
    with torch.no_grad():
        for name, value in net.named_parameters():
            if "mix.weight" in name:
                value.normal_(std=0.1)
    return net.eval()


def test_our_network_has_one_score_a_head_and_reads_what_lies_beside_the_rows():
    net, (rows, beside) = moved_net(), windows(3)
    with torch.no_grad():
        heads = net(rows, beside)
        assert [tuple(score.shape) for score in heads] == [(3, 3), (3,), (3,), (3,)]
        for changed in (net(rows, beside + 1), net(rows.flip(-1), beside)):
            assert all((a - b).abs().max() > 1e-4 for a, b in zip(heads, changed, strict=True))
    assert 60_000 < n_parameters(net) < 100_000


@pytest.mark.parametrize("last_known", [0, 6, 15, 24])
def test_what_comes_later_changes_no_earlier_state_by_a_bit(last_known):
    net, (rows, beside) = moved_net(), windows(2)
    later_rows, later_beside = rows.clone(), beside.clone()
    later_rows[:, 4 * (last_known + 1) :] += 1
    later_beside[:, 4 * (last_known + 1) :] += 1
    with torch.no_grad():
        one, other = net.states(rows, beside), net.states(later_rows, later_beside)
    assert one.shape == (2, 25, 64)
    assert torch.equal(one[:, : last_known + 1], other[:, : last_known + 1])
    if last_known < 24:
        assert not torch.equal(one[:, last_known + 1], other[:, last_known + 1])


def test_the_last_state_sees_bars_far_back():
    net, (rows, beside) = moved_net(), windows(1)
    changed = rows.clone()
    changed[:, 70] += 5
    with torch.no_grad():
        assert not torch.equal(net.states(rows, beside)[:, -1], net.states(changed, beside)[:, -1])


@pytest.mark.parametrize(
    "net",
    [
        FootprintCNN(CNNConfig()),
        FastFootprintCNN(CNNConfig(n_outputs=6)),
        FootprintNet(NetConfig()),
    ],
)
def test_bytes_hold_the_network_and_nothing_that_runs(net):
    data = network_bytes(net)
    assert data == network_bytes(net)
    assert b"pickle" not in data
    found = network_of(data)
    assert type(found) is type(net)
    assert found.config == net.config
    for name, value in net.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    with torch.no_grad():
        next(iter(net.parameters())).add_(1)
    assert network_sha256(network_bytes(net)) != network_sha256(data)


def test_bytes_that_hold_no_network_are_refused():
    data = network_bytes(FootprintCNN(CNNConfig()))
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["network"] = header["__metadata__"]["network"].replace(
        "footprint_cnn", "os.system"
    )
    text = json.dumps(header).encode()
    other = len(text).to_bytes(8, "little") + text + data[8 + length :]
    for bad in (b"", b"\x80\x04K\x01.", data[:-7], other):
        with pytest.raises(ValueError, match=r"hold no network|unknown network"):
            network_of(bad)


def test_a_row_has_the_same_bits_alone_and_among_others():
    net, (rows, beside) = moved_net(), windows(7)
    with torch.no_grad():
        whole = net(rows, beside).direction
        alone = torch.cat([net(rows[i : i + 1], beside[i : i + 1]).direction for i in range(7)])
    np.testing.assert_allclose(whole, alone, atol=1e-6)
