"""A point as one job: trained unless it is there, and recorded either way."""

import os

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from checkouts import ROOT
from configurations import changed
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import read_yaml
from plainmlp.proof.alterations import find_alterations
from plainmlp.proof.recorded import read_recorded
from plainmlp.proof.verification import verify
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running import job as module
from plainmlp.sweeps.running import units
from plainmlp.sweeps.running.archive import ARCHIVE, Archive
from plainmlp.sweeps.running.job import Job, run_point
from plainmlp.system.errors import TrainingError
from plainmlp.tracking.recording.training import open_store
from plainmlp.training.history import read_steps
from pointed import SMALL, splits_of, trained_alone

pytestmark = pytest.mark.slow


@pytest.fixture
def given(address, tmp_path):
    """Return a function that makes a configuration, and the run of a sweep."""
    tracking = {"uri": address, "experiment": "tests of jobs"}
    store = open_store(parse(changed(tracking=tracking)).tracking, tmp_path)
    parent = store.start_parent("a sweep", {}, {})
    return store, parent, lambda **values: parse(changed(**SMALL, tracking=tracking, **values))


def test_point_is_trained_once_and_recorded_each_time(given, tmp_path, monkeypatch):
    store, parent, config = given
    run_point(config(), parent.run_id, tmp_path)
    monkeypatch.setattr(units, "train_point", None)  # a second training would end with an error
    run_point(config(), parent.run_id, tmp_path)
    first, second = store.children(parent.run_id)
    assert (first.status, second.status) == ("FINISHED", "FINISHED")
    assert first.metrics == second.metrics
    assert first.point_id == second.point_id
    assert Archive(tmp_path / ARCHIVE).present() == {first.point_id}
    kept = Archive(tmp_path / ARCHIVE).load(first.point_id)
    assert store.history(first) == kept.history
    assert first.parameters["model.hidden_sizes"] == "[6]"
    assert first.metrics["n_parameters"] == 64 * 6 + 6 + 6 * 10 + 10


def test_point_of_an_earlier_sweep_is_recorded_as_it_is_asked_for_now_and_verified(given, tmp_path):
    store, parent, config = given
    first = config(training__digest_every=1)
    run_point(first, parent.run_id, tmp_path)
    kept = {"digest_every": 2, "loss_every": 3, "checkpoint_epochs": 1, "checkpoint_seconds": 7.0, "threads": 2}
    second = config(
        **{f"training__{key}": value for key, value in kept.items()},
        training__compiled=False,
        sweep__name="second",
        sweep__metric="validation_loss",
        sweep__seed=5,
    )
    run_point(second, parent.run_id, tmp_path)
    assert len(Archive(tmp_path / ARCHIVE).present()) == 1
    (child,) = [child for child in store.children(parent.run_id) if child.parameters.get("sweep.name") == "second"]
    recorded = read_recorded(store, child.run_id, tmp_path / "recorded")
    assert find_alterations(recorded, tmp_path) == []
    assert parse(read_yaml(recorded.configuration)) == second
    verification = verify(store, child.run_id, ROOT)
    assert verification.judgement.summarize() == "identical"


def test_point_has_the_losses_of_its_steps_also_where_the_archive_had_it_without(given, tmp_path):
    store, parent, config = given
    run_point(config(), parent.run_id, tmp_path)
    (plain,) = store.children(parent.run_id)
    for every in (2, 3):
        run_point(config(training__loss_every=every), parent.run_id, tmp_path)
        (child,) = (
            each for each in store.children(parent.run_id) if each.parameters["training.loss_every"] == f"{every}"
        )
        (tmp_path / "steps.csv").write_text(store.read_artifact(child.run_id, "steps.csv"))
        steps = read_steps(tmp_path / "steps.csv")
        assert steps == trained_alone(config(training__loss_every=every)).steps
        assert steps["step"][:2] == [0, every]
        assert child.point_id == plain.point_id
    before = store.children(parent.run_id)
    run_point(config(), parent.run_id, tmp_path)
    (again,) = (each for each in store.children(parent.run_id) if each not in before)
    assert "steps.csv" not in {file.path for file in store.client.list_artifacts(again.run_id)}


def test_failed_point_is_recorded_with_its_reason_and_noted(given, tmp_path):
    store, parent, config = given
    with pytest.raises(TrainingError) as caught:
        run_point(config(optimizer__learning_rate=1e300), parent.run_id, tmp_path)
    (child,) = store.children(parent.run_id)
    assert (child.status, child.failure) == ("FAILED", str(caught.value))
    assert Archive(tmp_path / ARCHIVE).failed() == {child.point_id}
    assert Archive(tmp_path / ARCHIVE).present() == set()


def test_failure_of_another_kind_is_recorded_too(given, tmp_path, monkeypatch):
    def too_large(*arguments, **options):
        message = "no room\nfor it"
        raise MemoryError(message)

    store, parent, config = given
    monkeypatch.setattr(units, "train_configured", too_large)
    with pytest.raises(TrainingError, match="MemoryError"):
        run_point(config(), parent.run_id, tmp_path)
    assert [child.failure for child in store.children(parent.run_id)] == ["MemoryError: no room for it"]


def test_failure_of_a_point_that_a_launcher_trained_is_recorded(given, tmp_path):
    store, parent, config = given
    point = Point((), config(), module.point_of(config(), splits_of(config())))
    failure = TrainingError("it was ended by SIGKILL")
    module.record_outcomes([(Job(point, parent.run_id, "a name"), failure)], tmp_path)
    (child,) = store.children(parent.run_id)
    assert (child.status, child.failure) == ("FAILED", "it was ended by SIGKILL")
    assert Archive(tmp_path / ARCHIVE).failure(point.point_id) == "it was ended by SIGKILL"


def test_overrides_of_a_job_hand_over_its_run_its_process_and_its_name():
    job = Job(Point(("seed=1",), None, "id"), "a run", "schedule={name: 'it''s'} x=\\")
    first, *given = OverridesParser.create().parse_overrides(job.overrides())
    assert first.input_line == "seed=1"
    assert {each.key_or_group: each.value() for each in given} == {
        "hydra.job.env_set.PLAINMLP_PARENT": "a run",
        "hydra.job.env_set.PLAINMLP_LAUNCHER": str(os.getpid()),
        "hydra.job.env_set.PLAINMLP_NAME": job.name,
    }
