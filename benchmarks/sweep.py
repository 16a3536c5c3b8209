"""Time a grid of 240 points from the command to the leaderboard, beside other ways to run such a grid.

Each way runs in a copy of this checkout with a database and an archive of its own.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2
from tempfile import TemporaryDirectory
from threading import Event, Thread
from urllib.request import urlopen

import psutil

from _checkout import ROOT
from _performance import machine, write_section

TITLE = "## Sweeps"
LAUNCHER = "processes"  # the one of sweep=: a process for each core
EPOCHS, BATCH = 20, 32
SIZES = [[32], [128], [64, 32], [128, 64]]
ACTIVATIONS = ["relu", "tanh", "sigmoid", "gelu"]
RATES = [0.0003, 0.001, 0.003]
SEEDS = range(5)
POINTS = len(SIZES) * len(ACTIVATIONS) * len(RATES) * len(SEEDS)
LARGE_RATES = [round(0.0002 * 1.35**k, 6) for k in range(5)]  # with 25 seeds, 2,000 points
# scikit-learn has no gelu
PEER_ACTIVATIONS = ["relu", "tanh", "logistic", "identity"]
MEGABYTE = 1 << 20
SECONDS_TO_START = 60.0  # that a server may take
MEGABYTES_MORE = 300  # that 2,000 points may take


@dataclass(frozen=True)
class Timing:
    """What one way of running points took."""

    name: str
    points: int
    seconds: float
    megabytes: float

    @property
    def seconds_a_point(self) -> float:
        """Return the seconds for each point."""
        return self.seconds / self.points


class Memory:
    """The most memory that a process and those below it use together, looked at ten times a second.

    Parameters
    ----------
    process : psutil.Process
        Its children are counted too, and theirs.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._over, self.peak = process, Event(), 0
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        """Start to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to look."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, self._used())

    def _used(self) -> int:
        try:
            return sum(map(_resident, [self._process, *self._process.children(recursive=True)]))
        except psutil.NoSuchProcess:  # the command has ended
            return 0


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def copied_checkout(folder: Path) -> Path:
    """Copy the files of this checkout, as git lists them, and make a repository of them."""
    listed = _output(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, folder / name, follow_symlinks=False)
    for arguments in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "copy"),
    ):
        _output(folder, "git", *arguments)
    return folder


def _output(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def run_command(name: str, points: int, command: Sequence[str], checkout: Path, address: str = "") -> Timing:
    """Run a command in a checkout, recorded at an address, by default in its own database; return what it took."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "MLFLOW_TRACKING_URI": address or _database(checkout)}
    with (checkout / "bench.log").open("w+", encoding="utf-8") as log:
        start = time.perf_counter()
        process = psutil.Popen(command, cwd=checkout, env=environment, stdout=log, stderr=subprocess.STDOUT)
        with Memory(process) as memory:
            code = process.wait()
        seconds = time.perf_counter() - start
        log.seek(0)
        if code:
            sys.exit(f"error: {name} ended with exit code {code}:\n{log.read()[-3000:]}")
    return Timing(name, points, seconds, memory.peak / MEGABYTE)


def grid_arguments(sizes: Sequence[Sequence[int]], rates: Sequence[float], seeds: Sequence[int]) -> list[str]:
    """Return the command of a grid with every activation."""
    axes = {
        "model.hidden_sizes": [str(layers).replace(" ", "") for layers in sizes],
        "model.activation": ACTIVATIONS,
        "optimizer.learning_rate": map(str, rates),
        "seed": map(str, seeds),
    }
    settings = [f"training.epochs={EPOCHS}", f"training.batch_size={BATCH}"]
    grid = [f"{key}={','.join(values)}" for key, values in axes.items()]
    return [sys.executable, "pipelines/run.py", "-m", *settings, *grid]


