"""A fresh clone in which the main job runs as on another processor: what it writes is compared with what is committed."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from portable.places import COMPILED, ROOT, Outcome, Place, environment

CASE = "make repro"


def repeat_job(place: Place) -> Outcome:
    """Run the main job in a clone of this checkout's last commit.

    Parameters
    ----------
    place : Place
        Of this machine's own Python.

    Returns
    -------
    Outcome
        Its parts are the files that git says have changed; dvc.lock has the digests of weights, predictions and
        figures. None, where all bits are those that are committed.

    Raises
    ------
    RuntimeError
        The job fails.
    """
    with TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        _succeed(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
        started = time.perf_counter()
        _succeed(["dvc", "repro", "--quiet"], clone, place)
        seconds = time.perf_counter() - started
        changed = _succeed(["git", "status", "--short"], clone).splitlines()
    return Outcome(place.name, CASE, "as configured", seconds, {line.split()[-1]: "changed" for line in changed})


def _succeed(command: Sequence[str], folder: Path, place: Place | None = None) -> str:
    """Return what a command says."""
    variables = environment(COMPILED | dict(place.variables) if place else {})
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    del variables["PYTHONPATH"]
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if ended.returncode:
        message = f"{' '.join(command)} ended with code {ended.returncode}: {ended.stderr[-2000:]}"
        raise RuntimeError(message)
    return ended.stdout.strip()
