import json
import multiprocessing
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from configurations import refusal
from plainmlp.config.canonical import dump_yaml
from plainmlp.evaluation.evaluate import measure, predict
from plainmlp.sweeps.running import archive as module
from plainmlp.sweeps.running.archive import Archive, pack
from plainmlp.training.history import read_digests, read_history
from plainmlp.training.model import Model
from plainmlp.training.train import train
from pointed import files_below, point, splits_of


def finished(member):
    """Return a point, and what comes of it."""
    config, splits = member.config, splits_of(member.config)
    trained = train(splits, config.seed, config.model, config.optimizer, config.training)
    return member.point_id, config, trained, measure(splits, predict(trained.model, splits))


def keep(archive, kept):
    point_id, config, *results = kept
    archive.keep(point_id, pack(config, *results), config.training.loss_every)


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


@pytest.fixture(scope="module")
def kept():
    return finished(point())


def test_what_is_kept_is_there_and_is_loaded_as_it_was(archive, kept):
    point_id, config, trained, metrics = kept
    assert not archive.has(point_id)
    keep(archive, kept)
    assert archive.has(point_id)
    loaded = archive.load(point_id)
    assert loaded.weights_digest == trained.model.weights_digest
    assert loaded.n_parameters == trained.model.architecture.n_parameters
    assert loaded.history == trained.history
    assert loaded.training_seconds == trained.seconds > 0
    assert loaded.metrics == metrics
    assert archive.find(point_id) == loaded
    places, splits = archive.places(point_id), splits_of(config)
    assert read_digests(places.history) == trained.digests
    model = Model.load(places.model)
    assert model.initial_digest == trained.model.initial_digest != ""
    assert measure(splits, predict(model, splits)) == metrics


def test_the_files_are_where_places_says(archive, kept):
    keep(archive, kept)
    point_id, config, trained, metrics = kept
    places = archive.places(point_id)
    assert Model.load(places.model).weights_digest == trained.model.weights_digest
    assert read_history(places.history) == trained.history
    assert json.loads(places.metrics.read_text()) == metrics
    assert (places.root / "config.yaml").read_text() == dump_yaml(config)


def damage(path, generator):
    content = bytearray(path.read_bytes())
    content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


def test_a_point_that_is_damaged_anywhere_counts_as_absent_and_is_kept_anew(archive, kept):
    keep(archive, kept)
    folder, generator = archive.places(kept[0]).root, random.Random(0)
    whole = files_below(folder)
    for name, content in sorted(whole.items()):
        for harm in (lambda path: damage(path, generator), Path.unlink, lambda path: path.write_bytes(b"")):
            harm(folder / name)
            assert not archive.has(kept[0]), name
            assert archive.find(kept[0]) is None
            keep(archive, kept)
            assert archive.has(kept[0])
            assert (folder / name).read_bytes() == content


def test_a_manifest_that_names_fewer_files_does_not_make_a_point_whole(archive, kept):
    keep(archive, kept)
    folder = archive.places(kept[0]).root
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["reports/history.csv"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "reports" / "history.csv").unlink()
    assert not archive.has(kept[0])


def test_a_point_that_is_whole_is_not_written_again(archive, kept):
    keep(archive, kept)
    before = archive.places(kept[0]).model.stat()
    keep(archive, kept)
    assert archive.places(kept[0]).model.stat().st_ino == before.st_ino


def test_a_point_that_cannot_be_written_leaves_nothing(archive, kept, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    files = pack(*kept[1:])
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space"):
            archive.keep(kept[0], files)
    assert not archive.has(kept[0])
    assert not files_below(archive.places("").root)


def keep_and_die(root, kept):
    import os

    files = pack(*kept[1:])
    Path.write_bytes = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    Archive(root).keep(kept[0], files)


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_with_the_next_try(archive, kept):
    process = multiprocessing.get_context("fork").Process(target=keep_and_die, args=(archive.root, kept))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert any(path.name.startswith(f".{kept[0]}") for path in (archive.places("").root).iterdir())
    assert not archive.has(kept[0])
    keep(archive, kept)
    assert [path.name for path in (archive.places("").root).iterdir()] == [kept[0]]


def test_several_writers_of_one_point_do_not_disturb_each_other(archive, kept):
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(keep, Archive(archive.root), kept) for _ in range(16)]
    assert [result.result() for result in results] == [None] * 16
    assert archive.has(kept[0])


def test_a_point_that_is_not_there_is_refused(archive):
    assert "cannot be read (No such file or directory)" in refusal(archive.load, "0" * 64)


def test_other_code_makes_its_own_splits(archive, monkeypatch):
    config = point().config
    before = archive.data.folder(config.dataset, config.split)
    monkeypatch.setattr(module, "digest_result_code", lambda: "another")
    assert Archive(archive.root).data.folder(config.dataset, config.split) != before


def aged(folder, days):
    """Make a folder with a file in it that was last used so many days ago."""
    (folder / "points").mkdir(parents=True)
    (folder / "points" / "file").write_text("content")
    for path in (folder / "points", folder):
        os.utime(path, (0, time.time() - days * 24 * 60 * 60))
    return folder


def test_what_other_code_trained_goes_once_no_sweep_has_used_it_for_30_days(archive, kept, tmp_path):
    keep(archive, kept)
    own = archive.places(kept[0]).root.parents[1]
    os.utime(own, (0, 0))
    other = aged(archive.root / "0123456789abcdef", 29)
    outdated = [aged(archive.root / name, 31) for name in ("fedcba9876543210", "points")]
    archive.remove_unused()
    assert sorted(archive.root.iterdir()) == sorted([own, other])
    assert not any(folder.exists() for folder in outdated)
    assert archive.has(kept[0])
    assert time.time() - own.stat().st_mtime < 60  # it counts as used
    assert archive.size() == len("content") + sum(map(len, files_below(own).values()))


def test_sweep_of_other_code_that_adds_points_is_in_use(archive):
    other = aged(archive.root / "0123456789abcdef", 31)
    (other / "points" / "file").rename(other / "points" / "renamed")
    archive.remove_unused()
    assert other.is_dir()
