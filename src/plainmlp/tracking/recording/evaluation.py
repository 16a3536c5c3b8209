"""What a trained model is worth: in MLflow, for scripts, and on the terminal."""

from collections.abc import Mapping
from pathlib import Path

from plainmlp.config.places import Places, kept_checkout
from plainmlp.config.schema import Config
from plainmlp.evaluation.evaluate import Evaluation
from plainmlp.evaluation.reports import final_metrics, flat_metrics
from plainmlp.system.files import read_json, write_json
from plainmlp.tracking.recording.page import describe_run, describe_worth
from plainmlp.tracking.recording.training import continuation_note
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import EXPERIMENT_TAG, NOTE_TAG, PARENT_TAG
from plainmlp.tracking.terminal import show_dead_units, show_metrics, show_places, show_steps, show_warning
from plainmlp.training.model import Model, Trained


def publish_evaluation(
    run: TrackedRun, config: Config, places: Places, trained: Trained, evaluation: Evaluation
) -> None:
    """Add metrics, predictions, figures and the model to a run; metrics that it has as curves stay curves.

    The ends of intervals and the best constant answer are in their files, not among the metrics, where each would be
    a chart, and the latter the first ones.
    """
    metrics = {name: value for name, value in flat_metrics(evaluation.metrics).items() if name not in trained.history}
    worth = describe_worth("test", evaluation.metrics["test"], evaluation.intervals, evaluation.baseline)
    note = describe_run(config, worth, run.reference)
    points = run.log_results(metrics, {NOTE_TAG: note + continuation_note(run)})
    run.log_file(places.metrics)
    run.log_file(places.intervals)
    run.log_file(places.predictions)
    if trained.steps:
        run.log_file(places.steps)
    run.log_file(places.tables, "tables")
    run.log_file(places.figures, "figures")
    run.log_model(places.model, points)


def write_summary(
    path: Path, run: TrackedRun, model: Model, evaluation: Evaluation, provenance: Mapping[str, str]
) -> None:
    """Write ids, provenance and final metrics to a JSON file, for scripts; the run id is null until MLflow has the run."""
    ids = {"run_id": run.run_id, "record_id": run.header.record_id, "point_id": run.point_id}
    ids["weights_digest"] = model.weights_digest
    write_json(path, {**ids, **provenance, "metrics": final_metrics(evaluation)})


def show_results(run: TrackedRun, places: Places, trained: Trained, evaluation: Evaluation) -> None:
    """Print the metrics, the first and the last recorded step, dead units and outputs, and where to look for more."""
    show_metrics(evaluation.metrics, evaluation.intervals)
    if warning := evaluation.warning():
        show_warning(warning)
    show_steps(trained.steps)
    show_dead_units(trained.history["dead_units"][-1])
    dead = trained.model.dead_outputs(evaluation.outputs)
    if dead:
        show_warning(f"dead outputs, zero for every row of the test part: {', '.join(dead)}; try another seed or loss")
    show_places({**_lasting(run, places), "mlflow": run.page()})


def show_recorded(store: Store, places: Places) -> None:
    """Print what the files of a run say of its results, and the page of the latest run in MLflow that has its weights."""
    metrics, intervals = read_json(places.metrics), read_json(places.intervals)["test"]
    metrics.pop("baseline", None)
    show_metrics(metrics, {name: (ends["low"], ends["high"]) for name, ends in intervals.items()})
    digest = Model.load(places.model).weights_digest
    found = store.ask(
        lambda: list(store.search(f"tags.weights_digest = '{digest}' and attributes.status = 'FINISHED'"))
    )
    alone = [run for run in found if PARENT_TAG not in run.data.tags]
    pages = {"mlflow": store.page(alone[0].info.run_id)} if alone else {}
    show_places({"figures": places.figures, "model": places.model, **pages})


def _lasting(run: TrackedRun, places: Places) -> dict[str, object]:
    """Return where the files of a run stay; DVC deletes the temporary copy that an experiment runs in, and keeps them."""
    experiment = run.header.tags.get(EXPERIMENT_TAG)
    if experiment is not None and kept_checkout(places.root) != places.root:
        return {"files": f"dvc exp apply {experiment}"}
    return {"figures": places.figures, "model": places.model}
