"""What the methods of a search ask for, given costs by rule."""

import math
from itertools import pairwise

import pytest

from plainmlp.sweeps.search.methods import METHODS, rungs
from searched import SPACE, settings


def cost(trial):
    values = trial.values
    return (
        abs(math.log10(values["optimizer.learning_rate"]) + 2)
        + values["model.dropout"]
        + (trial.stop_after or 9) ** -1.0
    )


def run(method, cost_of=cost, epochs=9, **values):
    """Return the batches that a method asks for."""
    asking, batches = METHODS[method](SPACE, settings(method, **values), epochs), []
    batch = next(asking)
    while batch:
        batches.append(batch)
        try:
            batch = asking.send([cost_of(trial) for trial in batch])
        except StopIteration:
            break
    return batches


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_same_seed_and_results_ask_the_same_and_others_do_not(method):
    first = run(method, trials=24)
    assert first == run(method, trials=24) != run(method, trials=24, seed=1)
    assert sum(map(len, first)) == 24
    assert [trial for batch in first for trial in batch][:12] == [t for b in run(method, trials=12) for t in b]


def test_tpe_asks_in_batches_and_follows_the_results():
    batches = run("tpe", trials=42, batch=8)
    assert [len(batch) for batch in batches] == [8, 8, 8, 8, 8, 2]
    other = run("tpe", lambda trial: -cost(trial), trials=42, batch=8)
    assert (batches[0], batches[-1]) == (other[0], batches[-1]) != (other[0], other[-1])
    means = [sum(map(cost, batch)) / len(batch) for batch in (batches[0], batches[-2])]
    assert means[1] < means[0]
    assert len(run("tpe", lambda trial: None, trials=12)) == 3  # failures too


def test_halving_goes_on_with_the_best_and_ends_with_whole_trainings():
    batches = run("halving", trials=18, reduction=3, rungs=3, epochs=9)
    assert [(len(batch), batch[0].stop_after) for batch in batches] == [(18, 1), (6, 3), (2, None)]
    for before, after in pairwise(batches):
        best = sorted(before, key=cost)[: len(after)]
        assert [t.values for t in after] == [t.values for t in before if t in best]


def test_halving_without_results_ends():
    assert len(run("halving", lambda trial: None, trials=9)) == 1


@pytest.mark.parametrize(
    ("epochs", "n_rungs", "reduction", "expected"),
    [(20, 3, 3, [3, 7, 20]), (20, 4, 2, [3, 5, 10, 20]), (5, 1, 3, [5]), (2, 5, 4, [1, 2]), (1, 3, 3, [1])],
)
def test_rungs_end_with_the_whole_training(epochs, n_rungs, reduction, expected):
    assert rungs(settings("halving", rungs=n_rungs, reduction=reduction), epochs) == expected
