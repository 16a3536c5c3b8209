"""Rows that stay in their file through all stages: the bits of those in memory, and next to no memory."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from checkouts import environment
from plainmlp.config.places import Places
from plainmlp.config.schema import Config
from plainmlp.data import stored
from plainmlp.data.arrays import Dataset, Description
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.splits import Splits
from plainmlp.data.stages import split
from plainmlp.data.storage import (
    digest_dataset,
    digest_splits,
    read_dataset,
    read_splits,
    through_link,
    write_dataset,
    write_splits,
)
from plainmlp.data.stored import StoredRows
from plainmlp.evaluation import evaluate as stage
from plainmlp.evaluation import scores
from plainmlp.evaluation.evaluate import Evaluation, constant_outputs, evaluate
from plainmlp.evaluation.reports import write_evaluation
from plainmlp.evaluation.scores import evaluate_outputs
from plainmlp.nn import batches
from plainmlp.system.errors import InputError
from plainmlp.training.model import Trained
from plainmlp.training.train import train
from recorded import configuration
from stored import left_in_its_file, npy_folder

SOURCE = str(Path(__file__).resolve().parents[2] / "src")
N_ROWS = 900
FEATURES = np.random.default_rng(3).normal(5, 3, (N_ROWS, 4))
TARGETS = {
    "classification": (FEATURES.sum(axis=1) > 20).astype(np.int64) + (FEATURES[:, 0] > 6),
    "regression": FEATURES[:, :2] * 3 + FEATURES[:, 2:] ** 2,
}


def trained(config: Config, splits: Splits) -> tuple[Trained, Evaluation]:
    result = train(splits, config.seed, config.model, config.optimizer, config.training)
    return result, evaluate(result.model, splits, config.seed)


def parted(config: Config, dataset: Dataset) -> Splits:
    return split(dataset, config.split, "refuse")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return npy_folder(tmp_path / "mine", FEATURES.astype(np.float32), TARGETS["classification"])


@pytest.mark.parametrize(
    "selected",
    [None, range(20, 60), range(20, 60, 2), [5, 3, 3, 800, 41, 7]],
    ids=["all", "range", "every second", "rows"],
)
@pytest.mark.parametrize(
    "key",
    [
        slice(None, None, 2),
        slice(None, None, -1),
        slice(4, 1, -2),
        slice(3, 3),
        -1,
        2,
        [0, -2, 1],
        [[0, -1], [2, 3]],
        [],
        (slice(1, 5, 3), [0, -1]),
        (-2, 1),
    ],
    ids=str,
)
def test_rows_are_indexed_as_an_array_is(selected, key, folder: Path) -> None:
    rows = left_in_its_file(folder).rows.features
    expected = FEATURES.astype(np.float32)
    if selected is not None:
        rows, expected = rows.select(np.array(selected)), expected[selected]
    np.testing.assert_array_equal(rows[key], expected[key])
    mask = np.arange(len(expected)) % 3 == 1
    np.testing.assert_array_equal(rows[mask], expected[mask])


@pytest.mark.parametrize("key", [N_ROWS, -N_ROWS - 1, [0, N_ROWS], np.ones(5, bool)], ids=str)
def test_rows_outside_of_the_file_are_refused(key, folder: Path) -> None:
    with pytest.raises(IndexError):
        left_in_its_file(folder).rows.features[key]


@pytest.mark.parametrize("task", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize(
    "settings",
    [
        {"split__stratify": False},
        {"split__shuffle": False, "split__stratify": False, "training__shuffle": False, "split__validation": 0},
        {"split__scaling": {"name": "minmax"}, "training__class_weights": None, "training__dtype": "float64"},
    ],
    ids=["shuffled", "in order", "stratified"],
)
def test_training_has_the_bits_of_the_same_rows_in_memory(task, dtype, settings, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "PIECE_NUMBERS", 500)
    config = configuration(model__hidden_sizes=[6], training__epochs=2, training__batch_size=32, **settings)
    mine = npy_folder(tmp_path / "mine", FEATURES.astype(dtype), TARGETS[task])
    left, held = parted(config, left_in_its_file(mine)), parted(config, fetch_dataset("npy", path=str(mine)))
    (ours, measured), (expected, metrics) = trained(config, left), trained(config, held)
    assert isinstance(left.train.features, StoredRows)
    np.testing.assert_array_equal(ours.model.parameters, expected.model.parameters)
    assert (ours.history, ours.digests) == (expected.history, expected.digests)
    assert (measured.metrics, measured.intervals) == (metrics.metrics, metrics.intervals)


def test_training_whose_batches_are_read_ahead_has_the_bits_of_rows_in_memory(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(batches, "BLOCK_NUMBERS", 500)  # two batches and a bit in a block
    config = configuration(model__hidden_sizes=[6], training__epochs=2, training__batch_size=32)
    left, held = (parted(config, data) for data in (left_in_its_file(folder), fetch_dataset("npy", path=str(folder))))
    ours, expected = (train(splits, 1, config.model, config.optimizer, config.training) for splits in (left, held))
    assert ours.digests == expected.digests


@pytest.mark.parametrize("task", TARGETS)
def test_a_part_that_is_predicted_in_pieces_has_the_metrics_of_scikit_learn(task, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "PIECE_NUMBERS", 500)
    config = configuration(model__hidden_sizes=[6], training__epochs=3, split__stratify=False)
    splits = parted(config, left_in_its_file(npy_folder(tmp_path, FEATURES, TARGETS[task])))
    result, at_once = trained(config, splits)
    monkeypatch.setattr(stage, "MAX_PREDICTED", 0)
    in_pieces = evaluate(result.model, splits, config.seed)
    np.testing.assert_array_equal(in_pieces.outputs, at_once.outputs)
    for part, metrics in at_once.metrics.items():
        assert in_pieces.metrics[part] == pytest.approx(metrics, rel=1e-12)


@pytest.mark.parametrize(
    ("task", "targets", "outputs"),
    [
        ("classification", [1, 1, 2], [[0.1, 0.5, 0.4], [0.3, 0.3, 0.4], [0.8, 0.1, 0.1]]),  # 0 is predicted only
        ("regression", [[1.0, 2.0], [1.0, 2.5]], [[1.0, 2.0], [1.0, 2.4]]),  # a constant target that is met
        ("regression", [[1.0, 2.0], [1.0, 2.5]], [[1.0, 2.0], [1.5, 2.4]]),  # and one that is not
    ],
)
def test_pieces_agree_with_scikit_learn_where_classes_or_spreads_are_missing(
    task: str, targets: list[float], outputs: list[list[float]], tmp_path: Path
) -> None:
    np.save(tmp_path / "outputs.npy", np.array(outputs))
    rows = StoredRows(stored.RowFile(tmp_path / "outputs.npy"))
    described = Description("", task, (), (), ("a", "b", "c"))
    in_pieces = evaluate_outputs(described, np.array(targets), rows)
    assert in_pieces == pytest.approx(evaluate_outputs(described, np.array(targets), np.asarray(rows)))


def test_metrics_of_outputs_in_a_file_hold_a_piece_of_them_and_what_is_ranked(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "PIECE_NUMBERS", 3_000)
    monkeypatch.setattr(scores, "MAX_RANKED", 1_000)
    np.save(tmp_path / "outputs.npy", np.full((200_000, 3), 1 / 3))  # 4.8 MB
    rows, targets = StoredRows(stored.RowFile(tmp_path / "outputs.npy")), np.zeros(200_000, np.uint8)
    tracemalloc.start()
    described = Description("", "classification", (), (), ("a", "b", "c"))
    evaluate_outputs(described, targets, rows)
    constant_outputs(described, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


@pytest.mark.slow
def test_pictures_of_two_columns_are_those_of_rows_in_memory(tmp_path: Path) -> None:
    config = configuration(model__hidden_sizes=[2], training__epochs=1)
    mine = npy_folder(tmp_path / "mine", FEATURES[:, :2], TARGETS["classification"])
    pictures = []
    for name, dataset in {"left": left_in_its_file(mine), "held": fetch_dataset("npy", path=str(mine))}.items():
        splits, places = parted(config, dataset), Places(tmp_path / name)
        result, evaluation = trained(config, splits)
        write_evaluation(places, result, splits, evaluation)
        pictures.append({path.name: path.read_bytes() for path in places.figures.iterdir()})
    assert {"data.png", "decision_regions.png"} <= pictures[0].keys()
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("shuffle", [False, True])
def test_files_refer_to_the_rows_and_hold_no_copy(shuffle: bool, folder: Path, tmp_path: Path) -> None:
    config = configuration(split__shuffle=shuffle, split__stratify=False)
    dataset = left_in_its_file(folder)
    write_dataset(tmp_path / "raw", dataset)
    read = read_dataset(tmp_path / "raw")
    splits = parted(config, read)
    write_splits(tmp_path / "split", splits)
    again = read_splits(tmp_path / "split")
    assert [path.parent for path in tmp_path.glob("*/*features.npy")] == [folder]  # the user's own alone
    assert digest_dataset(read) == digest_dataset(dataset) == again.data_digest
    assert digest_splits(again) == digest_splits(splits)
    for name, part in again.parts().items():
        assert isinstance(part.features, StoredRows)
        np.testing.assert_array_equal(part.features, np.asarray(splits.parts()[name].features))


def test_references_through_a_link_move_with_it(folder: Path, tmp_path: Path) -> None:
    inputs = tmp_path / "clone" / "data" / "inputs"
    inputs.mkdir(parents=True)
    (inputs / "dataset.path").symlink_to(folder)
    linked = through_link(left_in_its_file(folder), inputs / "dataset.path")
    write_dataset(inputs.parent / "raw", linked)
    splits = parted(configuration(split__stratify=False), read_dataset(inputs.parent / "raw"))
    write_splits(inputs.parent / "split", splits)
    folder.rename(tmp_path / "elsewhere")
    (tmp_path / "clone").rename(tmp_path / "moved")
    (tmp_path / "moved/data/inputs/dataset.path").unlink()
    (tmp_path / "moved/data/inputs/dataset.path").symlink_to(tmp_path / "elsewhere")
    again = read_splits(tmp_path / "moved/data/split")
    np.testing.assert_array_equal(again.test.features, np.asarray(splits.test.features))


def test_digest_tells_rows_and_their_order_apart(folder: Path) -> None:
    rows = left_in_its_file(folder).rows
    orders = [np.arange(N_ROWS), np.arange(N_ROWS)[::-1], np.arange(5), np.array([0, 1, 2, 4, 3])]
    assert len({rows.take(order).features.digest() for order in orders}) == len(orders)


def test_a_file_that_was_altered_since_is_refused(folder: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "raw", left_in_its_file(folder))
    content = (folder / "features.npy").read_bytes()
    (folder / "features.npy").write_bytes(content[:-1] + b"?")
    with pytest.raises(InputError, match=r"features.npy: was changed after it was fetched; fetch it again"):
        read_dataset(tmp_path / "raw")
    (folder / "features.npy").unlink()
    with pytest.raises(InputError, match=r"features.npy: cannot be read"):
        read_dataset(tmp_path / "raw")


# a whole chain over 300 MB of zeros that take no room on the disk
CHAIN = """
import json, sys
from pathlib import Path
from plainmlp.data.datasets import fetch_dataset
from plainmlp.nn.compiled.__main__ import compile_for
from plainmlp.config.schema import Config
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.data.stages import split
from plainmlp.training.train import train
from plainmlp.data.storage import digest_splits
import sklearn.metrics, sklearn.preprocessing, scipy.stats

