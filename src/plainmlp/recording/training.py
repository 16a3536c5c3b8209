"""The record of a run from its start to the end of the training, and the way back to it."""

from pathlib import Path

from plainmlp.canonical import canonical, dump_yaml
from plainmlp.data.arrays import Splits
from plainmlp.model import Model, Trained
from plainmlp.places import Places
from plainmlp.provenance.identity import identify_point
from plainmlp.provenance.repository import git_state
from plainmlp.schema import Config, DatasetSection, TrackingSection
from plainmlp.storage import digest_file, digest_splits, read_json, write_json
from plainmlp.tracking.database import tracking_address
from plainmlp.tracking.parameters import flat_parameters
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import DataInput, Store

DATA_DIGEST_LENGTH = 36  # MLflow keeps no longer one
# which run a training began, for the evaluation that follows it; no result, so DVC does not know it
NOTE = Path(".plainmlp") / "run.json"


def point_of(config: Config, splits: Splits) -> str:
    """Return the id of the point that a configuration and its data make."""
    start = None if config.model.weights is None else digest_file(Path(config.model.weights))
    return identify_point(canonical(config), digest_splits(splits), start)


def start_run(config: Config, splits: Splits, checkout: Path) -> TrackedRun:
    """Start a run in MLflow with all that is known before the training.

    Parameters
    ----------
    config : Config
    splits : Splits
    checkout : Path
        The repository whose code runs.
    """
    sizes = {f"n_{part}": len(rows) for part, rows in splits.parts().items()}
    run = open_store(config.tracking, checkout).start(
        point_of(config, splits),
        run_name(config),
        flat_parameters(canonical(config)),
        git_state(checkout),
        DataInput(_data_name(config.dataset), digest_splits(splits)[:DATA_DIGEST_LENGTH], sizes),
    )
    with run.closing_on_failure():
        run.log_text(dump_yaml(config), "config.yaml")
    return run


def run_name(config: Config) -> str:
    """Return what tells a run from others in a list: its data and its layers."""
    return f"{_data_name(config.dataset)} {'-'.join(map(str, config.model.hidden_sizes)) or 'linear'}"


def _data_name(dataset: DatasetSection) -> str:
    """Return what tells a data set from others in a list: its name, and its number or file where it has one."""
    number = () if dataset.data_id is None else (str(dataset.data_id),)
    file = () if dataset.path is None else (Path(dataset.path).stem,)
    return " ".join((dataset.name, *number, *file))


def open_store(tracking: TrackingSection, checkout: Path) -> Store:
    """Return the MLflow experiment that a configuration records in."""
    return Store(tracking_address(tracking, checkout), tracking.experiment)


def publish_training(run: TrackedRun, places: Places, model: Model) -> None:
    """Add the files of a training to its run."""
    run.log_results({}, {"weights_digest": model.weights_digest})
    run.log_file(places.model)
    run.log_file(places.history)


def remember_run(run: TrackedRun, checkout: Path) -> None:
    """Note the run of a training, so that the evaluation that follows in another process adds to it."""
    write_json(checkout / NOTE, {"run_id": run.run_id, "address": run.address})


def forget_run(checkout: Path) -> None:
    """Remove the note of `remember_run`."""
    (checkout / NOTE).unlink(missing_ok=True)


def continue_run(config: Config, splits: Splits, checkout: Path, places: Places, trained: Trained) -> TrackedRun:
    """Return the run of the training; where nothing was trained, a new run with all that the files hold of it.

    DVC restores a training from its cache without running it.
    """
    run = _noted_run(config, splits, checkout)
    if run is None:
        run = start_run(config, splits, checkout)
        with run.closing_on_failure():
            run.log_history(trained.history)
            publish_training(run, places, trained.model)
    return run


def _noted_run(config: Config, splits: Splits, checkout: Path) -> TrackedRun | None:
    """Return the run that was noted, where it is in the same store and of the same point."""
    if not (checkout / NOTE).exists():
        return None
    note, store = read_json(checkout / NOTE), open_store(config.tracking, checkout)
    return store.resume(note["run_id"], point_of(config, splits)) if note["address"] == store.address else None
