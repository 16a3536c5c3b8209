"""Progress, seen in an archive."""

import threading

import pytest

from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running import progress as module
from plainmlp.sweeps.running.archive import TRAINING, Archive
from plainmlp.sweeps.running.progress import SweepProgress
from plainmlp.system.errors import TrainingError
from plainmlp.system.files import write_json
from plainmlp.tracking.terminal import watch
from plainmlp.training.history import write_history
from recorded import configuration

IDS = ["a" * 64, "b" * 64, "c" * 64, "d" * 64]
POINTS = [Point((), configuration(), point_id) for point_id in IDS]


@pytest.fixture
def archive(tmp_path) -> Archive:
    return Archive(tmp_path / "archive")


def put(archive: Archive, point_id: str, losses: tuple[float, ...] = (), **validation: float) -> None:
    """Write what the archive holds of a point that ended with these metrics."""
    places = archive.places(point_id)
    training = {"training_seconds": 1.0, "n_parameters": 1, "weights_digest": "", "numerics": {}}
    write_json(places.root / TRAINING, training)
    history = {"train_loss": list(losses or (1.0,))} | ({"validation_loss": list(losses)} if losses else {})
    write_history(places.history, history, [""] * len(history["train_loss"]))
    write_json(places.metrics, {"validation": validation} if validation else {})


def test_counts_and_best_follow_the_archive(archive, monkeypatch):
    progress = SweepProgress(POINTS, archive)
    monkeypatch.setattr(module.time, "perf_counter", lambda: progress._started + 9.0)
    assert str(progress) == "0 done, 0 failed, 4 left"
    put(archive, IDS[0], accuracy=0.5)
    put(archive, IDS[1], accuracy=0.25)
    put(archive, "e" * 64, accuracy=0.9)  # of another sweep
    archive.note_failure(IDS[2], "why")
    progress.look()
    assert str(progress) == "2 done, 1 failed, 1 left, 3 s to go  best validation_accuracy 0.5"
    put(archive, IDS[3], accuracy=0.75)
    progress.look()
    assert str(progress) == "3 done, 1 failed, 0 left  best validation_accuracy 0.75"


def test_what_ranks_is_shown_of_a_regression_too(archive):
    for point_id, losses in zip(IDS[:2], ((2.0, 0.5, 1.5), (3.0, 2.0, 1.0)), strict=True):
        put(archive, point_id, losses, mean_squared_error=losses[-1] * 100)
    put(archive, IDS[2])  # without a validation part
    assert str(SweepProgress(POINTS[:3], archive)).endswith("0 left  best validation_loss 1")
    stopped = configuration(training__patience=2)
    of_best_epochs = [Point((), stopped, point_id) for point_id in IDS[:2]]
    assert str(SweepProgress(of_best_epochs, archive)).endswith("0 left  best validation_loss 0.5")
    chosen = configuration(sweep__metric="validation_mean_squared_error")
    assert str(SweepProgress([Point((), chosen, IDS[0])], archive)).endswith("best validation_mean_squared_error 150")


def test_what_was_there_before_says_nothing_about_the_time_left(archive):
    put(archive, IDS[0], accuracy=0.5)
    assert str(SweepProgress(POINTS, archive)) == "1 done, 0 failed, 3 left  best validation_accuracy 0.5"


def test_damaged_point_is_not_done(archive):
    put(archive, IDS[0], accuracy=0.5)
    archive.places(IDS[0]).metrics.write_text("{")
    progress = SweepProgress(POINTS[:1], archive)
    assert str(progress) == "0 done, 0 failed, 1 left"
    put(archive, IDS[0], accuracy=0.5)
    progress.look()
    assert progress.done == {IDS[0]}


def test_lines_elsewhere_and_no_thread_is_left_whether_the_block_ends_well_or_not(archive, capsys, monkeypatch):
    monkeypatch.setattr("plainmlp.tracking.terminal.SECONDS_BETWEEN_LINES", 0.01)
    before = threading.active_count()
    with watch("points", 1, SweepProgress(POINTS[:1], archive).look):
        put(archive, IDS[0], accuracy=0.5)
    assert capsys.readouterr().out.splitlines()[-1] == "1 done, 0 failed, 0 left  best validation_accuracy 0.5"
    message = "the loss is not finite"
    with pytest.raises(TrainingError), watch("points", 4, SweepProgress(POINTS, archive).look):
        raise TrainingError(message)
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 done, 0 failed, 3 left")
    assert threading.active_count() == before
