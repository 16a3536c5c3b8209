"""The exercises that the published systems leave to the reader, run as grids: for each its table and its picture."""

import csv
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import copy
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from _checkout import ROOT

IMAGES = ROOT / "docs" / "images"


class Exercise(NamedTuple):
    """A grid of conf/sweep, and which of its pictures shows what it answers.

    Parameters
    ----------
    name : str
    picture : str
        Its path below the folder of the sweep.
    """

    name: str
    picture: str


HEATMAP, CURVES, TIMES = "figures/heatmap.png", "figures/learning_curves.png", "training_time.png"
EXERCISES = (
    Exercise("activations", CURVES),
    Exercise("biases", HEATMAP),
    Exercise("layer_sizes", "figures/parameters.png"),
    Exercise("batch_sizes", CURVES),
    Exercise("optimizers", HEATMAP),
    Exercise("sincos_initial_weights", HEATMAP),
    Exercise("sincos_activations", TIMES),
    Exercise("sincos_losses", HEATMAP),
    Exercise("sincos_small", HEATMAP),
)


def run_exercise(exercise: Exercise) -> list[str]:
    """Run a grid, copy its picture to docs/images and return its section of docs/systems.md."""
    start = time.perf_counter()
    with TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, str(ROOT / "pipelines" / "run.py"), f"sweep={exercise.name}"]
        ended = subprocess.run([*command, f"hydra.sweep.dir={folder}"], stdout=subprocess.DEVNULL, check=False)
        if ended.returncode:
            sys.exit(ended.returncode)
        seconds = time.perf_counter() - start
        print(f"{exercise.name}: {seconds:.1f} s", file=sys.stderr)
        copy(folder / exercise.picture, IMAGES / f"exercise_{exercise.name}.png")
        board = (folder / "leaderboard.md").read_text(encoding="utf-8")
        return section(exercise.name, board, training_seconds(folder / "runs.csv"), seconds)


def training_seconds(path: Path) -> list[float]:
    """Return the median seconds of a training for each row of the leaderboard, from its runs.csv."""
    seconds: dict[int, list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for point in csv.DictReader(file):
            seconds.setdefault(int(point["rank"]), []).append(float(point["training_seconds"]))
    return [median(seconds[rank]) for rank in sorted(seconds)]


def section(name: str, board: str, each: Sequence[float], seconds: float) -> list[str]:
    """Return the lines of an exercise.

    Parameters
    ----------
    name : str
        Of the grid.
    board : str
        Its leaderboard.md.
    each : sequence of float
        Seconds of a training, one value a row; the baseline, which is the last of the table, has none.
    seconds : float
        What the command took.
    """
    (ranked,) = re.findall(r"^Ranked by .*$", board, re.MULTILINE)
    header, rule, *rows = (line for line in board.partition("\n## ")[0].splitlines() if line.startswith("|"))
    cells = [*(f"{value:.2f}" for value in each), *[""] * (len(rows) - len(each))]
    timed = [f"{row} {cell} |" for row, cell in zip(rows, cells, strict=True)]
    title = question(name)
    head = [f"### {title}", "", f"`python pipelines/run.py sweep={name}`, {seconds:.0f} s. {ranked}", ""]
    table = [f"{header} seconds |", f"{rule} --- |", *timed]
    return [*head, *table, "", f"![{title}](images/exercise_{name}.png)", ""]


def question(name: str) -> str:
    """Return what a grid compares: the first comment of its file."""
    first = (ROOT / "conf" / "sweep" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
    return first.removeprefix("# ").rstrip(".")


def run_exercises() -> list[str]:
    """Run every grid and return their sections."""
    return [line for exercise in EXERCISES for line in run_exercise(exercise)]
