"""A process that trains points with workers until it is ended; tests/sweeps/running/test_training.py sends it signals.

Its argument is a folder for the archive, whose modules the workers find as well.
"""

import os
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.processes import Processes
from plainmlp.sweeps.running.training import PointTraining
from plainmlp.system.command import run_command
from pointed import point


def main() -> None:
    """Train a short point and one that takes for ever; say when the short one is there."""
    points = [point(), point(training__epochs=1_000_000)]
    with closing(Processes(2, 0)) as engine:
        for point_id, _ in PointTraining(points, Archive(Path(sys.argv[1]) / "archive"), engine).ended():
            sys.stdout.write(f"{point_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join([sys.argv[1], sys.path[0]])
    sys.exit(run_command(main))
