import multiprocessing
import os
import shutil
from pathlib import Path

import psutil
import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus, run_job, setup_globals
from hydra.experimental.callback import Callback
from hydra.types import HydraContext
from omegaconf import OmegaConf

import multirun
from configurations import CONF, refusal
from hydra_plugins.plainmlp_launcher._composition import Composer
from hydra_plugins.plainmlp_launcher._replay import replay
from hydra_plugins.plainmlp_launcher.launcher import StackedLauncher
from plainmlp.composition.compose import parse
from plainmlp.config.inputs import found_inputs
from plainmlp.sweeps.running import job as jobs
from plainmlp.sweeps.running.archive import Archive
from plainmlp.tracking.recording.training import point_of
from plainmlp.training.train import train
from pointed import files_below, splits_of

SMALL = ["split.train=100", "split.validation=40", "split.test=40", "training.epochs=2", "model.hidden_sizes=[5]"]
FATAL = "optimizer.learning_rate=1e30"


class Watching(Callback):
    """A callback that notes what it is told."""

    def __init__(self):
        self.told = []

    def on_job_start(self, config, **kwargs):
        self.told.append(("start", config.hydra.job.num, config.hydra.runtime.output_dir, sorted(kwargs)))

    def on_job_end(self, config, job_return, **kwargs):
        told = ("end", config.hydra.job.num, job_return.status, job_return.overrides, job_return.working_dir)
        self.told.append((*told, OmegaConf.to_yaml(job_return.cfg), OmegaConf.to_yaml(job_return.hydra_cfg)))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Be in an empty folder with a copy of conf/ beside it, whose archive is empty."""
    shutil.copytree(CONF, tmp_path / "checkout" / "conf")
    monkeypatch.setattr(multirun, "CONF", tmp_path / "checkout" / "conf")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    setup_globals()
    return tmp_path


def run_both(job, overrides, *, sweep=()):
    """Run a job as Hydra does and as we do; return what each left and told."""
    loader, master = multirun.begin(*sweep)
    seen = []
    for run in (hydra_runs, replay):
        callback = Watching()
        context = HydraContext(config_loader=loader, callbacks=Callbacks())
        context.callbacks.callbacks.append(callback)
        config = Composer(loader, master).job_config(overrides, 7)
        result = run(config, job, context)
        seen.append((result, callback.told, files_below(Path.cwd())))
        shutil.rmtree(Path.cwd() / "multirun", ignore_errors=True)
    return seen


def hydra_runs(config, job, context):
    """Be `replay`, by Hydra's own function."""
    return run_job(job, config, "hydra.sweep.dir", "hydra.sweep.subdir", context)


@pytest.mark.parametrize(
    "overrides",
    [
        ["tracking.experiment='a: é # \"b\"'", "optimizer.clip_norm=inf"],
        ["seed=3"],
        ["seed=3", "model.activation=tanh", "+hydra.job.env_set.OURS=yes"],
        ["hydra.output_subdir=null"],
        ["hydra.output_subdir=notes"],
        ["hydra.job.chdir=true"],
        ["hydra.job.chdir=false", "hydra.sweep.subdir=${hydra.job.override_dirname}", "seed=1"],
        ["optimizer=sgd", "tracking.experiment=${now:%Y}"],
    ],
)
def test_a_job_is_run_as_hydra_runs_it(here, overrides):
    def job(config):
        settings = HydraConfig.get()
        (Path(settings.runtime.output_dir) / "made").write_text(str(settings.job.num))
        flags = (OmegaConf.is_struct(config), OmegaConf.is_readonly(config), "hydra" in config)
        return OmegaConf.to_yaml(config), OmegaConf.to_yaml(settings), flags, Path.cwd(), os.environ.get("OURS")

    theirs, ours = run_both(job, overrides, sweep=["hydra.sweep.dir=multirun/here"])
    assert ours[1] == theirs[1]
    assert ours[2] == theirs[2]
    assert len(theirs[2]) >= 1
    for name in ("status", "return_value", "overrides", "working_dir", "task_name"):
        assert getattr(ours[0], name) == getattr(theirs[0], name), name
    assert ours[0].status == JobStatus.COMPLETED
    assert (ours[0].cfg, ours[0].hydra_cfg) == (None, None)
    assert not HydraConfig.initialized()


def test_a_job_that_fails_returns_its_failure(here):
    def job(config):
        raise ValueError(config.seed)

    theirs, ours = run_both(job, ["seed=3"], sweep=["hydra.sweep.dir=multirun/here"])
    assert ours[0].status == theirs[0].status == JobStatus.FAILED
    with pytest.raises(ValueError, match="3"):
        ours[0].return_value  # noqa: B018 - raises
    assert ours[1] == theirs[1]
    assert not HydraConfig.initialized()


