import os
import pickle
import select
import signal
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import psutil
import pytest

from plainmlp.evaluation.evaluate import evaluate
from plainmlp.sweeps.running import processes, units
from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.processes import Processes
from plainmlp.sweeps.running.training import PointTraining
from plainmlp.sweeps.running.units import ThisProcess, Unit, WorkerDiedError
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.training.model import Model
from plainmlp.training.train import train_configured
from pointed import point, splits_of, trained_alone
from script import Script
from spawned import is_worker, own_workers
from waiting import is_at_work, wait_until

SUPPORT = Path(__file__).resolve().parents[2] / "support"
POINTS = [point(seed=seed, training__batch_size=size) for size in (8, 16, 32) for seed in range(3)]
FATAL = point(optimizer__learning_rate=1e30)
N_JOBS = [1, pytest.param(2, marks=pytest.mark.slow)]


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


@contextmanager
def training(points, archive, n_jobs):
    """Train points in this process, or in several that end with the block."""
    engine = ThisProcess() if n_jobs == 1 else Processes(n_jobs, 0)
    with closing(engine), closing(PointTraining(points, archive, engine).ended()) as ended:
        yield ended


def train(points, archive, n_jobs):
    with training(points, archive, n_jobs) as ended:
        return list(ended)


def digest_alone(member):
    return trained_alone(member.config).model.weights_digest


def digests(archive, points):
    return {each.point_id: archive.load(each.point_id).weights_digest for each in points}


@pytest.mark.parametrize("n_jobs", N_JOBS)
def test_the_archive_holds_what_training_alone_gives(archive, n_jobs):
    results = dict(train([FATAL, *POINTS], archive, n_jobs))
    failure = results.pop(FATAL.point_id)
    assert isinstance(failure, TrainingError)
    assert "not finite" in str(failure)
    assert results == {each.point_id: None for each in POINTS}
    assert digests(archive, POINTS) == {each.point_id: digest_alone(each) for each in POINTS}
    assert not archive.has(FATAL.point_id)
    config, kept = POINTS[0].config, archive.load(POINTS[0].point_id)
    evaluation = evaluate(Model.load(archive.places(POINTS[0].point_id).model), splits_of(config), config.seed)
    assert kept.metrics["test"] == evaluation.metrics["test"]
    assert kept.training_seconds > 0


def checkpoints_in(tmp_path):
    return list((tmp_path / "checkpoints").glob("*/*.safetensors"))


def test_points_go_on_from_their_checkpoints_and_leave_none(archive, tmp_path, monkeypatch):
    values = {"training__epochs": 5, "training__checkpoint_epochs": 1}
    points = [point(seed=seed, **values) for seed in range(3)] + [point(optimizer__learning_rate=1e30, **values)]
    with monkeypatch.context() as broken:
        broken.setattr(units, "measure", None)
        assert set(map(type, dict(train(points, archive, 1)).values())) == {TrainingError}
    assert {path.parent.name for path in checkpoints_in(tmp_path)} == {each.point_id for each in points[:3]}
    # with an earlier attempt that took a day
    progress = archive.checkpoints(points[0].point_id).load()
    progress.seconds = 86400.0
    archive.checkpoints(points[0].point_id).save(progress)
    assert [failure is None for _, failure in train(points[:3], archive, 1)] == [True] * 3
    assert digests(archive, points[:3]) == {each.point_id: digest_alone(each) for each in points[:3]}
    assert archive.load(points[0].point_id).training_seconds > 86400
    assert checkpoints_in(tmp_path) == []


@pytest.mark.parametrize("n_jobs", N_JOBS)
def test_what_is_there_is_not_trained_again_and_comes_first(archive, n_jobs):
    assert len(train(POINTS[4:6], archive, 1)) == 2
    before = {each.point_id: archive.places(each.point_id).model.stat().st_mtime_ns for each in POINTS[4:6]}
    order = [point_id for point_id, _ in train(POINTS, archive, n_jobs)]
    assert order[:2] == [each.point_id for each in POINTS[4:6]]
    assert sorted(order) == sorted(each.point_id for each in POINTS)
    for point_id, stamp in before.items():
        assert archive.places(point_id).model.stat().st_mtime_ns == stamp


def test_points_that_are_all_there_start_no_process(archive, monkeypatch):
    train(POINTS, archive, 1)
    monkeypatch.setattr(processes, "_Worker", None)
    assert dict(train(POINTS, archive, 2)) == {each.point_id: None for each in POINTS}


