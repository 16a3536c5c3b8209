"""The verification of a run: read, executed again, compared, judged."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.config.places import Places
from plainmlp.proof.alterations import find_alterations, find_untrusted
from plainmlp.proof.aspects import Aspect, Outcome
from plainmlp.proof.comparison import compare
from plainmlp.proof.rebuilding import ExecutionError, Source, execute, source_of
from plainmlp.proof.recorded import Recorded, read_recorded
from plainmlp.proof.reexecution import TAGS
from plainmlp.proof.run_files import read_results
from plainmlp.proof.verdict import Judgement, Surroundings, find_surroundings, judge
from plainmlp.system.files import read_json
from plainmlp.tracking.recording.provenance import FOLDER, PACKAGES
from plainmlp.tracking.store import Store


@dataclass(frozen=True)
class Verification:
    """A judgement on a run, when it was made and of which code.

    Parameters
    ----------
    run_id : str
    judgement : Judgement
    code : str
        Which code the run was executed again with.
    began : datetime
        In UTC.
    """

    run_id: str
    judgement: Judgement
    code: str
    began: datetime


def verify(store: Store, run_id: str, checkout: Path, *, is_here: bool) -> Verification:
    """Execute a run again and compare.

    Parameters
    ----------
    store : Store
    run_id : str
    checkout : Path
        The repository whose code runs, and that the run's commit is looked for in.
    is_here : bool
        Take the code of this checkout whatever the run's was.

    Raises
    ------
    InputError
        There is no such run, or it cannot be executed again.
    """
    began = datetime.now(UTC)
    with TemporaryDirectory(prefix="plainmlp-") as folder:
        recorded = read_recorded(store, run_id, Path(folder) / "recorded")
        if untrusted := find_untrusted(recorded):
            return Verification(run_id, _judge_unexecuted(recorded, untrusted), "none", began)
        with source_of(recorded.results.tags, recorded.patch, checkout, is_here=is_here) as source:
            judgement = _execute_and_judge(recorded, source, Path(folder) / "again")
    return Verification(run_id, judgement, source.description, began)


def _judge_unexecuted(recorded: Recorded, untrusted: list[str]) -> Judgement:
    """Judge a run whose configuration or code was altered: to execute that would prove nothing."""
    aspect = Aspect("re-execution", Outcome.UNKNOWN, f"not done, since {untrusted[0]}")
    return judge([aspect], find_alterations(recorded), Surroundings())


def _execute_and_judge(recorded: Recorded, source: Source, folder: Path) -> Judgement:
    alterations = find_alterations(recorded)
    try:
        execute(source, recorded.configuration, folder)
    except ExecutionError as error:
        return judge([Aspect("training", Outcome.DIFFERENT, str(error))], alterations, Surroundings())
    again = read_results(Places(folder), read_json(folder / TAGS))
    packages = recorded.packages.read_text(encoding="utf-8") if recorded.packages.exists() else None
    packages_here = (folder / FOLDER / PACKAGES).read_text(encoding="utf-8")
    surroundings = find_surroundings(recorded.results.tags, again.tags, packages, packages_here)
    return judge(compare(recorded.results, again, recorded.backend), alterations, surroundings)
