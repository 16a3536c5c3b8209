"""Measure how time and memory grow: with rows up to 10^7 and a file of 4 GB, with networks up to 1,000, and at the start."""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from _checkout import ROOT
from _performance import machine, write_section

RESULTS = ROOT / "benchmarks" / "results" / "growth.json"
TITLE = "## Growth"
ROWS = (10_000, 100_000, 1_000_000, 10_000_000)
COLUMNS, WIDE_COLUMNS = 10, 100  # of the rows above, and of those that make a file of gigabytes
SAMPLES = 4_000_000  # that each training sees at least
NETWORKS = (1, 10, 100, 1000)
REPEATS = 7
ROWS_WRITTEN = 100_000  # at once
MEGABYTE = 1_000_000
ORDERS = {"in order": ("split.shuffle=false", "split.stratify=false", "training.shuffle=false"), "shuffled": ()}
NETWORK = ("dataset=npy", "model.hidden_sizes=[32]", "training.batch_size=100", "training.checkpoint_seconds=null")
SMALL_NETWORK = ("model.hidden_sizes=[16]", "training.epochs=10")  # on digits

Result = dict[str, Any]


def write_arrays(folder: Path, n_rows: int, n_columns: int) -> Path:
    """Write drawn float32 features, and as targets which of three sums of them is the largest."""
    draws = np.random.default_rng(0)
    weights = draws.standard_normal((n_columns, 3), dtype=np.float32)
    with (folder / "features.npy").open("wb") as features, (folder / "targets.npy").open("wb") as targets:
        _write_header(features, "<f4", (n_rows, n_columns))
        _write_header(targets, "|u1", (n_rows,))
        for start in range(0, n_rows, ROWS_WRITTEN):
            rows = draws.standard_normal((min(ROWS_WRITTEN, n_rows - start), n_columns), dtype=np.float32)
            features.write(rows.tobytes())
            targets.write((rows @ weights).argmax(axis=1).astype(np.uint8).tobytes())
    return folder


def _write_header(file: Any, dtype: str, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})


def train_once(folder: Path, n_rows: int, order: str) -> Result:
    """Train on a folder of arrays in this process; return microseconds a sample, reading included, and its memory."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.data.stages import fetch, split
    from plainmlp.training.train import train

    epochs = max(1, SAMPLES // n_rows)
    overrides = [*NETWORK, *ORDERS[order], f"dataset.path={folder}", f"training.epochs={epochs}"]
    config = parse(compose(ROOT / "conf", overrides))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    start = time.perf_counter()
    train(splits, config.seed, config.model, config.optimizer, config.training)
    seconds = time.perf_counter() - start
    is_held = isinstance(splits.train.features, np.ndarray)
    microseconds = 1e6 * seconds / (epochs * len(splits.train))
    return {"microseconds": microseconds, "megabytes": _megabytes("self")[0], "held": is_held}


def grow_rows() -> Iterator[Result]:
    """Train on more and more rows, in their order and shuffled, each time in a process of its own."""
    for n_rows in ROWS:
        with TemporaryDirectory() as folder:
            write_arrays(Path(folder), n_rows, COLUMNS)
            found = {order: _in_a_process(folder, str(n_rows), order) for order in ORDERS}
        yield {"rows": n_rows, **found}


def _in_a_process(*arguments: str) -> Result:
    command = [sys.executable, str(Path(__file__).resolve()), "--train", *arguments]
    result: Result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def run_on_a_large_file(gigabytes: float) -> Iterator[Result]:
    """Run pipelines/run.py on a file of gigabytes and return seconds and the most memory that it had."""
    n_rows = round(gigabytes * 1e9 / (4 * WIDE_COLUMNS))
    with TemporaryDirectory() as folder:
        write_arrays(Path(folder), n_rows, WIDE_COLUMNS)
        for order, overrides in ORDERS.items():
            own = [
                f"dataset.path={folder}",
                f"tracking.uri=sqlite:///{folder}/mlflow.db",
                f"hydra.run.dir={folder}/run",
            ]
            sizes = ["training.epochs=1", "split.test=50000", "split.validation=50000", "training.batch_size=1000"]
            command = [sys.executable, str(ROOT / "pipelines" / "run.py"), *NETWORK, *sizes, *own, *overrides]
            start = time.perf_counter()
            most, anonymous = memory_of(subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL))
            seconds = time.perf_counter() - start
            found = {"seconds": seconds, "megabytes": most, "anonymous_megabytes": anonymous}
            yield {"order": order, "rows": n_rows, "gigabytes": gigabytes, **found}


def memory_of(process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Wait for a process; return the most megabytes that it had in memory, and of those the most that are of no file."""
    most, anonymous = 0.0, 0.0
    while process.poll() is None:
        now, of_no_file = _megabytes(process.pid)
        most, anonymous = max(most, now), max(anonymous, of_no_file)
        time.sleep(0.05)
    if process.returncode:
        sys.exit(f"error: {process.args!r} ended with {process.returncode}")
    return most, anonymous


def _megabytes(process_id: int | str) -> tuple[float, float]:
    """Return the most that a process has had in memory since its program began, and what is of no file now."""
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    most, anonymous = (int(fields.get(name, "0 kB").split()[0]) for name in ("VmHWM", "RssAnon"))
    return most * 1024 / MEGABYTE, anonymous * 1024 / MEGABYTE


