"""A run from its start to the end of its training: joined to an interrupted one, and found again by the evaluation."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.config.canonical import canonical
from plainmlp.config.places import Places, kept_checkout
from plainmlp.config.schema import Config, TrackingSection, TrainingSection
from plainmlp.data.splits import Splits
from plainmlp.data.storage import digest_splits
from plainmlp.system.files import digest_file, write_json
from plainmlp.system.process import is_elsewhere
from plainmlp.tracking.addresses import tracking_address
from plainmlp.tracking.connection import AwayError
from plainmlp.tracking.datasets import data_inputs
from plainmlp.tracking.outbox import Outbox, read_header
from plainmlp.tracking.provenance.environment import process_usage
from plainmlp.tracking.provenance.identity import identify_point
from plainmlp.tracking.recording.configuration import configuration_tags, recorded_parameters, recorded_text
from plainmlp.tracking.recording.manifest import check_signing
from plainmlp.tracking.recording.page import NOTHING, run_name
from plainmlp.tracking.recording.provenance import (
    PROVENANCE,
    read_code,
    shown_tags,
    training_numerics,
    write_provenance,
)
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import Reader
from plainmlp.tracking.tags import (
    CONTINUED_TAG,
    CONTINUES_TAG,
    NOTE_TAG,
    PARENT_TAG,
    POINT_TAG,
    PROCESS_TAG,
    RESTORED_TAG,
)
from plainmlp.tracking.terminal import show_resumption, show_warning
from plainmlp.training.checkpoints import CHECKPOINTS, Checkpoints
from plainmlp.training.model import Model, Trained

# the run that a training began, for the evaluation after it; no result, so DVC does not track it
NOTE = Path(".plainmlp") / "run.json"
INTERRUPTED = ("KILLED", "FAILED")


def point_of(config: Config, splits: Splits, code_digest: str | None = None) -> str:
    """Return the id of the point of a configuration and its data, by default under the code of this process."""
    start = None if config.model.weights is None else digest_file(Path(config.model.weights))
    return identify_point(canonical(config), digest_splits(splits), start, code_digest)


def start_run(config: Config, splits: Splits, checkout: Path) -> TrackedRun:
    """Start a run with all that is known before the training; the checkout is the one whose code runs."""
    text, parameters = recorded_text(config), recorded_parameters(config)
    tags = provenance_tags(splits, checkout, training_numerics(config.training))
    tags |= configuration_tags(text.encode(), parameters)
    run = open_store(config.tracking, checkout).start(
        point_of(config, splits),
        run_name(config),
        parameters,
        shown_tags(tags),
        data_inputs(config.dataset, splits),
    )
    with run.closing_on_failure():
        run.log_text(text, "config.yaml")
        publish_provenance(run, tags, checkout)
    return run


def provenance_tags(splits: Splits, checkout: Path, numerics: Mapping[str, str] = NOTHING) -> dict[str, str]:
    """Return the tags of provenance; `numerics` is the fingerprint of the process that trains, if that is of interest."""
    digests = {"data_digest": splits.data_digest, "split_digest": digest_splits(splits)}
    return {**read_code(checkout).tags, **numerics, **digests}


def publish_provenance(run: TrackedRun, tags: Mapping[str, str], checkout: Path) -> None:
    """Add the files of its provenance to a run, and say what of the code they lack."""
    code = read_code(checkout)
    for line in code.warnings:
        show_warning(line)
    with TemporaryDirectory() as folder:
        write_provenance(Path(folder), code, tags)
        run.log_file(Path(folder), PROVENANCE)


def open_store(tracking: TrackingSection, checkout: Path) -> Store:
    """Return the MLflow experiment that a configuration records in; `kept_checkout` holds its database and outbox."""
    kept = kept_checkout(checkout)
    key = None if tracking.sign is None else check_signing(tracking.sign)
    return Store(tracking_address(tracking, kept), tracking.experiment, Outbox(kept, key), tracking.wait_seconds)


def publish_training(run: TrackedRun, places: Places, model: Model) -> None:
    """Add the files of a training to its run."""
    run.log_results({}, {"weights_digest": model.weights_digest})
    run.log_file(places.model)
    run.log_file(places.history)


def remember_run(run: TrackedRun, checkout: Path) -> None:
    """Note the run of a training, so that the evaluation in another process adds to it."""
    write_json(checkout / NOTE, asdict(run.header))


def forget_run(checkout: Path) -> None:
    """Remove the note of `remember_run`."""
    (checkout / NOTE).unlink(missing_ok=True)


def continue_run(config: Config, splits: Splits, checkout: Path, places: Places, trained: Trained) -> TrackedRun:
    """Return the run of the training; if nothing was trained, a new run with all that the files hold of it.

    DVC restores a training from its cache without running it; time and memory of such a run are the evaluation's.
    """
    run = _noted_run(config, splits, checkout)
    if run is None:
        run = start_run(config, splits, checkout)
        with run.closing_on_failure():
            run.log_results(process_usage(), {RESTORED_TAG: "true"})
            run.log_history(trained.history)
            publish_training(run, places, trained.model)
    return run


def _noted_run(config: Config, splits: Splits, checkout: Path) -> TrackedRun | None:
    """Return the noted run if it is in the same store and of the same point."""
    if not (checkout / NOTE).exists():
        return None
    return open_store(config.tracking, checkout).resume(read_header(checkout / NOTE), point_of(config, splits))


def open_checkpoints(run: TrackedRun, training: TrainingSection, checkout: Path) -> Checkpoints:
    """Return the checkpoints of a run; if they hold a part of its training, say so, and join it to the interrupted run."""
    checkpoints = Checkpoints(checkout / CHECKPOINTS, run.point_id)
    if show_resumption(checkpoints, training):
        join_interrupted(run)
    return checkpoints


def join_interrupted(run: TrackedRun) -> None:
    """Join a run to the latest one of its point that was interrupted here, if MLflow has both.

    Each gets a tag; the description of the interrupted run names the other, as `continuation_note` does in turn.
    """
    store = run.store
    with suppress(AwayError):
        earlier = None if run.run_id is None else _latest_interrupted(store, run.point_id)
        if earlier is None or run.run_id is None:
            return
        run.header.tags[CONTINUES_TAG] = earlier
        run.write({"tags": {CONTINUES_TAG: earlier}})
        note = f"Interrupted; {_link(store, run.run_id)} continues its training."
        for tag, value in ((CONTINUED_TAG, run.run_id), (NOTE_TAG, note)):
            store.connection.call(partial(store.client.set_tag, earlier, tag, value))


def continuation_note(run: TrackedRun) -> str:
    """Return what the description of a run says of the one whose training it continued; empty if there is none."""
    earlier = run.header.tags.get(CONTINUES_TAG)
    return f"\n\nContinues the training of {_link(run.store, earlier)}, which was interrupted." if earlier else ""


def _latest_interrupted(store: Reader, point_id: str) -> str | None:
    found = [run for run in store.search(f"tags.{POINT_TAG} = '{point_id}'") if _is_interrupted(run)]
    latest = max(found, key=lambda run: run.info.start_time, default=None)
    return None if latest is None else str(latest.info.run_id)


def _is_interrupted(run: Any) -> bool:
    """Say whether a single run was interrupted on this machine, and no other has continued it."""
    tags = run.data.tags
    if run.info.status not in INTERRUPTED or {PARENT_TAG, CONTINUED_TAG} & tags.keys():
        return False
    return PROCESS_TAG in tags and not is_elsewhere(tags[PROCESS_TAG])


def _link(store: Reader, run_id: str) -> str:
    return f"[run {run_id[:8]}](#/experiments/{store.experiment_id}/runs/{run_id})"
