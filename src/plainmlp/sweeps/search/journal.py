"""The trials of a search as Optuna has them: for its measure of importance, and for optuna-dashboard."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.search.methods import distribution_of
from plainmlp.sweeps.search.space import space_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

JOURNAL = "optuna.journal"
Record = Mapping[str, Any]  # see `Search.record`


def write_journal(record: Record, name: str, path: Path) -> None:
    """Write a search as a file that ``optuna-dashboard <path>`` opens."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.unlink(missing_ok=True)  # a journal only grows
    _study(record, name, JournalStorage(JournalFileBackend(str(path)))).add_trials(_trials(record))


def importances(record: Record) -> dict[str, float]:
    """Return the share of each key in the variance of the values (fANOVA: Hutter et al. 2014), the largest first.

    It is measured on the trials that have trained for as long as the first; none where they are too few, or all alike.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    alike = [trial for trial in record["trials"] if trial["stop_after"] == record["trials"][0]["stop_after"]]
    if len({trial["value"] for trial in alike} - {None}) < 2:
        return {}
    study = _study(record, "importance", None)
    study.add_trials(_trials({**record, "trials": [{**trial, "stop_after": None} for trial in alike]}))
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))


def _study(record: Record, name: str, storage: Any) -> "Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = optuna.study.StudyDirection
    direction = directions.MAXIMIZE if is_higher_better(record["metric"]) else directions.MINIMIZE
    return optuna.create_study(study_name=name, storage=storage, direction=direction)


def _trials(record: Record) -> "list[FrozenTrial]":
    """Return one trial a candidate, with what it was worth after each pause."""
    from optuna.trial import TrialState, create_trial

    distributions = {each.key: distribution_of(each) for each in space_of(record["space"]).dimensions}
    trials = []
    for parts in _candidates(record):
        last = parts[-1]
        paused = {
            part["stop_after"]: part["value"] for part in parts if part["stop_after"] and part["value"] is not None
        }
        state = TrialState.COMPLETE if last["stop_after"] is None else TrialState.PRUNED
        if last["value"] is None:
            state = TrialState.FAIL
        given = {"params": last["values"], "distributions": distributions, "intermediate_values": paused}
        trials.append(create_trial(state=state, value=last["value"], **given))
    return trials


def _candidates(record: Record) -> list[list[dict[str, Any]]]:
    """Return the trials of each candidate, the longest last; without pauses each trial is one of its own."""
    candidates: dict[str, list[dict[str, Any]]] = {}
    for number, trial in enumerate(record["trials"]):
        is_halved = record["settings"]["method"] == "halving"
        key = json.dumps(trial["values"]) if is_halved else str(number)
        candidates.setdefault(key, []).append(trial)
    return list(candidates.values())
