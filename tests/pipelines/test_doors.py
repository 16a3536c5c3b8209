"""Every experiment of conf/ through both doors: the stages and run.py give one point and the same weights."""

from functools import cache
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from checkouts import ROOT, clone, last_ids, run_many, tracked_runs
from plainmlp.composition.compose import compose, parse
from plainmlp.training.backends.table import BACKENDS, OWN_BACKEND

pytestmark = [pytest.mark.slow, pytest.mark.long]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml"))
OVERRIDES = "import json, sys\njson.dump({'overrides': sys.argv[1:]}, open('overrides.yaml', 'w'))\n"
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
    """Run every experiment that can be run through both doors, all in one process; return their ends and runs."""
    folder = clone(tmp_path_factory.mktemp("doors") / "clone")
    (folder / "pipelines" / "overrides.py").write_text(OVERRIDES)
    possible = [experiment for experiment in EXPERIMENTS if not obstacle(experiment)]
    ended = iter(run_many(folder, [each for name in possible for each in commands_for(name)], checkout=folder))
    by_door = {name: [next(ended) for _ in commands_for(name)] for name in possible}
    return SimpleNamespace(ended=by_door, runs=tracked_runs(folder / "mlflow.db"))


def commands_for(experiment: str) -> list[tuple[dict[str, str], tuple[str, ...]]]:
    """Return the commands of the stages, as `dvc repro train` would run them, and that of run.py."""
    overrides = overrides_for(experiment)
    stages = [({}, (f"{name}.py",)) for name in ("compose", "fetch", "split", "train")]
    return [({}, ("overrides.py", *overrides)), *stages, ({}, ("run.py", *overrides))]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_both_doors_give_the_same_point_and_weights(doors: SimpleNamespace, experiment: str) -> None:
    if obstacle(experiment):
        pytest.skip(obstacle(experiment))
    ended = doors.ended[experiment]
    assert [(each["code"], each["errors"]) for each in ended] == [(0, "")] * len(ended)
    said = last_ids(ended[-1]["output"])
    place = [run.info.run_id for run in doors.runs].index(said["run_id"])  # the stages' run was the one before
    alone, by_stages = (
        {tag: run.data.tags[tag] for tag in ("point_id", "weights_digest")} for run in doors.runs[place : place + 2]
    )
    assert by_stages == alone
    assert said["weights_digest"] == alone["weights_digest"]


def test_there_are_experiments() -> None:
    assert {"clusters", "digits", "mnist", "sincos"} <= set(EXPERIMENTS)
