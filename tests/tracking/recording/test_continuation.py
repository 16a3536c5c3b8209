"""A run that goes on with the training of an interrupted one, and the interrupted one: each names the other."""

import pytest
from mlflow import MlflowClient

from plainmlp.tracking.recording.training import continuation_note, join_interrupted, start_run
from recorded import configuration, splits_of

SMALL = {"dataset__name": "sincos", "dataset__n_samples": 30, "model__hidden_sizes": [3], "split__test": 10}


@pytest.fixture(scope="module")
def config(address):
    return configuration(**SMALL, tracking={"uri": address, "experiment": "interrupted"})


def interrupted(config, checkout):
    run = start_run(config, splits_of(config), checkout)
    join_interrupted(run)
    with pytest.raises(KeyboardInterrupt), run.closing():
        raise KeyboardInterrupt
    return run


def test_each_of_two_runs_names_the_other(config, tmp_path):
    others = [interrupted(config.model_copy(update={"seed": 5}), tmp_path)]
    first, second = (interrupted(config, tmp_path) for _ in range(2))
    with start_run(config, splits_of(config), tmp_path).closing() as third:
        join_interrupted(third)
        note = continuation_note(third)
    runs = [MlflowClient(config.tracking.uri).get_run(run.run_id) for run in (*others, first, second, third)]
    joined = [(run.data.tags.get("continues"), run.data.tags.get("continued_by")) for run in runs]
    assert joined == [
        (None, None),
        (None, second.run_id),
        (first.run_id, third.run_id),
        (second.run_id, None),
    ]
    link = f"[run {third.run_id[:8]}](#/experiments/{third.store.experiment_id}/runs/{third.run_id})"
    assert runs[2].data.tags["mlflow.note.content"] == f"Interrupted; {link} continues its training."
    assert second.run_id in note
    assert continuation_note(first) == ""
