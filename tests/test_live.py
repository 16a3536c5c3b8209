"""What the page live.md is made of: the archive of the sources, the points, and the page's own files."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from configurations import refusal
from live_sources import points_of_clusters, write_sources
from plainmlp import MLP, Architecture, Examples, Recipe
from pyodide_numpy import CARRIER, add_numpy

DOCS = Path(__file__).resolve().parents[1] / "docs"
LIVE = DOCS / "static" / "live"
TRAINS = """
import json, sys
exec(open(sys.argv[1]).read())
points = sys.stdin.read()
live = Live(points, points, 3, 0.1)
first = live.train(0)
for _ in range(4):
    done = json.loads(live.train(0))
assert live.probabilities(-7, 12, 4, 4).shape == (48,)
assert sys.argv[2] in sys.modules["plainmlp"].__file__
print(done["epochs"], done["digest"], *{"numba", "sklearn", "pandas", "pydantic"} & set(sys.modules))
"""


def test_the_archive_trains_with_numpy_alone_and_to_the_same_bits(tmp_path):
    archive = tmp_path / "plainmlp.zip"
    write_sources(archive)
    environment = {**os.environ, "PYTHONPATH": str(archive)}
    command = [sys.executable, "-c", TRAINS, LIVE / "network.py", archive]
    points = points_of_clusters()
    found = subprocess.run(command, env=environment, input=points, capture_output=True, text=True, check=True)
    table = np.array([[float(cell) for cell in line.split(",")] for line in points.split()])
    network = MLP(
        Architecture((2, 5, 3), ("relu",), "cross_entropy"),
        Recipe(3, "sgd", 0.1, l2=0.01),
        initializer="normal",
        initializer_options={"mean": 0.0, "standard_deviation": 1.0},
        dtype="float64",
    )
    examples = Examples(table[:, :2], table[:, 2].astype(np.int64))
    assert len(list(islice(network.train(examples, epochs=5, batch_size=len(table), shuffle=False), 5))) == 5
    assert found.stdout.split() == ["5", network.weights_digest]


def test_a_diverged_training_is_said(monkeypatch):
    monkeypatch.syspath_prepend(LIVE)
    from network import Live

    live = Live("1e5,1e5,0\n-1e5,1e5,1\n1e5,-1e5,2\n", "0,0,0\n", 0, 1e200)
    for _ in range(20):
        if "diverged" in (said := live.train(0)):
            break
    assert said == '{"diverged": true}'


def test_the_archive_of_the_same_sources_has_the_same_bytes(tmp_path):
    for name in ("first", "second"):
        write_sources(tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_the_points_are_of_three_classes_in_turn():
    lines = points_of_clusters().split()
    assert [line.split(",")[2] for line in lines[:6]] == ["0", "1", "2"] * 2
    assert len(lines) == 102


def test_the_page_has_every_part_that_its_script_asks_for():
    asked = set(re.findall(r'element\("(\w+)"\)', (LIVE / "live.js").read_text(encoding="utf-8")))
    assert asked == set(re.findall(r'id="live-(\w+)"', (DOCS / "live.md").read_text(encoding="utf-8")))


@pytest.fixture
def carrier(tmp_path, monkeypatch):
    """Let pip find a package that carries a file for Pyodide, and nothing else."""
    name, version = CARRIER.replace("-", "_").split("==")
    about = f"{name}-{version}.dist-info"
    (tmp_path / "packages").mkdir()
    with zipfile.ZipFile(tmp_path / "packages" / f"{name}-{version}-py3-none-any.whl", "w") as package:
        package.writestr("some/pyodide/numpy-1.whl", "NumPy")
        package.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        package.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        package.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "packages"))
    return tmp_path


def pyodide_with(folder, content, file_name="numpy-1.whl"):
    """Write a lock file that names a file of NumPy and the digest of its content."""
    named = {"file_name": file_name, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "pyodide-lock.json").write_text(json.dumps({"packages": {"numpy": named}}))
    return folder


@pytest.mark.slow
def test_numpy_for_pyodide_comes_out_of_a_package_that_carries_it(carrier):
    add_numpy(pyodide_with(carrier, b"NumPy"))
    assert (carrier / "numpy-1.whl").read_bytes() == b"NumPy"


@pytest.mark.slow
def test_numpy_for_pyodide_is_the_file_that_pyodide_names_or_none(carrier, monkeypatch):
    assert "is not the file that" in refusal(lambda: add_numpy(pyodide_with(carrier, b"another")))
    assert "carries no numpy-2.whl" in refusal(lambda: add_numpy(pyodide_with(carrier, b"NumPy", "numpy-2.whl")))
    monkeypatch.setenv("PIP_FIND_LINKS", str(carrier / "nowhere"))
    assert "pip cannot download" in refusal(lambda: add_numpy(pyodide_with(carrier, b"NumPy")))
    assert list(carrier.glob("numpy*")) == []
