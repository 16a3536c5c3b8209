"""The data of a run as MLflow has them."""

from mlflow import MlflowClient

from plainmlp.tracking.datasets import send_data


def test_data_that_an_earlier_version_left_in_the_outbox_are_sent_once(address: str) -> None:
    client = MlflowClient(address)
    run_id = client.create_run("0").info.run_id
    for _ in range(2):
        send_data(client, run_id, {"name": "digits", "digest": "0" * 32, "profile": {"n_train": 3}})
    (found,) = client.get_run(run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.profile) == ("digits", '{"n_train": 3}')
    assert [tag.value for tag in found.tags] == ["training"]
