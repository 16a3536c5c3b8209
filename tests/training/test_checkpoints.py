"""Checkpoints: what is written is what was there, and nothing else is ever taken for it."""

import random
from contextlib import suppress
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from configurations import refusal
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.sweeps.grid.points import Point
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.training.checkpoints import Checkpoints, read_checkpoint, write_checkpoint
from plainmlp.training.sealed import read_sealed, sealed_bytes
from pointed import point, trained_alone

EPOCHS = 6
POINT = point(training__epochs=EPOCHS, training__checkpoint_epochs=1, model__dropout=0.2, training__patience=4)
ID = POINT.point_id


class StoppedError(Exception):
    """What ends a training in its middle here."""


def stop_after(epochs):
    """Return a watcher that ends the training after so many epochs."""

    def watch(epoch, metrics):
        if epoch + 1 == epochs:
            raise StoppedError

    return watch


def everything(trained):
    return (
        trained.model.parameters.tobytes(),
        trained.model.initial_digest,
        trained.history,
        trained.steps,
        trained.digests,
    )


def alone(config, **options):
    return everything(trained_alone(config, **options))


def interrupted(points, checkpoints, epochs):
    """Train points, which are ended after some epochs unless they stop before."""
    for each, checkpoint in zip(points, checkpoints, strict=True):
        with suppress(StoppedError):
            alone(each.config, checkpoint=checkpoint, watchers=[stop_after(epochs)])


@pytest.fixture
def files(tmp_path):
    """Return the two checkpoints that an interrupted training leaves, the latest last."""
    interrupted([POINT], [Checkpoints(tmp_path, ID)], 3)
    return sorted((tmp_path / ID).iterdir())


def points_of(optimizer):
    """Return a point for each schedule, with and without early stopping and dropout."""
    settings = {"name": optimizer, "learning_rate": 0.05, "clip_norm": None}
    return [
        point(
            seed=seed,
            optimizer={**settings, "schedule": schedule},
            model__dropout=dropout,
            training__patience=patience,
            training__minimum_improvement=0.1,
            training__epochs=EPOCHS,
            training__checkpoint_epochs=1,
            training__loss_every=1 + seed % 3,
        )
        for seed, (schedule, dropout, patience) in enumerate(product(SCHEDULES, (0.0, 0.3), (None, 2)))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_training_goes_on_from_its_file_with_the_same_bits(optimizer, tmp_path):
    points = points_of(optimizer)
    expected = [alone(each.config) for each in points]
    assert len({len(digests) for *_, digests in expected}) > 1  # some have stopped early
    for epochs in range(1, EPOCHS):
        checkpoints = [Checkpoints(tmp_path / str(epochs), each.point_id) for each in points]
        interrupted(points, checkpoints, epochs)
        assert checkpoints[0].load().snapshot.epochs == epochs
        found = [alone(each.config, checkpoint=kept) for each, kept in zip(points, checkpoints, strict=True)]
        assert found == expected


def paused(config, epochs):
    return config.model_copy(update={"training": config.training.model_copy(update={"stop_after": epochs})})


def test_every_training_that_pauses_goes_on_with_the_same_bits(tmp_path):
    points = [replace(each, config=without_checkpoints(each.config)) for each in points_of("adam")]
    n_stopped = 0
    for each in points:
        whole, checkpoint = trained_alone(each.config), Checkpoints(tmp_path, each.point_id)
        n_stopped += len(whole.digests) < EPOCHS
        for epochs in (2, 4):
            part = trained_alone(paused(each.config, epochs), checkpoint=checkpoint)
            assert part.history == {name: values[:epochs] for name, values in whole.history.items()}
            assert part.digests == whole.digests[:epochs]
            if len(whole.digests) > epochs:
                assert checkpoint.load().snapshot.epochs == epochs
            fresh = trained_alone(paused(each.config, epochs))
            assert part.model.weights_digest == fresh.model.weights_digest
        further = everything(trained_alone(paused(each.config, 1), checkpoint=checkpoint))
        assert further == alone(paused(each.config, 1))  # what came further is no help
        assert alone(each.config, checkpoint=checkpoint) == everything(whole)
    assert 0 < n_stopped < len(points)


def without_checkpoints(config):
    return config.model_copy(update={"training": config.training.model_copy(update={"checkpoint_epochs": None})})


def test_a_file_holds_every_bit(files, tmp_path):
    progress = read_checkpoint(files[-1], ID)
    snapshot = progress.snapshot
    assert snapshot.epochs == len(progress.digests) == 3
    assert snapshot.best.parameters.dtype == snapshot.parameters.dtype == np.float32
    assert progress.digests[-1] == snapshot.digest()
    write_checkpoint(tmp_path / "again.safetensors", progress, ID)
    assert (tmp_path / "again.safetensors").read_bytes() == files[-1].read_bytes()


def test_values_that_are_not_finite_are_kept(files, tmp_path):
    progress = read_checkpoint(files[-1], ID)
    progress.history["gradient_norm"] = [np.inf, -np.inf, np.nan]
    write_checkpoint(tmp_path / "odd.safetensors", progress, ID)
    np.testing.assert_equal(
        read_checkpoint(tmp_path / "odd.safetensors", ID).history["gradient_norm"], [np.inf, -np.inf, np.nan]
    )


def test_two_checkpoints_are_kept(files):
    assert [path.name for path in files] == ["000000002.safetensors", "000000003.safetensors"]


def digest_or_none(path):
    """Return the digest of what a checkpoint holds, or None where it is refused."""
    try:
        return read_checkpoint(path, ID).snapshot.digest()
    except InputError:
        return None


def test_no_flipped_bit_is_taken_for_what_was_there(files):
    content, rng = files[-1].read_bytes(), random.Random(1)
    header = 8 + int.from_bytes(content[:8], "little")
    whole = digest_or_none(files[-1])
    found = []
    for place in [*range(16), *rng.sample(range(header), 500), *rng.sample(range(header, len(content)), 500)]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.randrange(8)
        files[-1].write_bytes(damaged)
        found.append(digest_or_none(files[-1]))
    assert set(found) <= {None, whole}
    assert found.count(whole) <= 2  # the header has blanks at its end, and a line break does as well


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short_is_refused(files, share):
    content = files[-1].read_bytes()
    files[-1].write_bytes(content[: int(share * len(content))])
    assert refusal(read_checkpoint, files[-1], ID).startswith(f"{files[-1]}: is damaged, or not a checkpoint")


def test_a_file_with_more_at_its_end_is_refused(files):
    files[-1].write_bytes(files[-1].read_bytes() + b"\0")
    assert "is damaged" in refusal(read_checkpoint, files[-1], ID)


def test_a_file_of_another_point_is_refused(files):
    line = refusal(read_checkpoint, files[-1], "0" * 64)
    assert line == f"{files[-1]}: is a checkpoint of another training, of the point {ID[:12]}"


def rewritten(path, change):
    """Write the content of a checkpoint again as another version would have, with a checksum that is right."""
    tensors, content = read_sealed(path, "checkpoint", lambda content: list(content["shapes"]))
    change(content)
    path.write_bytes(sealed_bytes(tensors, content))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("version"),
        lambda content: content.update(version=content["version"] + 1),
        lambda content: content.pop("of_steps"),
        lambda content: content.pop("point_id"),
        lambda content: content.update(best=[0.5]),
        lambda content: content.update(metrics=None),
    ],
)
def test_training_begins_again_where_another_version_wrote_the_checkpoint(files, tmp_path, capsys, change):
    for path in files:
        rewritten(path, change)
    assert alone(POINT.config, checkpoint=Checkpoints(tmp_path, ID)) == alone(POINT.config)
    line = f"warning: {files[-1]}: has the format of another version of plainmlp; training starts again\n"
    assert capsys.readouterr().err == line


