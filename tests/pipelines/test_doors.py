"""Every experiment of conf/ through both doors: `dvc repro` and one process give one point and the same weights."""

import json
from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from checkouts import ROOT, clone, last_ids, run_many, succeed, tracked_runs
from plainmlp.composition.compose import compose, parse
from plainmlp.training.backends.table import BACKENDS, OWN_BACKEND

pytestmark = pytest.mark.slow
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
MNIST = ROOT.parent / "shared" / "data" / "mnist-8k"


@cache
def overrides_for(experiment: str) -> tuple[str, ...]:
    """Return the experiment, shortened; MNIST from a folder, since the whole of it has to be fetched."""
    overrides = (f"experiment={experiment}", "training.epochs=3")
    if not experiment.startswith("mnist"):
        return overrides
    return (*overrides, f"dataset.path={MNIST}", "split.train=300", "split.validation=100", "split.test=100")


@cache
def obstacle(experiment: str) -> str:
    """Return what an experiment needs and this machine has not, or nothing."""
    backend = parse(compose(ROOT / "conf", overrides_for(experiment))).backend.name
    if backend != OWN_BACKEND and find_spec(BACKENDS[backend].library) is None:
        return f"{backend} is an optional extra"
    if experiment.startswith("mnist") and not MNIST.is_dir():
        return "the digits of MNIST are not beside the checkout (shared/data/mnist-8k)"
    return ""


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Run every experiment that can be run by run.py, all in one process; return what each said, and the checkout."""
    folder = clone(tmp_path_factory.mktemp("doors") / "clone")
    possible = [experiment for experiment in EXPERIMENTS if not obstacle(experiment)]
    ended = run_many(folder, [({}, overrides_for(experiment)) for experiment in possible], checkout=folder)
    return SimpleNamespace(folder=folder, ended=dict(zip(possible, ended, strict=True)))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_both_doors_give_the_same_point_and_weights(doors: SimpleNamespace, experiment: str) -> None:
    if obstacle(experiment):
        pytest.skip(obstacle(experiment))
    ended, overrides = doors.ended[experiment], {"overrides": overrides_for(experiment)}
    assert (ended["code"], ended["errors"]) == (0, "")
    (doors.folder / "overrides.yaml").write_text(json.dumps(overrides), encoding="utf-8")
    succeed(doors.folder, "dvc", "repro", "train")
    by_stages, *others = tracked_runs(doors.folder / "mlflow.db")
    (alone,) = [run for run in others if run.info.run_id == last_ids(ended["output"])["run_id"]]
    assert {tag: by_stages.data.tags[tag] for tag in ("point_id", "weights_digest")} == {
        tag: alone.data.tags[tag] for tag in ("point_id", "weights_digest")
    }
    assert last_ids(ended["output"])["weights_digest"] == alone.data.tags["weights_digest"]


def test_there_are_experiments() -> None:
    assert {"clusters", "digits", "mnist", "sincos"} <= set(EXPERIMENTS)
