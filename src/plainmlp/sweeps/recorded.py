"""What a recorded run computed, as overrides of conf/."""

from pathlib import Path

from plainmlp.composition.compose import compose, parse
from plainmlp.composition.overrides import overrides_of_run

RUN = "run="


def parted(overrides: list[str]) -> tuple[list[str], str | None]:
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
    from plainmlp.sweeps.ranking.leaderboard import best_run
    from plainmlp.tracking.recording.training import open_store
    from plainmlp.tracking.stored_runs import whole_run_id

    store = open_store(parse(compose(checkout / "conf", own)).tracking, checkout)
    return [*overrides_of_run(best_run(store, whole_run_id(store, run_id)), store, checkout), *own]
