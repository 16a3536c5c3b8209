"""A registry of models: the versions of a name, and the alias that points to one of them and back."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.system.files import files_below
from plainmlp.tracking.addresses import shown_address
from plainmlp.tracking.children import refuse_without_model
from plainmlp.tracking.connection import SERVERS, one_line
from plainmlp.tracking.logged_models import create_model, find_model, note_version, upload
from plainmlp.tracking.recording.provenance import named_commit
from plainmlp.tracking.run import MODEL_FOLDER
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import StoredRun, read_run
from plainmlp.tracking.tags import MODEL_TAG, POINT_TAG

RUN_TAG = "run_id"  # of a version: the run that made its model
NONE_BEFORE = "RESOURCE_DOES_NOT_EXIST"
FORMER = "former.{}"  # tag of a registered model: which versions an alias pointed to, the latest last
KEPT = 100  # of these


@dataclass(frozen=True)
class Entry:
    """A name in a registry and one of its aliases; raises InputError if MLflow takes no such name or alias."""

    name: str
    alias: str

    def __post_init__(self) -> None:
        """Check both before anything is done."""
        if not self.name.strip() or set(self.name) & set("/:'") or self.name in {".", ".."}:
            message = f"--name {self.name!r} is not a model name (allowed: a text without /, : and ')"
            raise InputError(message)
        if not re.fullmatch(r"[\w-]{1,255}", self.alias) or re.fullmatch(r"(?i:latest|v\d+)", self.alias):
            message = f"--alias {self.alias!r} is not an alias (allowed: letters, digits, _ and -, but not latest or v and a number)"
            raise InputError(message)

    @property
    def address(self) -> str:
        """Return the address under which MLflow loads the version that the alias points to."""
        return f"models:/{self.name}@{self.alias}"


def read_promoted(store: Store, run_id: str) -> StoredRun:
    """Return a run that carries a model; raise InputError if it does not."""
    run = read_run(store, run_id)
    refuse_without_model(run)
    if MODEL_TAG not in run.tags:
        message = f"{run_id} carries no model; this gives it one: python pipelines/model.py {run_id}"
        raise InputError(message)
    return run


def register(store: Store, run: StoredRun, target: Store, entry: Entry, tags: Mapping[str, str]) -> str:
    """Let an alias point to the model of a run, which becomes a version unless it is one; return the version.

    The run, as `read_promoted` returns it, is in `store`; the registry is that of `target`, which gets a copy of the model
    if it is another store. The version has the `tags` beside those that say where it comes from.
    """
    origin = {key: run.tags[key] for key in (POINT_TAG, "weights_digest") if key in run.tags}
    origin |= {"git_commit": commit} if (commit := named_commit(run.tags)) else {}
    origin |= {RUN_TAG: run.run_id, "tracking_uri": shown_address(store.address)}
    with _refusing(entry.name):
        if _registered(target, entry.name) is None:
            target.ask(lambda: target.client.create_registered_model(entry.name))
        version = _version_of(target, entry.name, run.run_id) or _added(store, run, target, entry.name, origin)
        for key, value in {**origin, **tags}.items():
            target.ask(partial(target.client.set_model_version_tag, entry.name, version, key, value))
        text = "\n\n".join(f"{key}: {value}" for key, value in {**tags, RUN_TAG: run.run_id}.items())
        target.ask(lambda: target.client.update_model_version(entry.name, version, text))
        current = _current(target, entry)
        if current not in {None, version}:
            _remember(target, entry, [*_former(target, entry), str(current)])
        _point(target, entry, version)
    return version


def move_back(target: Store, entry: Entry) -> tuple[str, Mapping[str, str]]:
    """Let an alias point to the version before, and return that and its tags, or raise InputError if there is none."""
    with _refusing(entry.name):
        current, there = _current(target, entry), _versions(target, entry.name)
        if current is None:
            message = f"{entry.address} points to no version in {shown_address(target.address)}"
            raise InputError(message)
        former = [version for version in _former(target, entry) if version in there and version != current]
        if not former:
            message = f"{entry.address} is version {current}, and no version that it pointed to before is there"
            raise InputError(message)
        _point(target, entry, former[-1])
        _remember(target, entry, former[:-1])
    return former[-1], there[former[-1]].tags


def _added(store: Store, run: StoredRun, target: Store, name: str, origin: Mapping[str, str]) -> str:
    """Add a version: the run's own artifact, which its manifest seals, or in another store a copy of it."""
    known = store.ask(lambda: store.client.get_run(run.run_id))
    about: dict[str, str] = {}
    if shown_address(store.address) == shown_address(target.address):
        model = store.ask(lambda: find_model(store, known))
        source, about = f"{run.artifacts}/{MODEL_FOLDER}", {"run_id": run.run_id}
    else:
        model = _copied(store, known, target, origin)
        source = model.artifact_location
        # of a database MLflow would look for the model where this process records
        if target.address.startswith(SERVERS):
            source, about = f"models:/{model.model_id}", {"model_id": model.model_id}
    made = target.ask(lambda: target.client.create_model_version(name, source, tags=dict(origin), **about))
    if model is not None and "model_id" not in about:  # by which a server notes it itself
        target.ask(lambda: note_version(target, model, name, str(made.version)))
    return str(made.version)


def _copied(store: Store, run: Any, target: Store, origin: Mapping[str, str]) -> Any:
    """Return a model among those that another store lists, with the files that the run carries."""
    with TemporaryDirectory() as folder:
        path = Path(store.ask(lambda: store.client.download_artifacts(run.info.run_id, MODEL_FOLDER, folder)))
        model = target.ask(lambda: create_model(target, run, origin, target.experiment_id))
        target.ask(lambda: upload(target.artifacts_at(model.artifact_location), model.model_id, files_below(path)))
    target.ask(lambda: target.client.finalize_logged_model(model.model_id, "READY"))
    return model


def _registered(target: Store, name: str) -> Any:
    """Return a registered model, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return target.ask(lambda: target.client.get_registered_model(name))
    except MlflowException as error:
        if error.error_code == NONE_BEFORE:
            return None
        raise


def _current(target: Store, entry: Entry) -> str | None:
    """Return the version that the alias points to, or None."""
    registered = _registered(target, entry.name)
    version = None if registered is None else registered.aliases.get(entry.alias)
    return None if version is None else str(version)


def _point(target: Store, entry: Entry, version: str) -> None:
    target.ask(lambda: target.client.set_registered_model_alias(entry.name, entry.alias, version))


def _former(target: Store, entry: Entry) -> list[str]:
    return str(_registered(target, entry.name).tags.get(FORMER.format(entry.alias), "")).split()


def _remember(target: Store, entry: Entry, versions: list[str]) -> None:
    text = " ".join(versions[-KEPT:])
    target.ask(lambda: target.client.set_registered_model_tag(entry.name, FORMER.format(entry.alias), text))


def _versions(target: Store, name: str) -> dict[str, Any]:
    """Return the versions of a name, by their numbers."""
    found = target.ask(lambda: target.client.search_model_versions(f"name = '{name}'"))
    return {str(version.version): version for version in found}


def _version_of(target: Store, name: str, run_id: str) -> str | None:
    """Return the version that has the model of a run, if there is one."""
    found = _versions(target, name).items()
    return next((number for number, version in found if version.tags.get(RUN_TAG) == run_id), None)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn the errors of a registry into one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        message = f"the registry refused the model {name!r} ({one_line(error)})"
        raise InputError(message) from error