def test_a_training_that_goes_on_with_another_digest_every_has_the_digests_of_both(files, tmp_path):
    whole = alone(POINT.config)
    other = point_with(digest_every=4)
    found = alone(other, checkpoint=Checkpoints(tmp_path, ID))
    assert [bool(digest) for digest in found[-1]] == [True, True, True, True, False, True]
    assert all(digest in {"", each} for digest, each in zip(found[-1], whole[-1], strict=True))
    assert found[:-1] == whole[:-1]


@pytest.mark.parametrize("other", [2, None])
def test_a_training_that_keeps_other_steps_begins_again_and_says_so(tmp_path, capsys, other):
    before, after = point_with(loss_every=1), point_with(loss_every=other)
    checkpoints = Checkpoints(tmp_path, ID)
    interrupted([Point((), before, ID)], [checkpoints], 4)
    interrupted([Point((), after, ID)], [checkpoints], 2)
    assert "training.loss_every was 1" in capsys.readouterr().err
    assert checkpoints.load().snapshot.epochs == 2  # none is left that would be refused again
    assert alone(after, checkpoint=checkpoints) == alone(after)
    assert capsys.readouterr().err == ""


def point_with(**training):
    """Return the configuration of `POINT` with other settings that change no result."""
    return POINT.config.model_copy(update={"training": POINT.config.training.model_copy(update=training)})


def test_a_file_that_is_no_checkpoint_is_refused(files, tmp_path):
    trained_alone(POINT.config).model.save(tmp_path / "model.safetensors")
    assert "is damaged" in refusal(read_checkpoint, tmp_path / "model.safetensors", ID)


