import hashlib
import struct
from copy import deepcopy
from itertools import product

import numpy as np
import pytest

from networks import begin, draw_parameters, make_architecture, make_examples, train
from plainmlp.nn.early_stopping import Best
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.randomness import generator, restore
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.nn.snapshot import Snapshot

FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
ARCHITECTURE = make_architecture((2, 4, 3))
PARTS = (
    make_examples("cross_entropy", 11, 2, 3, dtype=np.float32, weighted=True),
    make_examples("cross_entropy", 7, 2, 3, dtype=np.float32, seed=1),
)
# six epochs of three steps, the last of which is cut short
OPTIONS = {"epochs": 6, "max_steps": 17, "batch_size": 4}
QUICK = {"plateau_epochs": 1, "every_epochs": 2, "warmup_epochs": 4}
WAYS = list(enumerate(product(SCHEDULES, (0.0, 0.3), (None, 2))))


def recipe_of(optimizer, way):
    """Return a recipe with a schedule, with and without early stopping and dropout."""
    seed, (name, dropout, patience) = way
    options = {key: QUICK[key] for key in QUICK.keys() & SCHEDULES[name].options.keys()}
    stopping = {"patience": patience, "minimum_improvement": 0.2}
    return Recipe(seed, optimizer, 0.05, schedule=name, schedule_options=options, dropout=dropout, **stopping)


def check_resumed(whole, recipe, done, compiled):
    """Check that the rest of a training after some epochs has the bits that the whole of it has."""
    snapshot = whole.snapshots[done - 1]
    rest = train(ARCHITECTURE, recipe, *PARTS, **OPTIONS, snapshot=snapshot, compiled=compiled)
    assert [epoch.number for epoch in rest.epochs] == list(range(done, len(whole.epochs)))
    assert [epoch.metrics for epoch in rest.epochs] == [epoch.metrics for epoch in whole.epochs[done:]]
    assert rest.digests == whole.digests[done:]
    assert rest.parameters.tobytes() == whole.parameters.tobytes()


@FORMS
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(optimizer, compiled):
    lengths = set()
    for way in WAYS:
        recipe = recipe_of(optimizer, way)
        whole = train(ARCHITECTURE, recipe, *PARTS, **OPTIONS, compiled=compiled)
        lengths.add(len(whole.epochs))
        for done in range(1, len(whole.epochs)):
            check_resumed(whole, recipe, done, compiled)
    assert len(lengths) > 1  # some have stopped early


@FORMS
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_both_forms_go_on_from_the_other(optimizer, compiled):
    for way in WAYS:
        recipe = recipe_of(optimizer, way)
        whole = train(ARCHITECTURE, recipe, *PARTS, **OPTIONS, compiled=compiled)
        check_resumed(whole, recipe, 2, not compiled)


@FORMS
def test_a_training_that_has_all_its_epochs_ends_at_once(compiled):
    whole = train(ARCHITECTURE, Recipe(), *PARTS, **OPTIONS, compiled=compiled)
    again = train(ARCHITECTURE, Recipe(), *PARTS, **OPTIONS, snapshot=whole.snapshots[-1], compiled=compiled)
    assert again.epochs == []
    assert again.parameters.tobytes() == whole.parameters.tobytes()


@FORMS
def test_a_snapshot_copies_nothing(compiled):
    training, descent = begin(ARCHITECTURE, Recipe(patience=3), *PARTS, **OPTIONS, compiled=compiled)
    epochs = training.run()
    snapshot = next(epochs).snapshot
    before = snapshot.parameters.tobytes()
    next(epochs)
    assert snapshot.parameters.tobytes() != before
    own = (descent.parameters, *descent.slots)
    assert all(a is b for a, b in zip((snapshot.parameters, *snapshot.slots), own, strict=True))


@FORMS
def test_a_digest_is_that_of_every_byte_in_order(compiled):
    recipe = Recipe(seed=5, optimizer="nadam", dropout=0.3)
    snapshot, *_ = train(ARCHITECTURE, recipe, *PARTS, **OPTIONS, compiled=compiled).snapshots
    content = b"".join(array.tobytes() for array in (snapshot.parameters, *snapshot.slots))
    content += struct.pack("<d", snapshot.product) + (3).to_bytes(8, "little")
    for state in (snapshot.shuffle, snapshot.dropout):
        for key in ("state", "inc"):
            content += state["state"][key].to_bytes(16, "little")
        content += bytes([state["has_uint32"]]) + state["uinteger"].to_bytes(4, "little")
    assert len(snapshot.slots) == 2
    assert snapshot.product < 1
    assert snapshot.digest() == hashlib.sha256(content).hexdigest()


def test_a_digest_changes_with_all_that_the_updates_remember():
    start = Snapshot.initial(np.ones(4, np.float32), Recipe(optimizer="adam"))
    digests = {start.digest()}
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
    assert len(digests) == 1 + 7
    assert start._replace(losses=[1.0], best=Best(1.0, 2)).digest() == start.digest()


@pytest.mark.parametrize("purpose", ["shuffle", "dropout"])
def test_a_stream_goes_on_where_it_was(purpose):
    first = generator(3, purpose)
    first.random(5, dtype=np.float32)  # leaves half a draw behind
    second = restore(deepcopy(first.bit_generator.state))
    assert first.random(5, dtype=np.float32).tobytes() == second.random(5, dtype=np.float32).tobytes()
    assert first.permutation(9).tobytes() == second.permutation(9).tobytes()


def test_the_first_snapshot_is_that_of_the_seed():
    parameters = draw_parameters(ARCHITECTURE, 0, np.float32)
    snapshot = Snapshot.initial(parameters, Recipe(seed=3, optimizer="nesterov"))
    assert snapshot.parameters is parameters
    assert [slot.tobytes() for slot in snapshot.slots] == [bytes(parameters.nbytes)]
    assert (snapshot.product, snapshot.steps, snapshot.epochs, snapshot.best) == (1.0, 0, 0, Best())
    for state, purpose in ((snapshot.shuffle, "shuffle"), (snapshot.dropout, "dropout")):
        assert restore(state).random() == generator(3, purpose).random()
