"""Each point has the id that its run would have, and the data is made once."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from configurations import changed, refusal
from plainmlp.composition.compose import parse
from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config, DatasetSection, SplitSection
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.sweeps.grid.grid import Overrides
from plainmlp.sweeps.grid.points import identify_points
from plainmlp.tracking.recording.training import point_of


class Made:
    """Fetches and splits, and counts how often."""

    def __init__(self) -> None:
        self.calls: list[tuple[DatasetSection, SplitSection]] = []

    def __call__(self, dataset: DatasetSection, section: SplitSection) -> Splits:
        self.calls.append((dataset, section))
        return split(fetch(dataset), section, dataset.missing)


def candidate(name: str, **values: object) -> dict[Overrides, Config]:
    values = {"dataset": {"name": "sincos", "n_samples": 60, "seed": 0}, "split__stratify": False, **values}
    return {(name,): parse(changed(**values))}


def table(path: Path, rows: int = 30) -> dict[str, object]:
    path.write_text("x,y\n" + "".join(f"{row},{row * row}\n" for row in range(rows)))
    return {"dataset": {"name": "table", "path": str(path), "target": "y"}}


def test_id_is_the_one_that_the_run_alone_has() -> None:
    made = Made()
    candidates = candidate("a") | candidate("b", seed=1) | candidate("c", split__seed=1)
    points = identify_points(candidates, Path(), made)
    expected = [point_of(config, made(config.dataset, config.split)) for config in candidates.values()]
    assert [point.point_id for point in points] == expected
    assert [point.overrides for point in points] == [("a",), ("b",), ("c",)]


def test_data_is_made_once_for_each_pair() -> None:
    made = Made()
    candidates = {}
    for seed, part in product(range(3), range(2)):
        candidates |= candidate(f"{seed}{part}", seed=seed, split__seed=part)
    assert len(identify_points(candidates, Path(), made)) == 6
    assert sorted(section.seed for _, section in made.calls) == [0, 1]


def test_points_that_compute_the_same_are_one(tmp_path: Path) -> None:
    first, second = table(tmp_path / "first.csv"), table(tmp_path / "second.csv")
    other = table(tmp_path / "other.csv", rows=31)
    candidates = candidate("first", **first) | candidate("second", **second) | candidate("other", **other)
    assert [point.overrides for point in identify_points(candidates, tmp_path, Made())] == [("first",), ("other",)]


def test_relative_paths_are_found_in_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    table(tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path / "elsewhere")
    relative = candidate("relative", dataset={"name": "table", "path": "mine.csv", "target": "y"})
    [point] = identify_points(relative, tmp_path, Made())
    assert point.config == found_inputs(*relative.values(), tmp_path)
    assert point.config.dataset.path == str(tmp_path / "mine.csv")


def test_weights_make_another_point(tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    points = []
    for value in (0, 1):
        save_file({"a": np.full(2, value)}, path)
        points += identify_points(candidate("one", model__weights=str(path)), tmp_path, Made())
    assert points[0].point_id != points[1].point_id


def test_data_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    missing = candidate("missing", dataset={"name": "table", "path": str(tmp_path / "no.csv"), "target": "y"})
    assert "no.csv" in refusal(identify_points, missing, tmp_path, Made())
