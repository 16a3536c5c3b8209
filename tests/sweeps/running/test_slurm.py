"""A real Slurm of one node, with jobs that are killed, requeued and cancelled."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import psutil
import pytest

import slurm as node
from configurations import refusal
from hydra_plugins.plainmlp_launcher.launcher import SlurmLauncher
from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.training import train_points
from plainmlp.sweeps.running.units import Unit
from plainmlp.system.errors import InputError
from pointed import assert_as_trained_alone, point
from waiting import wait_until

engine = pytest.importorskip("plainmlp.sweeps.running.slurm", reason="needs plainmlp[slurm]")
POINTS = [point(seed=seed) for seed in range(4)]
LONG = [point(seed=seed, training__batch_size=4, training__epochs=10_000) for seed in range(3)]
SECONDS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder while a Slurm runs."""
    if reason := node.missing():
        pytest.skip(reason)
    with node.slurm(tmp_path_factory.mktemp("node")):
        yield tmp_path_factory.mktemp("jobs")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "checkout" / "archive")


def running() -> list[str]:
    """Return the ids of the jobs that run."""
    words = ["squeue", "-h", "-t", "running", "-o", "%i"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def trainers() -> list[psutil.Process]:
    """Return the processes of jobs that train."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if "submitit.core._submit" in words and "srun" not in words and process.cpu_times().user > 1.5:
                found.append(process)
        except psutil.Error:  # it has just ended
            continue
    return found


@pytest.mark.slow
@pytest.mark.services
def test_jobs_give_the_same_bits(folder: Path, archive: Archive) -> None:
    fatal = point(optimizer__learning_rate=1e30)
    with closing(engine.Slurm(folder / "bits", 2)) as jobs:
        results = dict(train_points([fatal, *POINTS], archive, jobs))
    assert "not finite" in str(results.pop(fatal.point_id))
    assert results == {each.point_id: None for each in POINTS}
    assert_as_trained_alone(archive, POINTS)
    assert not (folder / "bits").exists()


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize("end", ["kill", "requeue", "cancel"])
def test_job_that_ends_early_is_trained_again(folder: Path, archive: Archive, end: str) -> None:
    ended = []
    with closing(engine.Slurm(folder / end, 1)) as jobs:
        results = train_points(LONG[:1], archive, jobs)
        thread = Thread(target=lambda: ended.extend(results))
        thread.start()
        wait_until(trainers, "the training", SECONDS)
        if end == "kill":
            trainers()[0].kill()
        else:
            (job,) = running()
            command = {"requeue": ["scontrol", "requeue"], "cancel": ["scancel"]}[end]
            subprocess.run([*command, job], check=True)
        if end == "requeue":  # Slurm would wait two minutes
            at_once = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
            wait_until(
                lambda: not subprocess.run(at_once, capture_output=True, check=False).returncode, "a start", SECONDS
            )
        thread.join(SECONDS)
    assert ended == [(LONG[0].point_id, None)]
    assert_as_trained_alone(archive, LONG[:1])


@pytest.mark.slow
@pytest.mark.services
def test_whoever_stops_leaves_no_job(folder: Path, archive: Archive) -> None:
    forever = [point(seed=seed, training__epochs=10**6) for seed in range(3)]
    jobs = engine.Slurm(folder / "stopped", 3)
    for each in forever:
        data = archive.splits_folder(each.config.dataset, each.config.split)
        jobs.submit(Unit({each.point_id: each}, data, archive.checkpoints_folder, 60.0))
    wait_until(trainers, "the training", SECONDS)
    jobs.close()
    listed = ["squeue", "-h", "--states=PENDING,RUNNING,COMPLETING"]  # Slurm takes minutes to forget what has ended
    wait_until(lambda: not subprocess.run(listed, capture_output=True, check=True).stdout, "an empty queue", SECONDS)
    assert not (folder / "stopped").exists()


def test_missing_slurm_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sbatch is not installed" in refusal(engine.Slurm, tmp_path, 1)


def test_missing_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    monkeypatch.delitem(sys.modules, "plainmlp.sweeps.running.slurm")
    with pytest.raises(InputError, match=r"pip install 'plainmlp\[slurm\]'"):
        SlurmLauncher().start()
