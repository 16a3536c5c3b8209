"""SIGKILL at any moment: the same command goes on, and the results are those of a training that nobody disturbed."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from checkouts import ROOT, clone, run, succeed
from plainmlp.composition.compose import compose, parse
from plainmlp.config.places import Places
from plainmlp.tracking.recording.training import point_of
from plainmlp.training.history import read_digests, read_history
from plainmlp.training.model import Model, Trained
from plainmlp.training.train import train
from recorded import splits_of
from script import Script
from waiting import at_work_in, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]
SECONDS = 120
LONG = (
    "dataset=clusters",
    "split.validation=0.1",
    "model.hidden_sizes=[4]",
    "model.dropout=0.1",
    "optimizer.schedule=reduce_on_plateau",
    "training.epochs=160",
    "training.batch_size=16",
    "training.checkpoint_seconds=0.2",
)


def test_training_survives_fifty_kills_at_random_moments(tmp_path):
    seed = int.from_bytes(os.urandom(4), "little")
    paths = os.pathsep.join(str(ROOT / name) for name in ("src", "tests/support"))
    program = [sys.executable, str(ROOT / "tests" / "support" / "killing.py"), str(tmp_path), "50", str(seed)]
    ended = run(tmp_path, *program, PYTHONPATH=paths)
    assert ended.returncode == 0, (seed, ended.stderr)
    assert ended.stderr == ""  # no checkpoint was damaged
    chains = json.loads(ended.stdout)
    assert sum(seen["kills"] for seen in chains) >= 50
    assert sum(seen["with_checkpoints"] for seen in chains) >= 20
    for number in range(len(chains)):
        folder = tmp_path / f"chain-{number}"
        assert not list(folder.glob("checkpoints/*/*.safetensors")), seed
        for name in ("0.safetensors", "0.csv", "1.safetensors", "1.csv"):
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), (seed, number, name)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("kill") / "clone")


@pytest.fixture(scope="module")
def whole():
    """Return the configuration's point, and the result of a training that nobody disturbed."""
    config = parse(compose(ROOT / "conf", LONG))
    splits = splits_of(config)
    return point_of(config, splits), train(splits, config.seed, config.model, config.optimizer, config.training)


def latest(checkout: Path) -> int:
    """Return the epoch of the latest checkpoint, or 0."""
    found = (checkout / ".plainmlp" / "checkpoints").glob("*/0*.safetensors")
    return max((int(path.stem) for path in found), default=0)


def kill(checkout: Path, *command: str) -> None:
    """Run a script and end it, with all its processes, once it has kept a later checkpoint than there is."""
    before = latest(checkout)
    with Script(checkout, *command) as process:
        wait_until(lambda: latest(checkout) > before or process.poll() is not None, "a later checkpoint", SECONDS)
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    wait_until(lambda: not (exists(process.pid) or at_work_in(checkout)), "the end of all processes", SECONDS)
    assert latest(checkout) > before


def exists(group: int) -> bool:
    """Say whether the system knows a process of a group, as DVC asks of who holds a lock; a zombie counts."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def assert_same(folder: Path, trained: Trained) -> None:
    places = Places(folder)
    model = Model.load(places.model)
    assert (model.weights_digest, model.initial_digest) == (trained.model.weights_digest, trained.model.initial_digest)
    assert read_history(places.history) == trained.history
    assert read_digests(places.history) == trained.digests


def test_run_goes_on_where_it_was_killed(checkout, whole):
    command = ("pipelines/run.py", *LONG, "hydra.run.dir=killed")
    for _ in range(2):
        kill(checkout, *command)
        assert not (checkout / "killed" / "run.json").exists()
    succeed(checkout, "python", *command)
    assert_same(checkout / "killed", whole[1])
    assert latest(checkout) == 0


def test_repro_goes_on_where_it_was_killed(checkout, whole):
    kill(checkout, "pipelines/repro.py", *LONG)
    assert not (checkout / "models" / "model.safetensors").exists()
    succeed(checkout, "dvc", "repro")
    assert_same(checkout, whole[1])
    assert latest(checkout) == 0


def test_sweep_goes_on_where_it_was_killed(checkout, whole):
    command = ("pipelines/run.py", "-m", *LONG, "seed=0,1", "hydra/launcher=stacked")
    kill(checkout, *command)
    succeed(checkout, "python", *command)
    point_id, trained = whole
    (points,) = (checkout / ".plainmlp" / "archive").glob("*/points")
    assert len(list(points.iterdir())) == 2
    assert_same(points / point_id, trained)
    assert latest(checkout) == 0
