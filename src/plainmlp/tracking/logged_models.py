"""A model as MLflow lists it besides its run: on the page of models, as `models:/m-...`, with its metrics."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.tracking.models import MODEL_FILE
from plainmlp.tracking.outbox import Point
from plainmlp.tracking.stored_runs import Reader

DESCRIBING = ("point_id", "weights_digest")  # tags of the run that its model has too
KIND = "multilayer perceptron"
REFUSED = "/:.%\"'"  # in a model's name
VERSIONS_TAG = "mlflow.modelVersions"
NO_ID = "model_id: null\n"  # in the record of a packed model
NO_SUCH_PAGE = "ENDPOINT_NOT_FOUND"  # the code of a server that knows no models beside runs


def send_model(store: Reader, run_id: str, points: Sequence[Point], files: Mapping[str, Path]) -> None:
    """Let MLflow list the model of a run that it has; sending it twice changes nothing.

    The model is found by the `points`, which are metrics of the run; `files` are those of the packed model, by their
    places in its folder.
    """
    from mlflow.exceptions import MlflowException

    try:
        _send(store, run_id, points, files)
    except MlflowException as error:
        if error.error_code != NO_SUCH_PAGE:
            raise


def _send(store: Reader, run_id: str, points: Sequence[Point], files: Mapping[str, Path]) -> None:
    """Send what is missing, a request at a time: one whose answer is given up may still be carried out, and no other."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

    client, call = store.client, store.connection.call
    run = call(lambda: client.get_run(run_id))
    found = call(lambda: find_model(store, run))
    if found is not None and found.status == LoggedModelStatus.READY:
        return
    tags = {key: run.data.tags[key] for key in DESCRIBING if key in run.data.tags}
    model = found or call(lambda: create_model(store, run, tags))
    metrics = [Metric(*point, model.model_id, *_test_part(run)) for point in points]
    call(lambda: upload(store.artifacts_at(model.artifact_location), model.model_id, files))
    call(lambda: client.log_batch(run_id, metrics))
    if found is None or not call(lambda: client.get_run(run_id)).outputs.model_outputs:
        call(lambda: client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)]))
    call(lambda: client.finalize_logged_model(model.model_id, LoggedModelStatus.READY))


def _test_part(run: Any) -> tuple[str | None, str | None]:
    """Return name and digest of a run's test part, if the run lists its data."""
    inputs = run.inputs.dataset_inputs
    found = (each.dataset for each in inputs if "test" in {tag.value for tag in each.tags})
    return next(((data.name, data.digest) for data in found), (None, None))


def find_model(store: Reader, run: Any) -> Any:
    """Return the model that MLflow lists for a run, or None."""
    found = store.client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    return found[0] if found else None


def create_model(store: Reader, run: Any, tags: Mapping[str, str], experiment_id: str | None = None) -> Any:
    """Return a new model for a run, under the run's name; it may be in an experiment of another store.

    Of the name of the run's own artifact MLflow would take both for one and read the two of them at every load.
    """
    name = run.info.run_name.translate(dict.fromkeys(map(ord, REFUSED), "-"))
    place = (run.info.experiment_id, name, run.info.run_id) if experiment_id is None else (experiment_id, name, None)
    return store.client.create_logged_model(*place, dict(tags), run.data.params, KIND)


def note_version(store: Reader, model: Any, name: str, version: str) -> None:
    """Let the page of a model name its registered version, as MLflow's own function does."""
    known = [*json.loads(model.tags.get(VERSIONS_TAG, "[]")), {"name": name, "version": version}]
    store.client.set_logged_model_tags(model.model_id, {VERSIONS_TAG: json.dumps(known)})


def upload(artifacts: Any, model_id: str, files: Mapping[str, Path]) -> None:
    """Write the files of a packed model to the place of a listed one, whose name goes into its record."""
    with TemporaryDirectory() as folder:
        for name, path in files.items():
            source = path
            if path.name == MODEL_FILE:
                source = Path(folder) / MODEL_FILE
                text = path.read_text(encoding="utf-8")
                source.write_text(text.replace(NO_ID, f"model_id: {model_id}\n", 1), encoding="utf-8")
            artifacts.log_artifact(str(source), name.rpartition("/")[0] or None)
