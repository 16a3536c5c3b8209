"""Real clusters of Dask: one that is started here, and one by hand whose processes know neither checkout nor MLflow."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer

import pytest

from configurations import refusal
from hydra_plugins.plainmlp_launcher.launcher import DaskLauncher
from plainmlp.config.code import digest_result_code
from plainmlp.data.storage import write_manifest
from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.training import PointTraining
from plainmlp.system.errors import InputError, TrainingError
from pointed import assert_as_trained_alone, point
from spawned import own_workers
from waiting import wait_until

dask_cluster = pytest.importorskip("plainmlp.sweeps.running.dask_cluster", reason="needs plainmlp[dask]")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
]  # Dask and tornado leave sockets to the collector
SOURCE = Path(dask_cluster.__file__).parents[3]
POINTS = [point(seed=seed, split__seed=seed % 2) for seed in range(6)]
LONG = [point(seed=seed, training__batch_size=4, training__epochs=60) for seed in range(12)]
SECONDS = 120


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "checkout" / "archive")


@contextmanager
def started(folder: Path, *words: str, source: Path = SOURCE) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of Dask by hand, in a folder without a checkout."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]]
    with (folder / "said.txt").open("ab") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**environment, "PYTHONPATH": str(source)}, stdout=said, stderr=said
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    file = folder / "scheduler.json"
    words = ("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file))
    with started(folder, *words) as process:
        wait_until(file.exists, "the scheduler", SECONDS)
        time.sleep(0.2)
        found = re.search(r"tcp://127\.0\.0\.1:\d+", file.read_text())
        assert found is not None
        yield process, found[0]


def worker(folder: Path, address: str, source: Path = SOURCE):
    words = ("dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", "scratch")
    return started(folder, *words, source=source)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere"


@pytest.mark.services
def test_cluster_here_gives_the_same_bits_also_where_workers_are_killed(archive: Archive) -> None:
    fatal, killed = point(optimizer__learning_rate=1e30), []
    with closing(dask_cluster.DaskCluster(None, 2)) as cluster:
        results = dict(PointTraining([fatal, *POINTS], archive, cluster).ended())
        assert "not finite" in str(results.pop(fatal.point_id))
        assert results == {each.point_id: None for each in POINTS}
        ended = []
        for result in PointTraining(LONG, archive, cluster).ended():  # the cluster serves again
            ended.append(result)
            if not killed:
                killed = own_workers()
                for process in killed:
                    process.kill()
    assert sorted(ended) == sorted((each.point_id, None) for each in LONG)
    assert_as_trained_alone(archive, [*POINTS, *LONG[:2]])
    assert own_workers() == []


@pytest.mark.services
def test_cluster_by_hand_needs_no_checkout_and_may_lose_a_worker(archive: Archive, elsewhere: Path) -> None:
    ended = []
    with (
        scheduler(elsewhere) as (_, address),
        worker(elsewhere, address) as first,
        worker(elsewhere, address),
        closing(dask_cluster.DaskCluster(address, 1)) as cluster,
    ):
        wait_until(lambda: cluster.units_at_once == 2, "both workers", SECONDS)
        for result in PointTraining(LONG, archive, cluster).ended():
            ended.append(result)
            first.kill()
    assert sorted(ended) == sorted((each.point_id, None) for each in LONG)
    assert_as_trained_alone(archive, LONG[:2])
    assert not list(elsewhere.rglob("mlflow.db"))


@pytest.mark.services
def test_scheduler_that_is_killed_ends_the_training_in_one_line(archive: Archive, elsewhere: Path) -> None:
    forever = [point(seed=seed, training__epochs=10**6) for seed in range(2)]
    with (
        scheduler(elsewhere) as (process, address),
        worker(elsewhere, address),
        closing(dask_cluster.DaskCluster(address, 1)) as cluster,
    ):
        Timer(2.0, process.kill).start()
        with pytest.raises(TrainingError, match=f"the Dask scheduler at {address} has ended"):
            list(PointTraining(forever, archive, cluster).ended())


@pytest.mark.services
def test_worker_with_other_code_is_refused(elsewhere: Path) -> None:
    shutil.copytree(SOURCE / "plainmlp", elsewhere / "src" / "plainmlp")
    changed = elsewhere / "src" / "plainmlp" / "nn" / "losses.py"
    changed.write_text(changed.read_text() + "\nOTHER = 1\n")
    with scheduler(elsewhere) as (_, address), worker(elsewhere, address, elsewhere / "src"):
        line = refusal(dask_cluster.DaskCluster, address, 1)
    assert re.search(rf"the worker tcp://\S+ has code [0-9a-f]{{12}}, this command {digest_result_code()[:12]};", line)


@pytest.mark.services
def test_worker_without_the_package_is_refused(elsewhere: Path) -> None:
    (elsewhere / "plainmlp.py").write_text("raise ModuleNotFoundError(\"No module named 'plainmlp'\")\n")
    with scheduler(elsewhere) as (_, address), worker(elsewhere, address, elsewhere):
        line = refusal(dask_cluster.DaskCluster, address, 1)
    assert "cannot load plainmlp" in line


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "tcp://127.0.0.1:none"])
def test_address_that_nobody_answers_is_refused(address: str, monkeypatch) -> None:
    monkeypatch.setattr(dask_cluster, "SECONDS_TO_ANSWER", 1.0)
    assert refusal(DaskLauncher(address=address).start, Path(), 1).startswith(
        f"hydra.launcher.address={address}: no Dask scheduler"
    )


def test_missing_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "plainmlp.sweeps.running.dask_cluster")
    with pytest.raises(InputError, match=r"pip install 'plainmlp\[dask\]'"):
        DaskLauncher().start(Path(), 1)


def test_data_that_stays_in_its_file_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"references": {"train_features": {"path": "values.npy"}}})
    assert "set hydra/launcher=processes" in refusal(dask_cluster.DaskCluster._send_data, None, tmp_path)
