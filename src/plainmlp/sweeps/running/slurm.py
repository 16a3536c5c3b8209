"""The engine of Slurm: each unit is a job of `sbatch`, which reads its data and leaves its results in a shared folder."""

import logging
import shutil
import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Event, Thread
from typing import Any

from submitit import AutoExecutor, Job
from submitit.core.utils import FailedSubmissionError, UncompletedJobError

from plainmlp.config.code import digest_result_code
from plainmlp.sweeps.running.engines import WorkerDiedError
from plainmlp.sweeps.running.units import Results, Unit, train_unit
from plainmlp.system.errors import InputError

SECONDS_BETWEEN_LOOKS = 1.0
MINUTES = 60  # that a job may take; the environment variable SBATCH_TIMELIMIT overrides it, as SBATCH_PARTITION does


class Slurm:
    """Trains units as jobs, of which `n_jobs` are on their way at once; `folder` is where they leave their results.

    Raises
    ------
    InputError
        Slurm is not installed here.
    """

    unit_seconds = 60.0  # a job takes some seconds to start

    def __init__(self, folder: Path, n_jobs: int) -> None:
        if shutil.which("sbatch") is None:
            message = "hydra/launcher=slurm needs Slurm, whose command sbatch is not installed here"
            raise InputError(message)
        logging.getLogger("submitit").setLevel(logging.CRITICAL)
        self.units_at_once = n_jobs
        self._folder = folder
        self._executor = AutoExecutor(folder, cluster="slurm")
        self._executor.update_parameters(name="plainmlp", timeout_min=MINUTES, cpus_per_task=1)
        self._jobs: dict[Future[Results], Job[Results | InputError]] = {}
        self._submitted: list[Job[Results | InputError]] = []
        self._is_over = Event()
        Thread(target=self._watch, daemon=True).start()

    def __str__(self) -> str:
        """Say who trains."""
        return f"up to {self.units_at_once} jobs of Slurm"

    def submit(self, unit: Unit) -> Future[Results]:
        """Submit a unit, or raise InputError if Slurm takes no jobs."""
        future: Future[Results] = Future()
        try:
            job = self._executor.submit(_train, unit, digest_result_code())
        except FailedSubmissionError as error:
            line = " ".join(str(error).split())
            message = f"hydra/launcher=slurm: sbatch refuses the job ({line})"
            raise InputError(message) from error
        self._jobs[future] = job
        self._submitted.append(job)
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what a job left, or raise WorkerDiedError."""
        job = self._jobs.pop(future)
        try:
            results = job.result()
        except UncompletedJobError as error:
            end = f"ended as {job.state}"
            _cancel([job])  # Slurm may have put it into the queue again, and another takes its place
            raise WorkerDiedError(end) from error
        if isinstance(results, InputError):
            raise results
        return results

    def close(self) -> None:
        """Cancel what waits or runs, or was put into the queue again, and remove what has been exchanged."""
        self._is_over.set()
        _cancel(self._submitted)
        self._jobs.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self) -> None:
        """Complete the futures of the jobs that have ended."""
        while not self._is_over.wait(SECONDS_BETWEEN_LOOKS):
            for future, job in list(self._jobs.items()):
                if not future.done() and job.done():
                    future.set_result({})  # `results` reads them


def _cancel(jobs: Sequence[Job[Any]]) -> None:
    """End jobs that wait or run; nothing happens to those that are over."""
    if jobs:
        subprocess.run(["scancel", *(job.job_id for job in jobs)], check=False)  # noqa: S603, S607


def _train(unit: Unit, code: str) -> Results | InputError:
    """Train a unit on a node; return the error of one whose code is not that of the process that has sent it."""
    found = digest_result_code()
    if found != code:
        message = (
            f"the node {socket.gethostname()} has code {found[:12]}, the command {code[:12]}; install the same there"
        )
        return InputError(message)
    return train_unit(unit)
