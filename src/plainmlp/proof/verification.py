"""The verification of a run: read, executed again, compared, judged; of a sweep, that of a sample of its points."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from plainmlp.config.places import Places
from plainmlp.proof.comparison import Agreement, Aspect, Judgement, compare, compare_environments
from plainmlp.proof.rebuilding import ExecutionError, Source, execute, source_of
from plainmlp.proof.recorded import RecordedRun, find_alterations, find_untrusted, read_recorded, read_run_files
from plainmlp.proof.reexecution import TAGS
from plainmlp.sweeps.ranking.results import FINISHED
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.tracking.recording.provenance import FOLDER, PACKAGES
from plainmlp.tracking.store import Store


@dataclass(frozen=True)
class Verification:
    """A judgement on a run, the code that it was executed again with, and when that began, in UTC."""

    run_id: str
    judgement: Judgement
    code: str
    began: datetime


def verify(store: Store, run_id: str, checkout: Path, *, is_here: bool) -> Verification:
    """Execute a run again and compare; raise InputError if that is not possible.

    Parameters
    ----------
    store : Store
    run_id : str
    checkout : Path
        The repository whose code runs, and that has the run's commit.
    is_here : bool
        Use the code of this checkout, whatever the run's was.
    """
    began = datetime.now(UTC)
    with TemporaryDirectory(prefix="plainmlp-") as folder:
        recorded = read_recorded(store, run_id, Path(folder) / "recorded")
        if untrusted := find_untrusted(recorded):
            # to execute an altered configuration or altered code would prove nothing
            aspect = Aspect("re-execution", Agreement.UNKNOWN, f"not done, since {untrusted[0]}")
            return Verification(run_id, Judgement((aspect,), tuple(find_alterations(recorded))), "none", began)
        with source_of(recorded.files.tags, recorded.patch, checkout, is_here=is_here) as source:
            judgement = _execute_and_judge(recorded, source, Path(folder) / "again")
    return Verification(run_id, judgement, source.description, began)


def _execute_and_judge(recorded: RecordedRun, source: Source, folder: Path) -> Judgement:
    alterations = tuple(find_alterations(recorded))
    try:
        execute(source, recorded.configuration, folder)
    except ExecutionError as error:
        return Judgement((Aspect("training", Agreement.DIFFERENT, str(error)),), alterations)
    again = read_run_files(Places(folder), read_json(folder / TAGS))
    packages = recorded.packages.read_text(encoding="utf-8") if recorded.packages.exists() else None
    packages_here = (folder / FOLDER / PACKAGES).read_text(encoding="utf-8")
    environment = compare_environments(recorded.files.tags, again.tags, packages, packages_here)
    return Judgement(tuple(compare(recorded.files, again, recorded.backend)), alterations, environment)


def draw_points(store: Store, parent_run_id: str, size: int, seed: int) -> list[str]:
    """Return the ids of finished runs below a sweep's, at most `size`, drawn without replacement by a seed."""
    children = store.children(parent_run_id)
    finished = sorted((child.point_id, child.run_id) for child in children if child.status == FINISHED)
    if not finished:
        message = f"{parent_run_id} has no finished runs below it; --sweep takes the run of a sweep"
        raise InputError(message)
    drawn = np.random.default_rng(seed).permutation(len(finished))[:size]
    return [finished[position][1] for position in drawn]
