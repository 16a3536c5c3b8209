"""Stage `train`: data/split becomes a model and its history, while its run in MLflow grows."""

from _checkout import ROOT
from plainmlp.system.command import run_stage


def main() -> None:
    """Read the parts, train, write, publish."""
    from plainmlp.config.canonical import read_params_file
    from plainmlp.config.inputs import INPUTS, linked_inputs
    from plainmlp.config.places import Places
    from plainmlp.data.storage import read_splits
    from plainmlp.tracking.provenance.environment import process_usage
    from plainmlp.tracking.recording.training import open_checkpoints, publish_training, remember_run, start_run
    from plainmlp.tracking.terminal import watch_training
    from plainmlp.training.construction import describe_training
    from plainmlp.training.train import train_and_write

    config = linked_inputs(read_params_file(ROOT / "params.yaml"), ROOT / INPUTS)
    splits = read_splits(ROOT / "data" / "split")
    print(describe_training(splits, config))
    places = Places(ROOT)
    with start_run(config, splits, ROOT).closing() as run:
        checkpoints = open_checkpoints(run, config.training, ROOT)
        with watch_training(config.training.epochs) as show:
            watchers = [show, run.log_epoch]
            trained = train_and_write(config, splits, places, watchers=watchers, checkpoint=checkpoints)
        publish_training(run, places, trained.model)
        run.log_results(process_usage(), {})
    remember_run(run, ROOT)
    checkpoints.clear()


if __name__ == "__main__":
    run_stage(
        main,
        "Train the network of params.yaml on data/split; writes models/model.safetensors, reports/history.csv and reports/steps.csv.",
    )