def grow_networks() -> Iterator[Result]:
    """Train more and more networks, one after another in this process, and by a sweep with a process for each core."""
    from sweep import copied_checkout

    with TemporaryDirectory() as folder:
        checkout, first = copied_checkout(Path(folder)), 0
        for count in NETWORKS:
            alone = [time_networks(count) for _ in range(REPEATS if count < NETWORKS[-1] else 1)]
            sweep = time_sweep(checkout, range(first, first + count))
            first += count
            yield {"networks": count, "training_ms": 1e3 * median(alone) / count, "sweep_ms": 1e3 * sweep / count}


def time_networks(count: int) -> float:
    """Return the seconds of training networks of digits that differ in their seed, one after another."""
    from plainmlp.composition.compose import compose, parse
    from plainmlp.data.stages import fetch, split
    from plainmlp.training.train import train

    config = parse(compose(ROOT / "conf", [*SMALL_NETWORK]))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    start = time.perf_counter()
    for seed in range(count):
        train(splits, seed, config.model, config.optimizer, config.training)
    return time.perf_counter() - start


def time_sweep(checkout: Path, seeds: Sequence[int]) -> float:
    """Return the seconds of a sweep of the same networks, from the command to the leaderboard."""
    from sweep import LAUNCHER, run_command

    settings = [*SMALL_NETWORK, f"seed={','.join(map(str, seeds))}", f"hydra/launcher={LAUNCHER}"]
    command = [sys.executable, "pipelines/run.py", "-m", *settings]
    return run_command("the sweep", len(seeds), command, checkout).seconds


def time_starts() -> Result:
    """Return the medians of the seconds of whole processes, taken in turn, and of what the processor worked for them."""
    commands = {
        "run.py --help": [sys.executable, str(ROOT / "pipelines" / "run.py"), "--help"],
        "import plainmlp.nn.training": [sys.executable, "-c", "import plainmlp.nn.training"],
    }
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(REPEATS):
        for name, command in commands.items():
            before, start = _processor_seconds(), time.perf_counter()
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            taken[name].append((time.perf_counter() - start, _processor_seconds() - before))
    medians = {name: [median(column) for column in zip(*pairs, strict=True)] for name, pairs in taken.items()}
    return {name: {"seconds": seconds, "processor_seconds": worked} for name, (seconds, worked) in medians.items()}


def _processor_seconds() -> float:
    """Return what the processor has worked for the processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of figures."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|--:" * len(header) + "|", *lines[1:]])


def section(results: Result) -> str:
    """Return the section of docs/performance.md."""
    rows = [
        [
            f"{each['rows']:,}",
            "memory" if each["shuffled"]["held"] else "the file",
            *(f"{each[order]['microseconds']:.2f}" for order in ORDERS),
            f"{max(each[order]['megabytes'] for order in ORDERS):.0f}",
        ]
        for each in results["rows"]
    ]
    files = [
        [each["order"], f"{each['gigabytes']:g}", f"{each['rows']:,}"]
        + [f"{each[key]:.0f}" for key in ("seconds", "megabytes", "anonymous_megabytes")]
        for each in results["files"]
    ]
    networks = [
        [f"{each['networks']:,}", f"{each['training_ms']:.1f}", f"{each['sweep_ms']:.0f}"]
        for each in results["networks"]
    ]
    starts = [
        [name, *(f"{each[key]:.2f}" for key in ("seconds", "processor_seconds"))]
        for name, each in results["starts"].items()
    ]
    return TEXT.format(
        title=TITLE,
        machine=results["machine"],
        rows=table(["rows", "read from", *(f"µs a sample, {order}" for order in ORDERS), "peak MB"], rows),
        files=table(["order", "GB", "rows", "seconds", "peak MB", "of them anonymous"], files),
        networks=table(["networks", "ms a network, training alone", "ms a network, whole sweep"], networks),
        starts=table(["process", "seconds", "of the processor"], starts),
    )


TEXT = """{title}

Measured by `make bench-growth` on {machine}.

**Rows** of 10 float32 numbers (`dataset=npy`), a network 10-32-3, batches of 100, Adam; training alone, validation
included. Features of more than 64 MB stay in their file: in order they are read a block of batches at a time, shuffled
8 MB ahead, those rows together that are close in the file.

{rows}

**A large file**: rows of 100 float32 numbers through `pipelines/run.py`, one epoch of batches of 1,000; from the command
to the finished record in MLflow, memory being that of the whole process.

{files}

**Networks** 64-16-10 on digits, 10 epochs, alike but for their seed: trained one after another in one process, and as a
sweep, in a process for each core, from the command to the leaderboard in MLflow.

{networks}

**Start**, whole processes, the median of 7.

{starts}
"""


def main() -> None:
    """Measure, print and write the results and their section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=4, help="size of the large file (default 4)")
    parser.add_argument("--train", nargs=3, metavar=("FOLDER", "ROWS", "ORDER"), help="only train once; prints JSON")
    arguments = parser.parse_args()
    if arguments.train:
        folder, n_rows, order = arguments.train
        print(json.dumps(train_once(Path(folder), int(n_rows), order)))
        return
    measures: dict[str, Callable[[], Any]] = {
        "starts": time_starts,
        "networks": lambda: list(grow_networks()),
        "rows": lambda: list(grow_rows()),
        "files": lambda: list(run_on_a_large_file(arguments.gigabytes)),
    }
    results: Result = {"machine": machine()}
    for name, measure in measures.items():
        results[name] = measure()
        print(name, json.dumps(results[name]), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_section(TITLE, section(results))


if __name__ == "__main__":
    main()
