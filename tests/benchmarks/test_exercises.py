"""The exercises of the published systems: a grid, and what docs/systems.md says of it."""

import re
from pathlib import Path

import pytest

from checkouts import clone, succeed

CODE = "import exercises as of; print(*of.run_exercise(of.Exercise('sincos_small', of.TIMES)), sep='\\n')"


@pytest.mark.slow
def test_each_row_has_its_seconds_and_the_section_its_picture(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    picture = folder / "docs" / "images" / "exercise_sincos_small.png"
    picture.unlink()
    said = succeed(folder, "env", "PYTHONPATH=benchmarks:src", "python", "-c", CODE)
    rows = [line.strip("| ").split(" | ") for line in said.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 17))
    assert all(0 < float(row[-1]) < 60 for row in rows)
    assert said.splitlines()[-2].endswith("(images/exercise_sincos_small.png)")
    assert picture.is_file()
