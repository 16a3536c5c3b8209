"""Every experiment of conf/ through both doors: `dvc repro` and one process give one point and the same weights."""

import json
from pathlib import Path

import pytest

from checkouts import ROOT, clone, last_ids, succeed, tracked_runs

pytestmark = pytest.mark.slow
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
MNIST = ROOT.parent / "shared" / "data" / "mnist-8k"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("doors") / "clone")


def overrides_for(experiment: str) -> list[str]:
    """Return the experiment, shortened; MNIST from a folder, since the whole of it has to be fetched."""
    overrides = [f"experiment={experiment}", "training.epochs=3"]
    if not experiment.startswith("mnist"):
        return overrides
    if not MNIST.is_dir():
        pytest.skip("the digits of MNIST are not beside the checkout (shared/data/mnist-8k)")
    return [*overrides, f"dataset.path={MNIST}", "split.train=300", "split.validation=100", "split.test=100"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_both_doors_give_the_same_point_and_weights(folder: Path, experiment: str) -> None:
    overrides = overrides_for(experiment)
    (folder / "overrides.yaml").write_text(json.dumps({"overrides": overrides}), encoding="utf-8")
    succeed(folder, "dvc", "repro", "train")
    output = succeed(folder, "python", "pipelines/run.py", *overrides)
    one, other = tracked_runs(folder / "mlflow.db")[:2]
    assert {tag: one.data.tags[tag] for tag in ("point_id", "weights_digest")} == {
        tag: other.data.tags[tag] for tag in ("point_id", "weights_digest")
    }
    assert last_ids(output) == {"run_id": one.info.run_id, "weights_digest": one.data.tags["weights_digest"]}


def test_there_are_experiments() -> None:
    assert {"clusters", "digits", "mnist", "sincos"} <= set(EXPERIMENTS)
