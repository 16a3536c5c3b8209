"""The launcher `stacked`: what it trains, what it records of each point, and what it refuses."""

import multiprocessing
import os
import shutil
from functools import partial

import psutil
import pytest
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.types import HydraContext

import multirun
from configurations import CONF, refusal
from hydra_plugins.plainmlp_launcher.launcher import StackedLauncher
from plainmlp.composition.compose import quote
from plainmlp.sweeps.running import job as jobs
from plainmlp.sweeps.running.archive import FOLDER, Archive
from plainmlp.system.errors import TrainingError

SMALL = ["split.train=100", "split.validation=40", "split.test=40", "training.epochs=2", "model.hidden_sizes=[5]"]
FATAL = "optimizer.learning_rate=1e30"
VARIABLES = (jobs.PARENT, jobs.NAME)


class Records:
    """What is recorded, in place of MLflow: for each point its seed, its failure, its parent and name, and whether it is there."""

    def __init__(self, checkout):
        self.archive, self.found = Archive(checkout / FOLDER), []

    def __call__(self, point, parent, checkout, failure):
        assert parent == os.environ[jobs.PARENT]
        name, is_there = os.environ[jobs.NAME], self.archive.has(point.point_id)
        self.found.append((point.config.seed, None if failure is None else str(failure), parent, name, is_there))


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Be in an empty folder with a copy of conf/ beside it, whose archive is empty."""
    shutil.copytree(CONF, tmp_path / "checkout" / "conf")
    monkeypatch.setattr(multirun, "CONF", tmp_path / "checkout" / "conf")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    records = Records(tmp_path / "checkout")
    monkeypatch.setattr(jobs, "record_outcome", records)
    return records


def launch(points, *sweep, parent="the sweep"):
    """Launch points as the sweeper does."""
    loader, master = multirun.begin("hydra/launcher=stacked", *SMALL, *sweep)
    context = HydraContext(config_loader=loader, callbacks=None)
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=None, config=master)
    assert isinstance(launcher, StackedLauncher)
    handed = [{jobs.PARENT: parent, jobs.NAME: f"a {number} 'b'"} if parent else {} for number in range(len(points))]
    environments = [[f"+hydra.job.env_set.{key}={quote(value)}" for key, value in each.items()] for each in handed]
    return launcher.launch([[*SMALL, *own, *given] for own, given in zip(points, environments, strict=True)], 0)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_point_is_trained_then_recorded_and_returned_in_order(records, n_jobs, tmp_path):
    points = [[f"seed={seed}", f"training.batch_size={16 + seed % 2}"] for seed in range(5)]
    points.insert(2, ["seed=9", FATAL])
    returns = launch(points, f"hydra.launcher.n_jobs={n_jobs}")
    assert [each.overrides[len(SMALL)] for each in returns] == [own[0] for own in points]
    assert [each.status for each in returns].index(JobStatus.FAILED) == 2
    assert [each.status for each in returns].count(JobStatus.COMPLETED) == 5
    with pytest.raises(TrainingError, match="not finite"):
        returns[2].return_value  # noqa: B018 - raises
    found = sorted(records.found)
    names = {seed: f"a {number} 'b'" for number, seed in enumerate((0, 1, 9, 2, 3, 4))}
    assert [each for each in found if each[0] != 9] == [
        (seed, None, "the sweep", names[seed], True) for seed in range(5)
    ]
    assert "not finite" in found[-1][1]
    assert found[-1][2:] == ("the sweep", names[9], False)
    assert not {*VARIABLES} & {*os.environ}
    assert list((tmp_path / "here").iterdir()) == []
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_second_launch_trains_only_what_is_missing(records):
    launch([["seed=1"]], "hydra.launcher.n_jobs=1")
    [done] = records.archive.present()
    before = records.archive.places(done).model.stat().st_mtime_ns
    launch([["seed=1"], ["seed=2"]], "hydra.launcher.n_jobs=1")
    assert records.archive.places(done).model.stat().st_mtime_ns == before
    assert len(records.archive.present()) == 2
    assert [each[0] for each in records.found] == [1, 1, 2]


def test_a_point_that_is_not_valid_is_refused_before_any_is_trained(records):
    line = refusal(launch, [["seed=1"], ["model.activation=tanhh"]], "hydra.launcher.n_jobs=1")
    assert "tanhh" in line
    assert not records.found
    assert not records.archive.present()


def test_another_sweeper_is_refused(records):
    assert "set hydra/sweeper=grid" in refusal(partial(launch, parent=""), [["seed=1"]])
    assert not records.archive.present()


@pytest.mark.slow
def test_ctrl_c_while_a_point_is_recorded_leaves_no_process(records, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "record_outcome", interrupt)
    with pytest.raises(KeyboardInterrupt):
        launch([[f"seed={seed}", f"training.batch_size={8 + seed}"] for seed in range(6)], "hydra.launcher.n_jobs=2")
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("n_jobs", [0, -1])
def test_a_number_of_processes_that_is_none_is_refused(n_jobs):
    assert f"hydra.launcher.n_jobs={n_jobs} " in refusal(StackedLauncher, n_jobs)


def test_there_is_a_process_for_each_core_that_may_be_used():
    assert StackedLauncher()._n_jobs == len(os.sched_getaffinity(0))
    assert StackedLauncher(3)._n_jobs == 3
