"""The engine of Slurm: units are jobs of arrays, which read their data and leave their results in a shared folder."""

import logging
import os
import shlex
import shutil
import socket
import subprocess
import sysconfig
import time
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

from submitit import AutoExecutor, Job
from submitit.core.utils import FailedJobError, UncompletedJobError

from plainmlp.config.code import PACKAGE, digest_result_code
from plainmlp.sweeps.running.units import Results, Unit, WorkerDiedError, check_code, train_unit
from plainmlp.system.errors import InputError
from plainmlp.system.process import held

SOURCE = PACKAGE.parent
INSTALLED = Path(sysconfig.get_path("purelib"))
JOBS = Path(".plainmlp") / "slurm"  # below a checkout
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LISTS = 15.0
SECONDS_TO_ANSWER = 15.0
MINUTES = 60  # that a job may take; the environment variable SBATCH_TIMELIMIT overrides it, as SBATCH_PARTITION does
LINE = "-" * 22  # of submitit, before and after the traceback of a job
JOBS_IN_ARRAY = 1000  # Slurm's MaxArraySize, unless it is set, allows no more


class Slurm:
    """Trains units as jobs, of which `n_jobs` are on their way at once; `root` is where they leave their results.

    The jobs of a process that was killed are cancelled by the next one.

    Raises
    ------
    InputError
        Slurm is not installed here, or takes no jobs.
    """

    unit_seconds = 60.0  # a job takes some seconds to start

    def __init__(self, root: Path, n_jobs: int) -> None:
        _check_slurm()
        logging.getLogger("submitit").setLevel(logging.CRITICAL)
        self.units_at_once = n_jobs
        self._folder, self._opened = root / uuid4().hex, ExitStack()
        root.mkdir(parents=True, exist_ok=True)
        with held(root / "lock"):
            _end_leftovers(root)
            self._folder.mkdir()
            self._opened.enter_context(held(self._folder / "lock"))
        # a job finds the package of this checkout, unless that is installed
        path = f"export PYTHONPATH={shlex.quote(os.fspath(SOURCE))}${{PYTHONPATH:+:$PYTHONPATH}}"
        self._executor = AutoExecutor(self._folder, cluster="slurm")
        self._executor.update_parameters(
            name="plainmlp",
            timeout_min=MINUTES,
            cpus_per_task=1,
            slurm_array_parallelism=n_jobs,
            slurm_setup=[] if SOURCE == INSTALLED else [path],
        )
        self._waiting: list[tuple[Future[Results], Unit]] = []
        self._jobs: dict[Future[Results], Job[Results | InputError]] = {}
        self._is_over = Event()
        self._watcher = Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def __str__(self) -> str:
        """Say who trains."""
        return f"up to {self.units_at_once} jobs of Slurm"

    def submit(self, unit: Unit) -> Future[Results]:
        """Let a unit be a job of the next array."""
        future: Future[Results] = Future()
        self._waiting.append((future, unit))
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what a job left; raise WorkerDiedError, or InputError if Slurm takes no jobs."""
        future.result()
        job = self._jobs.pop(future)
        try:
            results = job.result()
        except UncompletedJobError as error:
            if reason := _why_not_loaded(error):
                message = f"a job of Slurm cannot load plainmlp ({reason}); install the same version on the nodes"
                raise InputError(message) from error
            end = f"ended as {job.state}"
            _cancel(job.job_id)  # Slurm may have put it into the queue again, and another takes its place
            raise WorkerDiedError(end) from error
        if isinstance(results, InputError):
            raise results
        return results

    def close(self) -> None:
        """Cancel what waits or runs, or was put into the queue again, and remove what has been exchanged."""
        self._is_over.set()
        self._watcher.join()
        _end_jobs(self._folder)
        self._opened.close()

    def _watch(self) -> None:
        """Submit what has been handed over since the last look, and complete the futures of the jobs that have ended."""
        listed_at = time.monotonic()
        while not self._is_over.wait(SECONDS_BETWEEN_LOOKS):
            if self._waiting:
                self._submit_array()
            for future, job in list(self._jobs.items()):
                if not future.done() and job.done():
                    future.set_result({})  # `results` reads them
            if time.monotonic() > listed_at + SECONDS_BETWEEN_LISTS:
                self._give_up_lost_jobs()
                listed_at = time.monotonic()

    def _give_up_lost_jobs(self) -> None:
        """Let the futures of jobs fail that Slurm knows no more: a controller that is killed forgets its last seconds."""
        running = {job.job_id: future for future, job in self._jobs.items() if not future.done()}
        if not running:
            return
        words = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i"]
        found = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
        for job_id in running.keys() - set(found.stdout.split()) if found.returncode == 0 else ():
            running[job_id].set_exception(WorkerDiedError("was lost by Slurm"))

    def _submit_array(self) -> None:
        chosen, code = self._waiting[:JOBS_IN_ARRAY], digest_result_code()
        del self._waiting[:JOBS_IN_ARRAY]
        try:
            with self._executor.batch():
                jobs = [self._executor.submit(_train, unit, code) for _, unit in chosen]
        except Exception as error:  # noqa: BLE001 - whoever waits for a job hears of any
            for future, _ in chosen:
                future.set_exception(_refusal(str(error)))
        else:
            self._jobs |= {future: job for (future, _), job in zip(chosen, jobs, strict=True)}


def _check_slurm() -> None:
    """Raise InputError where Slurm would take no job."""
    if shutil.which("sbatch") is None:
        message = "hydra/launcher=slurm needs Slurm, whose command sbatch is not installed here"
        raise InputError(message)
    words = ["sbatch", "--test-only", "--wrap", "true"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS_TO_ANSWER)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        said = f"no answer within {SECONDS_TO_ANSWER:.0f} s"
        raise _refusal(said) from error
    if found.returncode:
        raise _refusal(found.stderr)


def _why_not_loaded(error: UncompletedJobError) -> str:
    """Return the exception of a job that has found no unit to train, which points have not; or nothing."""
    if not isinstance(error, FailedJobError):
        return ""
    _, trace, _ = str(error).split(LINE, maxsplit=2)
    *_, last = trace.strip().splitlines()
    return last if last.startswith(("ModuleNotFoundError", "ImportError", "AttributeError")) else ""


def _refusal(said: str) -> InputError:
    return InputError(f"hydra/launcher=slurm: sbatch takes no job ({' '.join(said.split())})")


def _end_leftovers(root: Path) -> None:
    """Cancel the jobs of processes that were killed before they could."""
    for folder in filter(Path.is_dir, root.iterdir()):
        try:
            with held(folder / "lock", 0.0):
                _end_jobs(folder)
        except InputError:  # its process is at work
            continue


def _end_jobs(folder: Path) -> None:
    """Cancel the jobs whose files are in a folder, and remove it."""
    _cancel(*sorted({number for path in folder.iterdir() if (number := path.name.split("_")[0]).isdigit()}))
    shutil.rmtree(folder, ignore_errors=True)


def _cancel(*numbers: str) -> None:
    """End jobs, or arrays of them, that wait or run; nothing happens to those that are over."""
    if numbers:
        subprocess.run(["scancel", "--quiet", *numbers], check=False)  # noqa: S603, S607


def _train(unit: Unit, code: str) -> Results | InputError:
    """Train a unit on a node; return the error of one whose code is not that of the process that has sent it."""
    try:
        check_code(f"the node {socket.gethostname()}", digest_result_code(), code)
    except InputError as error:
        return error
    return train_unit(unit)
