"""What of the code goes into a model that MLflow keeps."""

from functools import cache
from pathlib import Path

import mlflow
import pytest

from plainmlp.tracking import models
from plainmlp.tracking.models import PACKAGE, pack_model, serving_code
from plainmlp.training.model import Model
from pointed import point, trained_alone

SECRET = "hunter2" + "hunter2"
IMPORTS = "def f():\n    from plainmlp.training import own\n    from plainmlp import other\n"


@cache
def trained() -> Model:
    return trained_alone(point().config).model


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """Return a package of this name that takes the place of ours."""
    folder = tmp_path / "src" / PACKAGE.name
    (folder / "training").mkdir(parents=True)
    for name in ("__init__.py", "training/__init__.py", "training/own.py", "training/tracked.py"):
        (folder / name).write_text("x = 1\n")
    (folder / "training" / "serving.py").write_text(IMPORTS)
    monkeypatch.setattr(models, "PACKAGE", folder)
    for cached in (models._secrets_of_code, serving_code):
        cached.cache_clear()
    yield folder
    for cached in (models._secrets_of_code, serving_code):
        cached.cache_clear()


def packed(folder: Path) -> dict[str, bytes]:
    """Pack a model; return the files of its code."""
    trained().save(folder.parent / "data.safetensors")
    pack_model(folder, "0" * 32, folder.parent / "data.safetensors")
    assert mlflow.models.Model.load(folder).signature is not None
    return {path.relative_to(folder / "code").as_posix(): path.read_bytes() for path in folder.glob("code/**/*.*")}


def test_what_predicting_imports_goes_along_and_nothing_else(package, tmp_path):
    (package / "notes.txt").write_text("mine")
    (package / "training" / "rows.npy").write_bytes(bytes(2_000_000))
    names = ("__init__.py", "training/__init__.py", "training/own.py", "training/serving.py")
    assert set(packed(tmp_path / "model")) == {f"{PACKAGE.name}/{name}" for name in names}


def test_of_the_package_only_what_predicts_goes_along():
    below = {file.relative_to(PACKAGE).parts[0] for file in serving_code()}
    assert below == {"__init__.py", "config", "data", "nn", "system", "training"}


def test_code_with_secrets_stays_here_which_is_said(package, tmp_path, capsys):
    (package / "training" / "own.py").write_text(f"x = 1\npassword = '{SECRET}'\n")
    assert packed(tmp_path / "model") == {}
    said = capsys.readouterr().out
    assert f"secrets: src/{PACKAGE.name}/training/own.py:2 (a password)" in said
    assert SECRET not in said
