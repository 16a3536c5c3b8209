"""DVC's experiments: where their runs are recorded, also of those that run in a temporary copy."""

import pytest

from checkouts import clone, succeed, tracked_runs

pytestmark = [pytest.mark.slow, pytest.mark.long]
SET = ("-S", "optimizer.learning_rate=0.5", "-S", "optimizer=sgd", "-S", "training.epochs=1")


def test_an_experiment_in_a_temporary_copy_keeps_its_run_under_its_name(tmp_path):
    folder = clone(tmp_path / "clone")
    output = succeed(folder, "dvc", "exp", "run", "--temp", "--name", "short", *SET)
    (run,) = tracked_runs(folder / "mlflow.db")
    assert run.data.tags["dvc.experiment"] == "short"
    assert (run.info.run_name, run.info.status) == ("digits 128 relu sgd", "FINISHED")
    assert run.data.params["optimizer.learning_rate"] == "0.5"
    assert run.info.artifact_uri.startswith(folder.as_uri())
    assert "dvc exp apply short" in output
    assert str(folder / ".dvc" / "tmp") not in output
    assert f"sqlite:///{folder / 'mlflow.db'}" in output
    assert (folder / ".plainmlp" / "manifests" / f"{run.data.tags['plainmlp.record']}.json").is_file()
