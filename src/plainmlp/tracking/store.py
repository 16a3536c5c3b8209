"""An MLflow experiment: its runs, made, found and read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.errors import InputError
from plainmlp.history import History, read_history
from plainmlp.process import is_dead, own_process
from plainmlp.tracking.database import apply_settings, artifact_location, locked, opening
from plainmlp.tracking.run import METRICS_AT_ONCE, TrackedRun, metric_points
from plainmlp.tracking.tags import COMMIT_TAG, FAILURE_TAG, PARENT_TAG, PROCESS_TAG, SWEEP_TAG

RUNS_AT_ONCE = 1000
HISTORY = "history.csv"


@dataclass(frozen=True)
class DataInput:
    """The data set that a run used: its name, the digest of its arrays, and its sizes."""

    name: str
    digest: str
    profile: Mapping[str, int]


@dataclass(frozen=True)
class Child:
    """A run below another, as MLflow has it.

    Parameters
    ----------
    run_id, point_id, status : str
    parameters, metrics : mapping
        A metric that is a curve has its last value.
    artifacts : str
        The address of its files.
    failure : str
        Why it failed, where it did.
    """

    run_id: str
    point_id: str
    status: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str
    failure: str


class Store:
    """An MLflow experiment that runs are recorded in.

    Parameters
    ----------
    address : str
        As `tracking_address` returns it.
    experiment : str
        Made where it does not exist.

    Raises
    ------
    InputError
        MLflow cannot be reached at the address, or the experiment has been deleted.
    """

    def __init__(self, address: str, experiment: str) -> None:
        self.address = address
        apply_settings()
        from mlflow import MlflowClient

        with opening(address), locked(address):  # the client makes the database
            self.client = MlflowClient(address)
            self.experiment_id = self._find(experiment)
            self._close_abandoned()

    def _close_abandoned(self) -> None:
        """End the runs whose process was killed, so that none looks as if it were still running."""
        for run in self._search("attributes.status = 'RUNNING'"):
            if PROCESS_TAG in run.data.tags and is_dead(run.data.tags[PROCESS_TAG]):
                self.client.set_tag(run.info.run_id, FAILURE_TAG, "its process was killed")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _search(self, condition: str, experiment_id: str | None = None) -> Iterator[Any]:
        """Yield the runs that meet a condition, of this experiment unless another is named."""
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs(
                [experiment_id or self.experiment_id], condition, max_results=RUNS_AT_ONCE, page_token=token
            )
            yield from page
            token = page.token or None

    def _find(self, experiment: str) -> str:
        """Return the id of the experiment, which is made where it does not exist."""
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            place = artifact_location(self.address, experiment)
            return str(self.client.create_experiment(experiment, place))
        if found.lifecycle_stage == "deleted":
            message = (
                f"tracking.experiment = {experiment!r} was deleted in MLflow; restore it there "
                f"(mlflow experiments restore -x {found.experiment_id}) or choose another name"
            )
            raise InputError(message)
        return str(found.experiment_id)

    def start(
        self, point_id: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str], data: DataInput
    ) -> TrackedRun:
        """Start a run.

        Parameters
        ----------
        point_id : str
            Of what the run computes; a tag too.
        name : str
            Shown in the list of runs; the first digits of the point id follow it.
        parameters, tags : mapping of str to str
        data : DataInput
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        run_id = self._create(f"{name} {point_id[:12]}", {"point_id": point_id, **tags})
        run = self._run(run_id, point_id)
        entity = Dataset(
            data.name, data.digest, "code", json.dumps({"dataset": data.name}), profile=json.dumps(dict(data.profile))
        )
        with run.closing_on_failure():
            self.client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
            self.client.log_batch(run_id, params=[Param(key, value) for key, value in parameters.items()])
        return run

    def _run(self, run_id: str, point_id: str) -> TrackedRun:
        return TrackedRun(self.client, self.address, self.experiment_id, run_id, point_id)

    def resume(self, run_id: str, point_id: str) -> TrackedRun | None:
        """Return a run of this experiment to add to, or None where there is none of this point any more."""
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(run_id)
        except MlflowException:
            return None
        found = (run.info.experiment_id, run.info.lifecycle_stage, run.data.tags.get("point_id"))
        return self._run(run_id, point_id) if found == (self.experiment_id, "active", point_id) else None

    def resume_parent(self, sweep_id: str) -> TrackedRun | None:
        """Return the run of a sweep that was started before, running again, or None where there is none."""
        found = next(self._search(f"tags.`{SWEEP_TAG}` = '{sweep_id}'"), None)
        if found is None:
            return None
        self.client.update_run(found.info.run_id, status="RUNNING")
        if FAILURE_TAG in found.data.tags:  # of an earlier attempt
            self.client.delete_tag(found.info.run_id, FAILURE_TAG)
        self.client.set_tag(found.info.run_id, PROCESS_TAG, own_process())
        return self._run(found.info.run_id, "")

    def drop(self, run_id: str) -> None:
        """Move a run to MLflow's deleted ones."""
        self.client.delete_run(run_id)

    def start_parent(self, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> TrackedRun:
        """Start a run that others are to be shown below; it computes no point itself."""
        from mlflow.entities import Param

        run_id = self._create(name, tags)
        run = self._run(run_id, "")
        with run.closing_on_failure():
            self.client.log_batch(run_id, params=[Param(key, value) for key, value in parameters.items()])
        return run

    def add_child(
        self,
        parent_run_id: str,
        point_id: str,
        name: str,
        *,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]],
        artifacts: Path | None,
        status: str,
        started: float,
        ended: float,
    ) -> str:
        """Record a run that is over below another, in as few transactions as MLflow has for it; return its id.

        Parameters
        ----------
        parent_run_id : str
        point_id, name, parameters, tags
            As in `start`.
        metrics : mapping of str to float
            A metric that is a curve already stays that.
        curves : mapping of str to sequence of float
            A value an epoch.
        artifacts : Path, optional
            The folder whose content is kept.
        status : {"FINISHED", "FAILED", "KILLED"}
            The tag `failure` says why, where it failed.
        started, ended : float
            In seconds, as `time.time` has them.
        """
        from mlflow.entities import Param

        start, end = int(started * 1000), int(ended * 1000)
        marks = {"point_id": point_id, PARENT_TAG: parent_run_id, **tags}
        run_id = self._create(f"{name} {point_id[:12]}", marks, start)
        values = metric_points({**{name: [value] for name, value in metrics.items()}, **curves}, end)
        first = METRICS_AT_ONCE - len(parameters)
        with self._run(run_id, point_id).closing_on_failure():
            if artifacts is not None:  # before the rest: MLflow reads all that a run has to find its folder
                self.client.log_artifacts(run_id, str(artifacts))
            params = [Param(key, value) for key, value in parameters.items()]
            self.client.log_batch(run_id, metrics=values[:first], params=params)
            for position in range(first, len(values), METRICS_AT_ONCE):
                self.client.log_batch(run_id, metrics=values[position : position + METRICS_AT_ONCE])
            self.client.set_terminated(run_id, status, end)
        return run_id

    def _create(self, name: str, tags: Mapping[str, str], start: int | None = None) -> str:
        """Create a run and return its id; its tags go with it, which saves a transaction."""
        from mlflow.tracking.context.git_context import GitRunContext
        from mlflow.tracking.context.registry import resolve_tags

        known = resolve_tags(ignore=[GitRunContext])  # type: ignore[list-item]  # `tags` have what git says
        every = {**known, PROCESS_TAG: own_process(), **tags}
        every |= {COMMIT_TAG: tags["git_commit"]} if "git_commit" in tags else {}
        return str(self.client.create_run(self.experiment_id, start, every, run_name=name).info.run_id)

    def children(self, parent_run_id: str) -> list[Child]:
        """Return the runs below another, of whichever experiment that is.

        Raises
        ------
        InputError
            There is no run of this id.
        """
        from mlflow.exceptions import MlflowException

        try:
            experiment = self.client.get_run(parent_run_id).info.experiment_id
        except MlflowException as error:
            message = f"{parent_run_id!r} is no run in {self.address}"
            raise InputError(message) from error
        return [_child(run) for run in self._search(f"tags.`{PARENT_TAG}` = '{parent_run_id}'", experiment)]

    def read_artifact(self, run_id: str, name: str) -> str:
        """Return the text of one of a run's files.

        Raises
        ------
        InputError
            There is no such run, or it has no such file.
        """
        from mlflow.exceptions import MlflowException

        try:
            with TemporaryDirectory() as folder:
                return Path(self.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except (MlflowException, OSError) as error:
            message = f"run={run_id}: there is no such run with a file {name} in {self.address} ({error})"
            raise InputError(message) from error

    def history(self, child: Child) -> History:
        """Return the history of a child, from its artifacts: MLflow takes longer for each single curve.

        Raises
        ------
        InputError
            Its history.csv is missing or damaged.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        place = f"{child.artifacts}/{HISTORY}"
        try:
            with TemporaryDirectory() as folder:
                return read_history(
                    Path(download_artifacts(artifact_uri=place, dst_path=folder, tracking_uri=self.address))
                )
        except (MlflowException, OSError) as error:
            message = f"{place}: cannot be read ({str(error).splitlines()[0]})"
            raise InputError(message) from error


def _child(run: Any) -> Child:
    tags, data = run.data.tags, run.data
    return Child(
        run.info.run_id,
        tags.get("point_id", ""),
        run.info.status,
        dict(data.params),
        dict(data.metrics),
        run.info.artifact_uri,
        tags.get(FAILURE_TAG, ""),
    )
