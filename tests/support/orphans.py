"""A process that trains points with workers until it is ended; tests/sweeps/running/test_workers.py sends it signals."""

import sys
from pathlib import Path

from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.workers import train_points
from plainmlp.system.command import run_command
from pointed import point


def main() -> None:
    """Train a short point and one that takes for ever; say when the short one is there."""
    points = [point(), point(training__epochs=1_000_000)]
    for point_id, _ in train_points(points, Archive(Path(sys.argv[1])), n_jobs=2):
        sys.stdout.write(f"{point_id}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_command(main))
