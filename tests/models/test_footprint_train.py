"""Training: reproducible, stopped by purged decisions, finds what is planted and nothing in noise."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.footprint_batch import (
    HEADS,
    FootprintBatch,
    cut,
    joined,
    joined_targets,
    target_of,
    uniqueness_weights,
)
from models.footprint_cnn import CNNConfig, FastFootprintCNN
from models.footprint_dataset import FootprintDays, held_out, in_memory
from models.footprint_file import network_bytes
from models.footprint_net import FootprintNet, Heads, NetConfig
from models.footprint_train import heads_loss, mean_loss, scores, train_network
from tests.models.footprint_cases import QUICK, SECOND_NS, made_batch, made_days

SMALL = NetConfig(row_channels=(8, 8), widths=(16, 16, 16), blocks_per_stage=1)


def our_net():
    return FootprintNet(SMALL)


def trained(source, config=QUICK, seed=1, make=our_net):
    fit, held = held_out(source, 200 * SECOND_NS, embargo_ns=SECOND_NS)
    return train_network(make, fit, held, config, seed=seed)


def test_equal_seeds_give_equal_bits_and_leave_the_global_seed_and_threads():
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    config = replace(QUICK, max_epochs=2)
    one, other = trained(made_days(), config), trained(made_days(), config)
    assert torch.equal(torch.rand(1), wanted)
    assert torch.get_num_threads() == threads
    assert network_bytes(one.net) == network_bytes(other.net)
    assert one.held_loss == other.held_loss
    assert network_bytes(trained(made_days(), config, seed=2).net) != network_bytes(one.net)


def test_what_is_planted_is_learned_and_noise_is_not():
    unseen = made_batch(400, seed=99)
    found = trained(made_days(n=120), replace(QUICK, max_epochs=12))
    score = scores(found.net, cut(unseen, 64), "direction")
    assert (score.argmax(axis=1) - 1 == unseen.target[:, 0]).mean() > 0.8
    assert min(found.held_loss) < 0.6
    noise = trained(made_days(n=120, is_planted=False))
    unseen = made_batch(400, seed=98, is_planted=False)
    loss = mean_loss(noise.net, cut(unseen, 64), QUICK)
    assert loss > math.log(3) - 0.02  # no better than knowing that there are three


@pytest.mark.parametrize(
    "head", ["move", *(pytest.param(head, marks=pytest.mark.soak) for head in ("level", "value"))]
)
def test_each_head_learns_its_own_outcome(head):
    found = trained(made_days(head=head, n=120))
    unseen = made_batch(300, seed=97, head=head)
    score = scores(found.net, cut(unseen, 64), head)
    assert np.corrcoef(score, unseen.target[:, HEADS.index(head)])[0, 1] > 0.5


def two_signals(n, seed):
    # Beside who bought near the close: volume far below it says whether something moves.
    batch = made_batch(n, seed=seed)
    rng = np.random.default_rng(seed + 1_000)
    event = rng.integers(0, 2, n).astype(np.float32)
    rows, target = batch.rows.copy(), batch.target.copy()
    rows[event > 0, -3:, 1:5] += 1
    target[:, HEADS.index("move")] = np.where(rng.random(n) < 0.7, event, np.nan)
    return replace(batch, rows=rows, target=target), event


def test_two_heads_learn_their_own_signals_together():
    batch = two_signals(480, seed=5)[0]
    fit, held = held_out(in_memory(batch), 360 * SECOND_NS, embargo_ns=SECOND_NS)
    found = train_network(our_net, fit, held, replace(QUICK, max_epochs=12), seed=1)
    unseen, event = two_signals(300, seed=96)
    direction = scores(found.net, cut(unseen, 64), "direction")
    assert (direction.argmax(axis=1) - 1 == unseen.target[:, 0]).mean() > 0.7
    move = scores(found.net, cut(unseen, 64), "move")
    assert np.corrcoef(move, event)[0, 1] > 0.5
    # Neither head answers by the other one's signal.
    assert abs(np.corrcoef(move, unseen.target[:, 0])[0, 1]) < 0.3


def test_outcomes_of_heads_are_joined_by_decision():
    t0, ids = np.array([5, 5, 7]), np.array([1, 2, 3])
    move = (t0, t0 + 9, ids, np.array([1.0, np.nan, 0.0]))
    direction = (np.array([7, 5]), np.array([8, 6]), np.array([3, 2]), np.array([-1.0, 1.0]))
    got = joined_targets({"move": move, "direction": direction})
    assert got[0].tolist() == [5, 5, 7]
    assert got[1].tolist() == [14, 6, 16]
    none = np.nan
    np.testing.assert_array_equal(
        got[2], [[none, 1, none, none], [1, none, none, none], [-1, 0, none, none]]
    )
    with pytest.raises(ValueError, match="head must be one of"):
        joined_targets({"size": move})
    with pytest.raises(ValueError, match="once a head, move has one twice"):
        joined_targets({"move": (t0, t0, np.array([1, 1, 3]), np.zeros(3))})


def test_the_reference_learns_too_and_mixed_precision_reaches_the_same():
    make = lambda: FastFootprintCNN(CNNConfig(first_channels=8, second_channels=8))  # noqa: E731
    config = replace(QUICK, max_epochs=3)
    one = trained(made_days(), config, make=make)
    mixed = trained(made_days(), replace(config, precision="bfloat16"), make=make)
    assert one.held_loss[-1] < one.held_loss[0]
    assert abs(one.held_loss[-1] - mixed.held_loss[-1]) < 0.05
    assert all(value.dtype == torch.float32 for value in mixed.net.parameters())


def test_what_is_kept_is_the_running_mean_of_the_steps():
    fit = in_memory(made_batch(32))  # one batch an epoch: a step each

    def parameters(n_steps, share):
        config = replace(QUICK, averaging=share)
        found = train_network(our_net, fit, None, config, seed=4, n_epochs=n_steps)
        return [value.numpy() for value in found.net.state_dict().values()]

    mean = parameters(1, 0.0)  # nothing is left of what the training began from
    for step in range(2, 6):
        share = min(0.3, step / (9 + step))
        mean = [
            share * old + (1 - share) * new
            for old, new in zip(mean, parameters(step, 0.0), strict=True)
        ]
    for kept, wanted in zip(parameters(5, 0.3), mean, strict=True):
        np.testing.assert_allclose(kept, wanted, atol=1e-6)


def test_training_stops_where_the_held_out_loss_no_longer_falls():
    source = made_days(n=64, is_planted=False)
    seen = []
    fit, held = held_out(source, 120 * SECOND_NS, embargo_ns=SECOND_NS)
    found = train_network(
        our_net, fit, held, replace(QUICK, max_epochs=30, patience=2), seed=3,
        on_epoch=lambda *loss: seen.append(loss),
    )  # fmt: skip
    assert len(found.held_loss) == found.best_epoch + 2 < 30
    assert found.held_loss[found.best_epoch - 1] == min(found.held_loss)
    assert [epoch for epoch, *_ in seen] == list(range(1, len(seen) + 1))
    # The network that is kept is that of the best epoch.
    kept = mean_loss(found.net, held.batches(32), QUICK)
    assert kept == pytest.approx(min(found.held_loss), abs=1e-6)


def test_no_outcome_of_the_fit_reaches_into_what_is_held_out():
    fit, held = held_out(made_days(), 200 * SECOND_NS, embargo_ns=2 * SECOND_NS)
    seen, kept = joined(fit.pieces()), joined(held.pieces())
    assert seen.t1_ns.max() == 198 * SECOND_NS
    assert kept.t0_ns.min() == 200 * SECOND_NS
    assert len(kept) == 3 * 96 - 200


def test_shuffled_batches_hold_each_decision_once_in_an_order_of_the_seed():
    source = made_days(n_days=4, n=50)

    def order(seed):
        return [t for b in source.shuffled(16, room=64, seed=seed) for t in b.t0_ns.tolist()]

    assert sorted(order(1)) == sorted(t for b in source.batches(7) for t in b.t0_ns.tolist())
    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) != order(1)
    assert [len(b) for b in source.batches(64)] == [64, 64, 64, 8]


def test_one_day_is_in_memory_at_a_time():
    alive, most = set(), []

    def day(number):
        def read():
            alive.add(number)
            most.append(len(alive))
            yield made_batch(64, seed=number, bars=4)
            alive.remove(number)

        return read

    source = FootprintDays(days=[day(number) for number in range(6)])
    assert sum(len(b) for b in source.shuffled(16, room=32, seed=0)) == 6 * 64
    assert max(most) == 1
    assert not alive


def test_outcomes_that_are_not_known_count_nothing():
    heads = Heads(torch.zeros(2, 3), torch.zeros(2), torch.zeros(2), torch.zeros(2))
    target = torch.full((2, 4), float("nan"))
    assert float(heads_loss(heads, target)) == 0
    target[0, 0], target[1, 1], target[0, 3] = 1, 1, 2
    # log 3 of the direction, log 2 of the move, 2 * 2 / 2 of the value, over two decisions.
    wanted = (math.log(3) + math.log(2) + 2) / 2
    assert float(heads_loss(heads, target)) == pytest.approx(wanted)
    assert float(heads_loss(heads, target, torch.ones(2, 4))) == float(heads_loss(heads, target))


def test_an_outcome_counts_by_its_weight_in_the_fit_and_once_where_it_is_held_out():
    source = made_batch(96)
    # Of weight two, or there twice: the same loss.
    double = torch.where(torch.arange(96)[:, None] < 32, 2.0, 1.0).expand(96, 4)
    net = our_net()
    with torch.inference_mode():
        heads = net(torch.from_numpy(source.rows), torch.from_numpy(source.beside))
    again = Heads(*(torch.cat([score, score[:32]]) for score in heads))
    target = torch.from_numpy(source.target)
    weighed = float(heads_loss(heads, target, double)) * 96
    assert weighed == pytest.approx(
        float(heads_loss(again, torch.cat([target, target[:32]]))) * 128
    )
    config = replace(QUICK, max_epochs=1)
    held = replace(source, weight=double.numpy())
    assert mean_loss(net, iter([held]), config) == mean_loss(net, iter([source]), config)

    def fitted(weight):
        batch = replace(source, weight=weight)
        return network_bytes(train_network(our_net, in_memory(batch), None, config, seed=1).net)

    ones = np.ones((96, 4), np.float32)
    assert fitted(ones) == fitted(source.weight) != fitted(double.numpy())


def test_weights_are_the_uniqueness_of_each_heads_own_outcomes():
    t0 = np.array([0, 1, 10])
    target = np.full((3, 4), np.nan, np.float32)
    target[:, 0], target[1:, 1] = 1, 1
    t1 = np.column_stack([[2, 3, 12], [99, 11, 21], t0, t0])
    weight = uniqueness_weights(t0, t1, target)
    # Direction: (0, 2) and (1, 3) share half of their time. Moves: (1, 11) and (10, 21) a little.
    np.testing.assert_allclose(weight[:, 0], np.array([0.75, 0.75, 1]) / np.mean([0.75, 0.75, 1]))
    moves = np.array([9.5 / 10, 10.5 / 11])
    np.testing.assert_allclose(weight[1:, 1], moves / moves.mean(), rtol=1e-6)
    assert (weight[:, 2:] == 1).all()
    assert weight[0, 1] == 1


def test_bad_input_is_named():
    batch = made_batch(4)
    with pytest.raises(ValueError, match="decisions to fit, got none"):
        train_network(our_net, held_out(in_memory(batch), 0, embargo_ns=0)[0], None, QUICK, seed=0)
    broken = replace(batch, rows=np.full_like(batch.rows, np.nan))
    with pytest.raises(ValueError, match="must be a number"):
        train_network(our_net, in_memory(broken), None, QUICK, seed=0)
    with pytest.raises(ValueError, match="embargo_ns"):
        held_out(in_memory(batch), 0, embargo_ns=-1)
    with pytest.raises(ValueError, match="head must be one of"):
        target_of("price", np.zeros(3))
    with pytest.raises(ValueError, match="one length"):
        FootprintBatch(**{name: getattr(batch, name)[: 4 - (name == "beside")]
                          for name in FootprintBatch.__dataclass_fields__})  # fmt: skip
