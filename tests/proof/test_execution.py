"""A training executed again in a process of its own: isolated, limited, and its ends told apart."""

import time
from pathlib import Path

import psutil
import pytest

from plainmlp.proof.execution import ExecutionError, execute
from plainmlp.proof.rebuilding import Source
from plainmlp.system.errors import InputError, TrainingError
from waiting import is_at_work, wait_until

ALL_MEMORY = psutil.virtual_memory().total


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Return a checkout without the module that is executed."""
    root = tmp_path / "code"
    package = root / "src" / "plainmlp"
    (package / "proof").mkdir(parents=True)
    for folder in (package, package / "proof"):
        (folder / "__init__.py").touch()
    return root


def executed(
    root: Path, text: str, seconds: float = 120.0, memory: int = ALL_MEMORY, remark: str = "with other code"
) -> Path:
    """Execute a module that gets a configuration and a folder; return the folder."""
    (root / "src" / "plainmlp" / "proof" / "reexecution.py").write_text(text)
    folder = root.parent / "results"
    execute(Source(root, "test", remark), root / "config.yaml", folder, seconds, memory)
    return folder


@pytest.mark.parametrize(
    ("ending", "error", "message"),
    [
        ("sys.exit('error: the loss is not finite')", ExecutionError, "the loss is not finite"),
        ("print('error: key = 1', file=sys.stderr); sys.exit(2)", InputError, "key = 1"),
        ("sys.exit(130)", TrainingError, "the re-execution crashed: code 130"),
        ("sys.exit('error: \\x1b[2Jidentical')", ExecutionError, r"\x1b[2Jidentical"),
        (
            "os.symlink('/etc/passwd', sys.argv[2] + '/metrics.json')",
            ExecutionError,
            "'metrics.json', which is not a file",
        ),
        ("os.mkfifo(sys.argv[2] + '/history.csv')", ExecutionError, "'history.csv', which is not a file"),
        ("bytearray(4 * 10**9)", TrainingError, "MemoryError; give it more memory with --memory-limit"),
    ],
)
def test_ends_of_a_re_execution_are_told_apart(code: Path, ending, error, message) -> None:
    with pytest.raises(error) as caught:
        executed(code, f"import os, sys\n{ending}\n", 60.0, 2 * 10**9)
    assert type(caught.value) is error
    assert str(caught.value).endswith(message)


@pytest.mark.slow
def test_training_that_does_not_end_is_stopped_with_all_that_it_has_started(code: Path) -> None:
    began = time.monotonic()
    with pytest.raises(InputError, match="stopped after 2 s; give it more with --time-limit"):
        executed(code, "import subprocess; subprocess.run(['sleep', '1234567'])\n", seconds=2.0)
    assert time.monotonic() - began < 30
    sleeping = [process for process in psutil.process_iter(["cmdline"]) if "1234567" in (process.info["cmdline"] or ())]
    wait_until(lambda: not any(map(is_at_work, sleeping)), "the end of what it has started")


def test_process_is_isolated(code: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It knows no variables of Python or MLflow, no sitecustomize and .pth files, and none of our folders."""
    (code / "src" / "sitecustomize.py").write_text("raise SystemExit(7)\n")
    (code / "src" / "evil.pth").write_text("import sys; sys.exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PYTHONSTARTUP", "x.py")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    text = """
import json, os, sys
import numpy
left = {"path": sys.path, "modules": sorted(sys.modules), "variables": dict(os.environ), "here": os.getcwd()}
open(sys.argv[2] + "/left.json", "w").write(json.dumps({**left, "isolated": [sys.flags.isolated, sys.flags.no_site]}))
"""
    import json

    folder = executed(code, text)
    left = json.loads((folder / "left.json").read_text())
    assert left["isolated"] == [1, 1]
    assert left["path"][0] == str(code / "src")
    assert not [path for path in left["path"] if path.endswith(("elsewhere", "support", "pipelines"))]
    assert not {"sitecustomize", "usercustomize"} & set(left["modules"])
    assert not [name for name in left["variables"] if name.startswith(("PYTHON", "MLFLOW"))]
    assert left["variables"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert left["here"] == str(folder)


def test_other_code_prints_nothing(code: Path, capfd: pytest.CaptureFixture[str]) -> None:
    executed(code, "print('identical')\n")
    assert capfd.readouterr() == ("", "")
    executed(code, "print('epoch 1')\n", remark="")
    assert capfd.readouterr() == ("epoch 1\n", "")
