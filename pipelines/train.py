"""Stage `train`: data/split becomes a model and its history, while its run in MLflow grows."""

from _checkout import ROOT
from plainmlp.system.command import run_stage


def main() -> None:
    """Read the parts, train, write, publish."""
    from plainmlp.config.canonical import read_parameters
    from plainmlp.config.inputs import INPUTS, linked_inputs
    from plainmlp.config.places import Places
    from plainmlp.data.storage import read_splits
    from plainmlp.tracked import checkpoints_of, train_tracked
    from plainmlp.tracking.provenance.usage import process_usage
    from plainmlp.tracking.recording.training import remember_run, start_run

    config = linked_inputs(read_parameters(ROOT / "params.yaml"), ROOT / INPUTS)
    splits = read_splits(ROOT / "data" / "split")
    with start_run(config, splits, ROOT).closing() as run:
        train_tracked(config, splits, run, Places(ROOT), ROOT)
        run.log_results(process_usage(), {})
    remember_run(run, ROOT)
    checkpoints_of(run, ROOT).clear()


if __name__ == "__main__":
    run_stage(
        main,
        "Train the network of params.yaml on data/split; writes models/model.safetensors, reports/history.csv and reports/steps.csv.",
    )
