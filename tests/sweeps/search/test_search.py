"""A search as a sweep: real trainings, interrupted and started again, and what is recorded of them."""

import json
import os
import signal
import subprocess
from collections import Counter

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from checkouts import clone, environment, succeed
from configurations import refusal
from launched import SCRIPT, archived, board, tree
from plainmlp.proof.sweep import judge_sweep
from plainmlp.proof.verdict import Verdict
from plainmlp.sweeps.ranking.results import SweepResults, read_sweep
from plainmlp.sweeps.running.archive import ARCHIVE, Archive
from plainmlp.sweeps.search import methods
from plainmlp.sweeps.search.journal import JOURNAL
from plainmlp.sweeps.search.search import costs_of, replay
from plainmlp.sweeps.search.space import Choice, Space
from plainmlp.sweeps.session import run_sweep
from plainmlp.tracking.recording.training import open_store
from plainmlp.training.history import read_digests
from pointed import trained_alone
from searched import SPACE, TINY, Here, search, settings
from swept import result

pytestmark = pytest.mark.slow

TPE = settings("tpe", trials=14, batch=5)
RECORD = "search.json"


@pytest.fixture
def tracking(address, request):
    return {"uri": address, "experiment": request.node.name[:60]}


def study_in(folder):
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    return optuna.load_study(study_name=None, storage=storage)


def parents(tracking, checkout):
    store = open_store(search(SPACE, TPE, tracking).first[0].config.tracking, checkout)
    return store, store.search("tags.sweep_id != ''", store.experiment_id)


@pytest.mark.long
def test_interrupted_search_asks_again_and_trains_what_is_missing(tracking, checkout):
    class Stops(Here):
        def __call__(self, jobs):
            super().__call__(jobs[:3] if self.batches else jobs)
            if len(self.batches) == 2:
                raise KeyboardInterrupt

    stops, goes_on = Stops(checkout), Here(checkout)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(search(SPACE, TPE, tracking), stops, checkout, checkout / "out")
    run_sweep(search(SPACE, TPE, tracking), goes_on, checkout, checkout / "out")
    assert (stops.batches, goes_on.batches) == ([10, 3], [7, 8])  # 14 candidates from two seeds
    store, (parent,) = parents(tracking, checkout)
    assert len(store.children(parent.info.run_id)) == 28
    assert (parent.info.status, parent.data.metrics["system/points_done"]) == ("FINISHED", 28)
    assert parent.data.params["sweep.method"] == "tpe"
    record = json.loads((checkout / "out" / RECORD).read_text())
    assert [len(trial["points"]) for trial in record["trials"]] == [2] * 14
    first = json.loads((checkout / "out" / "leaderboard.json").read_text())["rows"][0]
    assert first["mean"] == max(trial["value"] for trial in record["trials"])
    drawn = {path.name for path in (checkout / "out" / "figures").iterdir()}
    assert {"history.png", "slices.png", "importance.png"} <= drawn
    study = study_in(checkout / "out")
    assert [trial.value for trial in study.trials] == [trial["value"] for trial in record["trials"]]
    assert study.best_value == first["mean"]
    judgement = judge_sweep(store, parent.info.run_id, checkout)
    assert judgement.summarize() == "identical"
    assert "14 trials, chosen again" in [str(aspect) for aspect in judgement.aspects]


def test_verification_tells_a_search_whose_results_were_others(tracking, checkout, monkeypatch):
    run_sweep(search(SPACE, TPE, tracking), Here(checkout), checkout, checkout / "out")
    store, (parent,) = parents(tracking, checkout)

    def other(space, sweep, epochs):
        asking = methods.tpe(space, sweep, epochs)
        costs = yield next(asking)
        while True:
            costs = yield asking.send([-cost for cost in costs])

    record = json.loads((checkout / "out" / RECORD).read_text())
    results = read_sweep(store, parent.info.run_id)
    assert replay(record, results) is None
    assert replay({**record, "trials": record["trials"][:8]}, results) == 8
    assert replay({**record, "trials": [{**trial, "points": []} for trial in record["trials"]]}, results) == 10
    assert replay({**record, "settings": {**record["settings"], "seed": 1}}, results) == 0
    monkeypatch.setitem(methods.METHODS, "tpe", other)
    judgement = judge_sweep(store, parent.info.run_id, checkout)
    assert judgement.verdict is Verdict.DIFFERENT
    assert "search: trial 10 of 14 is not the one that the results before it lead to" in judgement.summarize()


def test_identity_is_of_all_that_the_trials_follow_from(tracking):
    def identity(sweep=TPE, space=SPACE, **fixed):
        return search(space, sweep, tracking, **fixed).sweep_id

    others = [
        identity(settings("tpe", trials=14, batch=5, **{key: value}))
        for key, value in {"seed": 1, "metric": "validation_loss"}.items()
    ]
    others += [identity(settings("tpe", trials=14, batch=4)), identity(settings("tpe", trials=15, batch=5))]
    others += [identity(settings("random", trials=14, batch=5)), identity(training__epochs=4)]
    assert len({identity(), *others}) == 7
    assert identity() == identity(training__loss_every=7)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"method": "tpe"}, "sweep.trials=null is not allowed with sweep.method=tpe"),
        ({"method": "random", "trials": 60_000}, "gives 120,000 points; allowed: at most 100,000"),
        ({"method": "tpe", "trials": 3, "sample": 2}, "sweep.sample belongs to grids"),
        ({"method": "halving"}, "sweep.trials is missing: optimizer.learning_rate has more values"),
    ],
)
def test_settings_that_do_not_suit_are_refused(tracking, values, words):
    assert words in refusal(search, SPACE, settings(**values), tracking)


