"""The package without its checkout: built as a wheel, installed, and used from another folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# the estimator, the network by itself, and where both come from; the libraries of the pipeline cannot be imported
USED = """
import sys
for name in ("pydantic", "hydra", "omegaconf", "mlflow", "dvc", "sqlalchemy", "filelock"):
    sys.modules[name] = None

import numpy as np
import plainmlp
from plainmlp import MLP, Architecture, Examples, MLPClassifier, MLPRegressor
from sklearn.datasets import load_digits

X, y = load_digits(return_X_y=True)
model = MLPClassifier(16, max_iter=30, n_iter_no_change=np.inf).fit(X / 16, y)
assert model.score(X / 16, y) > 0.8
MLPRegressor(16, max_iter=2, n_iter_no_change=np.inf).fit(X, y).predict(X)
network = MLP(Architecture((64, 8, 10), ("relu",), "cross_entropy"))
for epoch in network.train(Examples((X / 16).astype(np.float32), y), epochs=2):
    assert epoch.metrics["train_loss"] > 0
print(plainmlp.__file__, model.weights_digest_)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has the package from its wheel, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):  # building leaves files beside them
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    found = folder / "venv" / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(subprocess.run([found, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", found, "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", folder], check=True)
    shutil.rmtree(folder / "src")
    return found


@pytest.mark.slow
def test_an_installed_package_fits_without_its_checkout(python, tmp_path):
    variables = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        [python, "-c", USED], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    place, digest = done.stdout.split()
    assert Path(place).is_relative_to(python.parents[1])
    assert not list(tmp_path.iterdir())
    from sklearn.datasets import load_digits

    from plainmlp import MLPClassifier

    X, y = load_digits(return_X_y=True)
    assert MLPClassifier(16, max_iter=30, n_iter_no_change=float("inf")).fit(X / 16, y).weights_digest_ == digest