@pytest.mark.parametrize(
    ("code", "end"), [(-9, "was ended by SIGKILL"), (0, "ended with exit code 0"), (3, "ended with exit code 3")]
)
def test_end_of_a_worker_is_said(code, end):
    worker = SimpleNamespace(pool=SimpleNamespace(shutdown=lambda: None), _process=SimpleNamespace(exitcode=code))
    assert processes._Worker.describe_end(worker) == end


@pytest.mark.parametrize(
    ("seconds", "sizes"), [(0.0, [1] * 9), (600.0, [2] + [1] * 7)], ids=["at once", "in ten minutes"]
)
def test_a_unit_has_a_share_of_what_is_left_and_one_point_at_least(archive, seconds, sizes):
    def submit(unit):
        found.append(len(unit.points))
        return Future()

    found = []
    training = PointTraining(POINTS, archive, SimpleNamespace(units_at_once=2, unit_seconds=seconds, submit=submit))
    while training._waiting:
        training._running.clear()  # as if all had ended
        training._submit()
    assert found == sizes


def test_a_point_that_is_listed_twice_comes_once(archive):
    results = train([POINTS[0], POINTS[1], POINTS[0]], archive, 1)
    assert sorted(results) == sorted([(POINTS[0].point_id, None), (POINTS[1].point_id, None)])


def test_points_of_the_same_data_follow_each_other(archive):
    points = [point(seed=seed, split__seed=seed % 2, training__epochs=1) for seed in range(6)]
    seeds = {each.point_id: each.config.seed for each in points}
    order = [seeds[point_id] for point_id, _ in train(points, archive, 1)]
    assert order in ([0, 2, 4, 1, 3, 5], [1, 3, 5, 0, 2, 4])


def test_a_point_that_breaks_down_fails_alone(archive, monkeypatch):
    def break_down(config, *others, **named):
        if config is POINTS[1].config:
            message = "no memory\nleft"
            raise MemoryError(message)
        return train_configured(config, *others, **named)

    monkeypatch.setattr(units, "train_configured", break_down)
    results = dict(train(POINTS[:3], archive, 1))
    failure = results.pop(POINTS[1].point_id)
    assert (type(failure), str(failure)) == (TrainingError, "MemoryError: no memory left")
    assert results == {POINTS[0].point_id: None, POINTS[2].point_id: None}


def test_a_point_that_cannot_be_kept_fails_alone(archive, monkeypatch):
    def keep(point_id, *others):
        if point_id == POINTS[1].point_id:
            raise OSError(28, "No space left on device")
        kept(point_id, *others)

    kept = archive.keep
    monkeypatch.setattr(archive, "keep", keep)
    results = dict(train(POINTS[:3], archive, 1))
    assert "No space left" in str(results.pop(POINTS[1].point_id))
    assert set(results.values()) == {None}


@pytest.mark.slow
def test_a_point_that_does_not_suit_its_data_says_so_from_another_process(archive):
    bad = point(training__class_weights=[1.0, 2.0])
    [(_, failure)] = train([bad], archive, 2)
    assert isinstance(failure, InputError)
    assert "training.class_weights has 2 numbers" in str(failure)


@pytest.mark.slow
def test_a_worker_that_is_killed_takes_no_point_with_it(archive):
    many = [point(seed=seed, training__batch_size=8, training__epochs=40) for seed in range(24)]
    killed, outcomes = [], []
    with training(many, archive, 2) as results:
        for result in results:
            outcomes.append(result)
            if not killed:  # both at once: a point that the other worker takes over must not lose that one too
                killed = own_workers()
                for worker in killed:
                    worker.send_signal(signal.SIGKILL)
    assert len(killed) == 2
    assert sorted(outcomes) == sorted((each.point_id, None) for each in many)
    assert digests(archive, many[:3]) == {each.point_id: digest_alone(each) for each in many[:3]}
    assert own_workers() == []


@pytest.mark.slow
def test_a_worker_says_so_little_that_its_end_cuts_no_message(archive):
    many = {each.point_id: each for each in POINTS}
    folder = archive.data.folder(POINTS[0].config.dataset, POINTS[0].config.split)
    with closing(Processes(1, 1)) as engine:
        future = engine.submit(Unit(many, folder, archive.checkpoints_folder, 60.0))
        message = future.result()
        assert len(pickle.dumps(message)) < select.PIPE_BUF / 2  # so much a pipe takes whole
        assert engine.results(future).keys() == many.keys()
        assert [*archive.checkpoints_folder.glob(".*")] == []


