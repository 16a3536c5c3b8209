"""The engine of a Dask cluster, which needs the installed package and nothing else: no checkout, folder or MLflow."""

import logging
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, Worker, WorkerPlugin, get_worker

from plainmlp.config.code import digest_result_code
from plainmlp.data.storage import read_manifest
from plainmlp.sweeps.running.units import UNIT_SECONDS, Results, Unit, WorkerDiedError, check_code, train_unit
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.system.files import replace_folder
from plainmlp.system.process import uninterrupted

SECONDS_TO_ANSWER = 15.0
SECONDS_FOR_WORKERS = 60.0
KEY = "hydra.launcher.address"
# one unit to a worker, so that its end costs no other; a cluster that is joined keeps its own settings
LOCAL = {"distributed.scheduler.worker-saturation": 1.0, "distributed.scheduler.allowed-failures": 0}


class DaskCluster:
    """Trains units on a cluster.

    Parameters
    ----------
    address : str, optional
        Of its scheduler, `tcp://host:port`; None starts a cluster on this machine.
    n_workers : int
        How many workers a cluster on this machine has.

    Raises
    ------
    InputError
        No scheduler or worker answers there, or a worker has other code than this process.
    """

    unit_seconds = UNIT_SECONDS

    def __init__(self, address: str | None, n_workers: int) -> None:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters becomes an error of ours
        self._address, self._cluster = address, None
        self._sent: set[Path] = set()
        if address is None:
            with dask.config.set(LOCAL), uninterrupted():
                self._cluster = LocalCluster(n_workers, threads_per_worker=1, dashboard_address=None, silence_logs=60)
        try:
            self._client = Client(self._cluster or address, timeout=SECONDS_TO_ANSWER, set_as_default=False)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            message = f"{KEY}={address}: no Dask scheduler answers there (allowed: tcp://<host>:<port>, or null)"
            raise InputError(message) from error
        self._executor = self._client.get_executor(pure=False)
        try:
            self._check_workers()
        except InputError:
            self.close()
            raise

    def __str__(self) -> str:
        """Say who trains."""
        return f"{self.units_at_once} threads of Dask's workers at {self._address or 'this machine'}"

    @property
    def units_at_once(self) -> int:
        """How many threads the workers have by now; workers may come and go."""
        try:
            threads: dict[str, int] = self._client.nthreads()
        except OSError as error:
            raise self._ended() from error
        return max(1, sum(threads.values()))

    def submit(self, unit: Unit) -> Future[Results]:
        """Send a unit, and once its data to all workers, those to come as well."""
        if unit.folder not in self._sent:
            self._send_data(unit.folder)
            self._sent.add(unit.folder)
        future: Future[Results] = self._executor.submit(_train, unit, digest_result_code())
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what a unit gave.

        Raises
        ------
        WorkerDiedError
            Its worker has ended; or several, as the scheduler's `allowed-failures` says.
        TrainingError
            The scheduler has ended.
        """
        try:
            return future.result()
        except KilledWorker as error:
            end = f"{error.last_worker.address} ended"
            raise WorkerDiedError(end) from None
        except (CancelledError, OSError) as error:
            raise self._ended() from error

    def _ended(self) -> TrainingError:
        return TrainingError(f"the Dask scheduler at {self._address} has ended; run the same command again to continue")

    def close(self) -> None:
        """Cancel what runs, and end a cluster that was started here."""
        self._executor.shutdown(wait=False)
        self._client.close(timeout=SECONDS_TO_ANSWER)
        if self._cluster is not None:
            self._cluster.close()

    def _send_data(self, folder: Path) -> None:
        if "references" in read_manifest(folder):
            message = "data that stays in its file cannot be sent to a cluster; set hydra/launcher=processes"
            raise InputError(message)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self._client.register_plugin(_Data(folder.name, files))

    def _check_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
        except TimeoutError as error:
            message = f"{KEY}={self._address}: no worker has joined that scheduler within {SECONDS_FOR_WORKERS:.0f} s"
            raise InputError(message) from error
        for worker, found in self._client.run(digest_result_code, on_error="return").items():
            if isinstance(found, Exception):
                message = f"the worker {worker} cannot load plainmlp ({found}); install the same version there"
                raise InputError(message)
            check_code(f"the worker {worker}", found, digest_result_code())


class _Data(WorkerPlugin):
    """Gives each worker the files of parted data, under the name of their digest."""

    def __init__(self, folder: str, files: dict[str, bytes]) -> None:
        self.name, self._folder, self._files = f"plainmlp {folder}", folder, files

    def setup(self, worker: Worker) -> None:
        with replace_folder(Path(worker.local_directory) / self._folder) as temporary:
            for name, content in self._files.items():
                (temporary / name).write_bytes(content)


def _train(unit: Unit, code: str) -> Results:
    """Train a unit in a worker, which may have joined after the others were checked."""
    worker = get_worker()
    check_code(f"the worker {worker.address}", digest_result_code(), code)
    own = Path(worker.local_directory)
    return train_unit(replace(unit, folder=own / unit.folder.name, checkpoints=own / "checkpoints"))
