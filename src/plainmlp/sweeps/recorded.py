"""A recorded run: found by its id, and as overrides of conf/ that compute what it did."""

from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.composition.compose import compose, parse
from plainmlp.composition.overrides import overrides_of_run

if TYPE_CHECKING:
    from plainmlp.tracking.store import Store

RUN = "run="


def split_run_id(overrides: list[str]) -> tuple[list[str], str | None]:
    """Return the overrides of keys, and the id of the run that ``run=`` names."""
    run_ids = [override.removeprefix(RUN) for override in overrides if override.startswith(RUN)]
    own = [override for override in overrides if not override.startswith(RUN)]
    return own, run_ids[-1] if run_ids else None


def with_run(own: list[str], run_id: str | None, checkout: Path) -> list[str]:
    """Return the overrides that make conf/ compute what a run or a sweep's best did, and then the user's own.

    The user's own say which store has the run.
    """
    if run_id is None:
        return own
    store, found = find_run(run_id, own, checkout)
    return [*overrides_of_run(found, store, checkout), *own]


def find_run(beginning: str, overrides: list[str], checkout: Path) -> tuple["Store", str]:
    """Return the store that overrides name, and the id of its run that begins so: for a sweep's own run, its best point's."""
    from plainmlp.sweeps.ranking.leaderboard import best_run
    from plainmlp.tracking.recording.training import open_store
    from plainmlp.tracking.stored_runs import whole_run_id

    store = open_store(parse(compose(checkout / "conf", overrides)).tracking, checkout)
    return store, best_run(store, whole_run_id(store, beginning))
