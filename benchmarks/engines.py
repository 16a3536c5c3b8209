"""Run one grid under each engine, and compare what it leaves to the byte.

Each engine runs in a copy of this checkout with a database and an archive of its own.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from _checkout import ROOT
from _performance import machine, write_section
from sweep import ACTIVATIONS, RATES, SIZES, copied_checkout, grid_arguments, run_command

DOCS = ROOT / "docs" / "scaling.md"
TITLE = "## One grid under each engine"
LAYERS, SEEDS = SIZES[::2], range(2)
POINTS = len(LAYERS) * len(ACTIVATIONS) * len(RATES) * len(SEEDS)
LEADERBOARD = ("leaderboard.csv", "leaderboard.json", "leaderboard.md")


@contextmanager
def dask_by_hand(folder: Path) -> Iterator[list[str]]:
    """Start a scheduler and two workers in a folder that has no checkout; give the overrides that join them."""
    file = folder / "scheduler.json"
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    python = [sys.executable, "-m"]
    server = ["distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = ["distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard"]
    started = [subprocess.Popen([*python, *words], **quiet) for words in (server, worker, worker)]  # type: ignore[call-overload]
    try:
        while not file.exists():
            time.sleep(0.1)
        time.sleep(5)  # until both workers have joined
        yield ["hydra/launcher=dask", f"hydra.launcher.address={_address(file)}"]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _address(file: Path) -> str:
    from plainmlp.system.files import read_json

    return str(read_json(file)["address"])


def run_engine(name: str, overrides: Sequence[str]) -> list[str]:
    """Run the grid; return the cells of its row: engine, points, seconds, and the digests of what it leaves."""
    with TemporaryDirectory() as folder:
        checkout = copied_checkout(Path(folder))
        command = [*grid_arguments(LAYERS, RATES, SEEDS), "hydra.sweep.dir=swept", *overrides]
        timing = run_command(name, POINTS, command, checkout)
        board = hashlib.sha256(b"".join((checkout / "swept" / file).read_bytes() for file in LEADERBOARD))
        cells = [name, str(POINTS), f"{timing.seconds:.1f}", board.hexdigest()[:12], _weights(checkout)]
    print(*cells, file=sys.stderr)
    return cells


def _weights(checkout: Path) -> str:
    """Return the digest of the weights of all points."""
    from plainmlp.sweeps.running.archive import ARCHIVE, Archive

    archive = Archive(checkout / ARCHIVE)
    found = [f"{each} {archive.load(each).weights_digest}" for each in sorted(archive.present())]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:12]


def compare() -> list[str]:
    """Run the grid under every engine that is installed; return the lines of a table."""
    rows = [run_engine(f"`{name}`", [f"hydra/launcher={name}"]) for name in ("basic", "processes")]
    if find_spec("distributed") is None:
        print("dask is not installed: pip install 'plainmlp[dask]'", file=sys.stderr)
    else:
        rows.append(run_engine("`dask`, `address=null`", ["hydra/launcher=dask"]))
        with TemporaryDirectory() as folder, dask_by_hand(Path(folder)) as overrides:
            rows.append(run_engine("`dask`, joined", overrides))
    if shutil.which("sinfo") is None or subprocess.run(["sinfo"], capture_output=True, check=False).returncode:  # noqa: S607
        print("no Slurm answers here", file=sys.stderr)
    else:
        rows.append(run_engine("`slurm`", ["hydra/launcher=slurm", "hydra.launcher.n_jobs=2"]))
    if len({tuple(row[-2:]) for row in rows}) > 1:
        sys.exit("error: the engines differ")
    header = ["engine", "points", "seconds", "leaderboard", "weights"]
    return [_row(header), "|---|--:|--:|---|---|", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, print the table and write it into the docs."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    lines = compare()
    print("\n".join(lines))
    text = f"Digits, {POINTS} points of 20 epochs, whole commands, measured by `make engines` on {machine()}."
    write_section(TITLE, "\n".join([TITLE, "", text, "", *lines]) + "\n", DOCS)


if __name__ == "__main__":
    main()
