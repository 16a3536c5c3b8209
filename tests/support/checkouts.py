"""Copies of this checkout, the commands that are run in them, and what they leave in MLflow."""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import warm_client
from databases import SHARED, new_database
from plainmlp.tracking.connection import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
OURS = (
    "DVC_",
    "GIT_",
    "HYDRA_",
    "MAKE",
    "MFLAGS",
    "MLFLOW_",
    "PLAINMLP_",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTEST_",
)
BEGAN = dict(os.environ)
OF_DASK = ("_NUM_THREADS", "PYTHONHASHSEED")  # ends of variables that Dask sets in this process, for its workers


def clone(folder: Path, *, has_database: bool = True) -> Path:
    """Make a repository of the files of this checkout as they are, and return its folder.

    Unless told otherwise it has an MLflow database without a run already, which its first command would make.
    """
    listing = _git(ROOT, "ls-files", "-co", "--exclude-standard", "-z")
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name, follow_symlinks=False)
    _git(folder, "init", "--quiet")
    commit(folder)
    if has_database:
        new_database(folder / "mlflow.db")
    return folder


def commit(folder: Path) -> None:
    """Commit all that is new in a repository, if anything is."""
    _git(folder, "add", "--all")
    _git(
        folder,
        "-c",
        "user.name=Ann",
        "-c",
        "user.email=ann@example.org",
        "commit",
        "--allow-empty",
        "--quiet",
        "-m",
        "as it is",
    )


def run(folder: Path, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with the programs of this environment first and none of our variables."""
    program, *rest = map(str, words)
    starts_scripts = program in {"python", "dvc", "script"}
    return subprocess.run(
        [program, *rest],
        cwd=folder,
        env=warm_environment(**variables) if starts_scripts else environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def succeed(folder: Path, *words: str | Path, **variables: str) -> str:
    """Run a command that must end well and return what it said."""
    ended = run(folder, *words, **variables)
    assert ended.returncode == 0, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def run_many(
    folder: Path, commands: Sequence[tuple[Mapping[str, str], Sequence[str]]], checkout: Path = ROOT
) -> list[dict[str, Any]]:
    """Run scripts of a checkout's pipelines/ in one process; return what each came to.

    A command is its variables, and its words: the script and the arguments.
    """
    process = subprocess.run(
        ["python", str(checkout / "tests" / "support" / "many_runs.py")],
        cwd=folder,
        env=warm_environment(),
        input=json.dumps([[dict(variables), list(words)] for variables, words in commands]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    results: list[dict[str, Any]] = json.loads(process.stdout)
    return results


def environment(**variables: str) -> dict[str, str]:
    """Return the variables that a user's terminal would have."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    kept = {key: value for key, value in kept.items() if not key.endswith(OF_DASK) or key in BEGAN}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", **variables}


def warm_environment(**variables: str) -> dict[str, str]:
    """Return the same variables; on Linux with a ``python`` first on the PATH that has imported MLflow already."""
    real = environment(**variables)
    if sys.platform != "linux":  # elsewhere such a socket and a fork of threads are not to be had
        return real
    return {**real, "PATH": f"{warm_programs()}{os.pathsep}{real['PATH']}"}


@cache
def warm_programs() -> Path:
    """Start a Python that forks others until this process ends; return the folder of the programs that ask it to."""
    if SHARED in os.environ:
        return Path(os.environ[SHARED])
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    for name in ("python", "dvc"):
        if (Path(sys.executable).parent / name).exists():
            program = folder / name
            program.write_text(f"#!{sys.executable} -IS\n{Path(warm_client.__file__).read_text()}", encoding="utf-8")
            program.chmod(0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(folder / warm_client.SOCKET))
        listener.listen(64)
        server = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "support" / "warm.py", str(listener.fileno())],
            env=environment(**SETTINGS),
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        server.communicate()
        shutil.rmtree(folder)

    atexit.register(end)
    return folder


def stages_run(output: str) -> list[str]:
    """Return the stages whose command `dvc repro` ran."""
    lines = output.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage ")]


def last_ids(output: str) -> dict[str, str]:
    """Return what the last two lines of run.py say."""
    return dict(line.split() for line in output.splitlines()[-2:])  # type: ignore[misc]


def tracked_runs(database: Path, experiment: str = "plainmlp") -> list[Any]:
    """Return the runs of an experiment, the latest first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, of the libraries below it
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{database}")
        found = client.get_experiment_by_name(experiment)
        return [] if found is None else list(client.search_runs([found.experiment_id]))


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
