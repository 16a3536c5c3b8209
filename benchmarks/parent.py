"""Hand ready results to the parent of a sweep as fast as it takes them: what its own work costs, past this machine.

The archive, the recording and the database are those of a sweep; the results are copies of one.
"""

import argparse
import hashlib
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from _checkout import ROOT
from _performance import machine, write_section
from plainmlp.composition.compose import compose, parse
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import ARCHIVE, Archive, Files
from plainmlp.sweeps.running.job import Job, Recorder
from plainmlp.sweeps.running.training import PointTraining
from plainmlp.sweeps.running.units import UNIT_SECONDS, Results, Unit, train_point
from plainmlp.tracking.recording.training import open_store, point_of
from sweep import copied_checkout

DOCS = ROOT / "docs" / "scaling.md"
TITLE = "## The parent's own work"
POINTS = 10_000


class Simulated:
    """An engine that gives every point the same files at once."""

    unit_seconds, units_at_once = UNIT_SECONDS, 2

    def __init__(self, files: Files) -> None:
        self._files = files

    def submit(self, unit: Unit) -> Future[Results]:
        """Return the results."""
        future: Future[Results] = Future()
        future.set_result(dict.fromkeys(unit.points, self._files))
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what was promised."""
        return future.result()

    def close(self) -> None:
        """Do nothing."""


def simulate(n_points: int, checkout: Path) -> list[tuple[str, str]]:
    """Return what the parent took, and what it left."""
    tracking = [f"tracking.uri=sqlite:///{checkout}/mlflow.db", "tracking.wait_seconds=1000"]
    settings = [*tracking, "training.epochs=20", "model.hidden_sizes=[64,32]"]
    config, archive = parse(compose(ROOT / "conf", settings)), Archive(checkout / ARCHIVE)
    one = Point((), config, point_of(config, archive.data.splits(config.dataset, config.split)))
    folder = archive.data.folder(config.dataset, config.split)
    files = train_point(config, folder, archive.checkpoints(one.point_id))
    if not isinstance(files, dict):
        raise files
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(n_points)]
    points = {name: replace(one, point_id=name) for name in names}
    store = open_store(config.tracking, checkout)
    parent = store.start_parent("simulated", {}, {"sweep_id": "0" * 64})
    start, processor = time.perf_counter(), time.process_time()
    with Recorder(checkout) as recorder:
        for name, failure in PointTraining(points.values(), archive, Simulated(files)).ended():
            recorder.add(Job(points[name], parent.reference, "p"), failure)
        archived = time.perf_counter() - start
    recorded, processor = time.perf_counter() - start, time.process_time() - processor
    start = time.perf_counter()
    found = len(store.recorded_children(parent))
    rows = [
        ("points that MLflow has", f"{found:,}"),
        ("results in the archive, a second", f"{n_points / archived:.0f}"),
        ("results recorded as well, a second", f"{n_points / recorded:.0f}"),
        ("seconds of the parent's processor, a point", f"{processor / n_points:.4f}"),
        ("seconds to read all points back from MLflow", f"{time.perf_counter() - start:.1f}"),
    ]
    return rows + [(f"kB {where}, a point", f"{size / n_points / 1000:.1f}") for where, size in sizes(checkout).items()]


def sizes(checkout: Path) -> dict[str, int]:
    """Return the bytes of what a sweep leaves, by where it is."""
    artifacts = sum(path.stat().st_size for path in (checkout / "mlruns").rglob("*") if path.is_file())
    database = (checkout / "mlflow.db").stat().st_size
    return {"in the archive": Archive(checkout / ARCHIVE).size(), "in SQLite": database, "of artifacts": artifacts}


def main() -> None:
    """Measure, print the table and write it into the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS)
    n_points = parser.parse_args().points
    with TemporaryDirectory() as folder:
        rows = simulate(n_points, copied_checkout(Path(folder)))
    lines = ["| | |", "|---|--:|", *(f"| {name} | {figure} |" for name, figure in rows)]
    print("\n".join(lines))
    text = f"{n_points:,} ready results, handed over as fast as the parent takes them, on {machine()}."
    write_section(TITLE, "\n".join([TITLE, "", text, "", *lines]) + "\n", DOCS)


if __name__ == "__main__":
    main()
