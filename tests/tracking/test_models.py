"""What of the code goes into a model that MLflow keeps."""

from pathlib import Path

import mlflow
import pandas as pd
import pytest

from plainmlp.tracking import models
from plainmlp.tracking.models import PACKAGE, pack_model

SECRET = "hunter2" + "hunter2"


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """Return a package of this name that takes the place of ours."""
    folder = tmp_path / "src" / PACKAGE.name
    (folder / "training").mkdir(parents=True)
    for name in ("__init__.py", "training/__init__.py", "training/own.py"):
        (folder / name).write_text("x = 1\n")
    monkeypatch.setattr(models, "PACKAGE", folder)
    models._secrets_of_package.cache_clear()
    yield folder
    models._secrets_of_package.cache_clear()


def packed(folder: Path) -> dict[str, bytes]:
    """Pack a model; return the files of its code."""
    (folder.parent / "data").write_bytes(b"weights")
    rows = pd.DataFrame({"a": [1.0]})
    pack_model(folder, "0" * 32, folder.parent / "data", rows, rows)
    assert mlflow.models.Model.load(folder).signature is not None
    return {path.relative_to(folder / "code").as_posix(): path.read_bytes() for path in folder.glob("code/**/*.*")}


def test_modules_go_along_and_nothing_else(package, tmp_path):
    (package / "notes.txt").write_text("mine")
    (package / "training" / "rows.npy").write_bytes(bytes(2_000_000))
    names = ("__init__.py", "training/__init__.py", "training/own.py")
    assert set(packed(tmp_path / "model")) == {f"{PACKAGE.name}/{name}" for name in names}


def test_code_with_secrets_stays_here_which_is_said(package, tmp_path, capsys):
    (package / "training" / "own.py").write_text(f"x = 1\npassword = '{SECRET}'\n")
    assert packed(tmp_path / "model") == {}
    said = capsys.readouterr().out
    assert f"secrets: src/{PACKAGE.name}/training/own.py:2 (a password)" in said
    assert SECRET not in said
