"""Sweeps that are interrupted: real processes and signals, and MLflow on SQLite."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from checkouts import clone, run, succeed
from launched import LAUNCHERS, LONG, PROCESSES, SCRIPT, experiment, launchers, tree
from script import Script
from storms import ARGUMENTS, ProcessesHere, launched, left, weathered
from waiting import at_work_in, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]
SECONDS = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a clone that the tests share; each has an experiment, and so parents, of its own."""
    return clone(tmp_path_factory.mktemp("clone"))


def busy(folder: Path, parent: int) -> list[psutil.Process]:
    """Return the workers of a sweep that train: they have worked for longer than it takes to start."""
    children = psutil.Process(parent).children()
    return [process for process, seconds in at_work_in(folder).items() if process in children and seconds > 2.5]


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Script]:
    """Start a sweep as a terminal would, in a group of its own; nothing of it is left afterwards."""
    with (folder / "said.txt").open("w+") as said, Script(folder, SCRIPT, *arguments, output=said) as process:
        yield process


@pytest.mark.parametrize("launcher", launchers(*LAUNCHERS))
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_all_of_a_sweep(folder: Path, launcher: str, number: signal.Signals, code: int) -> None:
    name = f"{launcher}{code}"
    arguments = ("-m", *LONG, *LAUNCHERS[launcher], "seed=0,1", "model.hidden_sizes=[4],[5]", experiment(name))
    with started(folder, *arguments) as process:
        wait_until(lambda: launched(folder), "the launch", SECONDS)
        time.sleep(1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == code, errors
    word = "interrupted" if code == 130 else "terminated"
    assert errors.splitlines()[-1] == f"{word}; run the same command again to continue"
    wait_until(lambda: not at_work_in(folder), "the end of all processes", SECONDS)
    parents, children = tree(folder, name)
    assert [each.info.status for each in (*parents, *children)] == ["KILLED"]


@pytest.mark.parametrize("launcher", launchers("joblib", "dask", "processes"))
def test_processes_die_with_their_sweep(folder: Path, launcher: str) -> None:
    arguments = ("-m", *LONG, *LAUNCHERS[launcher], "seed=0,1", "model.hidden_sizes=[4],[5]")
    with started(folder, *arguments, experiment("orphans")) as process:
        wait_until(lambda: launched(folder), "the launch", SECONDS)
        wait_until(lambda: len(busy(folder, process.pid)) == 2, "the work", SECONDS)
        process.kill()
        process.wait()
        wait_until(lambda: not at_work_in(folder), "the end of all processes", SECONDS)


def test_second_process_of_one_sweep_is_refused(folder: Path) -> None:
    arguments = ("-m", *LONG, "seed=0,1", experiment("second"))
    with started(folder, *arguments):
        wait_until(lambda: launched(folder), "the launch", SECONDS)
        ended = run(folder, "python", SCRIPT, *arguments)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("error: another process runs this sweep already")


def test_killed_worker_costs_nothing(folder: Path) -> None:
    sizes = ("split.train=1200", *LONG[1:3], "training.batch_size=1", "training.epochs=1600")
    arguments = (*sizes, *PROCESSES, "seed=20", "model.hidden_sizes=[4],[5],[6]", "tracking.wait_seconds=100")
    with started(folder, "-m", *arguments, experiment("worker")) as process:
        wait_until(lambda: busy(folder, process.pid), "the work", SECONDS)
        busy(folder, process.pid)[0].kill()
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    (parent,), children = tree(folder, "worker")
    assert [each.info.status for each in (parent, *children)] == ["FINISHED"] * 4


@pytest.mark.services
def test_launcher_that_gives_up_is_one_line(folder: Path) -> None:
    """Joblib ends with a worker that is killed."""
    arguments = (*LONG, *LAUNCHERS["joblib"], "seed=0,1", experiment("given_up"))
    with started(folder, "-m", *arguments) as process:
        wait_until(lambda: busy(folder, process.pid), "the work", SECONDS)
        busy(folder, process.pid)[0].kill()
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("error: the launcher failed; run the same command again to continue (")
    assert "Traceback" not in errors
    (parent,), children = tree(folder, "given_up")
    assert (parent.info.status, children) == ("FAILED", [])


def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    """Those of other engines are among the tests of services."""
    folder = clone(tmp_path / "killed")
    assert weathered(folder, ProcessesHere(), 20).keys() == {"command", "worker"}
    disturbed = left(folder)
    (folder / ".plainmlp").rename(folder / "earlier")
    succeed(folder, "python", SCRIPT, *ARGUMENTS, *PROCESSES, "hydra.sweep.dir=end", experiment("undisturbed"))
    assert left(folder, "undisturbed") == disturbed