def time_processes(rates: Sequence[float] = RATES, seeds: Sequence[int] = SEEDS) -> Timing:
    """Run a whole grid in a process for each core, and check that every point is there."""
    points = len(SIZES) * len(ACTIVATIONS) * len(rates) * len(seeds)
    with TemporaryDirectory() as folder:
        checkout = copied_checkout(Path(folder))
        command = [*grid_arguments(SIZES, rates, seeds), f"hydra/launcher={LAUNCHER}"]
        timing = run_command(f"launcher `{LAUNCHER}`", points, command, checkout)
        check_runs(checkout, points, _database(checkout))
    return timing


def _database(checkout: Path) -> str:
    return f"sqlite:///{checkout}/mlflow.db"


def time_server() -> Timing:
    """Run 500 points that a server of MLflow on this machine records, with their artifacts."""
    sizes = [*SIZES, [16]]
    points = len(sizes) * len(ACTIVATIONS) * len(LARGE_RATES) * len(SEEDS)
    with TemporaryDirectory() as folder:
        checkout = copied_checkout(Path(folder))
        with served(checkout) as address:
            command = [*grid_arguments(sizes, LARGE_RATES, SEEDS), f"hydra/launcher={LAUNCHER}"]
            timing = run_command(f"launcher `{LAUNCHER}`, to an MLflow server", points, command, checkout, address)
            check_runs(checkout, points, address)
    return timing


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run a server of MLflow with a new database in a folder, and give its address once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address, place = f"http://127.0.0.1:{port}", folder / "server"
    place.mkdir()
    options = ["--backend-store-uri", _database(place), "--artifacts-destination", str(place / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--host", "127.0.0.1", "--port", str(port)]
    with (place / "log").open("w") as log, psutil.Popen(command, cwd=place, stdout=log, stderr=log) as server:
        try:
            _wait_for(address, server)
            yield address
        finally:
            for process in (*server.children(recursive=True), server):
                process.terminate()


def _wait_for(address: str, server: psutil.Popen) -> None:
    """Wait until a server answers, or end the benchmark."""
    end = time.monotonic() + SECONDS_TO_START
    while server.poll() is None and time.monotonic() < end:
        with suppress(OSError), urlopen(f"{address}/health"):  # noqa: S310 - the address is our own
            return
        time.sleep(0.2)
    sys.exit("error: the server of MLflow does not answer")


def check_runs(checkout: Path, points: int, address: str) -> None:
    """End the benchmark unless MLflow has so many finished points, and the log no word of a lock."""
    from plainmlp.tracking.store import Store

    store = Store(address, "plainmlp")
    parents = store.client.search_runs([store.experiment_id], "params.`sweep.points` != ''")
    statuses = [child.status for parent in parents for child in store.children(parent.info.run_id)]
    if statuses != ["FINISHED"] * points:
        sys.exit(f"error: {statuses.count('FINISHED')} of {points} points are FINISHED in MLflow")
    if "locked" in (checkout / "bench.log").read_text(encoding="utf-8"):
        sys.exit("error: the database was locked")


def time_basic() -> Timing:
    """Run a tenth of the grid under Hydra's basic launcher."""
    with TemporaryDirectory() as folder:
        command = [*grid_arguments([[32], [128, 64]], RATES, [0]), "hydra/launcher=basic"]
        return run_command("Hydra's launcher `basic`", 24, command, copied_checkout(Path(folder)))


def time_dvc() -> Timing:
    """Run four points, one for each network, as DVC experiments in folders of their own."""
    with TemporaryDirectory() as folder:
        checkout = copied_checkout(Path(folder))
        (checkout / "dvc.lock").unlink()  # it names results of another cache
        run_command("dvc repro", 1, ["dvc", "repro", "-q"], checkout)  # its data is made once, untimed
        changes = [f"model.hidden_sizes={layers}".replace(" ", "") for layers in SIZES]
        timings = [run_command("`dvc exp run --temp`", 1, _dvc_command(change), checkout) for change in changes]
    seconds = sum(timing.seconds for timing in timings)
    return Timing(timings[0].name, len(timings), seconds, max(timing.megabytes for timing in timings))


def _dvc_command(change: str) -> list[str]:
    changes = [change, f"training.epochs={EPOCHS}", f"training.batch_size={BATCH}"]
    options = [option for text in changes for option in ("-S", text)]
    return ["dvc", "exp", "run", "--temp", *options]


def time_scikit_learn() -> Timing:
    """Run the grid by scikit-learn's grid search over MLPClassifier, on the same parts and without any record."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "benchmarks/sweep.py", "--scikit-learn"]
        return run_command("scikit-learn's GridSearchCV", POINTS, command, copied_checkout(Path(folder)))


def search_with_scikit_learn() -> None:
    """Fetch and split the data, and search the grid."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.neural_network import MLPClassifier

    from plainmlp.composition.compose import compose, parse
    from plainmlp.data.stages import fetch, split

    config = parse(compose(ROOT / "conf", []))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    parts = [part for part in (splits.train, splits.validation) if part is not None]
    features = np.concatenate([part.features.reshape(len(part), -1) / 16.0 for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    validated = PredefinedSplit(np.repeat([-1, 0], [len(part) for part in parts]))
    grid = {
        "hidden_layer_sizes": [tuple(layers) for layers in SIZES],
        "activation": PEER_ACTIVATIONS,
        "learning_rate_init": RATES,
        "random_state": list(SEEDS),
    }
    network = MLPClassifier(max_iter=EPOCHS, batch_size=BATCH)
    search = GridSearchCV(network, grid, cv=validated, n_jobs=2, refit=False)
    warnings.simplefilter(
        "ignore", ConvergenceWarning
    )  # that 20 epochs are not enough; joblib's processes take it over
    search.fit(features, targets)


def table(timings: Sequence[Timing]) -> list[str]:
    """Return the lines of a Markdown table; every way is compared with the first."""
    header = ["way", "points", "seconds", "points a second", "seconds a point", "times ours", "peak MB"]
    lines = [f"| {' | '.join(header)} |", "|---|" + "--:|" * (len(header) - 1)]
    for timing in timings:
        each = timing.seconds_a_point
        ratio = each / timings[0].seconds_a_point
        figures = f"{timing.seconds:.1f} | {1 / each:.2f} | {each:.3f} | {ratio:.1f} | {timing.megabytes:.0f}"
        lines.append(f"| {timing.name} | {timing.points:,} | {figures} |")
    return lines


def section(lines: Sequence[str]) -> str:
    """Return the section of docs/performance.md."""
    text = (
        f"Digits, {EPOCHS} epochs, batches of {BATCH}; {len(SIZES)} layer settings x {len(ACTIVATIONS)} activations x "
        f"{len(RATES)} learning rates x {len(SEEDS)} seeds; from the command, with a new database, to the finished "
        f"leaderboard. Measured by `make bench-sweep` on {machine()}."
    )
    notes = (
        "Every way but scikit-learn's, which has `identity` in place of `gelu`, records all that a run has in MLflow. "
        "Memory is that of all processes together."
    )
    return "\n".join([TITLE, "", text, "", *lines, "", notes]) + "\n"


def main() -> None:
    """Measure, print a table and write it into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also run 2,000 points, and 500 to a server")
    parser.add_argument("--scikit-learn", action="store_true", help="only search by scikit-learn, and time nothing")
    arguments = parser.parse_args()
    if arguments.scikit_learn:
        search_with_scikit_learn()
        return
    ways: list[Callable[[], Timing]] = [time_processes, time_basic, time_dvc, time_scikit_learn]
    if arguments.large:
        ways += [time_server, lambda: time_processes(LARGE_RATES, range(25))]
    timings = []
    for way in ways:
        timings.append(way())
        print(f"{timings[-1].name}: {timings[-1].points:,} points, {timings[-1].seconds:.1f} s", file=sys.stderr)
    lines = table(timings)
    print("\n".join(lines))
    if arguments.large and timings[-1].megabytes > timings[0].megabytes + MEGABYTES_MORE:
        sys.exit(f"error: {timings[-1].points:,} points took over {MEGABYTES_MORE} MB more than {POINTS}")
    write_section(TITLE, section(lines))


if __name__ == "__main__":
    main()
