"""What the operating system refuses about a path: one line and exit code 2, wherever it happens."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkouts import run_many
from full_disk import small_disk
from nobody import as_nobody
from plainmlp.system.command import run_command
from plainmlp.system.files import write_json

LONG = "n" * 300
FAST = ("dataset=clusters", "model.hidden_sizes=[4]", "training.epochs=1")
TABLE = ("dataset=table", "dataset.target=y")


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder of a file system that cannot be written to."""
    with small_disk(tmp_path_factory.mktemp("disks") / "disk", 64) as folder:
        (folder / "there").touch()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder


def refused(body: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line of a command that ends with exit code 2."""
    assert run_command(lambda: body() and None) == 2
    out, line = capsys.readouterr()
    assert out == ""
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    return line


def test_a_file_system_that_is_read_only(read_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = read_only / "new"
    assert refused(path.mkdir, capsys) == f"error: {path}: Read-only file system\n"
    assert "cannot be written (Read-only file system)" in refused(lambda: write_json(path, 1), capsys)


def test_a_folder_of_another_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "file").touch()
    folder.chmod(0)
    with as_nobody():
        for body in ((folder / "new").mkdir, (folder / "file").read_text):
            assert "Permission denied" in refused(body, capsys)
        assert "Operation not permitted" in refused(lambda: os.chown("/", 0, 0), capsys)
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file/new", "Not a directory"),
        (LONG, "File name too long"),
        (".", "Is a directory"),
        ("none/new", "No such file or directory"),
    ],
)
def test_a_name_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    line = refused(lambda: (tmp_path / name).write_text("x"), capsys)
    assert line.endswith(f"{reason}\n")
    assert len(line) < 300


def test_a_lost_connection_is_no_matter_of_a_path() -> None:
    with pytest.raises(ConnectionResetError):
        run_command(lambda: os.close(_reset()))


def _reset() -> int:
    raise ConnectionResetError(104, "Connection reset by peer")


@pytest.mark.slow
def test_a_run_says_so_in_one_line(read_only: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    elsewhere = "writes elsewhere"
    commands = {
        (*FAST, f"hydra.run.dir={read_only}/run"): ("/run: Read-only file system; hydra.run.dir", elsewhere),
        (*FAST, "hydra.run.dir=file/run"): ("file/run: Not a directory; hydra.run.dir", elsewhere),
        (*FAST, "hydra.run.dir=file"): ("file: File exists; hydra.run.dir", elsewhere),
        (*FAST, f"hydra.run.dir={LONG}"): ("File name too long; hydra.run.dir", elsewhere),
        ("-m", "seed=0,1", *FAST, f"hydra.sweep.dir={read_only}/sweep"): ("/sweep: Read-only file system", elsewhere),
        (*TABLE, f"dataset.path={LONG}.csv"): ("File name too long",),
        ("dataset=npy", f"dataset.path={LONG}"): ("File name too long",),
        ("dataset=mnist", f"dataset.path={LONG}"): ("File name too long",),
        (*FAST, f"model.weights={LONG}"): ("File name too long",),
        (*FAST, f"tracking.uri=sqlite:///{read_only}/mlflow.db"): ("cannot record there", "Read-only file system"),
    }
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    results = run_many(tmp_path, [(variables, ("run.py", *overrides)) for overrides in commands])
    for (overrides, words), result in zip(commands.items(), results, strict=True):
        assert (result["code"], result["errors"].count("\n")) == (2, 1), (overrides, result["errors"])
        assert [word for word in words if word not in result["errors"]] == [], result["errors"]
