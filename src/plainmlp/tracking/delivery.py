"""A journal: what happens to a run, in its order, sent to MLflow while that can be reached and kept from then on."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.tracking.connection import AwayError, Connection, is_away
from plainmlp.tracking.header import Record
from plainmlp.tracking.operations import Operation, send
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.tags import RECORD_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Journal:
    """What happens to a run.

    Parameters
    ----------
    client : MlflowClient
    experiment_id : str
    connection : Connection
        Of the client, which is not asked once that is away.
    outbox : Outbox, optional
        Without one, a store that is away is refused.
    record : Record
        What the run is made from.
    is_kept : bool
        Whether all that comes goes to the outbox, as it does where that holds the record already. Once that is so, it
        stays so: the order must not change.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        connection: Connection,
        outbox: Outbox | None,
        record: Record,
        *,
        is_kept: bool = False,
    ) -> None:
        self.record, self.outbox = record, outbox
        self.is_kept = is_kept or (outbox is not None and outbox.holds(record.record_id))
        self._client, self._experiment_id, self._connection = client, experiment_id, connection
        self._is_tried = False

    def begin(self) -> None:
        """Create the run."""
        try:
            if not self.is_kept:
                self.record = replace(self.record, run_id=self._connection.call(self._create))
        except AwayError as error:
            self._go_away(error)
        if self.is_kept:
            self._keep()

    def resume(self) -> bool:
        """Go on with a run that was begun before; say whether there is one, as there may be while MLflow is away."""
        try:
            return self.is_kept or self._find()
        except AwayError as error:
            self._go_away(error)
            return True

    def _find(self) -> bool:
        call, record = self._connection.call, self.record
        run_id = record.run_id or call(lambda: find_run(self._client, [self._experiment_id], record.record_id))
        self.record = replace(record, run_id=run_id)
        return run_id is not None and call(lambda: is_active(self._client, run_id, self._experiment_id))

    def write(self, operation: Operation, source: Path | None = None) -> None:
        """Let something happen to the run.

        Parameters
        ----------
        operation : dict
        source : Path, optional
            The file or folder that it is about.
        """
        try:
            if not self.is_kept:
                self._connection.call(lambda: send(self._client, self.record.run_id or "", operation, source))
        except AwayError as error:
            self._go_away(error)
        if self.is_kept:
            self._keep(operation, source)

    def _create(self) -> str:
        """Create the run, unless an attempt whose answer was lost has."""
        found = find_run(self._client, [self._experiment_id], self.record.record_id) if self._is_tried else None
        self._is_tried = True
        return found or create_run(self._client, self._experiment_id, self.record)

    def _go_away(self, error: AwayError) -> None:
        if self.outbox is None:
            raise error
        self.is_kept = True
        self._connection.announce(
            f"what it misses is kept whole in {self.outbox.folder}; publish it with: {self.outbox.command}"
        )

    def _keep(self, operation: Operation | None = None, source: Path | None = None) -> None:
        if self.outbox is not None:
            self.outbox.keep(self.record, operation, source)


def find_run(client: "MlflowClient", experiment_ids: list[str], record_id: str) -> str | None:
    """Return the id of the run that was made from a record, if there is one."""
    found = client.search_runs(experiment_ids, f"tags.`{RECORD_TAG}` = '{record_id}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def create_run(client: "MlflowClient", experiment_id: str, record: Record) -> str:
    """Create the run of a record and return its id; its tags go with it, which saves a transaction."""
    tags = {**record.tags, RECORD_TAG: record.record_id}
    return str(client.create_run(experiment_id, record.started, tags, run_name=record.name).info.run_id)


def is_active(client: "MlflowClient", run_id: str, experiment_id: str) -> bool:
    """Say whether an experiment has a run that nobody has deleted."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException as error:
        if is_away(error):
            raise
        return False
    return (info.experiment_id, info.lifecycle_stage) == (experiment_id, "active")
