"""Whole runs on small data, recorded in MLflow as pipelines/run.py does."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run

from configurations import changed
from plainmlp.composition.compose import parse
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split

EXPERIMENT = "tests of runs"  # a name with spaces


@dataclass(frozen=True)
class Recorded:
    """A run of pipelines/run.py: its folder, run.json, and what MLflow says of it."""

    folder: Path
    summary: dict[str, Any]
    client: MlflowClient
    run: Run


def configuration(**values: object) -> Config:
    """Return the default configuration with other values, `section__key=value`."""
    return parse(changed(**values))


def splits_of(config: Config) -> Splits:
    """Return the data of a configuration, parted."""
    return split(fetch(config.dataset), config.split, config.dataset.missing)


def record(config: Config, folder: Path) -> Recorded:
    """Do a whole run and read what MLflow holds of it."""
    from run import run

    run(config, folder)
    summary = json.loads((folder / "run.json").read_text())
    client = MlflowClient(config.tracking.uri)
    return Recorded(folder, summary, client, client.get_run(summary["run_id"]))


def write_flats(path: Path) -> None:
    """Write a table with numbers, whole numbers, categories, truths and gaps: `price` to estimate, `kind` to tell."""
    generator = np.random.default_rng(1)
    lines = ["area,rooms,city,garden,price,kind"]
    for row in range(90):
        area, rooms, city = generator.normal(80, 20), generator.integers(1, 6), ("Bern", "Genève", "Chur")[row % 3]
        price = 7000 * area + 20000 * rooms + 50000 * (row % 3) + generator.normal(0, 9000)
        kind = "gross" if area > 80 else "klein"
        area_cell = "" if row % 11 == 3 else f"{area:.2f}"
        city_cell = "" if row % 13 == 5 else city
        lines.append(f"{area_cell},{rooms},{city_cell},{row % 2 == 0},{price:.1f},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