def test_training_goes_on_from_the_last_good_checkpoint(files, tmp_path, capsys):
    files[1].write_bytes(files[1].read_bytes()[:-1])
    checkpoints = Checkpoints(tmp_path, ID)
    assert checkpoints.load().snapshot.epochs == 2
    line = capsys.readouterr().err
    assert line.startswith(f"warning: {files[1]}: is damaged")
    assert line.endswith("; training continues from the previous one\n")
    assert alone(POINT.config, checkpoint=checkpoints) == alone(POINT.config)


def test_training_begins_again_where_no_checkpoint_is_good(files, tmp_path, capsys):
    foreign = tmp_path / ("0" * 64) / files[0].name
    foreign.parent.mkdir()
    files[0].rename(foreign)
    files[1].write_bytes(b"")
    assert Checkpoints(tmp_path, foreign.parent.name).load() is None
    assert "of another training" in capsys.readouterr().err
    assert alone(POINT.config, checkpoint=Checkpoints(tmp_path, ID)) == alone(POINT.config)
    assert "is damaged" in capsys.readouterr().err


def test_a_later_checkpoint_that_is_damaged_stands_in_no_way(files, tmp_path):
    for path, number in zip(files, (8, 9), strict=True):
        path.rename(path.with_name(f"00000000{number}.safetensors")).write_bytes(b"")
    checkpoints = Checkpoints(tmp_path, ID)
    interrupted([POINT], [checkpoints], 3)
    assert checkpoints.load().snapshot.epochs == 3


def test_watchers_hear_of_the_epochs_before_as_well(files, tmp_path):
    seen = []
    whole = alone(POINT.config)
    watch = lambda epoch, metrics: seen.append((epoch, metrics["train_loss"]))  # noqa: E731
    assert alone(POINT.config, checkpoint=Checkpoints(tmp_path, ID), watchers=[watch]) == whole
    assert seen == list(enumerate(whole[2]["train_loss"]))


def test_seconds_of_earlier_attempts_count(files, tmp_path):
    progress = read_checkpoint(files[-1], ID)
    progress.seconds = 1000.0
    write_checkpoint(files[-1], progress, ID)
    assert 1000 < trained_alone(POINT.config, checkpoint=Checkpoints(tmp_path, ID)).seconds < 1100


def test_training_goes_on_where_no_checkpoint_can_be_written(tmp_path, capsys):
    (tmp_path / ID).write_bytes(b"a file in the place of the folder")
    assert alone(POINT.config, checkpoint=Checkpoints(tmp_path, ID)) == alone(POINT.config)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == EPOCHS - 1
    assert set(lines) == {lines[0]}
    assert lines[0].startswith(f"warning: {tmp_path / ID}: a checkpoint could not be written (")


def test_clearing_leaves_nothing_of_the_point(files, tmp_path):
    Checkpoints(tmp_path, ID).clear()
    Checkpoints(tmp_path, ID).clear()
    assert [path.name for path in tmp_path.iterdir()] == ["locks"]


def test_leftovers_of_a_writer_that_was_killed_go_with_the_next_checkpoint(files, tmp_path):
    (tmp_path / ID / ".000000009.abc.safetensors").write_bytes(b"half")
    progress = read_checkpoint(files[-1], ID)
    Checkpoints(tmp_path, ID).save(progress)
    assert [path.name for path in sorted((tmp_path / ID).iterdir())] == [path.name for path in files]


def test_a_training_that_diverges_leaves_no_checkpoint(tmp_path):
    fatal = point(optimizer__learning_rate=1e300, training__epochs=4, training__checkpoint_epochs=1)
    folder = tmp_path / fatal.point_id
    folder.mkdir()
    (folder / "000000001.safetensors").write_bytes(b"of an earlier attempt")
    with pytest.raises(TrainingError):
        alone(fatal.config, checkpoint=Checkpoints(tmp_path, fatal.point_id))
    assert not folder.exists()


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"checkpoint_epochs": 2, "checkpoint_seconds": None}, [2, 4]),
        ({"checkpoint_epochs": None, "checkpoint_seconds": None}, []),
        ({"checkpoint_epochs": None, "checkpoint_seconds": 30.0}, []),
        ({"checkpoint_epochs": None, "checkpoint_seconds": 1e-9}, [4, 5]),
        ({"checkpoint_epochs": 3, "checkpoint_seconds": 1e-9}, [4, 5]),
    ],
)
def test_when_checkpoints_are_written(values, kept, tmp_path):
    settings = {f"training__{key}": value for key, value in values.items()}
    chosen = point(training__epochs=EPOCHS, **settings)
    trained_alone(chosen.config, checkpoint=Checkpoints(tmp_path, chosen.point_id))
    found = [int(path.stem) for path in sorted(tmp_path.glob("*/*.safetensors"))]
    assert found == kept  # never after the last epoch, when there is nothing to go on with
