"""A full disk while anything is written: one line with the path, and its earlier content is intact."""

import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from checkouts import ROOT, run, tracked_runs
from databases import new_database
from full_disk import PAGE, fill, make_room, small_disk
from plainmlp.config.places import Places
from plainmlp.data.storage import write_splits
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.evaluation.reports import write_evaluation
from plainmlp.sweeps.reports import write_reports
from plainmlp.sweeps.running.archive import Archive, pack
from plainmlp.system.errors import StorageError
from plainmlp.system.files import write_json
from plainmlp.tracking import connection
from plainmlp.tracking.outbox import Outbox, RunHeader
from plainmlp.tracking.publication import publish
from plainmlp.tracking.store import Store
from plainmlp.training.history import write_history
from plainmlp.training.train import train
from pointed import files_below, point, splits_of
from swept import whole_sweep

pytestmark = pytest.mark.slow

HEADER = RunHeader("record-1", "http://h", "e", "n", {}, 0)
LONG_HISTORY = {"train_loss": [1 / 3] * 9000}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disks") / "disk", 8192) as folder:
        yield folder


@pytest.fixture(scope="module")
def writers() -> dict[str, Callable[[Path], object]]:
    """Return what writes each kind of result below a folder."""
    point_ = point(model__hidden_sizes=[256])
    config, splits = point_.config, splits_of(point_.config)
    trained = train(splits, config.seed, config.model, config.optimizer, config.training)
    evaluation = evaluate(trained.model, splits, config.seed)
    board, files = whole_sweep(seeds=2), pack(config, trained, evaluation.metrics)
    return {
        "json": lambda folder: write_json(folder / "metrics.json", list(range(5000))),
        "model": lambda folder: trained.model.save(Places(folder).model),
        "history": lambda folder: write_history(Places(folder).history, LONG_HISTORY, ["0" * 64] * 9000),
        "splits": lambda folder: write_splits(folder / "split", splits),
        "evaluation": lambda folder: write_evaluation(Places(folder), trained, splits, evaluation),
        "archive": lambda folder: Archive(folder).keep(f"{_count(folder)}", files),
        "leaderboard": lambda folder: write_reports(folder, board),
        "outbox entry": lambda folder: Outbox(folder).add(HEADER, {"metrics": [("a", 0.5, 1, 1)] * 9000}, {}),
        "outbox file": lambda folder: Outbox(folder).add(HEADER, {}, {"lock": ROOT / "requirements.lock"}),
    }


def _count(folder: Path) -> int:
    """Return a number that no point of an archive has: it writes none twice."""
    return len(list(folder.glob("*/points/*")))


NAMES = (
    "json", "model", "history", "splits", "evaluation", "archive", "leaderboard", "outbox entry", "outbox file"
)  # fmt: skip


SLOW = {"evaluation", "leaderboard"}  # they draw figures


@pytest.mark.parametrize("name", NAMES)
def test_what_was_there_is_whole_and_the_same_call_works_with_room(disk, writers, name):
    folder = disk / name
    writers[name](folder)
    before = files_below(folder)
    for free in (PAGE,) if name in SLOW else (0, 3 * PAGE):
        fill(disk, free)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            writers[name](folder)
        line = str(caught.value)
        assert "\n" not in line
        assert str(folder) in line
        after = files_below(folder)
        assert [path for path in before if path in after and after[path] != before[path]] == []
        assert set(before) <= set(after)
        assert [path for path in set(after) - set(before) if "/." not in f"/{path}" and "lock" not in path] == []
        make_room(disk)
    writers[name](folder)
    assert set(files_below(folder)) >= set(before)
    assert not [
        path for path in files_below(folder) if "." in {part[0] for part in Path(path).parts if ".p" not in part}
    ]
    Outbox(folder).entries(HEADER.record_id)


def test_error_goes_through_a_pipe():
    error = StorageError(28, "No space left on device", "/x/y")
    again = pickle.loads(pickle.dumps(error))
    assert (
        str(again) == str(error) == "/x/y: cannot be written (No space left on device); its earlier content is intact"
    )
    assert again.exit_code == 1


RUN = ("split.train=100", "split.validation=40", "split.test=40", "training.epochs=3", "tracking.wait_seconds=100")


@pytest.mark.long
def test_run_on_a_full_disk_is_one_line_and_works_with_room(disk, tmp_path):
    """With no room for its first file, and with room for some of them."""
    database = f"tracking.uri={new_database(tmp_path / 'mlflow.db')}"
    words = ["python", ROOT / "pipelines" / "run.py", *RUN, database, f"hydra.run.dir={disk / 'run'}"]
    assert run(tmp_path, *words, "seed=0").returncode == 0  # so that Hydra's files have their size in every run
    before = files_below(disk / "run")
    results = [path for path in before if not path.startswith(".hydra")]
    for free in (0, 130_000):
        fill(disk, free)
        ended = run(tmp_path, *words, "seed=1")
        after = files_below(disk / "run")
        make_room(disk)
        assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
        assert ended.stderr.startswith("error: ")
        assert "No space left on device" in ended.stderr
        assert str(disk / "run") in ended.stderr
        changed = {path for path in results if after[path] != before[path]}
        assert bool(changed) == bool(free)  # a file is the earlier one, or whole
        assert json.loads(after["reports/metrics.json"])
    statuses = sorted(tracked.info.status for tracked in tracked_runs(tmp_path / "mlflow.db"))
    assert statuses in (["FAILED", "FAILED", "FINISHED"], ["FAILED", "FINISHED"])  # there may be no room to begin
    assert run(tmp_path, *words, "seed=1").returncode == 0
    assert set(files_below(disk / "run")) >= set(before)


@pytest.mark.parametrize("free", [0, 400_000])
def test_first_start_on_a_full_disk_is_one_line_and_works_with_room(tmp_path, free):
    with small_disk(tmp_path / "small", 8_000) as disk:
        database = disk / "mlflow.db"
        fill(disk, free)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            Store(f"sqlite:///{database}", "e", Outbox(tmp_path), 1.0)
        assert str(caught.value).startswith(f"{database}: cannot be written")
        make_room(disk)
        assert {path.name for path in disk.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}
        Store(f"sqlite:///{database}", "e").start_parent("p", {}, {}).end("FINISHED")


def test_record_on_a_full_disk_is_kept_where_there_is_room(disk, tmp_path, capsys):
    """The run goes on: its database is full, the outbox is elsewhere."""
    store = Store(f"sqlite:///{disk / 'mlflow.db'}", "e", Outbox(tmp_path), 1.0)
    fill(disk, 0)
    parent = store.start_parent("p", {}, {})
    make_room(disk)
    parent.log_results({"a": 1.0}, {})
    parent.end("FINISHED")
    assert (parent.run_id, len(Outbox(tmp_path).headers())) == (None, 1)
    assert "MLflow cannot be reached at sqlite:" in capsys.readouterr().err
    connection.connect.cache_clear()
    (published,) = publish(Outbox(tmp_path), store.address, 5.0)
    assert MlflowClient(store.address).get_run(published.run_id).data.metrics == {"a": 1.0}
