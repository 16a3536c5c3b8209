"""A real Slurm of one node, with jobs that are killed, requeued and cancelled."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

import slurm as node
from configurations import refusal
from hydra_plugins.plainmlp_launcher.launcher import SlurmLauncher
from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.training import PointTraining
from plainmlp.sweeps.running.units import Unit
from plainmlp.system.errors import InputError
from plainmlp.system.process import held
from pointed import assert_as_trained_alone, point
from waiting import wait_until

engine = pytest.importorskip("plainmlp.sweeps.running.slurm", reason="needs plainmlp[slurm]")
POINTS = [point(seed=seed) for seed in range(4)]
SECONDS = 120


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[node.Node]:
    """Return a Slurm that runs."""
    if reason := node.missing():
        pytest.skip(reason)
    os.environ.pop("PYTHONPATH", None)  # of processes that share the tests; users have none
    with node.slurm(tmp_path_factory.mktemp("node")) as started:
        yield started


@pytest.fixture
def folder(cluster: node.Node, tmp_path: Path) -> Path:
    """Return a folder of jobs while a Slurm runs."""
    return tmp_path / "jobs"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "checkout" / "archive")


def listed(states: str = "running") -> list[str]:
    """Return the ids of jobs, those of an array one by one."""
    words = ["squeue", "-h", "-r", "-t", states, "-o", "%i"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def left() -> list[str]:
    """Return the ids of jobs that are not over: Slurm takes minutes to forget those that are."""
    return listed("pending,running,completing")


def starts_at_once(job: str) -> bool:
    """Say whether a job runs; one in the queue waits no longer, where Slurm would let it wait for two minutes."""
    subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], capture_output=True, check=False)
    return job in listed()


def at_work() -> list[psutil.Process]:
    """Return the processes of jobs that train: they have worked for longer than it takes to start."""
    return node.trainers(1.5)


@pytest.mark.slow
@pytest.mark.services
def test_jobs_give_the_same_bits(folder: Path, archive: Archive) -> None:
    fatal = point(optimizer__learning_rate=1e30)
    with closing(engine.Slurm(folder / "bits", 2)) as jobs:
        results = dict(PointTraining([fatal, *POINTS], archive, jobs).ended())
    assert "not finite" in str(results.pop(fatal.point_id))
    assert results == {each.point_id: None for each in POINTS}
    assert_as_trained_alone(archive, POINTS)
    assert [path.name for path in (folder / "bits").iterdir()] == ["lock"]


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.parametrize(("end", "epochs"), [("kill", 10_000), ("requeue", 50_000), ("cancel", 10_000)])
def test_job_that_ends_early_is_trained_again(folder: Path, archive: Archive, end: str, epochs: int) -> None:
    long, ended = point(seed=0, training__batch_size=4, training__epochs=epochs), []
    with closing(engine.Slurm(folder / end, 1)) as jobs:
        results = PointTraining([long], archive, jobs).ended()
        thread = Thread(target=lambda: ended.extend(results))
        thread.start()
        wait_until(at_work, "the training", SECONDS)
        if end == "kill":
            at_work()[0].kill()
        else:
            (job,) = listed()
            command = {"requeue": ["scontrol", "requeue"], "cancel": ["scancel"]}[end]
            subprocess.run([*command, job], check=True)
        if end == "requeue":
            # A training that ends before Slurm kills it, on a quicker machine, has no other start.
            wait_until(lambda: starts_at_once(job) or not thread.is_alive(), "another start", SECONDS)
        thread.join(SECONDS)
    assert ended == [(long.point_id, None)]
    assert_as_trained_alone(archive, [long])


@pytest.mark.slow
@pytest.mark.services
def test_job_that_slurm_forgets_is_trained_again(cluster: node.Node, folder: Path, archive: Archive) -> None:
    long, ended = point(seed=0, training__batch_size=4, training__epochs=50_000), []
    with closing(engine.Slurm(folder / "forgotten", 1)) as jobs:
        cluster.kill("slurmdbd")  # which would remember it
        thread = Thread(target=lambda: ended.extend(PointTraining([long], archive, jobs).ended()), daemon=True)
        thread.start()
        wait_until(at_work, "the training", SECONDS)
        cluster.forget_jobs()
        thread.join(SECONDS)
    assert ended == [(long.point_id, None)]
    assert_as_trained_alone(archive, [long])


@pytest.mark.slow
@pytest.mark.services
def test_units_are_one_array_and_whoever_stops_leaves_no_job(folder: Path, archive: Archive) -> None:
    forever = [point(seed=seed, training__epochs=10**6) for seed in range(3)]
    with closing(engine.Slurm(folder / "stopped", 3)) as jobs:
        for each in forever:
            data = archive.data.folder(each.config.dataset, each.config.split)
            jobs.submit(Unit({each.point_id: each}, data, archive.checkpoints_folder, 60.0))
        wait_until(at_work, "the training", SECONDS)
        submitted = left()
    array, _ = submitted[0].split("_")
    assert sorted(submitted) == [f"{array}_{number}" for number in range(3)]
    wait_until(lambda: not left(), "an empty queue", SECONDS)
    assert [path.name for path in (folder / "stopped").iterdir()] == ["lock"]


@pytest.mark.slow
@pytest.mark.services
def test_jobs_of_a_process_that_was_killed_are_cancelled(folder: Path) -> None:
    root = folder / "killed"
    words = ["sbatch", "--parsable", "--output", "/dev/null", "--wrap", "sleep 600"]
    numbers = [subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    for number in numbers:
        (root / number).mkdir(parents=True)
        (root / number / f"{number}_submission.sh").touch()
    with held(root / numbers[1] / "lock"), closing(engine.Slurm(root, 1)):
        wait_until(lambda: left() == numbers[1:], "the end of one job", SECONDS)
        assert not (root / numbers[0]).exists()
    with closing(engine.Slurm(root, 1)):
        wait_until(lambda: not left(), "the end of the other", SECONDS)
    assert [path.name for path in root.iterdir()] == ["lock"]


@pytest.mark.slow
@pytest.mark.services
def test_jobs_that_slurm_does_not_take_are_refused(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    assert "invalid partition" in refusal(engine.Slurm, folder / "refused", 1)
    monkeypatch.delenv("SBATCH_PARTITION")
    with closing(engine.Slurm(folder / "refused", 1)) as jobs:
        monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
        with pytest.raises(InputError, match="invalid partition"):
            jobs.results(_ended(jobs.submit(Unit({}, folder, folder, 60.0))))


@pytest.mark.slow
@pytest.mark.services
def test_nodes_with_another_package_are_told_in_one_line(folder: Path, archive: Archive, monkeypatch) -> None:
    (folder / "other" / "plainmlp").mkdir(parents=True)
    (folder / "other" / "plainmlp" / "__init__.py").touch()
    monkeypatch.setattr(engine, "SOURCE", folder / "other")
    message = r"^a job of Slurm cannot load plainmlp \(ModuleNotFoundError: No module named 'plainmlp\.\w+'\); install"
    with closing(engine.Slurm(folder / "bare", 1)) as jobs, pytest.raises(InputError, match=message):
        list(PointTraining(POINTS, archive, jobs).ended())


def _ended(future: Future[Any]) -> Future[Any]:
    wait([future])
    return future


def test_missing_slurm_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "sbatch is not installed" in refusal(engine.Slurm, tmp_path, 1)


def test_missing_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    monkeypatch.delitem(sys.modules, "plainmlp.sweeps.running.slurm")
    with pytest.raises(InputError, match=r"pip install 'plainmlp\[slurm\]'"):
        SlurmLauncher().start(Path(), 1)