@pytest.mark.parametrize("run", [replay, hydra_runs], ids=["ours", "Hydra's"])
def test_a_time_is_the_same_everywhere_in_a_job(here, run):
    loader, master = multirun.begin("hydra.sweep.dir=multirun")
    config = Composer(loader, master).job_config(
        ["hydra.sweep.subdir=${now:%S-%f}", "tracking.experiment=${now:%S-%f}"], 0
    )
    seen = []
    context = HydraContext(config_loader=loader, callbacks=Callbacks())
    run(config, lambda config: seen.append(config.tracking.experiment), context)
    assert seen == [path.name for path in Path("multirun").iterdir()]


def launch(job_overrides, job, *sweep, first=0):
    """Launch jobs as a sweeper does."""
    loader, master = multirun.begin("hydra/launcher=stacked", *SMALL, *sweep)
    context = HydraContext(config_loader=loader, callbacks=Callbacks())
    launcher = Plugins.instance().instantiate_launcher(hydra_context=context, task_function=job, config=master)
    assert isinstance(launcher, StackedLauncher)
    return launcher.launch([[*SMALL, *overrides] for overrides in job_overrides], first)


class Job:
    """A job function that notes, for each point, what it finds."""

    def __init__(self, here):
        self.checkout = here / "checkout"
        self.archive = Archive(self.checkout / ".plainmlp" / "archive")
        self.found = []

    def __call__(self, composed):
        config = found_inputs(parse(OmegaConf.to_container(composed, resolve=True)), self.checkout)
        point_id = point_of(config, splits_of(config))
        self.found.append((HydraConfig.get().job.num, self.archive.has(point_id), jobs.FAILED.get(point_id)))
        if not self.archive.has(point_id):
            raise RuntimeError(jobs.FAILED[point_id])
        kept = self.archive.load(point_id).trained.model.weights_digest
        alone = train(splits_of(config), config.seed, config.model, config.optimizer, config.training)
        return HydraConfig.get().job.num, kept == alone.model.weights_digest


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_job_finds_its_point_and_returns_in_order(here, n_jobs):
    job = Job(here)
    overrides = [[f"seed={seed}", f"training.batch_size={16 + seed % 2}"] for seed in range(5)]
    returns = launch(
        [*overrides[:2], ["seed=9", FATAL], *overrides[2:]], job, f"hydra.launcher.n_jobs={n_jobs}", first=10
    )
    numbers = [10, 11, 13, 14, 15]
    assert [each.return_value for each in returns if each.status == JobStatus.COMPLETED] == [(n, True) for n in numbers]
    assert [each.status for each in returns].index(JobStatus.FAILED) == 2
    with pytest.raises(RuntimeError, match="not finite"):
        returns[2].return_value  # noqa: B018 - raises
    assert sorted(job.found)[2][:2] == (12, False)
    [folder] = Path("multirun").glob("*/*")
    assert sorted(path.name for path in folder.iterdir()) == [str(number) for number in range(10, 16)]
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_jobs_that_compute_the_same_are_trained_once_and_all_run(here):
    job = Job(here)
    overrides = [["seed=1"], ["seed=2"], ["seed=1"], ["seed=1", "tracking.experiment=other"]]
    returns = launch(overrides, job, "hydra.launcher.n_jobs=1")
    assert [each.return_value for each in returns] == [(number, True) for number in range(4)]
    assert len(job.archive.present()) == 2


def test_a_second_launch_trains_only_what_is_missing(here):
    launch([["seed=1"]], Job(here), "hydra.launcher.n_jobs=1")
    archive = Job(here).archive
    [done] = archive.present()
    before = archive.places(done).model.stat().st_mtime_ns
    launch([["seed=1"], ["seed=2"]], Job(here), "hydra.launcher.n_jobs=1")
    assert archive.places(done).model.stat().st_mtime_ns == before
    assert len(archive.present()) == 2


def test_an_earlier_failure_in_this_process_is_forgotten(here):
    jobs.FAILED["0" * 64] = "long ago"
    launch([["seed=1"]], Job(here), "hydra.launcher.n_jobs=1")
    assert not jobs.FAILED


def test_a_job_that_is_not_valid_is_refused_before_any_runs(here):
    job = Job(here)
    line = refusal(launch, [["seed=1"], ["model.activation=tanhh"]], job, "hydra.launcher.n_jobs=1")
    assert "tanhh" in line
    assert not job.found
    assert not job.archive.present()


@pytest.mark.slow
def test_ctrl_c_in_a_job_leaves_no_process(here):
    def job(composed):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch(
            [[f"seed={seed}", f"training.batch_size={8 + seed}"] for seed in range(6)], job, "hydra.launcher.n_jobs=2"
        )
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("n_jobs", [0, -1])
def test_a_number_of_processes_that_is_none_is_refused(n_jobs):
    assert f"hydra.launcher.n_jobs={n_jobs} " in refusal(StackedLauncher, n_jobs)


def test_there_is_a_process_for_each_core_that_may_be_used():
    assert StackedLauncher()._n_jobs == len(os.sched_getaffinity(0))
    assert StackedLauncher(3)._n_jobs == 3
