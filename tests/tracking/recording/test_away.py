"""Training and evaluation as two processes, as DVC runs them, while MLflow comes and goes between them."""

import pytest
from mlflow import MlflowClient

from plainmlp.config.places import Places
from plainmlp.tracking import connection
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.publication import publish
from plainmlp.tracking.recording.training import continue_run, forget_run, publish_training, remember_run, start_run
from plainmlp.training.history import write_history
from plainmlp.training.train import train
from recorded import configuration, splits_of

pytestmark = pytest.mark.slow
SMALL = {"dataset__name": "sincos", "dataset__n_samples": 30, "model__hidden_sizes": [3], "training__epochs": 2}
AWAY, THERE = "away", "there"


@pytest.fixture(scope="module")
def config(server):
    tracking = {"uri": server.address, "experiment": "stages", "wait_seconds": 0.4}
    return configuration(**SMALL, split__test=30, tracking=tracking)


def synced(server, folder):
    connection.connect.cache_clear()
    return [published.run_id for published in publish(Outbox(folder), server.address, 30.0)]


@pytest.mark.parametrize(
    ("training", "is_synced_between", "evaluation"),
    [(AWAY, False, AWAY), (AWAY, False, THERE), (AWAY, True, THERE), (AWAY, True, AWAY), (THERE, False, AWAY)],
)
def test_evaluation_adds_to_the_run_of_its_training(server, config, tmp_path, training, is_synced_between, evaluation):
    splits, places = splits_of(config), Places(tmp_path)
    trained = train(splits, config.seed, config.model, config.optimizer, config.training)
    trained.model.save(places.model)
    write_history(places.history, trained.history, trained.digests)
    with _server(server, training), start_run(config, splits, tmp_path).closing() as run:
        run.log_history(trained.history)
        publish_training(run, places, trained.model)
    remember_run(run, tmp_path)
    published = synced(server, tmp_path) if is_synced_between else []
    with _server(server, evaluation):
        with continue_run(config, splits, tmp_path, places, trained).closing() as second:
            second.log_results({"test_r2": 0.5}, {})
        forget_run(tmp_path)
    published += synced(server, tmp_path)
    client = MlflowClient(server.address)
    found = client.search_runs(
        [client.get_experiment_by_name("stages").experiment_id], f"tags.`plainmlp.record` = '{run.header.record_id}'"
    )
    assert {*published, *filter(None, (run.run_id, second.run_id))} == {found[0].info.run_id}
    assert (len(found), found[0].info.status) == (1, "FINISHED")
    assert found[0].data.metrics["test_r2"] == 0.5
    assert found[0].data.metrics["train_loss"] == trained.history["train_loss"][-1]
    assert {file.path for file in client.list_artifacts(found[0].info.run_id)} >= {"model.safetensors", "config.yaml"}


class _server:  # noqa: N801 - reads as a state
    """The server, away or there, as another process finds it."""

    def __init__(self, server, state):
        self.server, self.state = server, state

    def __enter__(self):
        connection.connect.cache_clear()
        if self.state == AWAY:
            self.server.stop()

    def __exit__(self, *error):
        self.server.go_on()