def peak():
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0])

config = Config.model_validate_json(sys.argv[1])

compile_for(config.training.dtype)  # what the kernels take is there before
before = peak()
splits = split(fetch_dataset("npy", path=sys.argv[2]), config.split, "refuse")
digest_splits(splits)
trained = train(splits, 0, config.model, config.optimizer, config.training)
evaluate(trained.model, splits, 0)
print(json.dumps([before, peak()]))
"""


@pytest.mark.slow
def test_a_file_that_is_larger_than_allowed_grows_memory_by_little(tmp_path: Path) -> None:
    n_rows = 75_000
    features = np.lib.format.open_memmap(tmp_path / "features.npy", "w+", np.float32, (n_rows, 1000))
    assert features.nbytes == 300_000_000
    np.save(tmp_path / "targets.npy", np.arange(n_rows, dtype=np.uint8) % 2)
    sizes = {"split__test": 500, "split__validation": 500, "split__stratify": False}
    config = configuration(**sizes, model__hidden_sizes=[2], training__epochs=1, training__batch_size=500)
    command = [sys.executable, "-c", CHAIN, config.model_dump_json(), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(PYTHONPATH=SOURCE))
    before, after = json.loads(ended.stdout)
    assert after - before < 90_000, f"{before} kB before, {after} kB at most"