@pytest.mark.slow
def test_ctrl_c_is_not_for_the_workers_to_hear(archive, capfd):
    interrupted = set()
    with training(POINTS, archive, 2) as results:
        for _, failure in results:
            assert failure is None
            for worker in own_workers():
                worker.send_signal(signal.SIGINT)
                interrupted.add(worker.pid)
    assert len(interrupted) == 2  # none had to be replaced
    assert capfd.readouterr().err == ""


@contextmanager
def killing_all_workers():
    def kill():
        while not over.wait(0.05):
            for child in own_workers():
                child.kill()

    over = Event()
    thread = Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_points_whose_workers_are_killed_again_fail_with_the_reason(archive):
    with killing_all_workers():
        results = dict(train(POINTS[:3], archive, 2))
    assert results.keys() == {each.point_id for each in POINTS[:3]}
    assert {str(failure) for failure in results.values()} == {
        "its worker process was ended by SIGKILL, for the second time"
    }


class Losing(ThisProcess):
    """Loses its first units, as if their worker had been killed, and counts."""

    def __init__(self, n_lost):
        self.n_lost, self.units = n_lost, []

    def submit(self, unit):
        self.units.append([*unit.points])
        return super().submit(unit)

    def results(self, future):
        if len(self.units) <= self.n_lost:
            message = "was ended by SIGKILL"
            raise WorkerDiedError(message)
        return super().results(future)


@pytest.mark.parametrize("n_lost", [1, 2])
def test_points_of_a_lost_unit_are_trained_once_more_each_alone(archive, n_lost):
    engine = Losing(n_lost)
    results = dict(PointTraining(POINTS, archive, engine).ended())
    first, *others = engine.units
    assert len(first) > 1
    assert sorted(others[: len(first)]) == [[name] for name in sorted(first)]
    failed = {name: str(failure) for name, failure in results.items() if failure is not None}
    again = "its worker process was ended by SIGKILL, for the second time"
    assert failed == ({} if n_lost == 1 else {others[0][0]: again})
    assert results.keys() == {each.point_id for each in POINTS}


@pytest.mark.slow
def test_whoever_stops_listening_leaves_no_process(archive):
    with training(POINTS, archive, 2) as results:
        next(results)
        assert own_workers()
    assert own_workers() == []


@contextmanager
def started(tmp_path):
    """Start a process that trains a point that is done soon, and one that is not."""
    words = (str(SUPPORT / "orphans.py"), str(tmp_path))
    with said(tmp_path).open("w+") as output, Script(tmp_path, *words, output=output) as process:
        yield process


def said(tmp_path):
    return tmp_path / "said"


def descendants_at_work(process, tmp_path):
    """Return all descendants of a process once a point is there and another is being trained."""
    wait_until(lambda: said(tmp_path).read_text() or process.poll() is not None, "the first point")
    assert said(tmp_path).read_text() == f"{point().point_id}\n", process.communicate()
    family = psutil.Process(process.pid).children(recursive=True)
    assert any(map(is_worker, family))
    return family


def wait_until_gone(family):
    wait_until(lambda: not any(map(is_at_work, family)), "the end of all workers")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_no_worker_outlives_its_parent(tmp_path, send, number, code):
    with started(tmp_path) as process:
        family = descendants_at_work(process, tmp_path)
        send(process.pid, number)
        wait_until_gone(family)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert errors == {signal.SIGINT: "interrupted\n", signal.SIGTERM: "terminated\n", signal.SIGKILL: ""}[number]


@pytest.mark.slow
@pytest.mark.long
def test_workers_notice_without_the_help_of_the_system_that_their_parent_has_ended(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("from plainmlp.system import process\nprocess.PR_SET_PDEATHSIG = 0\n")
    with started(tmp_path) as process:
        family = descendants_at_work(process, tmp_path)
        process.kill()
        wait_until_gone(family)


@pytest.mark.slow
@pytest.mark.long
def test_a_signal_while_workers_start_leaves_none(tmp_path):
    with started(tmp_path) as process:
        parent = psutil.Process(process.pid)
        wait_until(lambda: len(parent.children(recursive=True)) >= 2, "the start of workers")
        family = parent.children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        wait_until_gone(family)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "interrupted\n")