def test_halving_alone_needs_one_number_of_epochs(tracking):
    space = Space((Choice("training.epochs", ("2", "3")), Choice("model.activation", ("relu", "tanh"))))
    assert len(search(space, settings("random", trials=2), tracking).first) == 2
    words = "sweep.method=halving compares after the same epochs, but training.epochs is one of {2, 3}"
    assert words in refusal(search, space, settings("halving"), tracking)


def test_missing_library_is_named_with_the_command_that_installs_it(tracking, monkeypatch):
    def missing(name):
        raise methods.PackageNotFoundError(name)

    monkeypatch.setattr(methods, "version", missing)
    assert "pip install plainmlp[search]" in refusal(search, SPACE, TPE, tracking)


def test_halving_ends_with_the_bits_of_the_whole_training(tracking, checkout):
    epochs, ended = {"training__epochs": 9, "optimizer__schedule": "cosine", "training__patience": 8}, []

    class Counts(Here):
        def __call__(self, jobs):
            super().__call__(jobs)
            self.batches[-1] = [job.point.config.training.stop_after for job in jobs]
            ended.extend(job.point for job in jobs)

    sweep, launch = settings("halving", trials=9, seed=3), Counts(checkout)
    run_sweep(search(SPACE, sweep, tracking, **epochs), launch, checkout, checkout / "out")
    assert launch.batches == [[1] * 18, [3] * 6, [None] * 2]
    assert list((checkout / ".plainmlp" / "checkpoints").glob("*/*.safetensors")) == []
    archive = Archive(checkout / ARCHIVE)
    for point in ended:
        kept = archive.load(point.point_id)
        whole = trained_alone(point.config)
        assert kept.weights_digest == whole.model.weights_digest
        digests = read_digests(archive.places(point.point_id).history)
        assert (kept.history, digests) == (whole.history, whole.digests)
    store, (parent,) = parents(tracking, checkout)
    children = store.children(parent.info.run_id)
    assert Counter(child.tags.get("pruned") for child in children) == {
        None: 10,
        "after 1 epochs": 12,
        "after 3 epochs": 4,
    }
    trials = study_in(checkout / "out").trials
    assert Counter(trial.state.name for trial in trials) == {"COMPLETE": 1, "PRUNED": 8}
    assert sorted(len(trial.intermediate_values) for trial in trials) == [1] * 6 + [2] * 3
    rows = json.loads((checkout / "out" / "leaderboard.json").read_text())["rows"]
    verdicts = [(row["verdict"], row["settings"]["training.stop_after"]) for row in rows]
    assert verdicts == [("best", "null"), *[("pruned", "3")] * 2, *[("pruned", "1")] * 6]
    assert judge_sweep(store, parent.info.run_id, checkout).summarize() == "identical"


def test_without_optuna_a_search_has_its_record_and_no_journal(tracking, tmp_path, monkeypatch):
    monkeypatch.setattr("plainmlp.sweeps.search.search.find_spec", lambda name: None)
    search(SPACE, settings("random", trials=3), tracking).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [RECORD]


@pytest.mark.long
def test_search_that_is_killed_three_times_ends_as_the_undisturbed_one_under_another_launcher(tmp_path):
    folder = clone(tmp_path / "clone")
    fixed = [f"{key.replace('__', '.')}={value}".replace(" ", "") for key, value in TINY.items()]
    space = ["optimizer.learning_rate=tag(log,interval(1e-4,1e-1))", "model.activation=relu,tanh"]
    words = ["-m", "hydra/sweeper=search", "sweep.method=tpe", "sweep.trials=60", "sweep.batch=10", *space, *fixed]
    for n_points in (7, 25, 44):
        process = subprocess.Popen(
            ["python", SCRIPT, *words, "hydra/launcher=stacked", "hydra.launcher.n_jobs=1", "hydra.sweep.dir=killed"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        while len(archived(folder)) < n_points:
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = archived(folder)
    assert 44 <= len(before) < 60
    succeed(folder, "python", SCRIPT, *words, "hydra/launcher=stacked", "hydra.sweep.dir=killed")
    assert before.items() <= archived(folder).items()
    (parent,), children = tree(folder)
    assert (parent.info.status, len(children)) == ("FINISHED", 60)
    assert {child.info.status for child in children} == {"FINISHED"}
    (folder / ".plainmlp").rename(folder / "before")
    succeed(folder, "python", SCRIPT, *words, "hydra/launcher=basic", "hydra.sweep.dir=whole")
    assert (folder / "killed" / RECORD).read_bytes() == (folder / "whole" / RECORD).read_bytes()
    assert board(folder / "killed") == board(folder / "whole")
    assert json.loads((folder / "whole" / RECORD).read_text())["trials"][-1]["value"] is not None


@pytest.mark.parametrize(
    ("metric", "costs"), [("validation_accuracy", [-0.75, None]), ("validation_loss", [0.75, None])]
)
def test_cost_is_the_mean_of_the_seeds_and_the_lower_the_better(metric, costs):
    finished = tuple(result({"seed": seed}, value) for seed, value in enumerate((0.5, 1.0)))
    ids = [each.child.point_id for each in finished]
    assert costs_of([{"points": ids}, {"points": [*ids, "failed"]}], SweepResults(metric, finished, ())) == costs
