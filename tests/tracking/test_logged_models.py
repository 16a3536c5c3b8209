"""A model beside its run, where MLflow cannot list it, or was stopped while it did."""

import pytest
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND, INVALID_STATE

from plainmlp.tracking.logged_models import send_model
from plainmlp.tracking.store import Store


@pytest.fixture
def store(address):
    return Store(address, "models beside runs")


@pytest.fixture
def run_id(store):
    with store.start(
        "1" * 64, "table 3.5 'x' relu", {"seed": "0"}, {}, [{"name": "d", "digest": "0", "profile": {}}]
    ).closing() as run:
        return run.run_id


@pytest.fixture
def files(tmp_path):
    (tmp_path / "MLmodel").write_text("artifact_path: model\nmodel_id: null\n")
    return {"MLmodel": tmp_path / "MLmodel"}


NO = "this server says no"
POINTS = [("test_accuracy", 0.5, 1, 0)]


def models_of(store, run_id):
    return store.client.search_logged_models([store.experiment_id], f"source_run_id = '{run_id}'")


def test_a_server_that_knows_no_models_beside_runs_has_the_run_all_the_same(store, run_id, files, monkeypatch):
    for code, is_passed in ((ENDPOINT_NOT_FOUND, True), (INVALID_STATE, False)):

        def answer(*arguments, code=code, **options):
            raise MlflowException(NO, error_code=code)

        with monkeypatch.context() as patched:
            patched.setattr(store.client, "search_logged_models", answer)
            if is_passed:
                send_model(store, run_id, POINTS, files)
            else:
                with pytest.raises(MlflowException):
                    send_model(store, run_id, POINTS, files)


def test_what_was_stopped_goes_on_and_nothing_is_there_twice(store, run_id, files, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store.client, "finalize_logged_model", stop)
        with pytest.raises(KeyboardInterrupt):
            send_model(store, run_id, POINTS, files)
    (half,) = models_of(store, run_id)
    assert half.status == LoggedModelStatus.PENDING
    for _ in range(2):
        send_model(store, run_id, POINTS, files)
    (model,) = models_of(store, run_id)
    assert (model.model_id, model.status) == (half.model_id, LoggedModelStatus.READY)
    assert model.name == "table 3-5 -x- relu"
    assert [(metric.key, metric.value) for metric in model.metrics] == [("test_accuracy", 0.5)]
    assert len(store.client.get_run(run_id).outputs.model_outputs) == 1
