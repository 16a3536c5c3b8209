import hashlib
import struct
from copy import deepcopy
from itertools import product

import numpy as np
import pytest

from nn.networks import copy_of, make_architecture, make_examples, make_network, train
from plainmlp.nn.early_stopping import Best
from plainmlp.nn.network import Network
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.randomness import generator, restore
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import fit

EXAMPLES = make_examples("cross_entropy", 11, 2, 3, weighted=True)
VALIDATION = make_examples("cross_entropy", 7, 2, 3, seed=1)
QUICK = {"plateau_epochs": 1, "every_epochs": 2, "warmup_epochs": 4}


def recipes(optimizer):
    """Return a recipe for each schedule, with and without early stopping and dropout."""
    options = {name: {key: QUICK[key] for key in QUICK.keys() & SCHEDULES[name].options.keys()} for name in SCHEDULES}
    return [
        Recipe(seed, optimizer, 0.05, schedule=name, schedule_options=options[name], dropout=dropout, patience=patience)
        for seed, (name, dropout, patience) in enumerate(product(SCHEDULES, (0.0, 0.3), (None, 4)))
    ]


def epochs_of(network, chosen, **options):
    """Train for six epochs of three steps, the last of which is cut short."""
    return fit(network, chosen, EXAMPLES, VALIDATION, epochs=6, max_steps=17, batch_size=4, **options)


def whole(network, chosen):
    """Train without interruption; return the snapshots of each epoch by model, and the metrics."""
    snapshots, metrics = [], []
    for epoch in epochs_of(network, chosen):
        snapshots.append({model: deepcopy(epoch.snapshot(model)) for model in epoch.models})
        metrics.append(by_model(epoch))
    return snapshots, metrics


def by_model(epoch):
    return {
        model: {name: values[row] for name, values in epoch.metrics.items()} for row, model in enumerate(epoch.models)
    }


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(optimizer):
    chosen = recipes(optimizer)
    network = make_network(*[make_architecture((2, 4, 3))] * len(chosen), dtype=np.float32)
    start = copy_of(network)
    snapshots, metrics = whole(network, chosen)
    assert len({len(epoch) for epoch in snapshots}) > 1  # some have stopped early
    for done in range(1, 6):
        models = sorted(snapshots[done])
        resumed = start.take(models)
        resume = [deepcopy(snapshots[done - 1][model]) for model in models]
        for epoch in epochs_of(resumed, [chosen[model] for model in models], resume=resume):
            for row, found in by_model(epoch).items():
                assert found == metrics[epoch.number][models[row]]
                assert epoch.snapshot(row).digest() == snapshots[epoch.number][models[row]].digest()
        assert epoch.number == len(snapshots) - 1
        assert resumed.parameters.tobytes() == network.parameters[models].tobytes()


def test_a_training_that_has_all_its_epochs_ends_at_once():
    network = make_network(make_architecture((2, 4, 3)))
    start, (*_, last) = copy_of(network), whole(network, [Recipe()])[0]
    assert list(epochs_of(start, [Recipe()], resume=[last[0]])) == []
    assert start.parameters.tobytes() == network.parameters.tobytes()


def test_models_of_several_epochs_do_not_go_on_together():
    network = make_network(*[make_architecture((2, 4, 3))] * 2)
    snapshots, _ = whole(copy_of(network), [Recipe()] * 2)
    with pytest.raises(ValueError, match=r"not from \[1, 3\]"):
        next(epochs_of(network, [Recipe()] * 2, resume=[snapshots[0][0], snapshots[2][1]]))


def test_the_models_that_remain_train_in_the_next_epoch():
    chosen = recipes("adam")
    network = make_network(*[make_architecture((2, 4, 3))] * len(chosen))
    epochs = list(epochs_of(network, chosen))
    assert [epoch.remaining for epoch in epochs] == [*(epoch.models for epoch in epochs[1:]), ()]


def test_a_snapshot_copies_nothing():
    network = make_network(*[make_architecture((2, 4, 3))] * 2)
    epochs = epochs_of(network, [Recipe(patience=3)] * 2)
    first = next(epochs).snapshot(1)
    before = first.parameters.tobytes()
    next(epochs)
    assert first.parameters.tobytes() != before
    assert all(array.base is not None for array in (first.parameters, *first.slots))


def test_a_digest_is_that_of_every_byte_in_order():
    network = make_network(make_architecture((2, 4, 3)), dtype=np.float32)
    epochs = epochs_of(network, [Recipe(seed=5, optimizer="nadam", dropout=0.3)])
    snapshot, previous = next(epochs).snapshot(0), "ab" * 32
    content = bytes.fromhex(previous) + b"".join(array.tobytes() for array in (snapshot.parameters, *snapshot.slots))
    content += struct.pack("<d", snapshot.product) + (3).to_bytes(8, "little")
    for state in (snapshot.shuffle, snapshot.dropout):
        for key in ("state", "inc"):
            content += state["state"][key].to_bytes(16, "little")
        content += bytes([state["has_uint32"]]) + state["uinteger"].to_bytes(4, "little")
    assert snapshot.product < 1
    assert snapshot.digest(previous) == hashlib.sha256(content).hexdigest()


def test_a_digest_changes_with_all_that_the_updates_remember():
    start = Snapshot.initial(np.ones(4, np.float32), Recipe(optimizer="adam"))
    digests = {start.digest(), start.digest("00" * 32), start.digest("01" * 32)}
    drawn = [{**state, "uinteger": 7} for state in (start.shuffle, start.dropout)]
    for other in (
        start._replace(parameters=np.array([1, 1, 1, np.nextafter(np.float32(1), np.float32(2))], np.float32)),
        start._replace(slots=(start.slots[0], np.array([0, 0, 0, -0.0], np.float32))),
        start._replace(product=0.5),
        start._replace(steps=1),
        start._replace(shuffle=start.dropout, dropout=start.shuffle),
        start._replace(shuffle=drawn[0]),
        start._replace(dropout=drawn[1]),
    ):
        digests.add(other.digest())
    assert len(digests) == 3 + 7
    assert start._replace(losses=[1.0], best=Best(1.0, 2)).digest() == start.digest()


@pytest.mark.parametrize("purpose", ["shuffle", "dropout"])
def test_a_stream_goes_on_where_it_was(purpose):
    first = generator(3, purpose)
    first.random(5, dtype=np.float32)  # leaves half a draw behind
    second = restore(deepcopy(first.bit_generator.state))
    assert first.random(5, dtype=np.float32).tobytes() == second.random(5, dtype=np.float32).tobytes()
    assert first.permutation(9).tobytes() == second.permutation(9).tobytes()


def test_the_first_snapshot_is_what_a_training_begins_with():
    network = make_network(*[make_architecture((2, 4, 3))] * 2)
    chosen = [Recipe(seed=1, optimizer="nesterov", dropout=0.2), Recipe(seed=2, optimizer="nesterov", dropout=0.2)]
    copies = [copy_of(network), Network(network.architectures, np.zeros_like(network.parameters))]
    resume = list(map(Snapshot.initial, network.parameters, chosen))
    for each, options in zip(copies, ({}, {"resume": resume}), strict=True):
        train(each, chosen, EXAMPLES, VALIDATION, epochs=2, batch_size=4, **options)
    assert copies[0].parameters.tobytes() == copies[1].parameters.tobytes()
