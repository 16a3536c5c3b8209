"""Publication: the records of an outbox become runs in MLflow, each once, however often it is interrupted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import MASK
from plainmlp.tracking.connection import AwayError, one_line
from plainmlp.tracking.database import refusal, shown_address
from plainmlp.tracking.delivery import Journal, find_run
from plainmlp.tracking.header import PREFIX, Record
from plainmlp.tracking.models import rename_run
from plainmlp.tracking.operations import Operation
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import PARENT_TAG, POINT_TAG


@dataclass(frozen=True)
class Published:
    """What has become of a record.

    Parameters
    ----------
    record : Record
    run_id : str, optional
        Of the run that it has become; None where its point has finished in another run, or MLflow refuses it.
    refusal : str
        Why MLflow refuses it, where it does; then the record stays.
    """

    record: Record
    run_id: str | None
    refusal: str


@contextmanager
def publishing(outbox: Outbox) -> Iterator[None]:
    """Let no other process publish the same records meanwhile.

    Raises
    ------
    InputError
        Another one does.
    """
    from filelock import Timeout

    try:
        with outbox.locked("publishing", timeout=0):
            yield
    except Timeout as error:
        message = f"another process publishes {outbox.folder} already; wait for it"
        raise InputError(message) from error


def publish(outbox: Outbox, address: str, wait_seconds: float) -> Iterator[Published]:
    """Send the records of an outbox to where they belong, and remove them.

    Parameters
    ----------
    outbox : Outbox
    address : str
        That of the configuration, with the credentials that it needs; a record holds none.
    wait_seconds : float
        How long a store may say nothing.

    Raises
    ------
    InputError
        A store cannot be reached; the record stays, and those after it.
    """
    stores = cache(lambda place, experiment: Store(place, experiment, None, wait_seconds))
    used = set()
    for record in outbox.records():
        store = stores(_full_address(record, address), record.experiment)
        used.add(store)
        yield _publish(outbox, store, record)
    for store in used:
        _close_abandoned(store)


def _close_abandoned(store: Store) -> None:
    """End the runs whose record has no end: their process was killed."""
    try:
        store.connection.call(store.close_abandoned)
    except AwayError as error:
        raise refusal(store.address, str(error)) from error


def _full_address(record: Record, address: str) -> str:
    """Return the address that a record belongs to."""
    if record.address == shown_address(address):
        return address
    if MASK in record.address:
        message = f"{record.record_id} belongs to {record.address}: give tracking.uri=... with its credentials"
        raise InputError(message)
    return record.address


def _publish(outbox: Outbox, store: Store, record: Record) -> Published:
    from mlflow.exceptions import MlflowException

    try:
        return Published(record, _send(outbox, store, record), "")
    except AwayError as error:
        raise refusal(store.address, str(error)) from error
    except (InputError, MlflowException) as error:
        return Published(record, None, one_line(error))


def _send(outbox: Outbox, store: Store, record: Record) -> str | None:
    """Make a record's run, or go on with it, and return its id; None where it is not needed any more."""
    journal = store.journal(record)
    if not journal.resume():
        if record.run_id is not None:
            message = f"its run {record.run_id} was deleted"
            raise InputError(message)
        parent = _parent(store, record)
        if parent is not None:
            if _is_replaced(store, record, parent):
                outbox.remove(record.record_id)
                return None
            journal.record = replace(record, tags={**record.tags, PARENT_TAG: parent}, run_id=None)
        journal.begin()
    n_sent = 0
    while not outbox.remove(record.record_id, n_sent):  # the run may still be going on
        operations = outbox.operations(record.record_id)
        for operation in operations[n_sent:]:
            _write(journal, operation, outbox.source(record.record_id, operation))
        n_sent = len(operations)
    return journal.record.run_id


def _parent(store: Store, record: Record) -> str | None:
    """Return the id of the run above a record's; that one's record was published before."""
    parent = record.tags.get(PARENT_TAG)
    if parent is None or not parent.startswith(PREFIX):
        return parent
    experiments = [found.experiment_id for found in store.connection.call(store.client.search_experiments)]
    found = store.connection.call(lambda: find_run(store.client, experiments, parent))
    if found is None:
        message = "the run above it is not there"
        raise InputError(message)
    return found


def _is_replaced(store: Store, record: Record, parent: str) -> bool:
    """Say whether the point has finished in another run below the same one; delete those that have not."""
    condition = f"tags.`{PARENT_TAG}` = '{parent}' and tags.{POINT_TAG} = '{record.tags[POINT_TAG]}'"
    others = list(store.search(condition, store.experiment_id))
    for other in others:
        if other.info.status in {"FAILED", "KILLED"}:
            store.drop(other.info.run_id)
    return any(other.info.status == "FINISHED" for other in others)


def _write(journal: Journal, operation: Operation, source: Path | None) -> None:
    """Send an operation that names the record, for want of a run, with the run's id in its place."""
    record_id, run_id = journal.record.record_id, journal.record.run_id or ""
    if source is not None:
        rename_run(source, record_id, run_id)
    tags = {name: value.replace(record_id, run_id) for name, value in operation.get("tags", {}).items()}
    journal.write({**operation, "tags": tags}, source)
