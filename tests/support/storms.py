"""Sweeps under a storm: the command, a worker or the scheduler is killed at random moments, and all is started again."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import psutil

import slurm as node
from checkouts import run
from launched import LONG, PROCESSES, SCRIPT, archived, board, tree
from script import Script
from servers import Group, free_port
from spawned import is_worker
from waiting import at_work_in, holds_within, wait_until

GRID = ("model.hidden_sizes=[4],[5],[6],[7]", "model.activation=relu,tanh", "seed=0,1,2")
N_POINTS = 24
ARGUMENTS = ("-m", *LONG[:3], "training.epochs=3000", "tracking.wait_seconds=200", *GRID)
SECONDS = 240
ALONE = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", "scratch")


class Weather(Protocol):
    """What trains the points of a sweep, and can be killed."""

    overrides: Sequence[str]

    def mend(self) -> None:
        """Start again what is dead."""

    def workers(self, command: int) -> Iterable[Callable[[], object]]:
        """Return what kills each worker of a command, by its process id."""

    def scheduler(self) -> Iterable[Callable[[], object]]:
        """Return what kills the scheduler, if there is one."""


class ProcessesHere:
    """Two processes of the command."""

    overrides = PROCESSES

    def mend(self) -> None:
        """Do nothing: the command starts them."""

    def workers(self, command: int) -> list[Callable[[], object]]:
        with suppress(psutil.NoSuchProcess):
            return [each.kill for each in psutil.Process(command).children() if is_worker(each)]
        return []

    def scheduler(self) -> list[Callable[[], object]]:
        return []


class DaskByHand:
    """A scheduler and two workers in a folder without a checkout."""

    def __init__(self, folder: Path, source: Path) -> None:
        self._folder, self._variables = folder, {"PYTHONPATH": str(source)}
        address = f"tcp://127.0.0.1:{free_port()}"
        self._programs = {
            "scheduler": ("dask_scheduler", "--host", address, "--no-dashboard"),
            "first": ("dask_worker", address, *ALONE),
            "second": ("dask_worker", address, *ALONE),
        }
        self._started: dict[str, Group] = {}
        self.overrides = ("hydra/launcher=dask", f"hydra.launcher.address={address}")

    def mend(self) -> None:
        if not ("scheduler" in self._started and self._started["scheduler"].runs()):
            self.end()  # workers end without their scheduler, which takes them a while
        for name, (program, *words) in self._programs.items():
            if name not in self._started or not self._started[name].runs():
                self.kill(name)
                command = ("env", "-C", self._folder, "python", "-m", f"distributed.cli.{program}", *words)
                self._started[name] = Group(command, self._folder / f"{name}.txt", **self._variables)

    def kill(self, name: str) -> None:
        if name in self._started:
            self._started.pop(name).kill()

    def workers(self, command: int) -> list[Callable[[], object]]:
        return [partial(self.kill, name) for name in ("first", "second")]

    def scheduler(self) -> list[Callable[[], object]]:
        return [partial(self.kill, "scheduler")]

    def end(self) -> None:
        for name in self._programs:
            self.kill(name)


class SlurmHere:
    """A Slurm of one node, and two jobs at once."""

    overrides = ("hydra/launcher=slurm", "hydra.launcher.n_jobs=2")

    def __init__(self, cluster: node.Node) -> None:
        self._cluster = cluster

    def mend(self) -> None:
        self._cluster.start("slurmctld")

    def workers(self, command: int) -> list[Callable[[], object]]:
        return [process.kill for process in node.trainers()]

    def scheduler(self) -> list[Callable[[], object]]:
        return [lambda: self._cluster.kill("slurmctld")]


@contextmanager
def weather(name: str, folder: Path, source: Path) -> Iterator[Weather]:
    """Give Dask or Slurm by its name; what it needs is started in a folder."""
    with ExitStack() as opened:
        if name == "dask":
            by_hand = DaskByHand(folder, source)
            opened.callback(by_hand.end)
            yield by_hand
        else:
            yield SlurmHere(opened.enter_context(node.slurm(folder)))


def weathered(folder: Path, engine: Weather, kills: int) -> Counter[str]:
    """Kill so often, then let the sweep come to its end in a checkout; return what was killed how often.

    Nothing of it runs afterwards, and no attempt has left a traceback.
    """
    draw, killed, counts = random.Random(20), Counter[str](), set[int]()
    with (folder / "said.txt").open("w+") as said, ExitStack() as opened:
        process: Script | None = None  # which is killed at the end of the block, if it still runs
        for number in range(kills):
            engine.mend()
            if process is None or process.poll() is not None:
                said.truncate(0)
                process = opened.enter_context(Script(folder, SCRIPT, *ARGUMENTS, *engine.overrides, output=said))
            wait_for_moment(folder, process, number, draw)
            killed[kill_one(engine, process, draw)] += 1
            counts.add(len(archived(folder)))
        engine.mend()
    assert len(counts - {0, N_POINTS}) > 1, "the kills must not all come before or after the training"
    ended = run(folder, "python", SCRIPT, *ARGUMENTS, *engine.overrides, "hydra.sweep.dir=end")
    assert ended.returncode == 0, ended.stderr
    wait_until(lambda: not at_work_in(folder), "the end of all processes", SECONDS)
    return killed


def wait_for_moment(folder: Path, process: Script, number: int, draw: random.Random) -> None:
    """Wait for a random moment: after the start, the launch, or a further point in the archive."""
    target = min(N_POINTS, len(archived(folder)) + draw.randint(1, 4))
    if number % 3 == 0:
        time.sleep(draw.uniform(0, 3))
    elif number % 3 == 1:
        wait_until(lambda: launched(folder) or process.poll() is not None, "the launch", SECONDS)
        time.sleep(draw.uniform(0, 1))
    else:
        wait_until(lambda: len(archived(folder)) >= target or process.poll() is not None, "a point", SECONDS)
        time.sleep(draw.uniform(0, 0.1))


def launched(folder: Path) -> bool:
    return "Launching" in (folder / "said.txt").read_text()


def kill_one(engine: Weather, process: Script, draw: random.Random) -> str:
    """Kill a worker, the scheduler, or the command alone or with all of its group; return what it was."""
    name = draw.choice(["command", "group", "worker", "scheduler"])
    victims = {"worker": engine.workers, "scheduler": lambda _: engine.scheduler()}
    if name == "worker":  # those of Slurm come and go
        holds_within(10, lambda: process.poll() is not None or bool([*engine.workers(process.pid)]))
    if name in victims and (kills := [*victims[name](process.pid)]):
        with suppress(psutil.NoSuchProcess):
            draw.choice(kills)()
        return name
    with suppress(ProcessLookupError):
        (os.killpg if name == "group" else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
    return "command"


def left(folder: Path, experiment: str = "plainmlp") -> tuple[list[bytes], dict[str, bytes]]:
    """Return the leaderboard that a sweep has left in the folder `end`, and the weights of each point, once recorded."""
    (parent,), children = tree(folder, experiment)
    assert [each.info.status for each in (parent, *children)] == ["FINISHED"] * (N_POINTS + 1)
    assert len({child.data.tags["point_id"] for child in children}) == N_POINTS
    assert "failure" not in parent.data.tags
    models = (folder / ".plainmlp/archive").glob("*/points/[0-9a-f]*/models/model.safetensors")
    weights = {path.parents[1].name: path.read_bytes() for path in models}
    assert len(weights) == N_POINTS
    return board(folder / "end"), weights
