"""A process that trains points with workers until it is ended; tests/sweeps/running/test_training.py sends it signals."""

import sys
from contextlib import closing
from pathlib import Path

from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.processes import Processes
from plainmlp.sweeps.running.training import train_points
from plainmlp.system.command import run_command
from pointed import point


def main() -> None:
    """Train a short point and one that takes for ever; say when the short one is there."""
    points = [point(), point(training__epochs=1_000_000)]
    with closing(Processes(2)) as engine:
        for point_id, _ in train_points(points, Archive(Path(sys.argv[1])), engine):
            sys.stdout.write(f"{point_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(run_command(main))
