"""Stage `evaluate`: the model becomes metrics, predictions and figures, and its run in MLflow is complete."""

from _checkout import ROOT
from plainmlp.system.command import run_stage


def main() -> None:
    """Read the model, evaluate, write, publish."""
    from plainmlp.config.canonical import read_params_file
    from plainmlp.config.inputs import INPUTS, linked_inputs
    from plainmlp.config.places import Places
    from plainmlp.data.storage import read_splits
    from plainmlp.evaluation.reports import evaluate_and_write, write_learning_curves
    from plainmlp.tracking.recording.evaluation import publish_evaluation, show_results, write_summary
    from plainmlp.tracking.recording.training import continue_run, forget_run, provenance_tags
    from plainmlp.training.history import read_digests, read_history, read_steps
    from plainmlp.training.model import Model, Trained

    config = linked_inputs(read_params_file(ROOT / "params.yaml"), ROOT / INPUTS)
    splits = read_splits(ROOT / "data" / "split")
    places = Places(ROOT)
    curves = read_history(places.history), read_digests(places.history), read_steps(places.steps)
    trained = Trained(Model.load(places.model), *curves)
    evaluation = evaluate_and_write(config, trained, splits, places)
    write_learning_curves(places, trained.history)
    with continue_run(config, splits, ROOT, places, trained).closing() as run:
        publish_evaluation(run, config, places, trained, evaluation)
    forget_run(ROOT)
    write_summary(ROOT / "reports" / "run.json", run, trained.model, evaluation, provenance_tags(splits, ROOT))
    show_results(run, places, trained, evaluation)


if __name__ == "__main__":
    run_stage(
        main, "Measure models/model.safetensors on data/split; writes metrics, predictions and figures to reports/."
    )
