"""A record: what a run is made from in MLflow, as a file that outlives the process and the server."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.tracking.tags import PARENT_TAG

PREFIX = "record-"  # tells the id of a record from a run's


@dataclass(frozen=True)
class Record:
    """What a run is made from in MLflow.

    Parameters
    ----------
    record_id : str
        Ours, as `new_record_id` makes it.
    address : str
        Of the store, without credentials.
    experiment, name : str
    tags : dict of str to str
        One of them has the record id.
    started : int
        In milliseconds.
    run_id : str, optional
        MLflow's, where the run is there already.
    """

    record_id: str
    address: str
    experiment: str
    name: str
    tags: dict[str, str]
    started: int
    run_id: str | None = None


def new_record_id(name: str | None = None) -> str:
    """Return the id of a record: one that nothing else has, or that of a name."""
    return f"{PREFIX}{name or uuid4().hex}"


def is_child(record: Record) -> bool:
    """Say whether a record is of a run below another."""
    return PARENT_TAG in record.tags


def read_record(path: Path) -> Record:
    """Read a record from JSON.

    Raises
    ------
    InputError
        The file is missing or damaged.
    """
    values = read_json(path)
    try:
        return Record(**values)
    except TypeError as error:
        message = f"{path}: is damaged, or of another version; remove it ({error})"
        raise InputError(message) from error
