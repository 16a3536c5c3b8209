"""Publication: sending the runs of an outbox to MLflow, each exactly once, however often this is interrupted."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import shown_address
from plainmlp.tracking.connection import AwayError, one_line, refusal
from plainmlp.tracking.credentials import MASK
from plainmlp.tracking.outbox import PREFIX, Entry, Outbox, RunHeader, last_status
from plainmlp.tracking.run import created, find_run, is_active, send
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import FAILURE_TAG, KILLED, KILLED_REASON, PARENT_TAG, POINT_TAG


@dataclass(frozen=True)
class Published:
    """The outcome for a run in the outbox.

    `run_id` is None if its point has finished in another run, or if MLflow rejects the run; then `refusal` says why, and
    the run stays in the outbox.
    """

    header: RunHeader
    run_id: str | None
    refusal: str


def publish(outbox: Outbox, address: str, wait_seconds: float, *, is_redirected: bool = False) -> Iterator[Published]:
    """Send the runs of an outbox to their stores, and remove them.

    Runs that a process still writes stay, and so do the points of a sweep that is still running. The address is the
    configured one with its credentials, which the outbox does not hold; if `is_redirected`, runs that no store has yet go
    there, wherever they belonged. Raises InputError if a store gives no answer for `wait_seconds`: this run and those after
    it stay.
    """
    stores = cache(lambda place, experiment: Store(place, experiment, None, wait_seconds))
    unfinished = set()
    for header in outbox.headers():
        if outbox.is_being_written(header) or header.tags.get(PARENT_TAG) in unfinished:
            unfinished.add(header.record_id)
        else:
            place = address if is_redirected and header.run_id is None else _full_address(header, address)
            yield _publish(outbox, stores(place, header.experiment), header)


def _full_address(header: RunHeader, address: str) -> str:
    if header.address == shown_address(address):
        return address
    if MASK in header.address:
        message = f"{header.record_id} belongs to {header.address}: set MLFLOW_TRACKING_URI to it with its credentials"
        raise InputError(message)
    return header.address


def _publish(outbox: Outbox, store: Store, header: RunHeader) -> Published:
    from mlflow.exceptions import MlflowException

    try:
        return Published(header, _send(outbox, store, header), "")
    except AwayError as error:
        raise refusal(store.address, str(error)) from error
    except (InputError, MlflowException) as error:
        return Published(header, None, one_line(error))


def _send(outbox: Outbox, store: Store, header: RunHeader) -> str | None:
    """Send a whole run and return its id, or None if the run is no longer needed."""
    placed = _placed(store, header)
    if placed is None:
        outbox.remove(header.record_id)
        return None
    n_sent = 0
    while True:  # another process may go on with the run
        entries = outbox.entries(header.record_id)
        for entry in _ended(entries)[n_sent:]:
            send(store, placed, entry, outbox.places(header.record_id, entry))
        n_sent = len(entries)
        if outbox.is_being_written(placed) or outbox.remove(header.record_id, n_sent):
            return placed.run_id


def _ended(entries: list[Entry]) -> list[Entry]:
    """Return the entries with an end, which those of a killed process lack."""
    end = {"status": KILLED, "tags": {FAILURE_TAG: KILLED_REASON}, "ended": int(time.time() * 1000)}
    return [*entries, end] if last_status(entries) is None else entries


def _placed(store: Store, header: RunHeader) -> RunHeader | None:
    """Return a header whose run exists, or None if the run is not needed because its point has finished in another."""
    run_id = header.run_id
    if run_id is not None:
        if is_active(store, run_id):
            return header
        message = f"its run {run_id} was deleted"
        raise InputError(message)
    parent = header.tags.get(PARENT_TAG)
    if parent is not None and find_run(store, header.record_id) is None:
        parent = _parent_run(store, parent)
        if _is_replaced(store, header, parent):
            return None
        header = replace(header, tags={**header.tags, PARENT_TAG: parent})
    return created(store, header)


def _parent_run(store: Store, parent: str) -> str:
    """Return the id of the run above another; if it was in the outbox, it has been published before."""
    if not parent.startswith(PREFIX):
        return parent
    experiments = [found.experiment_id for found in store.connection.call(store.client.search_experiments)]
    found = find_run(store, parent, experiments)
    if found is None:
        message = "its parent run is missing"
        raise InputError(message)
    return found


def _is_replaced(store: Store, header: RunHeader, parent: str) -> bool:
    """Say whether the point has finished in another run below the same parent; delete its unfinished runs."""
    condition = f"tags.`{PARENT_TAG}` = '{parent}' and tags.{POINT_TAG} = '{header.tags[POINT_TAG]}'"
    others = list(store.search(condition))
    for other in others:
        if other.info.status in {"FAILED", "KILLED"}:
            store.drop(other.info.run_id)
    return any(other.info.status == "FINISHED" for other in others)
