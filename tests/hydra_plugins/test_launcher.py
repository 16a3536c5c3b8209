"""The launcher `processes`: what it trains, what it records of each point, and what it refuses."""

import multiprocessing
import os
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from hydra.core.plugins import Plugins
from hydra.types import HydraContext

import multirun
from configurations import refusal
from hydra_plugins.plainmlp_launcher.launcher import ProcessesLauncher
from plainmlp.sweeps.running import job as recording
from plainmlp.sweeps.running import training
from plainmlp.sweeps.running.archive import ARCHIVE, Archive
from plainmlp.sweeps.running.job import Job
from pointed import point

FATAL = {"optimizer__learning_rate": 1e30}


class Records:
    """What is recorded, in place of MLflow: for each point its seed, its failure, its parent and name, and whether it is there."""

    def __init__(self, checkout):
        self.archive, self.found = Archive(checkout / ARCHIVE), []

    def __call__(self, ended, checkout):
        for job, failure in ended:
            reason, is_there = None if failure is None else str(failure), self.archive.has(job.point.point_id)
            self.found.append((job.point.config.seed, reason, job.parent, job.name, is_there))
        return {}


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Be in an empty folder beside a checkout whose archive is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    records = Records(tmp_path / "checkout")
    monkeypatch.setattr(recording, "record_outcomes", records)
    return records


def launcher_of(*sweep):
    loader, master = multirun.begin("hydra/launcher=processes", *sweep)
    context = HydraContext(config_loader=loader, callbacks=None)
    return Plugins.instance().instantiate_launcher(hydra_context=context, task_function=None, config=master)


def train(records, points, n_jobs=1):
    """Train points as the sweeper does."""
    launcher = launcher_of(f"hydra.launcher.n_jobs={n_jobs}")
    assert isinstance(launcher, ProcessesLauncher)
    with closing(launcher):
        jobs = [Job(each, "the sweep", f"of {each.config.seed}") for each in points]
        launcher.train(records.archive.root.parents[1], jobs)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_point_is_trained_then_recorded(records, n_jobs, tmp_path):
    points = [point(seed=seed, training__batch_size=16 + seed % 2) for seed in range(5)]
    train(records, [*points[:2], point(seed=9, **FATAL), *points[2:]], n_jobs)
    found = sorted(records.found)
    assert found[:5] == [(seed, None, "the sweep", f"of {seed}", True) for seed in range(5)]
    assert "not finite" in found[5][1]
    assert found[5][2:] == ("the sweep", "of 9", False)
    assert list((tmp_path / "here").iterdir()) == []
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_second_launch_trains_only_what_is_missing(records):
    train(records, [point(seed=1)])
    [done] = records.archive.present()
    before = records.archive.places(done).model.stat().st_mtime_ns
    train(records, [point(seed=1), point(seed=2)])
    assert records.archive.places(done).model.stat().st_mtime_ns == before
    assert len(records.archive.present()) == 2
    assert [each[0] for each in records.found] == [1, 1, 2]


@pytest.mark.parametrize("n_begun", [3, 2])
def test_what_was_begun_is_gone_on_with_if_the_points_are_those(records, monkeypatch, n_begun):
    checkout, points = records.archive.root.parents[1], [point(seed=seed) for seed in range(3)]
    launcher, made = launcher_of("hydra.launcher.n_jobs=1"), []
    real = training.PointTraining
    monkeypatch.setattr(training, "PointTraining", lambda *given: made.append(real(*given)) or made[-1])
    with closing(launcher):
        begun = launcher.begin(checkout, points[:n_begun])
        assert begun._running  # before anything else happens
        launcher.train(checkout, [Job(each, "the sweep", f"of {each.config.seed}") for each in points])
    assert made[0] is begun
    assert len(made) == (1 if n_begun == 3 else 2)
    assert sorted(each[:2] for each in records.found) == [(0, None), (1, None), (2, None)]


def test_another_sweeper_is_refused():
    assert "needs hydra/sweeper=grid or search" in refusal(launcher_of().launch, [["seed=1"]], 0)


@pytest.mark.slow
def test_ctrl_c_while_a_point_is_recorded_leaves_no_process(records, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    before = multiprocessing.active_children()  # joblib keeps its own for other tests
    monkeypatch.setattr(recording, "record_outcomes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(records, [point(seed=seed, training__batch_size=8 + seed) for seed in range(6)], 2)
    assert set(multiprocessing.active_children()) <= set(before)


@pytest.mark.parametrize("n_jobs", [0, -1])
def test_a_number_of_processes_that_is_none_is_refused(n_jobs):
    launcher = launcher_of(f"hydra.launcher.n_jobs={n_jobs}")
    assert refusal(launcher.open, Path(), 1).startswith(f"hydra.launcher.n_jobs={n_jobs} is not allowed")


def test_there_is_a_process_for_each_core_that_may_be_used():
    assert ProcessesLauncher().n_jobs == len(os.sched_getaffinity(0))
    assert ProcessesLauncher(3).n_jobs == 3


def test_earlier_name_trains_the_same_and_says_the_present_one(records, capsys):
    launcher = launcher_of("hydra/launcher=stacked", "hydra.launcher.n_jobs=1")
    with closing(launcher):
        launcher.open(records.archive.root.parents[1], 1)
    assert isinstance(launcher, ProcessesLauncher)
    assert "hydra/launcher=stacked is called hydra/launcher=processes now" in capsys.readouterr().out
