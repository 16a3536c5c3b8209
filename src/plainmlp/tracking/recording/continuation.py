"""A run that continues the training of an interrupted one: each names the other."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from plainmlp.config.schema import TrainingSection
from plainmlp.system.process import is_elsewhere
from plainmlp.tracking.connection import AwayError
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.stored_runs import Reader
from plainmlp.tracking.tags import CONTINUED_TAG, CONTINUES_TAG, NOTE_TAG, PARENT_TAG, POINT_TAG, PROCESS_TAG
from plainmlp.tracking.terminal import show_resumption
from plainmlp.training.checkpoints import CHECKPOINTS, Checkpoints

INTERRUPTED = ("KILLED", "FAILED")


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
