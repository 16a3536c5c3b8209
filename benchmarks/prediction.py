"""Time the prediction of one row: by a model, by one that has predicted nothing yet, and through MLflow."""

import argparse
import timeit
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _checkout import ROOT
from _performance import machine, write_section
from plainmlp.composition.compose import compose, parse
from plainmlp.data.stages import fetch, split
from plainmlp.tracking.connection import apply_settings
from plainmlp.tracking.models import pack_model
from plainmlp.training.model import Model
from plainmlp.training.train import train

TITLE = "## One row"
ROUNDS = 200
CALLS = 20  # in a turn


def trained() -> tuple[Model, Any]:
    """Return the default network after an epoch, and the rows of its test part."""
    config = parse(compose(ROOT / "conf", ["training.epochs=1"]))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    return train(splits, config.seed, config.model, config.optimizer, config.training).model, splits.test.features


def ways(model: Model, rows: Any, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return the ways to predict the first row, by their names in the table."""
    apply_settings(1)
    from mlflow import pyfunc

    model.save(folder / "model.safetensors")
    pack_model(folder / "model", "0" * 32, folder / "model.safetensors")
    loaded = pyfunc.load_model(str(folder / "model"))
    row, table = rows[:1], model.preparation.to_frame(rows[:1])
    return {
        "`Model.predict`": lambda: model.predict(row),
        "the same, of a model that has predicted nothing yet": lambda: replace(model).predict(row),
        "with the names of the answers, as a table": lambda: model.label_outputs(model.predict(row)),
        "MLflow's `predict` of an array": lambda: loaded.predict(row),
        "MLflow's `predict` of a table": lambda: loaded.predict(table),
    }


def measure(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the microseconds of each call, the least of many turns that all of them take in turn."""
    turns = [[timeit.timeit(call, number=CALLS) for call in calls.values()] for _ in range(rounds + 1)]
    return {name: 1e6 * min(times[1:]) / CALLS for name, times in zip(calls, zip(*turns, strict=True), strict=True)}


def rows_of(micros: dict[str, float]) -> list[str]:
    """Return the lines of the table: microseconds, and how many times the first of them that is."""
    first = next(iter(micros.values()))
    return [f"| {name} | {value:.0f} | {value / first:.1f} |" for name, value in micros.items()]


def section(rows: Sequence[str]) -> str:
    """Return the section of docs/performance.md."""
    text = (
        "What the answer for one row of the digits takes, 64-128-10 units, the least of many calls, turn by turn\n"
        f"(`make bench-prediction`, {machine()}). A model keeps its network once it has predicted; most of what comes on\n"
        "top for MLflow is the table of the answers, which pandas makes."
    )
    return "\n".join([TITLE, "", text, "", "| | microseconds | times |", "|---|--:|--:|", *rows]) + "\n"


def main() -> None:
    """Measure, print the rows and, where none is cut short, write their section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"another number than {ROUNDS}; writes nothing")
    arguments = parser.parse_args()
    model, rows = trained()
    with TemporaryDirectory() as folder:
        lines = rows_of(measure(ways(model, rows, Path(folder)), arguments.rounds))
    print(*lines, sep="\n")
    if arguments.rounds == ROUNDS:
        write_section(TITLE, section(lines))


if __name__ == "__main__":
    main()
