"""Time the training of the mnist experiment, 20 epochs with one BLAS thread, and the whole command around it."""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))


def overrides(data: Path) -> list[str]:
    """Return what makes the mnist experiment read a folder of IDX files."""
    return ["experiment=mnist", f"dataset.path={data.resolve()}"]


def training_seconds(data: Path) -> Callable[[], float]:
    """Return a function that trains once and returns the seconds; reading and preparing the data is not counted."""
    from plainmlp.config import compose, parse
    from plainmlp.stages.fetch import fetch
    from plainmlp.stages.split import split
    from plainmlp.stages.train import train

    config = parse(compose(ROOT / "conf", overrides(data)))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)

    def measure() -> float:
        start = time.perf_counter()
        train(splits, config.seed, config.model, config.optimizer, config.training)
        return time.perf_counter() - start

    return measure


def command_seconds(data: Path) -> float:
    """Run the whole chain as a process of its own, with a new tracking database, and return the seconds."""
    with TemporaryDirectory() as folder:
        uri = f"tracking.uri=sqlite:///{folder}/mlflow.db"
        command = [sys.executable, str(ROOT / "pipelines" / "run.py"), *overrides(data), uri]
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "mnist-8k", help="IDX folder")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"error: --data {arguments.data}: there is no such folder of IDX files")
    train_once = training_seconds(arguments.data)
    timed = {
        "training, 20 epochs": [train_once() for _ in range(arguments.repeats)],
        "whole command": [command_seconds(arguments.data) for _ in range(arguments.repeats)],
    }
    print(f"{'seconds':<22}{'min':>8}{'median':>8}{'max':>8}")
    for name, seconds in timed.items():
        print(f"{name:<22}{min(seconds):>8.2f}{median(seconds):>8.2f}{max(seconds):>8.2f}")


if __name__ == "__main__":
    main()
